"""The host side: reads ``pipeline.yaml``, plans, and drives podman; it never imports a stage."""
