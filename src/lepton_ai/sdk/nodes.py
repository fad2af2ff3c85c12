"""Nodes from Python: the machines that workers run on, and the shapes that workers have."""

from collections.abc import Sequence

from lepton_ai.sdk.connection import Connection
from lepton_ai.server.schemas.nodes import Node, NodeGroup, ShapeItem


class Nodes:
    """The machines of the cloud. Get it as `Cloud().nodes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> Sequence[Node]:
        """All machines, with what of this workspace runs on each."""
        groups = self._connection.read_list(NodeGroup, "/dedicated-node-groups")
        return [
            node
            for group in groups
            for node in self._connection.read_list(Node, f"/dedicated-node-groups/{group.metadata.id}/nodes")
        ]

    def shapes(self) -> Sequence[ShapeItem]:
        """The resource shapes, by what a worker of each counts for."""
        return self._connection.read_list(ShapeItem, "/shapes")
