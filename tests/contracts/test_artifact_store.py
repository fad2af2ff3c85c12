"""What every artifact store promises. One driver today; the next one joins the list."""

import hashlib
from importlib import import_module
from pathlib import Path

import pytest

from lepton_ai.core.errors import InternalError, InvalidInput, NotFound
from lepton_ai.infrastructure.storage.port import ArtifactStore

DATA = b"bytes of a model" * 100_000
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(params=["local"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    store: ArtifactStore = import_module(f"lepton_ai.infrastructure.storage.drivers.{request.param}").open_driver(
        tmp_path / "artifacts"
    )
    return store


def put(store: ArtifactStore, data: bytes = DATA) -> str:
    digest = hashlib.sha256(data).hexdigest()
    writer = store.writer(digest)
    writer.write(data[:1000])
    writer.write(data[1000:])
    assert writer.commit() == len(data)
    return digest


def test_what_was_stored_can_be_read(artifacts: ArtifactStore) -> None:
    put(artifacts)
    assert b"".join(artifacts.read(DIGEST)) == DATA
    assert artifacts.size(DIGEST) == len(DATA)


def test_an_empty_blob_is_a_blob(artifacts: ArtifactStore) -> None:
    digest = put(artifacts, b"")
    assert b"".join(artifacts.read(digest)) == b""
    assert artifacts.size(digest) == 0


def test_storing_the_same_bytes_twice_is_storing_them_once(artifacts: ArtifactStore) -> None:
    put(artifacts)
    put(artifacts)
    assert b"".join(artifacts.read(DIGEST)) == DATA


def test_a_blob_is_invisible_until_it_is_committed(artifacts: ArtifactStore) -> None:
    writer = artifacts.writer(DIGEST)
    writer.write(DATA)
    assert artifacts.size(DIGEST) is None
    writer.abort()
    assert artifacts.size(DIGEST) is None


def test_bytes_that_do_not_have_their_promised_digest_are_refused_and_not_kept(artifacts: ArtifactStore) -> None:
    writer = artifacts.writer(DIGEST)
    writer.write(DATA[:-1])
    with pytest.raises(InvalidInput, match="as promised"):
        writer.commit()
    assert artifacts.size(DIGEST) is None


def test_an_unknown_blob_is_not_found(artifacts: ArtifactStore) -> None:
    with pytest.raises(NotFound):
        list(artifacts.read(DIGEST))


@pytest.mark.parametrize("digest", ["", "x" * 64, "../" + "a" * 61, DIGEST.upper(), DIGEST + "0", "a/" * 32])
def test_what_is_no_digest_is_refused(artifacts: ArtifactStore, digest: str) -> None:
    with pytest.raises(InvalidInput):
        artifacts.writer(digest)
    with pytest.raises(InvalidInput):
        artifacts.size(digest)


def test_every_blob_is_listed_with_size_and_age(artifacts: ArtifactStore) -> None:
    small = put(artifacts, b"{}")
    put(artifacts)
    listed = {digest: (size, age_s) for digest, size, age_s in artifacts.list()}
    assert {digest: size for digest, (size, _) in listed.items()} == {DIGEST: len(DATA), small: 2}
    assert all(-1 < age_s < 60 for _, age_s in listed.values())


def test_removed_blob_is_gone_and_can_be_stored_again(artifacts: ArtifactStore) -> None:
    put(artifacts)
    assert artifacts.size(DIGEST) == len(DATA)
    assert artifacts.remove(DIGEST, unless_asked_within_s=0)
    assert artifacts.size(DIGEST) is None
    assert list(artifacts.list()) == []
    put(artifacts)
    assert b"".join(artifacts.read(DIGEST)) == DATA


def test_blob_that_somebody_just_asked_for_is_not_removed(artifacts: ArtifactStore) -> None:
    put(artifacts)
    artifacts.size(DIGEST)
    assert not artifacts.remove(DIGEST, unless_asked_within_s=60)
    assert artifacts.size(DIGEST) == len(DATA)


def test_files_are_laid_out_whole_and_checked(artifacts: ArtifactStore, tmp_path: Path) -> None:
    put(artifacts)
    small = put(artifacts, b"{}")
    artifacts.materialise({"model.onnx": DIGEST, "signature.json": small}, tmp_path / "version")
    assert (tmp_path / "version" / "model.onnx").read_bytes() == DATA
    assert (tmp_path / "version" / "signature.json").read_bytes() == b"{}"
    artifacts.materialise({"model.onnx": DIGEST}, tmp_path / "version")


@pytest.mark.parametrize("name", ["../out", "a/b", "/etc/x"])
def test_a_file_name_cannot_lead_out_of_the_folder(artifacts: ArtifactStore, tmp_path: Path, name: str) -> None:
    put(artifacts)
    with pytest.raises(InvalidInput):
        artifacts.materialise({name: DIGEST}, tmp_path / "version")
    assert not (tmp_path / "version").exists()
    assert not (tmp_path / "out").exists()


def test_a_missing_blob_leaves_no_half_folder(artifacts: ArtifactStore, tmp_path: Path) -> None:
    put(artifacts)
    with pytest.raises(NotFound):
        artifacts.materialise({"model.onnx": DIGEST, "signature.json": "0" * 64}, tmp_path / "version")
    assert [path.name for path in tmp_path.iterdir()] == ["artifacts"]


@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_damaged_bytes_are_never_passed_on_whole(tmp_path: Path, damage: str) -> None:
    store = import_module("lepton_ai.infrastructure.storage.drivers.local").open_driver(tmp_path / "artifacts")
    put(store)
    path = tmp_path / "artifacts" / DIGEST[:2] / DIGEST
    damaged = bytearray(DATA)
    if damage == "flip":
        damaged[len(damaged) // 2] ^= 1
    else:
        del damaged[-1]
    path.write_bytes(bytes(damaged))
    passed_on = b""
    with pytest.raises(InternalError, match=DIGEST):
        for chunk in store.read(DIGEST):
            passed_on += chunk
    assert len(passed_on) < len(damaged)
    with pytest.raises(InternalError):
        store.materialise({"model.onnx": DIGEST}, tmp_path / "version")
    assert not (tmp_path / "version").exists()


def test_what_a_killed_server_left_half_is_cleared_at_the_next_start(tmp_path: Path) -> None:
    drivers = import_module("lepton_ai.infrastructure.storage.drivers.local")
    writer = drivers.open_driver(tmp_path / "artifacts").writer(DIGEST)
    writer.write(DATA)
    assert len(list((tmp_path / "artifacts" / "incoming").iterdir())) == 1
    drivers.open_driver(tmp_path / "artifacts")
    assert list((tmp_path / "artifacts" / "incoming").iterdir()) == []
    writer.abort()
