"""What tests share: values of a lock, real servers with faults, the generator of docs/status.md."""
