"""What the protocol knows and this server does not have: asked for, it answers that there is none."""

from typing import Any

from fastapi import APIRouter

from lepton_ai.server.dependencies import WORKSPACE, Caller
from lepton_ai.server.schemas.nodes import NoFineTuneJobs

router = APIRouter(prefix=WORKSPACE, tags=["absent"])


@router.get("/ingress")
def list_ingress(caller: Caller) -> list[Any]:
    """Domains of one's own: none, an endpoint answers at the gateway's address."""
    del caller
    return []


@router.get("/rayclusters")
def list_ray_clusters(caller: Caller) -> list[Any]:
    """Ray clusters: none."""
    del caller
    return []


@router.get("/finetune/jobs")
def list_fine_tune_jobs(caller: Caller) -> NoFineTuneJobs:
    """Fine-tuning jobs: none."""
    del caller
    return NoFineTuneJobs()


@router.get("/finetune/supported-models")
def list_fine_tune_models(caller: Caller) -> list[Any]:
    """Models that can be fine-tuned: none."""
    del caller
    return []


@router.get("/finetune/trainers")
def list_fine_tune_trainers(caller: Caller, default_only: bool = True) -> list[Any]:
    """Trainers for fine-tuning: none."""
    del caller, default_only
    return []
