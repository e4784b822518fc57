"""Measurements on real servers and real packages: ``make bench``.  They are for people; no test depends on them."""
