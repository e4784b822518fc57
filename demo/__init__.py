"""The demo distribution: a real RPM distribution made of Debian's packages, for tests and first steps."""
