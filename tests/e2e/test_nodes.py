"""This machine as the protocol shows machines, and what the protocol knows and this server has none of."""

import pytest

from cloud_lab import CloudLab


def test_this_machine_is_a_node_with_what_runs_on_it(lab: CloudLab) -> None:
    (node,) = lab.cloud().nodes.list()
    assert {"Ready", "Healthy"} <= set(node.status.status)
    assert "numbers" in {workload.name for workload in node.status.workloads}
    assert node.spec.resource.cpu.allocated >= 1
    assert 0 < node.spec.resource.memory.allocated <= node.spec.resource.memory.total
    assert "local" in lab.ok("node", "list")


def test_shapes_are_listed_with_what_they_count_for(lab: CloudLab) -> None:
    shapes = {shape.spec.name: shape.spec.cpu for shape in lab.cloud().nodes.shapes()}
    assert shapes["cpu.small"] == 1
    assert "cpu.medium" in lab.ok("node", "shapes")


@pytest.mark.parametrize("path", ["/ingress", "/rayclusters", "/finetune/supported-models", "/finetune/trainers"])
def test_what_there_is_none_of_is_an_empty_list(lab: CloudLab, path: str) -> None:
    assert lab.api("GET", path).json == []


def test_node_group_that_is_not_there_is_named(lab: CloudLab) -> None:
    answer = lab.api("GET", "/dedicated-node-groups/moon/nodes")
    assert answer.status == 404
    assert "there is no node group 'moon'" in answer.json["message"]
