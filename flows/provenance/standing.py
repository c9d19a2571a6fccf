"""Where provenance is read: the published snapshot, and the warehouse for what is not published yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

from flows.provenance.asking import Subject, estimate_of, subject_of
from flows.workspace import Workspace
from monitoring.errors import LeaseHeldError, WarehouseError
from warehouse.answering.provenance import Chain, read_chain, read_unpublished
from warehouse.reader import Record

#: How long a reader waits for the writer, seconds; the snapshot is there meanwhile.
PATIENCE_S = 2.0


@contextmanager
def with_subject(workspace: Workspace, asked: str, as_of: datetime | None) -> Iterator[tuple[Chain, Subject]]:
    """Open the snapshot with what is asked for; the warehouse, where only that holds it.

    A report is recorded when it is written, and published with the next season.
    """
    target = workspace.science.estimation.target
    with ExitStack() as stack:
        try:
            chain = stack.enter_context(read_chain(workspace.published))
            subject = subject_of(chain, asked, target, as_of)
        except WarehouseError as unknown:
            chain = stack.enter_context(_warehouse_or(workspace, unknown))
            subject = subject_of(chain, asked, target, as_of)
        yield chain, subject


@contextmanager
def _warehouse_or(workspace: Workspace, unknown: WarehouseError) -> Iterator[Chain]:
    """Open the warehouse itself; raise what the snapshot said, where there is none or somebody is writing."""
    if not workspace.warehouse.exists():
        raise unknown
    try:
        with read_unpublished(workspace.warehouse, wait_s=PATIENCE_S) as chain:
            yield chain
    except LeaseHeldError:
        raise unknown from None


@contextmanager
def with_estimates(
    workspace: Workspace, asked: str, season: str, as_of: datetime | None
) -> Iterator[tuple[Chain, Sequence[Record]]]:
    """Open the snapshot with the one estimate asked for, or all that hold for a season."""
    with read_chain(workspace.published) as chain:
        if season:
            yield chain, chain.estimates_of_season(season)
        else:
            yield chain, (estimate_of(chain, asked, workspace.science.estimation.target, as_of),)


@contextmanager
def newest_chain(workspace: Workspace) -> Iterator[Chain]:
    """Open the warehouse where nobody is writing to it, else the snapshot."""
    with ExitStack() as stack:
        try:
            chain = stack.enter_context(read_unpublished(workspace.warehouse, wait_s=PATIENCE_S))
        except LeaseHeldError:
            chain = stack.enter_context(read_chain(workspace.published))
        except WarehouseError:
            if not workspace.published.exists():
                raise
            chain = stack.enter_context(read_chain(workspace.published))
        yield chain
