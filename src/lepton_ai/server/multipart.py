"""One file out of a `multipart/form-data` body, as its bytes come in.

The usual form parser keeps a whole body in memory or in a temporary file before a route sees any of it. Here the bytes
of the one field that a route wants go straight to their place, and memory stays as it is however large the file.
"""

import re

from lepton_ai.core.errors import InvalidInput

_MOST_HEADER_BYTES = 16 << 10
_MOST_PARTS = 16
_BOUNDARY = re.compile(
    r'multipart/form-data\s*;.*?\bboundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.IGNORECASE | re.ASCII
)
_NAME = re.compile(rb'^content-disposition:\s*form-data\b.*?;\s*name="?([^";\r\n]*)"?', re.IGNORECASE | re.MULTILINE)
_END_OF_HEADERS = b"\r\n\r\n"


class FieldReader:
    """Reads one field; what it gives out is the field's content, in pieces.

    Args:
        content_type: The request's `Content-Type`.
        field: The field's name.

    Raises:
        InvalidInput: The body is no form, or the field is not in it.

    Example:

        >>> reader = FieldReader("multipart/form-data; boundary=x", "file")
        >>> head = b'--x\\r\\nContent-Disposition: form-data; name="file"; filename="a"\\r\\n\\r\\n'
        >>> body = head + b"hello\\r\\n--x--\\r\\n"
        >>> b"".join(reader.feed(body[at : at + 7]) for at in range(0, len(body), 7))
        b'hello'
        >>> reader.close()
    """

    def __init__(self, content_type: str, field: str) -> None:
        found = _BOUNDARY.match(content_type)
        if found is None:
            raise InvalidInput(
                f"the body must be multipart/form-data with the field `{field}`, got {content_type[:80]!r}"
            )
        self._field = field
        self._delimiter = b"\r\n--" + (found[1] or found[2]).encode()
        self._held = bytearray(b"\r\n")  # so that the first delimiter is one like the others
        self._state = "preamble"
        self._parts = 0
        self._wanted = False
        self._found = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the body; returns those of the field among them."""
        self._held += data
        given = bytearray()
        while self._step(given):
            pass
        return bytes(given)

    def close(self) -> None:
        """The body has ended.

        Raises:
            InvalidInput: Not as a form ends, or the field was not in it.
        """
        if self._state != "end":
            raise InvalidInput("the body broke off before the end of the form")
        if not self._found:
            raise InvalidInput(f"the form lacks the field `{self._field}`")

    def _step(self, given: bytearray) -> bool:
        """Go on by one part's border; returns whether there may be another."""
        if self._state == "end":
            self._held.clear()  # whatever follows the form
            return False
        if self._state == "headers":
            return self._read_headers()
        at = self._held.find(self._delimiter)
        if at < 0:
            # What may be the beginning of a delimiter waits for the rest.
            self._pass_on(len(self._held) - len(self._delimiter), given)
            return False
        end = at + len(self._delimiter)
        if len(self._held) < end + 2:
            self._pass_on(at, given)
            return False
        self._pass_on(at, given)
        after = bytes(self._held[len(self._delimiter) : len(self._delimiter) + 2])
        del self._held[: len(self._delimiter)]
        if after == b"--":
            self._state = "end"
        else:
            # Blanks may follow a delimiter; its line must end.
            self._state, self._wanted = "headers", False
        return True

    def _pass_on(self, count: int, given: bytearray) -> None:
        if count <= 0:
            return
        if self._wanted:
            given += self._held[:count]
        del self._held[:count]

    def _read_headers(self) -> bool:
        end = self._held.find(_END_OF_HEADERS)
        if end < 0:
            if len(self._held) > _MOST_HEADER_BYTES:
                raise InvalidInput(f"a part of the form has more than {_MOST_HEADER_BYTES} bytes of headers")
            return False
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise InvalidInput(f"the form has more than {_MOST_PARTS} parts")
        named = _NAME.search(bytes(self._held[: end + 2]).lstrip())
        # The first of several of one name counts.
        self._wanted = named is not None and named[1] == self._field.encode() and not self._found
        self._found = self._found or self._wanted
        del self._held[: end + len(_END_OF_HEADERS)]
        self._state = "content"
        return True
