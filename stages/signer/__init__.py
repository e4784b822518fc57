"""Results → signed results: the stage that holds the key, and no code of the package."""
