"""Whole lines of a log, also of one that is still being written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

_PAUSE_S = 0.25


async def lines_of(path: Path, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What a file holds, in whole lines, and what is added until `is_over()`."""
    rest = b""
    with path.open("rb") as file:
        while True:
            over = await asyncio.to_thread(is_over)
            while chunk := await asyncio.to_thread(file.read, 1 << 16):
                whole, _, rest = (rest + chunk).rpartition(b"\n")
                if whole:
                    yield whole + b"\n"
            if over:
                break
            await asyncio.sleep(_PAUSE_S)
    if rest:
        yield rest
