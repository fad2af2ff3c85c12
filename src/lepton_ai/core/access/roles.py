"""Roles, and what each may do: one table that guard, gateway and documentation read."""

from collections.abc import Mapping
from enum import StrEnum


class Need(StrEnum):
    """What a request needs of whoever sends it."""

    READ = "read"
    """See what there is in the workspace. No value of a secret or token is ever among it."""
    WRITE = "write"
    """Make, change and remove what runs and what is stored."""
    PREDICT = "predict"
    """Call the workspace's endpoints."""
    ADMIN = "admin"
    """Make and revoke tokens."""
    ROOT = "root"
    """Make and remove workspaces, set their quotas, change the server's keys."""


class Role(StrEnum):
    """What a token may do in its workspace."""

    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    ENDPOINT = "endpoint"
    WORKLOAD = "workload"
    """A worker's own token, made by the server for it alone. It opens no endpoint: each start and end of a worker would
    change what the gateway has to know of every endpoint."""


ALLOWED: Mapping[Role, frozenset[Need]] = {
    Role.ADMIN: frozenset({Need.READ, Need.WRITE, Need.PREDICT, Need.ADMIN}),
    Role.DEVELOPER: frozenset({Need.READ, Need.WRITE, Need.PREDICT}),
    Role.VIEWER: frozenset({Need.READ}),
    Role.ENDPOINT: frozenset({Need.PREDICT}),
    Role.WORKLOAD: frozenset({Need.READ, Need.WRITE}),
}
"""What is not listed is refused. `Need.ROOT` is no role's: an admin of the workspace `default` has it."""

ISSUED = (Role.ADMIN, Role.DEVELOPER, Role.VIEWER, Role.ENDPOINT)
"""The roles that a person may give to a token."""
