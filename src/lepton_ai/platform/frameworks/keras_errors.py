"""What Keras, its backend or a user's function says when it fails, as an error of ours that names what was expected."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

from lepton_ai.core.errors import InvalidInput, LeptonError

_LIBRARIES = {"keras", "tensorflow", "jax", "jaxlib", "optree", "numpy"}
_OURS = str(Path(__file__).parents[2])
_ABOUT_ARGUMENTS = (ValueError, TypeError, NotImplementedError)
_NO_MEMORY = "ResourceExhaustedError"  # TensorFlow's, which need not be loaded
_MOST = 300


@contextmanager
def keras_errors(expected: str, *, hint: str | None = None) -> Iterator[None]:
    """Run Keras, and turn what it raises about what it was given into an error of ours.

    What a user's own code raises on the way, a callback or a generator, comes through as it is: it is theirs to read.
    So does a lack of memory, which is no fault of what was given: the same may work at another time.

    Args:
        expected: What had to work, as the beginning of a message.
        hint: What to do about it.

    Raises:
        InvalidInput: Keras or its backend raised something; the cause is kept.
    """
    try:
        yield
    except LeptonError:
        raise
    except Exception as error:
        if type(error).__name__ == _NO_MEMORY or not _is_of_libraries(error):
            raise
        raise InvalidInput(f"{expected}, got {told(error)}", hint=hint) from error


@contextmanager
def user_errors(expected: str, *, hint: str | None = None) -> Iterator[None]:
    """Run a function of the user's that builds a part of a net, and say which one it was if it fails.

    Args:
        expected: What it must do, as the beginning of a message.
        hint: What to do about it.

    Raises:
        InvalidInput: It raised something; the cause is kept.

    Example:

        >>> with user_errors("the function must work"):
        ...     1 / 0
        Traceback (most recent call last):
            ...
        lepton_ai.core.errors.InvalidInput: the function must work, got ZeroDivisionError: division by zero
    """
    try:
        yield
    except LeptonError:
        raise
    except Exception as error:
        raise InvalidInput(f"{expected}, got {told(error)}", hint=hint) from error


def told(error: BaseException) -> str:
    """The kind of an error and the sentence of it that says something, on one line.

    TensorFlow tells the stack of its graph first, and what was wrong last.

    Example:

        >>> told(ValueError("Shapes differ: (2,) and (3,)\\n\\nArguments received: ..."))
        'ValueError: Shapes differ: (2,) and (3,)'
    """
    text = re.sub(r"\x1b\[\d*m", "", str(error))
    if "defined at (most recent call last)" in text:
        *_, text = re.split(r"(?:<stack traces unavailable>|\n\n)", text.split("\n\t [[")[0].rstrip())
    elif "in user code:" in text:
        text = text.rstrip().rsplit("\n\n", 1)[-1]
    _, _, inner = text.partition("Error encountered:\n\n")  # of a layer that Keras could not run on symbols
    text = inner or text
    lines = [line.strip() for line in text.split("Arguments received by")[0].splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling"):
        del lines[0]
    first = lines[0] if lines else "no more is known"
    first = first if len(first) <= _MOST else f"{first[: _MOST - 1]}…"
    return f"{type(error).__name__}: {first}"


def _is_of_libraries(error: BaseException) -> bool:
    """Whether Keras or its backend raised it.

    Keras leaves its own frames out of a traceback, so that an error of its own seems to come from where we call it:
    only kinds of errors by which it speaks about its arguments are taken for its own there.
    """
    file = extract_tb(error.__traceback__)[-1].filename
    if file.startswith(_OURS):
        return isinstance(error, _ABOUT_ARGUMENTS) or type(error).__module__.startswith("tensorflow.")
    _, _, inside = file.rpartition("-packages/")
    return inside.partition("/")[0] in _LIBRARIES
