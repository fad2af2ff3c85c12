"""Workspace and secrets by the published client."""

from conftest import LepClient


def test_workspace_is_listed_and_told_of(lep: LepClient) -> None:
    assert "default" in lep.ok("workspace", "list")
    lep.ok("workspace", "status")
    assert lep.url in lep.ok("workspace", "url")
    assert lep.lab.token in lep.ok("workspace", "token")
    assert "default" in lep.ok("workspace", "id")


def test_wrong_token_is_refused_at_once(lep: LepClient) -> None:
    done = lep.run("workspace", "login", "-i", "default", "-t", "wrong", "--workspace-url", lep.url)
    assert done.returncode == 1
    lep.ok("login", "-c", f"default:{lep.lab.token}", "-u", lep.url)


def test_secret_is_made_listed_without_its_value_and_removed(lep: LepClient) -> None:
    name = f"TOKEN_{lep.version.replace('.', '_')}"
    lep.ok("secret", "create", "-n", name, "-v", "xyzzy-4711")
    listed = lep.ok("secret", "list")
    assert name in listed
    assert "xyzzy" not in listed
    lep.ok("secret", "remove", "-n", name)
    assert name not in lep.ok("secret", "list")


def test_this_machine_is_a_node_and_its_shapes_are_listed(lep: LepClient) -> None:
    assert "local" in lep.ok("node", "list")
    assert "cpu.small" in lep.ok("node", "resource-shape")


def test_what_is_empty_is_listed_as_empty(lep: LepClient) -> None:
    lep.ok("template", "list")
    if lep.version == "0.47.1":
        lep.ok("ingress", "list")
        lep.ok("raycluster", "list")
        lep.ok("finetune", "list")
