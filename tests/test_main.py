"""The end of the process, after its last word."""

from __future__ import annotations

import os
import subprocess
import sys

STUCK = """
import sys, threading, time
from pipeline.__main__ import _end

def write():
    while True:
        sys.stderr.write("x" * 100_000 + "\\n")

threading.Thread(target=write, daemon=True).start()
time.sleep(1)
print("done")
_end(7)
"""


def test_a_collector_that_reads_no_more_keeps_nobody() -> None:
    """Its pipe is full, and another thread holds the stream: the process ends all the same."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", STUCK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    ) as process:
        try:
            assert process.wait(20) == 7
        finally:
            process.kill()

        assert process.stdout is not None
        assert process.stdout.read() == b"done\n"
