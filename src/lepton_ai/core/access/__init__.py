"""Access: workspaces, the tokens that open them, and what each role may do.

The names below are what the rest of the house uses.
"""

from lepton_ai.core.access.principals import Principal
from lepton_ai.core.access.roles import Need, Role
from lepton_ai.core.access.service import Access
from lepton_ai.core.access.tokens import Token, digest_of, looks_like_token, new_token_value
from lepton_ai.core.access.workspaces import DEFAULT_WORKSPACE, RESERVED_WORKSPACE_IDS, Workspace

__all__ = [
    "DEFAULT_WORKSPACE",
    "RESERVED_WORKSPACE_IDS",
    "Access",
    "Need",
    "Principal",
    "Role",
    "Token",
    "Workspace",
    "digest_of",
    "looks_like_token",
    "new_token_value",
]
