"""Looking for jobs: the protocol's filters as SQL, so that a page of many is quick."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Select, or_, select

from lepton_ai.infrastructure.compute.jobs.labels import parse_selector
from lepton_ai.infrastructure.compute.jobs.lifecycle import JobStatus
from lepton_ai.infrastructure.compute.jobs.records import Job
from lepton_ai.infrastructure.compute.jobs.store import as_job, jobs_table


class QueryMode(StrEnum):
    """Which jobs to look among."""

    ALIVE_ONLY = "alive_only"
    ARCHIVE_ONLY = "archive_only"
    ALIVE_AND_ARCHIVE = "alive_and_archive"


@dataclass(frozen=True)
class JobSearch:
    """What to look for.

    Args:
        mode: Among those in use, those archived, or both.
        text: A part of the name or id.
        selector: A label selector.
        statuses: Beginnings of states, in any case: `run` for Running. Any of them.
        owners: Beginnings of who made it, in any case. Any of them.
        page: Which page, from 1.
        page_size: How many on a page.
    """

    mode: QueryMode = QueryMode.ALIVE_ONLY
    text: str = ""
    selector: str = ""
    statuses: Sequence[str] = ()
    owners: Sequence[str] = ()
    page: int = 1
    page_size: int = 10_000


def search_jobs(connection: Connection, workspace_id: str, wanted: JobSearch) -> Sequence[Job]:
    """The jobs of a workspace that are looked for, newest first.

    Raises:
        InvalidInput: The selector cannot be read.
    """
    table = jobs_table.c
    first = (wanted.page - 1) * wanted.page_size
    query = _filtered(select(jobs_table), workspace_id, wanted)
    query = query.order_by(table.created_at_ms.desc(), table.id.desc())
    if wanted.selector:
        matches = parse_selector(wanted.selector)
        labelled = connection.execute(query.with_only_columns(table.id, table.labels))
        ids = [row.id for row in labelled if matches(row.labels)][first : first + wanted.page_size]
        rows = connection.execute(select(jobs_table).where(table.id.in_(ids))).mappings()
        found = {row["id"]: as_job(row) for row in rows}
        return [found[job_id] for job_id in ids]
    rows = connection.execute(query.offset(first).limit(wanted.page_size)).mappings()
    return [as_job(row) for row in rows]


def _filtered(query: Select[Any], workspace_id: str, wanted: JobSearch) -> Select[Any]:
    table = jobs_table.c
    query = query.where(table.workspace_id == workspace_id)
    archived = table.status == JobStatus.ARCHIVED.value
    if wanted.mode is QueryMode.ALIVE_ONLY:
        query = query.where(~archived)
    elif wanted.mode is QueryMode.ARCHIVE_ONLY:
        query = query.where(archived)
    if wanted.text:
        query = query.where(
            or_(table.name.icontains(wanted.text, autoescape=True), table.id.icontains(wanted.text, autoescape=True))
        )
    if wanted.statuses:
        query = query.where(or_(*(table.status.istartswith(text, autoescape=True) for text in wanted.statuses)))
    if wanted.owners:
        query = query.where(or_(*(table.created_by.istartswith(text, autoescape=True) for text in wanted.owners)))
    return query
