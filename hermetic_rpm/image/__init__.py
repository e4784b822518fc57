"""The bootstrap image: its manifest and digests, its copy from anywhere, its files."""
