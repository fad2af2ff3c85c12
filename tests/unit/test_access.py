"""Access: who is let in, what is told to those who are not, and how soon a token stops working."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_ai.core.access import RESERVED_WORKSPACE_IDS, Access, digest_of, looks_like_token
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import InvalidInput, NotFound, Unauthenticated
from lepton_ai.core.events import Journal
from lepton_ai.core.ids import id_source
from lepton_ai.core.migrate import migrate


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.open(tmp_path / "lepton.db")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def access(database: Database, clock: ManualClock) -> Access:
    new_id = id_source(clock)
    access = Access(database, clock, new_id, Journal(clock, new_id))
    access.create_workspace("default")
    return access


def test_a_token_opens_its_workspace_and_no_other(access: Access) -> None:
    principal = access.authenticate(f"Bearer {access.issue_token('default', 'admin')}")
    assert (principal.workspace_id, principal.name) == ("default", "admin")
    principal.require_workspace("default")
    with pytest.raises(NotFound):
        principal.require_workspace("other")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "bearer  x", "lep_x", "Bearer \x00"])
def test_anything_else_is_refused_and_never_repeated(access: Access, header: str | None) -> None:
    access.issue_token("default", "admin")
    with pytest.raises(Unauthenticated) as raised:
        access.authenticate(header)
    assert "\x00" not in raised.value.message


def test_a_token_with_one_letter_off_is_refused_without_being_repeated(access: Access) -> None:
    token = access.issue_token("default", "admin")
    wrong = token[:-1] + ("0" if token[-1] != "0" else "1")
    with pytest.raises(Unauthenticated) as raised:
        access.authenticate(f"Bearer {wrong}")
    assert wrong not in raised.value.message
    assert looks_like_token(token)
    assert not looks_like_token(wrong)


def test_the_database_holds_no_token(access: Access, database: Database, tmp_path: Path) -> None:
    token = access.issue_token("default", "admin")
    database.close()
    raw = sqlite3.connect(tmp_path / "lepton.db")
    text = "\n".join(raw.iterdump())
    raw.close()
    assert token not in text
    assert digest_of(token) in text


def test_a_revoked_token_stops_working_at_once_here(access: Access) -> None:
    token = access.issue_token("default", "build")
    assert access.revoke_tokens("default", "build") == 1
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {token}")
    assert access.digests("default") == {}


def test_a_token_revoked_by_another_server_stops_working_within_a_second(
    access: Access, database: Database, clock: ManualClock
) -> None:
    token = access.issue_token("default", "build")
    access.authenticate(f"Bearer {token}")
    new_id = id_source(clock)
    Access(database, clock, new_id, Journal(clock, new_id)).revoke_tokens("default", "build")
    clock.advance(1.0)
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {token}")


def test_tokens_are_listed_without_their_values(access: Access) -> None:
    token = access.issue_token("default", "admin")
    (listed,) = access.tokens("default")
    assert listed.name == "admin"
    assert token not in repr(listed)
    assert len(listed.masked) < 15


def test_the_gateway_gets_digests_by_principal(access: Access) -> None:
    token = access.issue_token("default", "admin")
    assert access.digests("default") == {digest_of(token): "admin"}


def test_making_a_workspace_twice_is_making_it_once(access: Access) -> None:
    assert access.create_workspace("team")
    assert not access.create_workspace("team")


@pytest.mark.parametrize("name", [*sorted(RESERVED_WORKSPACE_IDS - {"openapi.json"}), "openapi.json", "A", "", "a/b"])
def test_names_that_the_servers_own_paths_use_are_no_workspaces(access: Access, name: str) -> None:
    with pytest.raises(InvalidInput):
        access.create_workspace(name)
