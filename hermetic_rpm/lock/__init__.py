"""The lockfile (Mock's format), the sidecar (ours), and both joined into one `Lock`."""
