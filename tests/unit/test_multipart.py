"""One field out of a form, however its bytes are cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.core.errors import InvalidInput
from lepton_ai.server.multipart import FieldReader

TYPE = "multipart/form-data; boundary=edge"


def part(name: str, content: bytes, more: bytes = b"") -> bytes:
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n'.encode()
    return head + more + b"\r\n" + content + b"\r\n"


def read(body: bytes, sizes: list[int] | None = None, content_type: str = TYPE) -> bytes:
    reader = FieldReader(content_type, "file")
    given, at = bytearray(), 0
    for size in [*(sizes or []), len(body)]:
        given += reader.feed(body[at : at + size])
        at += size
    reader.close()
    return bytes(given)


@given(
    content=st.binary(max_size=300)
    | st.lists(st.sampled_from([b"\r\n", b"--", b"edg", b"\r\n--edg", b"-"])).map(b"".join),
    sizes=st.lists(st.integers(1, 40), max_size=60),
)
def test_content_comes_out_as_it_went_in(content: bytes, sizes: list[int]) -> None:
    if b"\r\n--edge" in b"\r\n" + content:
        return
    body = part("before", b"not this") + part("file", content, b"Content-Type: a/b\r\n") + part("after", b"nor this")
    assert read(body + b"--edge--\r\n", sizes) == content


def test_first_of_two_fields_of_one_name_counts() -> None:
    assert read(part("file", b"one") + part("file", b"two") + b"--edge--") == b"one"


@pytest.mark.parametrize(
    "content_type", ['multipart/form-data; boundary="edge"', "MULTIPART/FORM-DATA;Boundary=edge; charset=x"]
)
def test_boundary_is_read_in_every_spelling(content_type: str) -> None:
    assert read(part("file", b"x") + b"--edge--", content_type=content_type) == b"x"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        part("file", b"cut off"),
        part("file", b"cut off")[:-10],
        part("file", b"cut off") + b"--edge",
        part("file", b"cut off") + b"--edge-",
        part("other", b"x") + b"--edge--",
        b"--edge--",
        b"--edge\r\n" + b"X: " + b"y" * 100_000,
        part("other", b"x") * 40 + part("file", b"x") + b"--edge--",
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_form_that_is_broken_off_or_lacks_the_field_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(body)


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_what_is_no_form_is_refused_with_what_was_expected(content_type: str) -> None:
    with pytest.raises(InvalidInput, match="multipart/form-data with the field `file`"):
        FieldReader(content_type, "file")
