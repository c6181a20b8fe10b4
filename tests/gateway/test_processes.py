"""Signals that ask a process to end are obeyed, whatever Python is doing when they come."""

import subprocess
import sys

# SIGTERM arrives in a finaliser: Python reports what is raised there, and goes on.
SWALLOWED = """
import os, signal, sys
from gateway.processes import interrupted_by_signals

class Dropped:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        sys.stdout.write("never")  # the signal is handled before this

with interrupted_by_signals() as look:
    look()
    Dropped()
    print("goes on", flush=True)
    try:
        look()
    except KeyboardInterrupt:
        print("ends")
"""


def test_an_interrupt_that_python_swallows_is_raised_at_the_next_look() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "goes on\nends\n"), done.stderr
    assert "KeyboardInterrupt" in done.stderr
