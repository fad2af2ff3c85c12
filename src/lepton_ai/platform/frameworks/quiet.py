"""Holding back what TensorFlow's C++ side says for itself; whatever else is written meanwhile comes through."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_TENSORFLOW_LOG_LINE = re.compile(rb"^([IW]\d{4} |WARNING: All log messages before absl|To enable the following instr)")


@contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Drop TensorFlow's greetings and warnings from stderr.

    It writes to the file descriptor itself, and some of it before it looks at TF_CPP_MIN_LOG_LEVEL.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as talk:
            os.dup2(talk.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(kept, 2)
                talk.seek(0)
                for line in talk:
                    if not _TENSORFLOW_LOG_LINE.match(line):
                        os.write(2, line)
    finally:
        os.close(kept)
