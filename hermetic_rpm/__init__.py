"""hermetic-rpm: from a source RPM to binary RPMs through three independent container stages."""

__version__ = "0.1.0"
