"""The Prefect flow of the replay: one task per block and rich year."""

from __future__ import annotations

from dataclasses import dataclass

from prefect import flow, task, unmapped
from prefect.cache_policies import NO_CACHE

from flows.estimating.drift import hold_to_panel
from flows.ingesting.listing import listing_path
from flows.pipeline import gpu_seat, on_threads, sort_out
from flows.progress import advance
from flows.replay.years import BlockYear, ReplayPlan, ReplayReceipt, block_years, replay_block_year
from flows.workspace import open_workspace
from monitoring.seasons import Season

LABEL = "replay block-years"


@dataclass(frozen=True)
class ReplayOutcome:
    """What a replay did: a postcard."""

    n_block_years: int
    n_embedded: int
    problems: tuple[str, ...]
    """One line for each block-year that was left out or failed."""


@task(name="replay block-year", task_run_name="replay {unit.block_id} {unit.year}", cache_policy=NO_CACHE)
def replay_task(config: str, unit: BlockYear, n_units: int) -> ReplayReceipt:
    """Stage one block-year of the replay, on a machine whose encoder agrees with its panels."""
    workspace = open_workspace(config)
    block, season = workspace.blocks[unit.block_id], Season(unit.year, 4)
    with gpu_seat(workspace):
        where = listing_path(workspace.staging, block.id, season)
        hold_to_panel(workspace, block, season, str(where))
        receipt = replay_block_year(workspace, unit)
    advance(LABEL, 1, n_units)
    return receipt


@flow(name="replay")
def replay(plan: ReplayPlan, config: str) -> ReplayOutcome:
    """Replay every block that has the years; a second run computes nothing, a killed one goes on."""
    units, left_out = block_years(open_workspace(config), plan)
    futures = replay_task.map(unmapped(config), list(units), unmapped(len(units)))
    receipts, failed = sort_out(futures, "replay")
    n_embedded = sum(receipt.n_embedded for receipt in receipts)
    return ReplayOutcome(len(receipts), n_embedded, (*left_out, *failed))


def run_replay(plan: ReplayPlan, config: str) -> ReplayOutcome:
    """Run the flow with as many threads as the settings allow."""
    return on_threads(replay, config)(plan, config)
