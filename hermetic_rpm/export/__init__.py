"""The pipeline for other systems that run containers: Tekton, Kubernetes, GitHub Actions.  Everything here is pure."""
