"""The command line: `underwood`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.commands import (
    alerts,
    asking,
    assessing,
    calibrating,
    contacts,
    cubes,
    exporting,
    findings,
    heads,
    looking,
    maps,
    minicubes,
    modelling,
    operating,
    panels,
    provenance,
    releases,
    replay,
    running,
    scenes,
    warehouse,
    weather,
    weights,
)
from flows.commands.session import Session
from monitoring.errors import SeasonError, SettingsError, UnderwoodError

#: Exit statuses: fine, found a problem, wrong use.
FOUND_A_PROBLEM, WRONG_USE = 1, 2

app = typer.Typer(
    name="underwood",
    help="What satellites can say about the fungi beneath ancient woodland, and what is being lost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for room in (
    running, asking, looking, findings, alerts, contacts, assessing, calibrating, heads, maps, modelling,
    weights, panels, releases, scenes, weather, cubes, minicubes, replay, provenance, warehouse, exporting,
    operating,
):  # fmt: skip
    room.add_commands(app)


@app.callback()
def session(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings file [$UNDERWOOD_CONFIG or underwood.toml]."),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the flows' own log.")] = False,
) -> None:
    """Remember what every command may need; nothing is opened yet."""
    context.obj = Session(config, debug)


def main() -> None:
    """Run the command line: one clear line for an error of ours, a traceback only with --debug."""
    quieten(debug="--debug" in sys.argv)
    try:
        app()
    except UnderwoodError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"underwood: {error}", err=True)
        sys.exit(WRONG_USE if isinstance(error, SettingsError | SeasonError) else FOUND_A_PROBLEM)


def quieten(*, debug: bool) -> None:
    """Keep telemetry off and other people's logs out of ours, unless the environment says otherwise."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    for log in ("PREFECT_LOGGING_LEVEL", "PREFECT_SERVER_LOGGING_LEVEL"):
        os.environ.setdefault(log, "INFO" if debug else "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    if not debug:
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        logging.getLogger("urllib3").setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
