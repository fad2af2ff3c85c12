"""Migrations lead from an empty file to exactly the tables that the stores declare."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

import lepton_ai.core.access
import lepton_ai.core.events
import lepton_ai.core.idempotency
import lepton_ai.infrastructure.compute.jobs.store
import lepton_ai.infrastructure.compute.jobs.templates
import lepton_ai.infrastructure.compute.usage.store
import lepton_ai.infrastructure.storage.kv.store
import lepton_ai.infrastructure.storage.objects.store
import lepton_ai.infrastructure.storage.queues.store
import lepton_ai.infrastructure.storage.secrets.store
import lepton_ai.platform.model_management.endpoints.store
import lepton_ai.platform.model_management.registry.store
import lepton_ai.platform.model_management.runs.store
import lepton_ai.platform.photons.store  # noqa: F401 - each declares its tables
from lepton_ai.core.database import Database, metadata
from lepton_ai.core.errors import NotSupported
from lepton_ai.core.migrate import migrate


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.open(tmp_path / "lepton.db")


def test_an_empty_file_gets_the_schema_that_the_stores_declare(database: Database) -> None:
    migrate(database)

    def difference(connection: Connection) -> object:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert database.read(difference) == []
    database.close()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    assert database.read(lambda c: c.execute(text("SELECT version_num FROM alembic_version")).scalars().all()) == [
        "0007"
    ]
    database.close()


def test_a_database_of_the_first_version_keeps_its_rows(database: Database) -> None:
    migrate(database, "0001")
    database.write(lambda c: c.execute(text("INSERT INTO workspaces VALUES ('default', 7)")))
    token = "INSERT INTO tokens VALUES ('tok-1', 'default', 'admin', 'd1', 'lep_…', 7, NULL)"
    database.write(lambda c: c.execute(text(token)))
    migrate(database)
    assert database.read(lambda c: c.execute(text("SELECT id, created_at_ms, quota FROM workspaces")).all()) == [
        ("default", 7, "{}")
    ]
    assert database.read(lambda c: c.execute(text("SELECT name, role, expires_at_ms FROM tokens")).all()) == [
        ("admin", "admin", None)
    ]
    assert database.read(lambda c: c.execute(text("SELECT count(*) FROM runs")).scalar_one()) == 0
    database.close()


def test_a_database_of_a_newer_version_is_refused_with_the_remedy(database: Database) -> None:
    migrate(database)
    database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(NotSupported, match="newer version") as raised:
        migrate(database)
    assert "pip install --upgrade" in str(raised.value.hint)
    database.close()
