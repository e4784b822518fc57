"""Several things at once; the first failure calls off what has not begun."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable

WORKERS = 2


def run_all(calls: Iterable[Callable[[], object]], *, workers: int = WORKERS) -> None:
    """Make every call, ``workers`` at a time; raise the first error in the order of the calls."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
