"""SRPM and target → lockfile: the online stage that finds every build dependency."""
