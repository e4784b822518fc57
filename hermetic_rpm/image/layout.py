"""Where the bootstrap image lies in an offline repository."""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def image_directory(reference: str, pull_digest: str) -> PurePosixPath:
    """The image's directory relative to the repository, as Mock looks for it.

    Mock cuts the reference at its first colon, which loses the name behind a registry with a
    port; there we write the port with an underscore.  A digest in the reference is dropped.
    """
    name = reference.split("@", 1)[0]
    head, slash, tail = name.rpartition("/")
    head = head.replace(":", "_")
    return PurePosixPath(f"{head}{slash}{tail.split(':', 1)[0]}@{pull_digest}")


def locate(repository: Path, reference: str, pull_digest: str) -> Path:
    """The image's directory below ``repository``."""
    return repository / image_directory(reference, pull_digest)
