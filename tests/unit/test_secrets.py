"""Secrets: sealed as a row of its own workspace, never in the clear, and readable through every change of the key."""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lepton_ai.core.access import Access
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound, PermissionDenied
from lepton_ai.core.events import Journal, find_events
from lepton_ai.core.ids import id_source
from lepton_ai.core.master_key import MasterKeyFile
from lepton_ai.core.migrate import migrate
from lepton_ai.infrastructure.storage.secrets.envelope import SecretUnreadable
from lepton_ai.infrastructure.storage.secrets.records import NewSecret, Visibility
from lepton_ai.infrastructure.storage.secrets.service import Secrets

VALUE = "hf_canary-4711-Ünïcode"


class Vault:
    """Secrets over a folder; `reopened` is what the next server sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self._new_id = id_source(self.clock)
        self._journal = Journal(self.clock, self._new_id)
        self.database = Database.open(folder / "lepton.db")
        migrate(self.database)
        Access(self.database, self.clock, self._new_id, self._journal).create_workspace("default")
        self.secrets = self.reopened()

    @property
    def key_path(self) -> Path:
        return self.folder / "master-key"

    def reopened(self) -> Secrets:
        keys = MasterKeyFile(self.key_path)
        return Secrets(self.database, keys, self.clock, self._new_id, self._journal)

    def make(self, name: str = "TOKEN", value: str = VALUE, workspace: str = "default", actor: str = "ada") -> None:
        self.secrets.create(workspace, [NewSecret(name, value)], actor)

    def run(self, statement: str) -> None:
        self.database.write(lambda connection: connection.exec_driver_sql(statement))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    vault = Vault(tmp_path)
    yield vault
    vault.database.close()


def test_workload_gets_the_value_and_no_list_does(vault: Vault) -> None:
    vault.make()
    assert vault.secrets.value_of("default", "TOKEN") == VALUE
    (listed,) = vault.secrets.list("default", "ada", is_admin=False)
    assert (listed.name, listed.owner, listed.visibility) == ("TOKEN", "ada", Visibility.PRIVATE)
    assert VALUE not in repr(listed)
    assert VALUE not in repr(NewSecret("TOKEN", VALUE))


def test_no_file_holds_a_value_in_the_clear(vault: Vault) -> None:
    vault.secrets.create("default", [NewSecret("TOKEN", VALUE)], "ada", "key-1", VALUE.encode())
    vault.secrets.rotate("ada")
    vault.secrets.remove("default", "TOKEN", "ada", is_admin=False)
    vault.database.close()
    files = [path for path in vault.folder.rglob("*") if path.is_file()]
    assert {"lepton.db", "master-key"} <= {path.name for path in files}
    for path in files:
        assert VALUE.encode() not in path.read_bytes()


def test_repeated_create_is_one_and_only_a_keyed_digest_of_it_is_kept(vault: Vault) -> None:
    for _ in range(2):
        made = vault.secrets.create("default", [NewSecret("TOKEN", VALUE)], "ada", "key-1", b"request")
        assert [secret.name for secret in made] == ["TOKEN"]
    with pytest.raises(InvalidInput, match="used for another request"):
        vault.secrets.create("default", [NewSecret("TOKEN", "other")], "ada", "key-1", b"another")
    raw = sqlite3.connect(vault.folder / "lepton.db")
    text = "\n".join(raw.iterdump())
    raw.close()
    assert "key-1" in text
    assert hashlib.sha256(b"request").hexdigest() not in text


def test_key_file_is_for_its_owner_alone_and_refused_otherwise(vault: Vault) -> None:
    vault.make()
    assert vault.key_path.stat().st_mode & 0o777 == 0o600
    vault.key_path.chmod(0o640)
    with pytest.raises(PermissionDenied, match="may be read by others"):
        vault.reopened().value_of("default", "TOKEN")


@pytest.mark.parametrize(
    "text", ["", "x", "0123456789abcdef AAAA\n", "\xff\xfe", "0123456789abcdef " + "A" * 43 + "=\n"]
)
def test_damaged_key_file_is_told_from_a_wrong_one(vault: Vault, text: str) -> None:
    vault.make()
    vault.key_path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidInput, match="damaged"):
        vault.reopened().value_of("default", "TOKEN")


def test_another_installations_key_opens_nothing(vault: Vault) -> None:
    vault.make()
    vault.key_path.unlink()
    with pytest.raises(SecretUnreadable, match="were sealed by master key"):
        vault.reopened().value_of("default", "TOKEN")


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE secrets SET id = 'sec-2' WHERE name = 'TOKEN' AND workspace_id = 'default'",
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE name = 'OTHER') WHERE name = 'TOKEN'",
        "UPDATE secrets SET sealed = (SELECT sealed FROM secrets WHERE workspace_id = 'team') WHERE name = 'TOKEN'",
        "UPDATE secrets SET sealed = x'00' WHERE name = 'TOKEN'",
        "UPDATE secrets SET sealed = x'' WHERE name = 'TOKEN'",
        "UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE workspace_id = 'team')",
    ],
)
def test_row_that_was_changed_or_copied_elsewhere_does_not_open(vault: Vault, forgery: str) -> None:
    vault.make()
    vault.make("OTHER", "another")
    vault.make("TOKEN", "theirs", workspace="team")
    vault.run(forgery)
    with pytest.raises(SecretUnreadable) as raised:
        vault.secrets.value_of("default", "TOKEN")
    assert raised.value.__cause__ is None


def test_secret_under_another_name_does_not_open(vault: Vault) -> None:
    vault.make()
    vault.run("UPDATE secrets SET name = 'MINE'")
    with pytest.raises(SecretUnreadable):
        vault.secrets.value_of("default", "MINE")


def test_rotation_leaves_every_secret_readable_and_the_old_key_useless(vault: Vault) -> None:
    for number in range(20):
        vault.make("TOKEN", f"value-{number}", workspace=f"w{number}")
    old = vault.key_path.read_bytes()
    vault.secrets.rotate("ada")
    assert len(vault.key_path.read_text().splitlines()) == 1
    for secrets in (vault.secrets, vault.reopened()):
        assert [secrets.value_of(f"w{number}", "TOKEN") for number in range(20)] == [f"value-{n}" for n in range(20)]
    vault.key_path.write_bytes(old)
    with pytest.raises(SecretUnreadable):
        vault.reopened().value_of("w1", "TOKEN")


def test_rotation_that_died_at_any_step_can_be_read_and_is_finished_by_the_next_start(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def dies_at(step: str) -> Callable[[str], None]:
        def failpoint(name: str) -> None:
            if name == step:
                raise Crash

        return failpoint

    vault.make()
    for step in ("secrets.before_rewrap", "secrets.after_rewrap"):
        with monkeypatch.context() as patched:
            patched.setattr("lepton_ai.infrastructure.storage.secrets.service.failpoint", dies_at(step))
            with pytest.raises(Crash):
                vault.secrets.rotate("ada")
        after = vault.reopened()
        assert len(vault.key_path.read_text().splitlines()) == 2
        assert after.value_of("default", "TOKEN") == VALUE
        vault.secrets = after
        after.resume_rotation()
        assert len(vault.key_path.read_text().splitlines()) == 1
        assert vault.reopened().value_of("default", "TOKEN") == VALUE


def test_private_secret_is_its_owners_and_a_public_one_everybodys(vault: Vault) -> None:
    vault.make()
    vault.secrets.create("default", [NewSecret("SHARED", "x", Visibility.PUBLIC)], "ada")
    assert [secret.name for secret in vault.secrets.list("default", "eve", is_admin=False)] == ["SHARED"]
    assert len(vault.secrets.list("default", "root", is_admin=True)) == 2
    assert vault.secrets.value_of("default", "SHARED", "eve") == "x"
    assert vault.secrets.value_of("default", "TOKEN", "ada") == VALUE
    with pytest.raises(NotFound):
        vault.secrets.value_of("default", "TOKEN", "eve")
    with pytest.raises(NotFound):
        vault.secrets.remove("default", "TOKEN", "eve", is_admin=False)
    with pytest.raises(NotFound):
        vault.secrets.value_of("team", "SHARED")


def test_secrets_come_all_or_not_at_all(vault: Vault) -> None:
    vault.make()
    with pytest.raises(AlreadyExists, match="'TOKEN'"):
        vault.secrets.create("default", [NewSecret("A", "1"), NewSecret("TOKEN", "2")], "ada")
    assert [secret.name for secret in vault.secrets.list("default", "ada", is_admin=True)] == ["TOKEN"]
    for none in ([], [NewSecret("A", "1"), NewSecret("A", "2")]):
        with pytest.raises(InvalidInput):
            vault.secrets.create("default", none, "ada")


@pytest.mark.parametrize(
    "name", ["", " ", "1A", "a b", "a/b", "..", "LEPTON_TOKEN", "lepton_x", "é", "A\n", "A" * 129, "a=b", "$(id)"]
)
def test_names_that_no_environment_or_path_can_bear_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="name"):
        NewSecret(name, "value")


@pytest.mark.parametrize("value", ["", "x" * (64 * 1024 + 1), f"{VALUE}\0"])
def test_values_that_no_environment_can_bear_are_refused_and_never_repeated(value: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        NewSecret("TOKEN", value)
    assert VALUE not in str(raised.value)
    assert len(str(raised.value)) < 200


def test_events_tell_who_and_what_without_the_value(vault: Vault) -> None:
    vault.make()
    vault.secrets.remove("default", "TOKEN", "ada", is_admin=False)
    vault.secrets.rotate("root")
    events = vault.database.read(lambda connection: find_events(connection, "default", limit=3))
    assert [(event.actor, event.action, event.object_kind) for event in events] == [
        ("root", "rotated", "master-key"),
        ("ada", "removed", "secret"),
        ("ada", "created", "secret"),
    ]
    assert VALUE not in repr(events)


def test_key_for_another_purpose_is_another_key(vault: Vault) -> None:
    keys = MasterKeyFile(vault.key_path)
    assert keys.derive("a") != keys.derive("b")
    assert keys.derive("a") == MasterKeyFile(vault.key_path).derive("a")
    assert keys.current.key not in (keys.derive("a"), keys.derive("b"))
