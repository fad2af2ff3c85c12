"""Sortable ids: later ones sort after earlier ones, and no two are alike."""

import itertools
import random
import secrets
import zlib
from collections.abc import Callable

from lepton_ai.core.clock import Clock

NewId = Callable[[str], str]
"""Takes a prefix that names the kind (`rep`, `evt`) and returns a fresh id."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread


def id_source(clock: Clock, random_bits: Callable[[int], int] | None = None) -> NewId:
    """A function that makes ids such as `rep-01jd9x3k7q-0f3a9k2m`.

    The first part is the time in milliseconds, so ids sort by creation; the second holds a counter and 30 random bits,
    so that several servers never meet. Ids of one source that fall into one millisecond still sort in the order they
    were made.

    Args:
        clock: Where the time comes from.
        random_bits: Where randomness comes from; a test passes its own. By default a generator seeded by the system:
            ids tell things apart and keep no secret, and asking the system each time costs a turn of the interpreter.

    Example:

        >>> from lepton_ai.core.clock import ManualClock
        >>> new_id = id_source(ManualClock(now_ms=1_700_000_000_000), random_bits=lambda bits: 7)
        >>> new_id("rep")
        'rep-01hf7yat00-00000007'
    """
    bits = random_bits or random.Random(secrets.randbits(128)).getrandbits  # noqa: S311 - no secret, see above
    sequence = itertools.count()
    last_ms = 0

    def new_id(prefix: str) -> str:
        nonlocal last_ms, sequence
        now_ms = clock.now_ms()
        if now_ms > last_ms:
            last_ms, sequence = now_ms, itertools.count()
        step = next(sequence)
        # Within a millisecond (or when the wall clock went back) the counter goes on from the last time seen.
        counted_ms, count = last_ms + step // 1024, step % 1024
        return f"{prefix}-{_encode(counted_ms, 10)}-{_encode(count << 30 | bits(30), 8)}"

    return new_id


def short_code(name: str, number: int) -> str:
    """Five letters and digits for the n-th thing of a name: two that differ by name, three that count.

    Example:

        >>> short_code("digits-x3k9q", 0), short_code("digits-x3k9q", 1)
        ('qq000', 'qq001')
    """
    return f"{_encode(zlib.crc32(name.encode()) % 1024, 2)}{_encode(number % 32**3, 3)}"


def _encode(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
