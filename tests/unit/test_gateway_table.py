"""What may stand in a route table, and the file that carries it to the Python proxy."""

from pathlib import Path

import pytest

from lepton_ai.core.errors import InvalidInput
from lepton_ai.core.files import write_atomically
from lepton_ai.infrastructure.network.proxy_config import WatchedConfig, from_bytes, to_bytes, with_version
from lepton_ai.infrastructure.network.routes import EndpointRoute, RouteTable, Upstream

DIGEST = "0123456789abcdef" * 4
TABLE = RouteTable(
    "127.0.0.1",
    8421,
    8422,
    "unix:/run/control.sock",
    (
        EndpointRoute("default", "digits", (Upstream("rep-1", "unix:/run/1.sock"), Upstream("rep-2", "tcp:[::1]:80"))),
        EndpointRoute(
            "default", "open", public=True, retry_on_reset=True, timeout_s=1.5, token_digests={DIGEST: "ada"}
        ),
    ),
)


@pytest.mark.parametrize(
    "address",
    [
        "unix:relative",
        "unix:/" + "x" * 108,
        "unix:",
        "tcp:localhost:80",
        "tcp:1.2.3.4",
        "tcp:1.2.3.4:0",
        "http://x",
        "",
    ],
)
def test_address_that_no_gateway_could_use_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match=r"address|socket path"):
        Upstream("rep-1", address)
    with pytest.raises(InvalidInput):
        RouteTable("127.0.0.1", 1, 2, address)


@pytest.mark.parametrize("name", ["", "..", ".x", "a/b", "a b", "a%2fb", "a?b", "ü", "-a", "a" * 129, "a\n"])
def test_name_that_cannot_stand_in_a_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        EndpointRoute("default", name)
    with pytest.raises(InvalidInput, match="workspace"):
        EndpointRoute(name, "digits")


@pytest.mark.parametrize("digest", ["", "public", "unknown", DIGEST.upper(), DIGEST[:-1], DIGEST + "0"])
def test_digest_that_is_none_is_refused(digest: str) -> None:
    with pytest.raises(InvalidInput, match="token_digests"):
        EndpointRoute("default", "digits", token_digests={digest: "ada"})


@pytest.mark.parametrize("principal", ["", " ada", "ada\r\nx-evil: 1", "ad\x00a", "ädä"])
def test_principal_that_cannot_stand_in_a_header_is_refused(principal: str) -> None:
    with pytest.raises(InvalidInput, match="principal"):
        EndpointRoute("default", "digits", token_digests={DIGEST: principal})


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_time_out_must_be_positive(timeout_s: float) -> None:
    with pytest.raises(InvalidInput, match="timeout_s"):
        EndpointRoute("default", "digits", timeout_s=timeout_s)


def test_endpoint_stands_in_the_table_once() -> None:
    twice = (EndpointRoute("default", "digits"), EndpointRoute("default", "digits", public=True))
    with pytest.raises(InvalidInput, match="default/digits"):
        RouteTable("127.0.0.1", 1, 2, "unix:/x", twice)


def test_table_comes_back_from_its_file_as_it_was() -> None:
    config = with_version(TABLE)
    assert from_bytes(to_bytes(config)) == config
    assert with_version(TABLE).version == config.version


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"version": "x"}', b'{"version": "x", "table": {}}', b"\xff"])
def test_other_file_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        from_bytes(data)


def test_replaced_file_is_taken_over_once_and_a_bad_one_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "proxy.json"
    first, second = with_version(TABLE), with_version(RouteTable("127.0.0.1", 1, 2, "unix:/x"))
    write_atomically(file, to_bytes(first))
    watched = WatchedConfig(file)
    assert (watched.current, watched.has_changed()) == (first, False)
    write_atomically(file, to_bytes(second))
    assert (watched.has_changed(), watched.current, watched.has_changed()) == (True, second, False)
    write_atomically(file, b"{")
    assert (watched.has_changed(), watched.current, watched.rejected, watched.has_changed()) == (
        False,
        second,
        1,
        False,
    )
    file.unlink()
    assert not watched.has_changed()
    assert watched.current == second
