"""Paths on the endpoints' port: taken apart once, and refused where they could mean two things."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lepton_ai.infrastructure.network.paths import EndpointPath, endpoint_path, is_plain


@pytest.mark.parametrize(
    ("target", "endpoint", "rest"),
    [
        ("/default/digits", "default/digits", "/"),
        ("/default/digits?a=1", "default/digits", "/?a=1"),
        ("/default/digits/", "default/digits", "/"),
        ("/default/digits/v2/models/x?y=/z", "default/digits", "/v2/models/x?y=/z"),
        ("//default///digits//a//b", "default/digits", "/a/b"),
        ("/default/digits/a/", "default/digits", "/a/"),
        ("/default/digits/x?//", "default/digits", "/x?//"),
    ],
)
def test_path_names_an_endpoint_and_a_rest(target: str, endpoint: str, rest: str) -> None:
    assert endpoint_path(target) == EndpointPath(endpoint, rest)


@pytest.mark.parametrize("target", ["/", "//", "/default", "/default/", "/default?/digits", "/?/default/digits"])
def test_path_without_two_names_names_no_endpoint(target: str) -> None:
    assert endpoint_path(target) is None


@pytest.mark.parametrize("target", ["/a/b/c", "/a/b?../%2f\\", "/a/b/...", "/a/b/.hidden", "/a/b/c;d=..", "/a/b/%41"])
def test_plain_path_passes(target: str) -> None:
    assert is_plain(target)


@pytest.mark.parametrize("target", ["", "*", "a/b", "http://x/a/b"])
def test_target_that_is_no_path_is_refused(target: str) -> None:
    assert not is_plain(target)


@pytest.mark.parametrize(
    "part",
    [".", "..", "%2e", "%2E.", "..;x", "..%3B", "a%2Fb", "a%5cb", "a\\b", "b#c", "ü", "b%00", "b\x7f", "b c"],
)
def test_path_with_two_meanings_is_refused(part: str) -> None:
    for target in (f"/default/digits/{part}", f"/default/{part}/digits", f"/{part}/default/digits?x=1"):
        assert not is_plain(target)


@given(st.text(st.sampled_from("/.;%2eEfF5cCa\\?"), max_size=30))
def test_no_plain_path_leads_out_of_its_endpoint(text: str) -> None:
    target = f"/default/digits/{text}"
    if not is_plain(target):
        return
    path = endpoint_path(target)
    assert path is not None
    assert path.endpoint == "default/digits"
    assert path.target.startswith("/") and not path.target.startswith("//")
    decoded = path.target.partition("?")[0].lower().replace("%2e", ".").split("/")
    assert not {".", ".."} & {part.partition(";")[0] for part in decoded}
