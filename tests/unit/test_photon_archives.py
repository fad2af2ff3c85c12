"""A photon's archive is looked into by a process with limits: what is wrong is refused, nothing is written or run."""

import random
from pathlib import Path

import pytest

from cloud_lab import repetitions
from lepton_ai.core.errors import InvalidInput
from lepton_ai.platform.photons.inspect import inspect_archive
from photon_archives import METADATA, TRAPPED, archive, crafted

CRAFTED = crafted()


def inspect(tmp_path: Path, data: bytes) -> object:
    path = tmp_path / "incoming"
    path.write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    try:
        return inspect_archive(path)
    finally:
        assert sorted(tmp_path.rglob("*")) == before
        assert not Path(TRAPPED).exists(), "something was unpickled"


def test_good_archive_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "good"
    path.write_bytes(archive({"data/weights.bin": b"w" * 100_000, "data/": b""}))
    spec = inspect_archive(path)
    assert (spec.name, spec.model, spec.image) == ("counter", "py:counter.py:Counter", "default-image")
    assert spec.requirement_dependency == ("numpy",)
    assert spec.metadata == METADATA


def test_there_are_at_least_sixty_crafted_archives() -> None:
    assert len(CRAFTED) >= 60


@pytest.mark.parametrize("tried", CRAFTED, ids=str)
def test_crafted_archive_is_refused(tmp_path: Path, tried: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        inspect(tmp_path, CRAFTED[tried])
    assert raised.value.message
    assert "Traceback" not in raised.value.message


def test_mutated_archive_is_refused_or_still_a_photon(tmp_path: Path) -> None:
    chance = random.Random(7)
    good = archive({"data/weights.bin": bytes(chance.randbytes(2000))})
    refused = 0
    count = repetitions(100, 10_000)
    for _ in range(count):
        data = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            at = chance.randrange(len(data))
            change = chance.randrange(4)
            if change == 0:
                data[at] = chance.randrange(256)
            elif change == 1:
                del data[at : at + chance.randrange(1, 20)]
            elif change == 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            else:
                data[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"PK\x01\x02", b"../."))
            if not data:
                break
        try:
            inspect(tmp_path, bytes(data))
        except InvalidInput:
            refused += 1
    assert refused > count / 2
