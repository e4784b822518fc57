"""What the host allows a container, found out by trying it: facts, attempts, and a verdict on each."""
