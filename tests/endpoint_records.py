"""Records of endpoints as tests need them."""

from typing import Any

from lepton_ai.platform.model_management.endpoints.lifecycle import EndpointReason, EndpointStatus
from lepton_ai.platform.model_management.endpoints.records import Endpoint, EndpointSpec


def new_endpoint(name: str, spec: EndpointSpec, **values: Any) -> Endpoint:
    """An endpoint that was just made."""
    usual = {
        "id": f"ep-{name}",
        "workspace_id": "default",
        "generation": 1,
        "status": EndpointStatus.STARTING,
        "reason": EndpointReason.REPLICAS_START,
        "message": "",
        "deleting": False,
        "failures": 0,
        "retry_at_ms": 0,
        "created_at_ms": 0,
        "updated_at_ms": 0,
        "created_by": "test",
        "desired_replicas": spec.min_replicas,
    }
    return Endpoint(name=name, spec=spec, **(usual | values))
