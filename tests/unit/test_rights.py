"""Rights: what is not listed is refused, and what is listed goes by method and role."""

import pytest

from lepton_ai.core.access import Principal, Role
from lepton_ai.core.errors import NotFound, PermissionDenied
from lepton_ai.server.rights import SERVER_RIGHTS, WORKSPACE_RIGHTS, check_rights

BASE = "/api/v2/workspaces"


def principal(role: Role, workspace_id: str = "team") -> Principal:
    return Principal(workspace_id, "tok-1", "someone", role)


ROOT = principal(Role.ADMIN, "default")


@pytest.mark.parametrize("noun", sorted(WORKSPACE_RIGHTS))
def test_tokens_for_endpoints_reach_nothing_of_the_api(noun: str) -> None:
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        with pytest.raises(PermissionDenied):
            check_rights(principal(Role.ENDPOINT), method, f"{BASE}/team/{noun}".rstrip("/"))


@pytest.mark.parametrize("noun", sorted(WORKSPACE_RIGHTS))
def test_viewers_change_nothing(noun: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"):
        with pytest.raises(PermissionDenied):
            check_rights(principal(Role.VIEWER), method, f"{BASE}/team/{noun}".rstrip("/"))


def test_developers_and_workers_change_what_runs_and_make_no_tokens() -> None:
    for role in (Role.DEVELOPER, Role.WORKLOAD):
        check_rights(principal(role), "POST", f"{BASE}/team/deployments")
        check_rights(principal(role), "DELETE", f"{BASE}/team/usersecrets/X")
        check_rights(principal(role), "GET", f"{BASE}/team/tokens")
        for method, path in (("POST", "tokens"), ("DELETE", "tokens/x"), ("PUT", "quota")):
            with pytest.raises(PermissionDenied):
                check_rights(principal(role), method, f"{BASE}/team/{path}")


@pytest.mark.parametrize("role", Role)
def test_other_workspaces_are_not_there(role: Role) -> None:
    for noun in WORKSPACE_RIGHTS:
        for method in ("GET", "DELETE"):
            with pytest.raises(NotFound):
                check_rights(principal(role), method, f"{BASE}/other/{noun}".rstrip("/"))


def test_servers_admin_makes_workspaces_and_looks_into_none() -> None:
    check_rights(ROOT, "POST", BASE)
    check_rights(ROOT, "DELETE", f"{BASE}/team")
    check_rights(ROOT, "PUT", f"{BASE}/team/quota")
    check_rights(ROOT, "POST", f"{BASE}/team/admin-token")
    for method, path in (
        ("GET", ""),
        ("GET", "/deployments"),
        ("POST", "/tokens"),
        ("GET", "/audit"),
        ("GET", "/usage"),
    ):
        with pytest.raises(NotFound):
            check_rights(ROOT, method, f"{BASE}/team{path}")


def test_admins_of_other_workspaces_do_not_look_after_the_server() -> None:
    admin = principal(Role.ADMIN)
    check_rights(admin, "GET", BASE)
    for method, path in (
        ("POST", BASE),
        ("DELETE", f"{BASE}/team"),
        ("PUT", f"{BASE}/team/quota"),
        ("POST", "/api/v2/master-key"),
    ):
        with pytest.raises(PermissionDenied, match="only an admin of the workspace 'default'"):
            check_rights(admin, method, path)


@pytest.mark.parametrize(
    "path",
    [
        "/docs",
        "/api",
        "/metrics/",
        f"{BASE}/",
        f"{BASE}/team/unheard-of",
        f"{BASE}/team/Models",
        f"{BASE}/team/models%2f",
        f"{BASE}/TEAM/models",
        f"{BASE}//models",
        f"{BASE}/team\n/models",
        "/api/v2/master-key/x",
    ],
)
def test_paths_that_are_not_listed_are_not_there(path: str) -> None:
    with pytest.raises(NotFound):
        check_rights(principal(Role.ADMIN), "GET", path)


def test_tokens_for_endpoints_reach_nothing_of_the_server() -> None:
    for path in SERVER_RIGHTS:
        with pytest.raises(PermissionDenied):
            check_rights(principal(Role.ENDPOINT), "GET", path)
