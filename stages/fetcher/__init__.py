"""Lockfile → offline repository: the online stage that downloads exactly what is locked, verified."""
