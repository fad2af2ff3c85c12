"""The server is killed while the master key is changed: every secret is readable afterwards, with one key left."""

from collections.abc import Sequence
from contextlib import suppress

import pytest

from cloud_lab import CloudLab, cloud_lab, repetitions
from lepton_ai.core.clock import SystemClock
from lepton_ai.core.database import Database
from lepton_ai.core.events import Journal
from lepton_ai.core.ids import id_source
from lepton_ai.core.master_key import MasterKeyFile
from lepton_ai.infrastructure.storage.secrets.service import Secrets

POINTS = {
    "secrets.before_rewrap": "both keys in the file, every row sealed by the old one",
    "secrets.after_rewrap": "both keys in the file, every row sealed by the new one",
}
SECRETS = repetitions(50, 1000)


@pytest.mark.parametrize("point", POINTS)
def test_secrets_survive_a_server_that_dies_while_the_key_is_changed(point: str) -> None:
    with cloud_lab() as lab:
        names = [f"S{number}" for number in range(SECRETS)]
        for start in range(0, SECRETS, 100):
            body = [{"name": name, "value": f"value of {name}"} for name in names[start : start + 100]]
            assert lab.api("POST", "/usersecrets", body).status == 201
        first = lab.folders.master_key.read_bytes()
        for _ in range(repetitions(1, 20)):
            lab.kill_server()
            server = lab.up(LEPTON_FAILPOINTS=f"{point}=kill@1")
            with suppress(OSError):
                lab.api("POST", "/api/v2/master-key")
            assert lab.wait_for_the_servers_end(server.pid) == -9
            assert len(lab.folders.master_key.read_text().splitlines()) == 2
            lab.up()
            assert len(lab.folders.master_key.read_text().splitlines()) == 1
        assert lab.folders.master_key.read_bytes() != first
        lab.ok("down")
        assert values_of(lab, names) == [f"value of {name}" for name in names]


def values_of(lab: CloudLab, names: Sequence[str]) -> list[str]:
    """Secrets' values as a workload would get them."""
    database = Database.open(lab.folders.database)
    try:
        clock = SystemClock()
        new_id = id_source(clock)
        secrets = Secrets(database, MasterKeyFile(lab.folders.master_key), clock, new_id, Journal(clock, new_id))
        return [secrets.value_of("default", name) for name in names]
    finally:
        database.close()
