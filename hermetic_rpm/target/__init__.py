"""What to build for: the target file and its meaning."""
