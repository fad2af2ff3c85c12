"""Whole lines of a log, also of one that is still being written."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO

from lepton_ai.infrastructure.compute.worker_log import parts_of

_PAUSE_S = 0.25
_CHUNK_BYTES = 1 << 16


async def lines_of(path: Path, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What a log holds, in whole lines, and what is added until `is_over()`."""
    rest = b""
    *older, _ = parts_of(path)
    for part in older:
        with part.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                whole, rest = _whole_lines(rest + chunk)
                if whole:
                    yield whole
    file = path.open("rb")
    try:
        while True:
            # Both before the last read: what came until then is in the file that is open.
            over = await asyncio.to_thread(is_over)
            replaced = not _is_same(file, path)
            while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                whole, rest = _whole_lines(rest + chunk)
                if whole:
                    yield whole
            if replaced:
                file.close()
                file = path.open("rb")
            elif over:
                break
            else:
                await asyncio.sleep(_PAUSE_S)
    finally:
        file.close()
    if rest:
        yield rest


def _whole_lines(text: bytes) -> tuple[bytes, bytes]:
    whole, end, rest = text.rpartition(b"\n")
    return whole + end, rest


def _is_same(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one under that name: a log that is full goes on in a fresh one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:  # the moment between the two
        return True
