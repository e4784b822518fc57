"""``python -m bench fetch``: measure the fetcher."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from bench import fetch


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure on real servers and packages.")
    parser.add_argument("what", choices=["fetch"], help="what to measure")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="where packages and figures are kept")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that its servers end with it
    fetch.measure(parser.parse_args().output.resolve())


if __name__ == "__main__":
    main()
