"""The three stages; none imports another."""
