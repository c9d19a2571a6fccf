"""Debian's PostgreSQL beside the warehouse: started on loopback in a folder of its own, and asked the same.

It keeps the current rows only, ready-made: one table with its primary key, one of woodlands, and the summary
as a materialized view. It keeps no log, checks no references and works nothing out while it loads, all of
which the warehouse does. The driver is asyncpg, with prepared statements.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

USER = "postgres"
#: For 24 GB and two cores, durable as it comes: a commit is on disk.
SETTINGS = {
    "shared_buffers": "4GB", "effective_cache_size": "12GB", "work_mem": "128MB",
    "maintenance_work_mem": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "30min",
    "wal_level": "minimal", "max_wal_senders": "0", "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "2", "listen_addresses": "127.0.0.1", "max_connections": "10",
}  # fmt: skip
TYPES = {
    "string": "text", "double": "double precision", "int32": "integer", "int64": "bigint", "bool": "boolean",
    "timestamp[us]": "timestamp", "date32[day]": "date",
}  # fmt: skip
KEY = ("woodland_id", "target", "season")
#: What a history shows of its woodland.
OF_WOODLAND = "w.name as woodland, w.park, w.status, w.is_ancient, w.area_ha, w.is_present"
HISTORY = f"""
select {OF_WOODLAND}, e.* from estimate e join woodland w on w.id = e.woodland_id
where e.woodland_id = $1 and e.target = $2 order by e.season
"""
SUMMARY = """
select w.park, w.is_ancient, e.season, bool_and(e.is_final) as is_final, e.target, count(*) as n_woodlands,
    sum(w.area_ha) as area_ha, sum(e.mean * w.area_ha) / sum(w.area_ha) as mean,
    sum(e.sd * w.area_ha) / sum(w.area_ha) as sd, sum(e.sd_place * w.area_ha) / sum(w.area_ha) as sd_place,
    sum(e.sd_year * w.area_ha) / sum(w.area_ha) as sd_year,
    sum(e.coverage * w.area_ha) / sum(w.area_ha) as coverage,
    sum(e.applicable_share * w.area_ha) / sum(w.area_ha) as applicable_share,
    count(*) filter (where not e.is_applicable) as n_not_applicable, e.encoder, e.head, e.config_hash
from estimate e join woodland w on w.id = e.woodland_id
{where} group by w.park, w.is_ancient, e.season, e.target, e.encoder, e.head, e.config_hash
"""
PARK, SEASON = "where w.park = $1", "where e.season = $1"
KEPT_PARK = "select * from park_summary where park = $1 order by is_ancient desc, target, season"
KEPT_SEASON = "select * from park_summary where season = $1 order by park, is_ancient desc, target"
T = TypeVar("T")


@dataclass(frozen=True)
class Server:
    """Where a running server is asked."""

    port: int
    password: str

    def run(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """Return what `ask` makes of a connection."""

        async def asked() -> T:
            connection = await self.connected()
            try:
                return await ask(connection)
            finally:
                await connection.close()

        return asyncio.run(asked())

    async def connected(self) -> Any:
        import asyncpg

        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, database="postgres"
        )


# ---- the server --------------------------------------------------------------------------------------------


def why_absent() -> str:
    """Return why PostgreSQL cannot be measured here; empty where it can."""
    if binaries() is None:
        return "no PostgreSQL at /usr/lib/postgresql/*/bin"
    if shutil.which("setpriv") is None:
        return "no setpriv"
    with suppress(KeyError, ImportError):
        pwd.getpwnam(USER)
        import asyncpg  # noqa: F401

        return ""
    return f"no account {USER}, or no asyncpg (pip install '.[bench]')"


def binaries() -> Path | None:
    """Return the folder of the server's programs, the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


def version() -> str:
    """Return the server's version."""
    said = subprocess.run([f"{binaries()}/postgres", "--version"], capture_output=True, text=True, check=True)
    return said.stdout.strip()


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server of its own on a free port of the loopback; its folder is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    try:
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        if os.getuid() == 0:
            shutil.chown(folder, USER, USER)
            shutil.chown(folder / "password", USER, USER)
        initialise(folder)
        with running(folder, free_port()) as port:
            yield Server(port, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def initialise(folder: Path) -> None:
    command = [f"{binaries()}/initdb", "-D", f"{folder}/data", "-U", USER, "--auth=scram-sha-256",
               f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C"]  # fmt: skip
    said = subprocess.run(as_user(command), cwd=folder, capture_output=True, text=True)
    if said.returncode:
        raise RuntimeError(f"initdb: {said.stderr.strip()}")


@contextmanager
def running(folder: Path, port: int) -> Iterator[int]:
    """Run the server; it ends with this block, and with this very program however that ends."""
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(folder)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("w") as log:
        command = as_user([f"{binaries()}/postgres", "-D", f"{folder}/data", *options])
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            wait_until_ready(server, port, folder / "log")
            yield port
        finally:
            stop(server)


def as_user(command: Sequence[str]) -> list[str]:
    """Return a command as the account that a server may run as, ended when this program ends."""
    account = ["--reuid", USER, "--regid", USER, "--init-groups"] if os.getuid() == 0 else []
    return ["setpriv", *account, "--pdeathsig", "INT", "--", *command]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    command = [f"{binaries()}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + 30
    while subprocess.run(command).returncode:
        if server.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"postgres: does not start: {log.read_text()[-500:]}")
        time.sleep(0.1)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server: fast, and at once where that takes over a minute."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)
        server.wait(30)


# ---- what is put in ----------------------------------------------------------------------------------------


def execute(server: Server, *statements: str) -> None:
    async def ask(connection: Any) -> None:
        for statement in statements:
            await connection.execute(statement)

    server.run(ask)


def fill(server: Server, table: str, schema: pa.Schema, path: Path) -> None:
    """Make a table, without its key, and copy rows into it as they are: a first fill is faster so."""
    columns = ", ".join(f"{field.name} {TYPES[str(field.type)]}" for field in schema)

    async def ask(connection: Any) -> None:
        await connection.execute(f"create table {table} ({columns})")
        await connection.copy_to_table(table, source=path, format="csv", timeout=1200)

    server.run(ask)


def settle(server: Server) -> None:
    """Give the tables their keys and statistics, and keep the summary."""
    execute(
        server,
        "alter table woodland add primary key (id)",
        "create index on woodland (park)",
        f"alter table estimate add primary key ({', '.join(KEY)})",
        "create index on estimate (season)",
        f"create materialized view park_summary as {SUMMARY.format(where='')}",
        "vacuum analyze",
        "checkpoint",
    )


def load(server: Server, path: Path) -> float:
    """Return the seconds of one season's load: into a staging table, then into place, in one transaction."""
    key = ", ".join(KEY)

    async def ask(connection: Any) -> float:
        names = [each.name for each in (await connection.prepare("select * from estimate")).get_attributes()]
        put = ", ".join(f"{name} = excluded.{name}" for name in names if name not in KEY)
        began = time.perf_counter()
        async with connection.transaction():
            await connection.execute("create temp table batch (like estimate) on commit drop")
            await connection.copy_to_table("batch", source=path, format="csv", timeout=600)
            await connection.execute(
                f"insert into estimate select * from batch on conflict ({key}) do update set {put}",
                timeout=600,
            )
        return time.perf_counter() - began

    return server.run(ask)


# ---- what is asked -----------------------------------------------------------------------------------------


def latencies(
    server: Server,
    statement: str,
    arguments: Sequence[tuple[Any, ...]],
    go_on: Callable[[], bool] = lambda: True,
) -> tuple[list[float], list[dict[str, Any]]]:
    """Return the seconds of a prepared statement for each of some arguments, and the last rows."""

    async def ask(connection: Any) -> tuple[list[float], list[dict[str, Any]]]:
        prepared, taken, rows = await connection.prepare(statement), [], []
        for each in arguments:
            if not go_on():
                break
            began = time.perf_counter()
            rows = [dict(row) for row in await prepared.fetch(*each)]
            taken.append(time.perf_counter() - began)
        return taken, rows

    return server.run(ask)


def opening(server: Server, arguments: tuple[Any, ...]) -> float:
    """Return the seconds of a new connection and its first history."""

    async def timed() -> float:
        began = time.perf_counter()
        connection = await server.connected()
        await connection.fetch(HISTORY, *arguments)
        taken = time.perf_counter() - began
        await connection.close()
        return taken

    return asyncio.run(timed())


def size(server: Server) -> dict[str, int]:
    """Return the bytes of tables, and of their indexes."""

    async def ask(connection: Any) -> dict[str, int]:
        kept = "estimate", "woodland", "park_summary"
        sizes = [await connection.fetchrow(
            "select pg_total_relation_size($1::text::regclass), pg_indexes_size($1::text::regclass)", name
        ) for name in kept]  # fmt: skip
        return {"whole": sum(whole for whole, _ in sizes), "indexes": sum(part for _, part in sizes)}

    return server.run(ask)
