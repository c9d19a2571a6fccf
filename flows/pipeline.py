"""The Prefect flows: a season is ingested, estimated, assessed and published.

What crosses a task boundary fits on a postcard (ids, paths, counts); the work itself is in plain
functions of the neighbouring modules, which know nothing of Prefect.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from prefect import Flow, flow, task, unmapped
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.context import TaskRunContext
from prefect.futures import PrefectFutureList
from prefect.runtime import task_run
from prefect.task_runners import ThreadPoolTaskRunner

from flows.assessing.season import AssessReceipt, assess_season
from flows.estimating.drift import hold_to_panel, refuse_drift
from flows.estimating.estimate import EstimateReceipt, estimate_block, staged_block_path
from flows.estimating.seats import choose_device
from flows.ingesting.ingest import IngestReceipt, ingest_block
from flows.load import LEASE_WAIT_S, LoadReceipt, load_season
from flows.sources.addresses import is_web
from flows.workspace import Workspace, open_workspace
from monitoring.errors import (
    CatalogueError,
    DriftError,
    PanelError,
    SeasonError,
    UnderwoodError,
    UnreachableError,
)
from monitoring.seasons import Season, latest_complete, seasons_between
from warehouse.publish import publish as publish_snapshot

#: Stands for the newest season whose window has ended; what the schedule asks for.
LATEST = "latest"
#: Waits before a source is asked again, seconds.
SOURCE_RETRY_DELAYS = [2.0, 15.0, 60.0]

#: Failures of one block that stop its whole season: nothing an encoder says can be trusted then.
STOPPING = (DriftError, PanelError)

#: Where the bar of a season's page stands after each of its steps, per cent.
INGESTED, ESTIMATED, PUBLISHED = 50.0, 80.0, 100.0

P = ParamSpec("P")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class SeasonReceipt:
    """What one run of a season did: a postcard."""

    season: str
    run_id: str
    n_scenes_read: int
    n_rows_added: int
    n_alerts: int
    published: str
    problems: tuple[str, ...]
    """One line for each thing that was left out or refused; the season went on without it."""


def _is_unreachable(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Retry a remote source only: a server may answer later, a refused scene will not become a better one."""
    return isinstance(state.result(raise_on_failure=False), UnreachableError)


@task(
    name="ingest block",
    task_run_name="ingest {block_id} {season_id}",
    retries=len(SOURCE_RETRY_DELAYS),
    retry_delay_seconds=SOURCE_RETRY_DELAYS,
    retry_condition_fn=_is_unreachable,
    cache_policy=NO_CACHE,
)
def ingest_task(config: str, block_id: str, season_id: str, now: datetime) -> IngestReceipt:
    """Bring one block's cube up to date; a catalogue that does not answer is asked again."""
    workspace = open_workspace(config)
    try:
        receipt = ingest_block(workspace, workspace.block(block_id), Season.parse(season_id), now)
    except CatalogueError as error:
        if is_web(workspace.settings.catalogue):
            raise UnreachableError(str(error)) from error
        raise
    if receipt.n_unread_remote and task_run.run_count <= len(SOURCE_RETRY_DELAYS):
        raise UnreachableError(f"{receipt.n_unread_remote} scenes could not be read: {receipt.problems[0]}")
    return receipt


def _result_key(_context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    """Name an estimate by the place of its staging file; None (compute it) while that is not there.

    The file's name holds all that the estimate depends on, its folder the service it belongs to: two
    services on one server never see each other's results.
    """
    workspace = open_workspace(parameters["config"])
    receipt: IngestReceipt = parameters["receipt"]
    staged = staged_block_path(workspace, receipt)
    return hashlib.sha256(str(staged).encode()).hexdigest() if staged.exists() else None


@task(name="compare panels", cache_policy=NO_CACHE)
def compare_task(config: str, receipts: Sequence[IngestReceipt], now: datetime) -> int:
    """Compare the encoder with the panels of the blocks to be embedded; DriftError stops the season."""
    workspace = open_workspace(config)
    with gpu_seat(workspace):
        return refuse_drift(workspace, receipts, now)


@task(
    name="estimate block",
    task_run_name="estimate {receipt.block_id} {receipt.season}",
    cache_key_fn=_result_key,
    result_serializer="json",  # the default unpickles what lies on disk
)
def estimate_task(config: str, receipt: IngestReceipt) -> EstimateReceipt:
    """Stage the estimates of one block-season."""
    workspace = open_workspace(config)
    with gpu_seat(workspace):
        block, chosen = workspace.block(receipt.block_id), Season.parse(receipt.season)
        hold_to_panel(workspace, block, chosen, receipt.listing)
        return estimate_block(workspace, block, chosen, receipt.listing)


@contextmanager
def gpu_seat(workspace: Workspace) -> Iterator[None]:
    """Hold one of the GPUs' seats across all processes of the server; nothing to hold where none is used."""
    if workspace.reads_published or choose_device(workspace.settings.device) == "cpu":
        yield
        return
    with concurrency("underwood-cuda", occupy=1):
        yield


@task(name="load", cache_policy=NO_CACHE)
def load_task(
    config: str,
    season_id: str,
    ingested: Sequence[IngestReceipt],
    staged: Sequence[EstimateReceipt],
    now: datetime,
) -> LoadReceipt:
    """Load what is staged: the only task that opens the warehouse for writing, under its lease."""
    return load_season(open_workspace(config), Season.parse(season_id), ingested, staged, now)


@task(name="assess trends", cache_policy=NO_CACHE)
def assess_task(config: str, season_id: str, run_id: str, now: datetime) -> AssessReceipt:
    """Test the histories up to a final season and record what they show."""
    return assess_season(open_workspace(config), Season.parse(season_id), run_id, now)


@task(name="publish snapshot", cache_policy=NO_CACHE)
def publish_task(config: str) -> str:
    """Publish what the warehouse holds, by atomic rename."""
    workspace = open_workspace(config)
    return str(publish_snapshot(workspace.warehouse, workspace.published, wait_s=LEASE_WAIT_S))


@flow(name="ingest")
def ingest(season_id: str, config: str, now: datetime) -> tuple[list[IngestReceipt], list[str]]:
    """Ingest every block of a season; return the receipts, and a line for each block that failed."""
    block_ids = sorted(open_workspace(config).blocks)
    futures = ingest_task.map(unmapped(config), block_ids, unmapped(season_id), unmapped(now))
    return sort_out(futures, f"ingest {season_id}")


@flow(name="estimate")
def estimate(
    season_id: str, config: str, ingested: list[IngestReceipt], now: datetime
) -> tuple[LoadReceipt, list[str]]:
    """Estimate every block that has scenes, then load what was staged in one transaction."""
    usable = [receipt for receipt in ingested if not receipt.refused]
    compare_task(config, usable, now)
    futures = estimate_task.map(unmapped(config), usable)
    staged, problems = sort_out(futures, f"estimate {season_id}")
    return load_task(config, season_id, ingested, staged, now), problems


@flow(name="references")
def references(season_id: str, config: str, now: datetime) -> list[str]:
    """Estimate the reference sites in a final season; return a line for each thing that was left out.

    Nothing of it is loaded, and no failure of it but drift stops the season.
    """
    block_ids = sorted(open_workspace(config).reference_blocks)
    ingesting = ingest_task.map(unmapped(config), block_ids, unmapped(season_id), unmapped(now))
    ingested, unread = part(ingesting)
    usable = [receipt for receipt in ingested if not receipt.refused]
    compare_task(config, usable, now)
    _, unestimated = part(estimate_task.map(unmapped(config), usable))
    problems = (line for receipt in ingested for line in receipt.problems)
    return [*lines_of([*unread, *unestimated], f"reference sites {season_id}"), *problems]


def refer(chosen: Season, config: str, now: datetime) -> list[str]:
    """Run the reference sites of a season; nothing for a provisional one, or where there are no sites."""
    if not chosen.is_final or not open_workspace(config).reference_blocks:
        return []
    return on_threads(references, config)(chosen.id, config, now)


@flow(name="assess")
def assess(season_id: str, config: str, run_id: str, now: datetime) -> AssessReceipt:
    """Assess a final season; a provisional one is stored, never tested."""
    receipt = assess_task(config, season_id, run_id, now)
    create_markdown_artifact(receipt.as_markdown(), key=f"alerts-{season_id.lower()}")
    return receipt


@flow(name="publish")
def publish(config: str) -> str:
    """Publish the snapshot that readers open."""
    return publish_task(config)


@flow(name="season", flow_run_name="season {season_id}")
def season(
    season_id: str = LATEST, config: str = "underwood.toml", now: datetime | None = None
) -> SeasonReceipt:
    """Run one season from catalogue to published snapshot."""
    clock = now or datetime.now(UTC)
    chosen = which_season(season_id, clock)
    progress = Progress(chosen.id)
    unreferred = refer(chosen, config, clock)
    ingested, unread = on_threads(ingest, config)(chosen.id, config, clock)
    progress.reached(INGESTED)
    loaded, unestimated = on_threads(estimate, config)(chosen.id, config, ingested, clock)
    progress.reached(ESTIMATED)
    assessed = assess(chosen.id, config, loaded.run_id, clock)
    published = publish(config)
    progress.reached(PUBLISHED)
    return _receipt(chosen, ingested, loaded, assessed, published, unread + unestimated + unreferred)


class Progress:
    """A progress bar on the flow run's page."""

    def __init__(self, season_id: str) -> None:
        """Show nothing done yet."""
        key = f"season-{season_id.lower()}"
        self._artifact = create_progress_artifact(0.0, key=key, description=f"season {season_id}")

    def reached(self, percent: float) -> None:
        """Move the bar."""
        if isinstance(self._artifact, UUID):
            update_progress_artifact(self._artifact, percent)


def on_threads(of: Flow[P, T], config: str) -> Flow[P, T]:
    """Return the flow with as many threads as the settings allow block-seasons at once."""
    runner: Any = ThreadPoolTaskRunner(max_workers=open_workspace(config).settings.workers)
    return of.with_options(task_runner=runner)


@flow(name="backfill", flow_run_name="backfill {first} to {last}")
def backfill(
    first: str, last: str, config: str, final_only: bool = False, now: datetime | None = None
) -> list[SeasonReceipt]:
    """Run every season from `first` to `last` in time order, or only the final ones."""
    clock = now or datetime.now(UTC)
    chosen = seasons_between(Season.parse(first), which_season(last, clock))
    return [season(each.id, config, clock) for each in chosen if each.is_final or not final_only]


def which_season(season_id: str, now: datetime) -> Season:
    """Return the season asked for; SeasonError when its window has not ended at `now`."""
    newest = latest_complete(now)
    chosen = newest if season_id == LATEST else Season.parse(season_id)
    if chosen > newest:
        raise SeasonError(
            f"season {chosen}: its window ends {chosen.end:%Y-%m-%d}; the newest complete is {newest}"
        )
    return chosen


def sort_out(futures: PrefectFutureList[T], what: str) -> tuple[list[T], list[str]]:
    """Return the results, and a line per failure of ours; raise what stops the season or fails every task."""
    results, failures = part(futures)
    if failures and not results:
        raise failures[0]
    return results, lines_of(failures, what)


def part(futures: PrefectFutureList[T]) -> tuple[list[T], list[Exception]]:
    """Return the results and the failures of ours; raise what is not ours, or stops the season."""
    outcomes = [future.result(raise_on_failure=False) for future in futures]
    failures: list[Exception] = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for failure in failures:
        if not isinstance(failure, UnderwoodError) or isinstance(failure, STOPPING):
            raise failure
    return [outcome for outcome in outcomes if not isinstance(outcome, Exception)], failures


def lines_of(failures: Sequence[Exception], what: str) -> list[str]:
    """Return a line for each failure."""
    return [f"{what}: {failure}" for failure in failures]


def _receipt(
    chosen: Season,
    ingested: Sequence[IngestReceipt],
    loaded: LoadReceipt,
    assessed: AssessReceipt,
    published: str,
    failures: Sequence[str],
) -> SeasonReceipt:
    return SeasonReceipt(
        season=chosen.id,
        run_id=loaded.run_id,
        n_scenes_read=sum(receipt.n_read for receipt in ingested),
        n_rows_added=loaded.n_rows_added + assessed.n_rows_added,
        n_alerts=assessed.n_alerts,
        published=published,
        problems=(*failures, *(line for receipt in ingested for line in receipt.problems), *loaded.problems),
    )
