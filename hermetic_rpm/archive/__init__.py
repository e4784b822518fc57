"""A build as one file, to carry it away: lock, offline repository, source RPM and the images of the stages."""
