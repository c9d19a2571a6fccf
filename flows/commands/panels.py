"""Commands about panels: does the encoder still say what it said?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.session import session_of
from flows.progress import progress_bars
from flows.tables import Format, Row, show
from monitoring.errors import PanelError, SettingsError

if TYPE_CHECKING:
    from flows.estimating.panels import Compared, StoredPanel
    from flows.workspace import Workspace

panels = typer.Typer(help="Panels: frozen pixels that show whether an encoder drifts.", no_args_is_help=True)

FormatOption = Annotated[Format, typer.Option("--format", help="How rows come out.")]
#: What fits on a terminal; JSON and CSV hold every column.
LIST_BRIEF = ("block", "encoder", "season", "compared", "difference", "bitwise")
ACCEPT_BRIEF = ("block", "step", "within_numerics", "changed")
CHECK_BRIEF = ("block", "agrees", "difference", "bitwise", "deviates_at", "inputs")


def add_commands(app: typer.Typer) -> None:
    """Add this room's commands to the command line."""
    panels.command("list")(list_panels)
    panels.command()(check)
    panels.command()(accept)
    app.add_typer(panels, name="panels")


def list_panels(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Show every panel and what its last comparison found."""
    from flows.estimating.panels import every_folder, panel_paths

    workspace = session_of(context).open()
    paths = [path for folder in every_folder(workspace) for path in panel_paths(folder)]
    stored, damaged = readable(paths)
    show([row_of(each) for each in stored], form, empty="no panel is frozen yet", brief=LIST_BRIEF)
    report(stored, damaged)


def readable(paths: Sequence[Path]) -> tuple[list[StoredPanel], list[str]]:
    """Return the panels that can be read, and a line for each that cannot."""
    from flows.estimating.panels import read_panel

    stored: list[StoredPanel] = []
    damaged: list[str] = []
    for path in paths:
        try:
            stored.append(read_panel(path))
        except PanelError as error:
            damaged.append(str(error))
    return stored, damaged


def row_of(stored: StoredPanel) -> Row:
    """Return what is known of a panel: where it comes from, and what its last comparison found."""
    from flows.estimating.panels import last_compared, last_looked

    record, compared, looked = stored.panel.record, last_compared(stored), last_looked(stored)
    return {
        "block": record.block_id,
        "encoder": record.encoder,
        "season": record.season,
        "pixels": len(stored.panel.column),
        "accepted_at": record.accepted_at,
        "why": record.why,
        "compared": compared and compared.compared_at[:10],
        "compared_at": compared and compared.compared_at,
        "agrees": compared and compared.agrees,
        "difference": compared and compared.difference,
        "cosine": compared and compared.cosine,
        "within_one_level": compared and compared.within_one_level,
        "bitwise": compared and yes_or_no(compared.bitwise),
        "deviates_at": compared and compared.deviates_at,
        "changed": compared and "; ".join(compared.changed),
        "inputs": looked and looked.inputs,
        "sha256": stored.sha256,
    }


def yes_or_no(value: bool) -> str:
    """Return the word."""
    return "yes" if value else "no"


def report(stored: Sequence[StoredPanel], damaged: Sequence[str], *drifted: str) -> None:
    """Say on the error stream what is wrong; exit 1 for damage and drift, not for changed inputs."""
    from flows.estimating.drift import inputs_warning

    for line in filter(None, map(inputs_warning, stored)):
        typer.echo(f"underwood: warning: {line}", err=True)
    for line in (*damaged, *drifted):
        typer.echo(f"underwood: {line}", err=True)
    if damaged or drifted:
        raise typer.Exit(1)


def check(context: typer.Context, form: FormatOption = Format.TABLE) -> None:
    """Compare the encoder with its panels now; exit 1 on drift.

    The panels' inputs are compared with the cube too; a change there is a warning.
    """
    workspace = session_of(context).open()
    paths = own_panels(workspace)
    stored, damaged = readable(paths)
    with progress_bars():
        drifted = list(check_each(workspace, [each.path for each in stored]))
    show([row_of(each) for each in stored], form, empty="no panel is frozen yet", brief=CHECK_BRIEF)
    report(stored, damaged, *drifted)


def own_panels(workspace: Workspace) -> tuple[Path, ...]:
    """Return the panels of the encoder in use; SettingsError for one that is not computed here."""
    from flows.estimating.panels import has_panels, panel_folder, panel_paths

    if not has_panels(workspace):
        raise SettingsError(f"encoder {workspace.encoder_card.id}: is not computed here, so it has no panels")
    return panel_paths(panel_folder(workspace))


def check_each(workspace: Workspace, paths: Sequence[Path]) -> Iterator[str]:
    """Compare panels and look at their inputs; yield a line for each drift."""
    from flows.estimating.drift import compare_panels, look_at_inputs, refusal

    for stored, compared in compare_panels(workspace, paths):
        look_at_inputs(workspace, stored)
        if not compared.agrees:
            yield refusal(stored, compared)


def accept(
    context: typer.Context,
    why: Annotated[str, typer.Option(help="Why the encoder may say something else now; kept for good.")],
    block: Annotated[list[str] | None, typer.Option(help="Id of a block; may be repeated.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every block of the encoder in use.")] = False,
    form: FormatOption = Format.TABLE,
) -> None:
    """Accept what the encoder says now; the old panels are kept."""
    from flows.estimating.drift import accept_again

    workspace = session_of(context).open()
    chosen = chosen_panels(own_panels(workspace), block or [], everything)
    with progress_bars():
        accepted = [accept_again(workspace, path, why) for path in chosen]
    rows = [accepted_row(*each) for each in accepted]
    show(rows, form, empty="no panel is frozen yet", brief=ACCEPT_BRIEF)


def chosen_panels(paths: Sequence[Path], blocks: Sequence[str], everything: bool) -> list[Path]:
    """Return the panels asked for; SettingsError for none or both ways of asking, or an unknown block."""
    if everything == bool(blocks):
        raise SettingsError("panels accept: name blocks with --block, or all of them with --all")
    known = {path.stem: path for path in paths}
    unknown = [block for block in blocks if block not in known]
    if unknown:
        raise SettingsError(f"--block {unknown[0]}: has no panel of this encoder; `underwood panels list`")
    return [path for block, path in known.items() if everything or block in blocks]


def accepted_row(stored: StoredPanel, step: Compared) -> Row:
    """Return what was accepted, and how large a step it is from what was accepted before."""
    return {
        "block": stored.block_id,
        "accepted_at": stored.panel.record.accepted_at,
        "step": step.difference,
        "within_numerics": yes_or_no(step.agrees),
        "changed": "; ".join(step.changed),
    }
