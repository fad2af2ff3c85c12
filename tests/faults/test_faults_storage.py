"""A file that was on its way when the server was killed is not there, and one that was acknowledged is."""

from pathlib import Path

import pytest

from cloud_lab import CloudLab, cloud_lab
from lepton_ai.core.errors import NotFound, Unavailable


def killed_while(lab: CloudLab, failpoint: str) -> int:
    """Start the server so that it is killed at a point; returns its pid."""
    lab.kill_server()
    return lab.up(LEPTON_FAILPOINTS=f"{failpoint}=kill@1").pid


def test_file_of_a_volume_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    source = tmp_path / "weights.bin"
    source.write_bytes(b"w" * 200_000)
    with cloud_lab() as lab:
        lab.cloud().volumes.get().upload(source, "/kept.bin")
        pid = killed_while(lab, "volume.before_rename")
        with pytest.raises(Unavailable):
            lab.cloud().volumes.get().upload(source, "/lost.bin")
        assert lab.wait_for_the_servers_end(pid) == -9
        lab.up()
        volume = lab.cloud().volumes.get()
        assert [entry.name for entry in volume.list()] == ["kept.bin"]
        assert volume.read("/kept.bin") == source.read_bytes()
        volume.upload(source, "/lost.bin")
        assert volume.read("/lost.bin") == source.read_bytes()


def test_object_of_a_bucket_is_there_whole_or_not_at_all() -> None:
    with cloud_lab() as lab:
        lab.cloud().buckets.private.put("kept", b"old")
        pid = killed_while(lab, "object.before_row")
        with pytest.raises(Unavailable):
            lab.cloud().buckets.private.put("kept", b"new")
        assert lab.wait_for_the_servers_end(pid) == -9
        lab.up()
        bucket = lab.cloud().buckets.private
        assert bucket.get("kept") == b"old"
        bucket.put("kept", b"new")
        assert bucket.get("kept") == b"new"
        with pytest.raises(NotFound):
            bucket.get("never")
