"""Pictures as PNG files, from bytes; standard library only."""

import base64
import struct
import zlib

_COLOUR_TYPES = {1: 0, 3: 2}


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """A PNG of 8 bits a channel.

    Args:
        pixels: The brightness of each channel of each pixel, `(height, width, channels)`, row by row from the top.
        width: Pixels in a row.
        height: Rows.
        channels: 1 for grey, 3 for red, green and blue.

    Example:

        >>> png(bytes([0, 255]), 2, 1, 1)[:4]
        b'\\x89PNG'
    """
    step = width * channels
    # Each row begins with the number of its filter, 0 for none.
    rows = b"".join(b"\0" + pixels[start : start + step] for start in range(0, height * step, step))
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def as_data_address(picture: bytes) -> str:
    """A PNG as an address that holds it, so that a page needs no other file."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
