"""Templates of jobs over HTTP: the protocol's `/templates`, and our own two to keep and to remove one."""

from fastapi import APIRouter

from lepton_ai.infrastructure.compute.jobs.templates import Template, rendered
from lepton_ai.server.dependencies import WORKSPACE, Caller, Plane
from lepton_ai.server.schemas.jobs import (
    CreateTemplate,
    RenderedJob,
    RenderTemplate,
    TemplateItem,
    TemplateMetadata,
    TemplateSpec,
)

router = APIRouter(prefix=f"{WORKSPACE}/templates", tags=["templates"])

_SCHEMA = {
    "type": "object",
    "properties": {"run": {"type": "string", "description": "The command that is to be run."}},
}


@router.get("/public")
def list_public(plane: Plane, caller: Caller) -> list[TemplateItem]:
    """The templates that are built in."""
    return [_item(template) for template in plane.templates.list(caller.workspace_id, public=True)]


@router.get("/private")
def list_private(plane: Plane, caller: Caller) -> list[TemplateItem]:
    """The workspace's own templates."""
    return [_item(template) for template in plane.templates.list(caller.workspace_id, public=False)]


@router.post("/private", status_code=201)
async def create(body: CreateTemplate, plane: Plane, caller: Caller) -> TemplateItem:
    """Keep a template of the workspace's own."""
    return _item(await plane.templates.create(caller.workspace_id, body.name, body.spec, caller.name))


@router.get("/public/{template}")
def get_public(template: str, plane: Plane, caller: Caller) -> TemplateItem:
    """A template that is built in."""
    return _item(plane.templates.get(caller.workspace_id, template, public=True))


@router.get("/private/{template}")
def get_private(template: str, plane: Plane, caller: Caller) -> TemplateItem:
    """One of the workspace's own templates."""
    return _item(plane.templates.get(caller.workspace_id, template, public=False))


@router.delete("/private/{template}")
async def remove(template: str, plane: Plane, caller: Caller) -> TemplateItem:
    """Remove one of the workspace's own templates. Jobs that were made of it stay."""
    found = plane.templates.get(caller.workspace_id, template, public=False)
    await plane.templates.remove(caller.workspace_id, template, caller.name)
    return _item(found)


@router.post("/public/{template}/render")
def render_public(template: str, body: RenderTemplate, plane: Plane, caller: Caller) -> RenderedJob:
    """Make a job's spec of a template that is built in, with a command in the place for it."""
    found = plane.templates.get(caller.workspace_id, template, public=True)
    return RenderedJob(metadata={}, spec=rendered(found, body.run))


@router.post("/private/{template}/render")
def render_private(template: str, body: RenderTemplate, plane: Plane, caller: Caller) -> RenderedJob:
    """Make a job's spec of one of the workspace's own templates, with a command in the place for it."""
    found = plane.templates.get(caller.workspace_id, template, public=False)
    return RenderedJob(metadata={}, spec=rendered(found, body.run))


def _item(template: Template) -> TemplateItem:
    return TemplateItem(
        metadata=TemplateMetadata(
            id=template.id,
            name=template.name,
            created_at=template.created_at_ms,
            created_by=template.created_by,
            visibility="public" if template.is_public else "private",
        ),
        spec=TemplateSpec(workload_type="job", content=dict(template.spec), json_schema=_SCHEMA),
    )
