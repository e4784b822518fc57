"""Threads that download, and that nobody waits for once the run has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from stages.fetcher.download import Downloader


@contextlib.contextmanager
def threads(count: int, downloader: Downloader) -> Iterator[ThreadPoolExecutor]:
    """A pool whose work is done at the end, or given up on any error: a silent server holds up nothing."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        downloader.end()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
