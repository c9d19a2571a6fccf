"""Commands for the operator: deploy, serve, doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from flows.commands.session import session_of
from flows.tables import Format, show


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    app.command()(deploy)
    app.command()(serve)
    app.command()(doctor)


def deploy(context: typer.Context, form: Annotated[Format, typer.Option("--format")] = Format.TABLE) -> None:
    """Create or update the scheduled deployments on the Prefect server in use ($PREFECT_API_URL)."""
    session = session_of(context)
    workspace = session.open_for_flows()
    from flows.operating.deploy import deploy as create

    show([asdict(made) for made in create(workspace.settings, session.config_file)], form)


def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1024, max=65535, help="Port on loopback.")] = 4200,
) -> None:
    """Run server, deployments and worker on this machine until interrupted."""
    session = session_of(context)
    workspace = session.open_for_flows()
    from flows.operating.deploy import serve as keep_serving

    typer.echo(f"serving on http://127.0.0.1:{port} until interrupted")
    keep_serving(workspace.settings, session.config_file, port)


def doctor(context: typer.Context, form: Annotated[Format, typer.Option("--format")] = Format.TABLE) -> None:
    """Check everything a season needs, one line each; exit 1 when something is wrong."""
    from flows.operating.doctor import examine

    findings = examine(session_of(context).config_file)
    show([asdict(finding) for finding in findings], form)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
