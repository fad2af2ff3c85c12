"""What all tests share: this folder on the path, so that tests can import their helpers by name."""

import signal
import sys
from pathlib import Path

import hypothesis

sys.path.insert(0, str(Path(__file__).parent))

# Hypothesis is imported here, early: on CPython 3.11.7 a first import at the end of a run, with garbage pending, can
# end in "AST constructor recursion depth mismatch" (a fault of that interpreter).
hypothesis.settings.register_profile("lepton", deadline=None, derandomize=True)
hypothesis.settings.load_profile("lepton")

# A job that a shell starts in the background ignores Ctrl-C, and so would every process that the tests start to send
# one to.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
