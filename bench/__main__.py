"""``python -m bench resolve|fetch|build``: measure a stage."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from bench import build, fetch, resolve

WHAT = {"resolve": resolve.measure, "fetch": fetch.measure, "build": build.measure}


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure on real servers and packages.")
    parser.add_argument("what", choices=list(WHAT), help="what to measure")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="where packages and figures are kept")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its servers end with it
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    WHAT[arguments.what](arguments.output.resolve())


if __name__ == "__main__":
    main()
