"""What a lock must be like before anything of it is fetched: the policy file, its meaning, the check."""
