"""Brings a database file to this version's schema: numbered, forward, all in one transaction."""

from pathlib import Path

from sqlalchemy import Connection

from lepton_ai.core import migrations
from lepton_ai.core.database import Database
from lepton_ai.core.errors import NotSupported


def migrate(database: Database, revision: str = "head") -> None:
    """Run the migrations that are missing, each once.

    Args:
        revision: How far; a test stops at an earlier schema.

    Raises:
        NotSupported: A newer version of lepton-ai wrote this database.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}

    def work(connection: Connection) -> None:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise NotSupported(
                f"the database is of a newer version of lepton-ai (schema {current})",
                hint="Install that version: pip install --upgrade lepton-ai",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    database.write(work)
