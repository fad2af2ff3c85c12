"""Access: who is let in, what is told to those who are not, and how soon a token stops working."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from lepton_ai.core.access import RESERVED_WORKSPACE_IDS, Access, Need, Role, digest_of, looks_like_token
from lepton_ai.core.access.quotas import QuotaExceeded, Quotas
from lepton_ai.core.access.roles import ALLOWED
from lepton_ai.core.access.workspaces import Quota
from lepton_ai.core.clock import ManualClock
from lepton_ai.core.database import Database
from lepton_ai.core.errors import AlreadyExists, Conflict, InvalidInput, NotFound, PermissionDenied, Unauthenticated
from lepton_ai.core.events import Journal, find_events
from lepton_ai.core.idempotency import Once
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


@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_the_table_says_and_nothing_else(access: Access, role: Role) -> None:
    access.open_workspace("team", "admin")
    principal = access.authenticate(f"Bearer {access.issue('team', 'someone', role, 'admin').value}")
    for need in Need:
        if need in ALLOWED[role]:
            principal.require(need)
        else:
            with pytest.raises(PermissionDenied):
                principal.require(need)


def test_only_an_admin_of_the_first_workspace_looks_after_the_server(access: Access) -> None:
    root = access.authenticate(f"Bearer {access.issue_token('default', 'admin')}")
    developer = access.authenticate(f"Bearer {access.issue('default', 'dev', Role.DEVELOPER, 'admin').value}")
    other = access.authenticate(f"Bearer {access.open_workspace('team', 'admin').value}")
    assert (root.is_root, developer.is_root, other.is_root) == (True, False, False)


def test_token_that_expires_stops_working_when_its_time_is_over(access: Access, clock: ManualClock) -> None:
    made = access.issue("default", "guest", Role.DEVELOPER, "admin", expires_in_s=60)
    clock.advance(59.9)
    assert access.authenticate(f"Bearer {made.value}").name == "guest"
    assert access.digests("default") == {digest_of(made.value): "guest"}
    clock.advance(0.2)
    with pytest.raises(Unauthenticated, match="expired"):
        access.authenticate(f"Bearer {made.value}")
    assert access.digests("default") == {}
    assert access.tokens("default") == []
    assert access.issue("default", "guest", Role.DEVELOPER, "admin")  # its name is free again


def test_endpoints_are_opened_by_roles_that_may_call_them(access: Access) -> None:
    made = {role: access.issue("default", f"a-{role}", role, "admin").value for role in Role}
    opening = set(access.digests("default"))
    assert {role for role, value in made.items() if digest_of(value) in opening} == set(Role) - {
        Role.VIEWER,
        Role.WORKLOAD,
    }


def test_two_tokens_of_one_name_are_refused(access: Access) -> None:
    access.issue("default", "build", Role.DEVELOPER, "admin")
    with pytest.raises(AlreadyExists, match="'build'"):
        access.issue("default", "build", Role.VIEWER, "admin")


@pytest.mark.parametrize("seconds", [0, -1, 10**10])
def test_expiry_that_makes_no_sense_is_refused(access: Access, seconds: int) -> None:
    with pytest.raises(InvalidInput, match="expires_in_s"):
        access.issue("default", "build", Role.DEVELOPER, "admin", expires_in_s=seconds)


def test_create_repeated_with_its_key_gives_one_token_with_a_value_that_works(access: Access) -> None:
    def ask() -> str:
        once = Once("key-1", b"request")
        return access.issue("default", "build", Role.DEVELOPER, "admin", once=once).value

    lost, seen = ask(), ask()
    assert len(access.tokens("default")) == 1
    assert access.authenticate(f"Bearer {seen}").name == "build"
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {lost}")
    access.issue_token("default", "admin")
    access.revoke("default", "build", "admin")
    with pytest.raises(Conflict, match="revoked"):
        ask()


def test_workspace_made_twice_with_one_key_is_one_with_a_token_that_works(access: Access) -> None:
    access.open_workspace("team", "admin", Once("key-1", b"team"))
    again = access.open_workspace("team", "admin", Once("key-1", b"team"))
    assert access.authenticate(f"Bearer {again.value}").workspace_id == "team"
    with pytest.raises(AlreadyExists):
        access.open_workspace("team", "admin")


def test_last_lasting_admins_token_is_not_revoked(access: Access) -> None:
    access.issue_token("default", "admin")
    access.issue("default", "guest", Role.ADMIN, "admin", expires_in_s=60)
    access.issue("default", "dev", Role.DEVELOPER, "admin")
    with pytest.raises(Conflict, match="last admin's token"):
        access.revoke("default", "admin", "admin")
    access.issue("default", "second", Role.ADMIN, "admin")
    assert access.revoke("default", "admin", "second").name == "admin"
    with pytest.raises(NotFound):
        access.revoke("default", "admin", "second")


def test_token_of_another_workspace_is_not_there_to_be_revoked(access: Access) -> None:
    made = access.open_workspace("team", "admin")
    access.issue_token("default", "boss")
    for reference in ("admin", made.token.id):
        with pytest.raises(NotFound):
            access.revoke("default", reference, "boss")


def test_workers_token_lives_as_long_as_the_worker_and_is_in_no_list(access: Access) -> None:
    first = access.issue_workload_token("default", "job-1.0")
    value = access.issue_workload_token("default", "job-1.0")
    principal = access.authenticate(f"Bearer {value}")
    assert (principal.role, principal.workload_id) == (Role.WORKLOAD, "job-1.0")
    assert not principal.may(Need.ADMIN)
    assert access.tokens("default") == []
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {first}")
    access.retire_workload("job-1.0")
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {value}")


def test_tokens_of_workers_that_are_gone_end_and_one_on_its_way_does_not(access: Access) -> None:
    gone, alive = access.issue_workload_token("default", "gone"), access.issue_workload_token("default", "alive")
    access.retire_workloads_except(["alive"])
    new = access.issue_workload_token("default", "new")  # its worker is not written down yet
    access.retire_workloads_except(["alive"])
    assert [access.authenticate(f"Bearer {value}").workload_id for value in (alive, new)] == ["alive", "new"]
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {gone}")


def test_workspace_with_something_in_it_stays_and_says_what(access: Access) -> None:
    made = access.open_workspace("team", "admin")
    with pytest.raises(Conflict, match=r"models \(2\)"):
        access.remove_workspace("team", {"models": lambda *_: 2, "runs": lambda *_: 0}, "admin")
    assert access.authenticate(f"Bearer {made.value}")


def test_removed_workspace_is_closed_and_its_name_is_not_given_again(access: Access) -> None:
    made = access.open_workspace("team", "admin")
    access.remove_workspace("team", {"models": lambda *_: 0}, "admin")
    assert [workspace.id for workspace in access.workspaces()] == ["default"]
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {made.value}")
    with pytest.raises(Conflict, match="history is kept"):
        access.open_workspace("team", "admin")
    for act in (
        lambda: access.workspace("team"),
        lambda: access.set_quota("team", Quota(), "admin"),
        lambda: access.reset_admin("team", "admin"),
        lambda: access.remove_workspace("team", {}, "admin"),
    ):
        with pytest.raises(NotFound):
            act()


def test_first_workspace_is_not_removed(access: Access) -> None:
    with pytest.raises(Conflict, match="first"):
        access.remove_workspace("default", {}, "admin")


def test_lost_admins_token_is_replaced(access: Access) -> None:
    lost = access.open_workspace("team", "admin").value
    fresh = access.reset_admin("team", "admin").value
    assert access.authenticate(f"Bearer {fresh}").workspace_id == "team"
    with pytest.raises(Unauthenticated):
        access.authenticate(f"Bearer {lost}")


def test_quota_refuses_what_goes_beyond_it_and_names_number_and_limit(access: Access, database: Database) -> None:
    quotas = Quotas({"replicas": (lambda *_: 3, lambda *_: 1)})
    access.set_quota("default", Quota(replicas=5), "admin")
    database.read(lambda connection: quotas.check(connection, "default", replicas=1, endpoints=100))
    with pytest.raises(QuotaExceeded, match=r"the quota of replicas is 5 .*: 4 are used, and 2 more"):
        database.read(lambda connection: quotas.check(connection, "default", replicas=2))
    database.read(lambda connection: quotas.check(connection, "default", replicas=-2))
    with pytest.raises(InvalidInput, match="`replicas` must be 0 or more"):
        access.set_quota("default", Quota(replicas=-1), "admin")


def test_each_change_is_written_down_with_who_made_it(access: Access, database: Database) -> None:
    access.issue("default", "build", Role.DEVELOPER, "ada")
    access.issue_token("default", "admin")
    access.revoke("default", "build", "grace")
    access.open_workspace("team", "ada")
    found = database.read(lambda connection: find_events(connection, "default"))
    told = [(event.actor, event.action, event.object_kind, event.object_name) for event in found]
    assert told == [
        ("ada", "created", "workspace", "team"),
        ("grace", "revoked", "token", "build"),
        ("system", "issued", "token", "admin"),
        ("ada", "issued", "token", "build"),
        ("system", "created", "workspace", "default"),
    ]


def test_events_are_found_by_noun_actor_and_time_page_after_page(
    access: Access, database: Database, clock: ManualClock
) -> None:
    for number in range(5):
        clock.advance(1)
        access.issue("default", f"t{number}", Role.VIEWER, "ada")

    def names(**wanted: object) -> list[str]:
        found = database.read(lambda connection: find_events(connection, "default", **wanted))  # type: ignore[arg-type]
        return [event.object_name for event in found]

    assert names(object_kind="token", limit=2) == ["t4", "t3"]
    last = database.read(lambda connection: find_events(connection, "default", limit=2))[-1].id
    assert names(object_kind="token", before=last, limit=2) == ["t2", "t1"]
    assert names(actor="ada", object_name="t1") == ["t1"]
    assert names(actor="eve") == []
    now_ms = clock.now_ms()
    assert names(since_ms=now_ms - 1000) == ["t4", "t3"]
    assert names(object_kind="token", until_ms=now_ms - 2999) == ["t1", "t0"]


def test_what_takes_long_to_count_is_counted_only_where_there_is_a_limit(access: Access, database: Database) -> None:
    quotas, asked = Quotas({"storage_bytes": (lambda *_: 3,)}), []

    def added() -> float:
        asked.append(1)
        return 2

    database.read(lambda connection: quotas.check(connection, "default", storage_bytes=added))
    assert asked == []
    access.set_quota("default", Quota(storage_bytes=4), "admin")
    with pytest.raises(QuotaExceeded, match="3 are used, and 2 more"):
        database.read(lambda connection: quotas.check(connection, "default", storage_bytes=added))
    assert asked == [1]
