"""What a command is given: the settings file it was asked to use, opened when it is needed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monitoring.errors import UnderwoodError, WarehouseError

if TYPE_CHECKING:
    from flows.workspace import Workspace


@dataclass(frozen=True)
class Session:
    """One call of the command line."""

    config: Path | None
    debug: bool

    @property
    def config_file(self) -> Path:
        """The settings file of this call."""
        from flows.settings import CONFIG_VARIABLE, DEFAULT_CONFIG

        return (self.config or Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)).absolute()

    @property
    def home(self) -> Path:
        """Where the service keeps what is its own, in the user's cache where there is no settings file."""
        from flows.settings import service_home

        return service_home(self.config)

    def open(self) -> Workspace:
        """Return the workspace; SettingsError when there is no such settings file."""
        from flows.workspace import open_workspace

        return open_workspace(str(self.config_file))

    def open_for_flows(self) -> Workspace:
        """Return the workspace, with the flows' own records kept under its home unless a server is in use."""
        workspace = self.open()
        keep_records_under(workspace.settings.home)
        return workspace


def keep_records_under(home: Path) -> None:
    """Keep the flows' own records under the service's home, unless a server is in use.

    To be called before Prefect is imported, which reads the place once.
    """
    if "PREFECT_API_URL" not in os.environ:
        place = Path(os.environ.setdefault("PREFECT_HOME", str(home / "prefect")))
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WarehouseError(f"{place}: cannot be made: {error.strerror}") from error


@contextmanager
def in_process() -> Iterator[None]:
    """Run flows in this process for the length of the `with`; an error of ours leaves nothing behind."""
    try:
        with _heartbeats_where_heard():
            yield
    except UnderwoodError as error:
        _let_go(error)
        raise


@contextmanager
def _heartbeats_where_heard() -> Iterator[None]:
    """Send no heartbeats where no server listens to them: each flow would wait half a second for its own."""
    if "PREFECT_API_URL" in os.environ:
        yield
        return
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    with temporary_settings(updates={PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


def _let_go(error: BaseException | None) -> None:
    """Empty the frames that an error and its causes passed through.

    Prefect keeps a failed task's error until the process ends, and its frames keep the closed connection
    to the warehouse, of which DuckDB then complains on stderr.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def session_of(context: typer.Context) -> Session:
    """Return the session that the command line was started with."""
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("the command was called outside the underwood command line")
    return session
