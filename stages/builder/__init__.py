"""Offline repository → RPMs: the stage without a network that builds from what was locked."""
