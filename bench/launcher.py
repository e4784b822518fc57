"""Runs the command in its arguments and prints its seconds, processor time, peak memory and exit status as JSON.

A child starts with the peak memory of the process that forked it, so this process has to be a small one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run the command; what it prints goes to standard error."""
    started = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(child.pid, 0)
    figures = {
        "seconds": time.monotonic() - started,
        "busy": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss * 1024,
        "status": os.waitstatus_to_exitcode(status),
    }
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
