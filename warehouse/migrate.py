"""The schema on disk: numbered migrations, forward only, each with its record in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

import duckdb

from monitoring.errors import MigrationError
from warehouse.columns import utc
from warehouse.database import query, refusals, transaction
from warehouse.lease import Lease


@dataclass(frozen=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Of the file, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def known_migrations() -> tuple[Migration, ...]:
    """Return the migrations this version ships, in order."""
    files = [
        f for f in resources.files("warehouse").joinpath("migrations").iterdir() if f.name.endswith(".sql")
    ]
    ordered = sorted(files, key=lambda file: file.name)
    return tuple(Migration(int(file.name[:4]), file.name, file.read_text("utf-8")) for file in ordered)


def migrate(
    connection: duckdb.DuckDBPyConnection,
    *,
    now: datetime,
    known: Sequence[Migration] | None = None,
    held: Lease | None = None,
) -> int:
    """Bring the open warehouse up to the newest schema; return how many migrations that took.

    MigrationError, with nothing changed, when the file was made by a newer version or a migration already
    applied has another content than the one shipped.
    """
    migrations = known_migrations() if known is None else known
    pending = migrations[len(_verified(connection, migrations)) :]
    for migration in pending:
        with transaction(connection, f"migration {migration.name}", held):
            connection.execute(migration.sql)
            connection.execute(
                query("record_migration"),
                {
                    "number": migration.number,
                    "name": migration.name,
                    "sha256": migration.sha256,
                    "now": utc(now),
                },
            )
    return len(pending)


def refuse_other_schema(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise MigrationError unless the open file has exactly the schema this version knows."""
    migrations = known_migrations()
    applied = _verified(connection, migrations)
    if len(applied) < len(migrations):
        raise MigrationError(
            f"schema {len(applied)} is older than the {len(migrations)} read here: load or publish again"
        )


def refuse_newer_schema(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the schema of the open file; MigrationError where this version knows no such schema."""
    return len(_verified(connection, known_migrations()))


def _verified(
    connection: duckdb.DuckDBPyConnection, migrations: Sequence[Migration]
) -> list[tuple[int, str, str]]:
    applied = _applied(connection)
    if len(applied) > len(migrations):
        raise MigrationError(f"schema {len(applied)} is newer than {len(migrations)}, the last known here")
    for (number, name, sha256), migration in zip(applied, migrations, strict=False):
        if (number, sha256) != (migration.number, migration.sha256):
            raise MigrationError(
                f"migration {name}: applied as sha256 {sha256[:12]}, but "
                f"{migration.name} here is {migration.sha256[:12]}"
            )
    return applied


def _applied(connection: duckdb.DuckDBPyConnection) -> list[tuple[int, str, str]]:
    with refusals("schema"):
        (recorded,) = connection.execute(query("has_migrations")).fetchone() or (False,)
        return connection.execute(query("applied_migrations")).fetchall() if recorded else []
