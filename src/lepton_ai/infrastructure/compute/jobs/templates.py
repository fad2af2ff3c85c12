"""Templates of jobs: a spec with a place for what is to be run. `torchrun` is built in, others are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Connection, PrimaryKeyConstraint, String, Table, delete, insert, select

from lepton_ai.core import events
from lepton_ai.core.clock import Clock
from lepton_ai.core.database import Database, Json, metadata
from lepton_ai.core.errors import AlreadyExists, InvalidInput, NotFound
from lepton_ai.core.names import check_name
from lepton_ai.infrastructure.compute.jobs.spec import read_spec

PLACE = "{{run}}"
"""What in a text of a template is replaced by the command that is to be run. Nothing else is."""

MOST_TEMPLATES = 1000
LONGEST_RUN_BYTES = 1 << 16

templates_table = Table(
    "job_templates",
    metadata,
    Column("id", String(64), nullable=False),
    Column("workspace_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("spec", Json, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("created_by", String(80), nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
)


@dataclass(frozen=True)
class Template:
    """One template.

    Args:
        spec: The job's spec, with `{{run}}` in it where the command goes.
        is_public: Whether it is built in.
    """

    id: str
    name: str
    spec: Mapping[str, Any]
    created_at_ms: int
    created_by: str
    is_public: bool = False


_TORCHRUN = f"""\
export MASTER_ADDR="${{MASTER_ADDR:-127.0.0.1}}" MASTER_PORT="${{MASTER_PORT:-29400}}"
export MASTER_IP="$MASTER_ADDR" THIS_ADDR=127.0.0.1
export NNODES="$LEPTON_JOB_TOTAL_WORKERS" NODE_RANK="$LEPTON_JOB_WORKER_INDEX"
export NGPUS="${{LEPTON_RESOURCE_ACCELERATOR_NUM:-0}}"
export HOST_ADDRS="$(seq -s, "$NNODES" | sed 's/[0-9][0-9]*/127.0.0.1/g')"
unset RANK WORLD_SIZE LOCAL_RANK
processes="$NGPUS"
if [ "$processes" = 0 ]; then processes=1; fi
run="$(cat <<'END_OF_RUN'
{PLACE}
END_OF_RUN
)"
case "$run" in
  *torchrun*) eval "$run" ;;
  *) eval "exec torchrun --nnodes $NNODES --node_rank $NODE_RANK --nproc_per_node $processes \
       --master_addr $MASTER_ADDR --master_port $MASTER_PORT $run" ;;
esac
"""

PUBLIC = (
    Template(
        id="torchrun",
        name="torchrun",
        spec={
            "resource_shape": "cpu.small",
            "container": {"command": ["/bin/bash", "-c", _TORCHRUN]},
            "completions": 1,
            "parallelism": 1,
            "intra_job_communication": True,
        },
        created_at_ms=0,
        created_by=events.SYSTEM,
        is_public=True,
    ),
)


class Templates:
    """The templates of all workspaces, and those that are built in.

    Args:
        database: Where a workspace's own are kept.
        clock: Where the time comes from.
        journal: Where changes are written down.
    """

    def __init__(self, database: Database, clock: Clock, journal: events.Journal) -> None:
        self._database = database
        self._clock = clock
        self._journal = journal

    def list(self, workspace_id: str, *, public: bool) -> Sequence[Template]:
        """The templates that are built in, or a workspace's own, by name."""
        if public:
            return PUBLIC
        return self._database.read(lambda connection: _list(connection, workspace_id))

    def get(self, workspace_id: str, template_id: str, *, public: bool) -> Template:
        """One template.

        Raises:
            NotFound: There is none.
        """
        found = {template.id: template for template in self.list(workspace_id, public=public)}.get(template_id)
        if found is None:
            where = "public" if public else "private"
            raise NotFound(
                f"there is no {where} template {template_id[:100]!r}", hint="`lep template list` shows them."
            )
        return found

    async def create(self, workspace_id: str, name: str, spec: Mapping[str, Any], actor: str) -> Template:
        """Keep a template of the workspace's own.

        Raises:
            InvalidInput: The name breaks its rule, or the spec is no job's.
            AlreadyExists: The name is taken.
        """
        check_name("template", name)
        read_spec(spec)
        template = Template(name, name, spec, self._clock.now_ms(), actor)
        event = self._journal.event(workspace_id, actor, "created", "template", name, "asked", "The template was made.")

        def work(connection: Connection) -> None:
            kept = _list(connection, workspace_id)
            if any(other.id == template.id for other in kept):
                raise AlreadyExists(f"there is a template {name!r} already", hint="Remove it, or use another name.")
            if len(kept) >= MOST_TEMPLATES:
                raise InvalidInput(f"a workspace may have at most {MOST_TEMPLATES} templates", hint="Remove one.")
            row = {key: value for key, value in vars(template).items() if key != "is_public"}
            connection.execute(insert(templates_table).values(row | {"workspace_id": workspace_id}))
            events.record(connection, event)

        await self._database.write_async(work)
        return template

    async def remove(self, workspace_id: str, template_id: str, actor: str) -> None:
        """Remove a template of the workspace's own. Jobs that were made of it stay.

        Raises:
            NotFound: There is none.
        """
        self.get(workspace_id, template_id, public=False)
        event = self._journal.event(
            workspace_id, actor, "removed", "template", template_id, "asked", "The template was removed."
        )

        def work(connection: Connection) -> None:
            connection.execute(delete(templates_table).filter_by(workspace_id=workspace_id, id=template_id))
            events.record(connection, event)

        await self._database.write_async(work)


def rendered(template: Template, run: str) -> dict[str, Any]:
    """A template's spec with a command in the place for it. The command stays the text that it is.

    Args:
        run: The command, such as `train.py --epochs 3`.

    Raises:
        InvalidInput: It is too long or holds a zero byte.
    """
    if len(run.encode()) > LONGEST_RUN_BYTES or "\0" in run:
        raise InvalidInput(f"`run` must have at most {LONGEST_RUN_BYTES} bytes and no zero byte")
    filled = _filled(template.spec, run)
    assert isinstance(filled, dict)
    return filled


def _filled(value: Any, run: str) -> Any:
    if isinstance(value, str):
        return value.replace(PLACE, run)
    if isinstance(value, Mapping):
        return {key: _filled(item, run) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(item, run) for item in value]
    return value


def _list(connection: Connection, workspace_id: str) -> Sequence[Template]:
    query = select(templates_table).filter_by(workspace_id=workspace_id).order_by(templates_table.c.name)
    return [
        Template(row["id"], row["name"], row["spec"], row["created_at_ms"], row["created_by"])
        for row in connection.execute(query).mappings()
    ]
