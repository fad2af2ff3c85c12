"""Workspaces, tokens, secrets and the audit from the shell and from Python."""

import json
from collections.abc import Iterator

import pytest

from cloud_lab import CloudLab, cloud_lab
from lepton_ai.core.errors import AlreadyExists, Conflict, NotFound, PermissionDenied, Unauthenticated
from lepton_ai.sdk.cloud import Cloud

CANARY = "hf_canary-of-the-shell"


@pytest.fixture(scope="module")
def lab() -> Iterator[CloudLab]:
    with cloud_lab() as lab:
        yield lab
        assert "Traceback" not in (lab.folders.logs / "server.log").read_text()


def test_token_is_made_used_listed_and_revoked(lab: CloudLab) -> None:
    value = lab.ok("token", "create", "build", "--role", "viewer", "--expires", "12h").strip()
    url = f"http://127.0.0.1:{lab.port}/api/v2/workspaces/default"
    as_viewer = {"LEPTON_WORKSPACE_URL": url, "LEPTON_WORKSPACE_TOKEN": value}
    assert json.loads(lab.ok("whoami", "--json", **as_viewer))["role"] == "viewer"
    refused = lab.shell("token", "create", "more", **as_viewer)
    assert refused.returncode == 4
    assert "a token of role 'viewer'" in refused.stderr
    assert lab.shell("workspace", "create", "team", **as_viewer).returncode == 4
    listed = {token["name"]: token for token in lab.ok_json("token", "list")}
    assert listed["build"]["role"] == "viewer"
    assert value not in lab.ok("token", "list")
    assert lab.shell("token", "create", "build").returncode == 1
    lab.ok("token", "revoke", "build")
    assert lab.shell("token", "revoke", "build").returncode == 3
    last = lab.shell("token", "revoke", "admin")
    assert last.returncode == 1
    assert "last admin's token" in last.stderr
    for wrong in ("0d", "12", "x", "-1d", "1y"):
        assert lab.shell("token", "create", "brief", f"--expires={wrong}").returncode == 1, wrong


def test_secret_comes_from_standard_input_and_is_never_printed(lab: CloudLab) -> None:
    made = lab.shell("secret", "create", "HF_TOKEN", stdin=f"{CANARY}\n")
    assert (made.returncode, made.stdout) == (0, "")
    assert CANARY not in made.stderr
    lab.ok("secret", "create", "API_KEY", "--value", "abc", "--public", "--tag", "billing")
    listed = {secret["name"]: secret for secret in lab.ok_json("secret", "list")}
    assert (listed["HF_TOKEN"]["visibility"], listed["API_KEY"]["tags"]) == ("private", ["billing"])
    again = lab.shell("secret", "create", "HF_TOKEN", stdin=CANARY)
    assert again.returncode == 1
    assert CANARY not in again.stderr
    assert lab.shell("secret", "create", "EMPTY", stdin="").returncode == 1
    lab.ok("secret", "rotate")
    for name in ("HF_TOKEN", "API_KEY"):
        lab.ok("secret", "remove", name)
    assert lab.shell("secret", "remove", "HF_TOKEN").returncode == 3
    assert CANARY not in lab.ok("audit", "--json")


def test_workspace_is_made_limited_shown_and_removed(lab: CloudLab) -> None:
    token = lab.ok("workspace", "create", "team").strip()
    lab.ok("workspace", "quota", "team", "--limit", "endpoints=2", "--limit", "cpus=1.5", "--limit", "jobs=none")
    found = lab.ok_json("workspace", "show", "team")
    assert found["quota"] == {"endpoints": 2, "jobs": None, "replicas": None, "cpus": 1.5, "storage_bytes": None}
    lab.ok("workspace", "quota", "team", "--limit", "endpoints=none")
    assert lab.ok_json("workspace", "quota", "team")["quota"]["cpus"] == 1.5
    assert [item["id"] for item in lab.ok_json("workspace", "list")] == ["default", "team"]
    assert "cpu_s" in lab.ok_json("workspace", "show")["usage"]
    for wrong in ("pods=1", "endpoints=x", "endpoints=-1", "endpoints"):
        assert lab.shell("workspace", "quota", "team", "--limit", wrong).returncode == 1, wrong
    fresh = lab.ok("workspace", "reset-admin", "team").strip()
    url = f"http://127.0.0.1:{lab.port}/api/v2/workspaces/team"
    with Cloud(url, token) as lost, pytest.raises(Unauthenticated):
        lost.ping()
    with Cloud(url, fresh) as team:
        assert [item.id for item in team.workspaces.list()] == ["team"]
        with pytest.raises(PermissionDenied):
            team.workspaces.create("another")
        with pytest.raises(PermissionDenied):
            team.secrets.rotate()
        team.secrets.create({"A": "x"})
        assert team.workspaces.current().workloads.num_secrets == 1
    refused = lab.shell("workspace", "remove", "team")
    assert "secrets (1)" in refused.stderr
    with Cloud(url, fresh) as team:
        team.secrets.remove("A")
    lab.ok("workspace", "remove", "team")
    assert lab.shell("workspace", "show", "team").returncode == 3


def test_sdk_raises_what_the_server_means_and_pages_by_itself(lab: CloudLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lepton_ai.sdk.audit._PAGE", 3)
    with lab.cloud() as cloud:
        made = cloud.tokens.create("sdk", role="endpoint")
        with pytest.raises(AlreadyExists):
            cloud.tokens.create("sdk")
        with pytest.raises(Conflict):
            cloud.workspaces.remove("default")
        with pytest.raises(NotFound):
            cloud.workspaces.get("absent")
        with Cloud(cloud.address.url, made.value) as caller, pytest.raises(PermissionDenied):
            caller.models.list()
        cloud.tokens.revoke("sdk")
        told = list(cloud.audit.list(noun="token", name="sdk"))
        assert [(item.action, item.actor) for item in told] == [("revoked", "admin"), ("issued", "admin")]
        for number in range(5):
            cloud.secrets.create({f"S{number}": "x"})
        everything = [item.id for item in cloud.audit.list()]
        assert len(everything) == len(set(everything)) > 8
        assert [item.id for item in cloud.audit.list(limit=3)] == everything[:3]
        for number in range(5):
            cloud.secrets.remove(f"S{number}")


def test_audit_is_asked_by_noun_and_time(lab: CloudLab) -> None:
    lab.ok("token", "create", "timed")
    assert "timed" in lab.ok("audit", "--noun", "token", "--since", "1h")
    assert lab.ok_json("audit", "--since", "2126-01-31T12:00") == []
    assert len(lab.ok_json("audit", "--limit", "1")) == 1
    wrong = lab.shell("audit", "--since", "yesterday")
    assert wrong.returncode == 1
    assert "`--since`" in wrong.stderr
    lab.ok("token", "revoke", "timed")
