"""Staged estimates, and what their gate says of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from flows.ingesting.listing import Check
from flows.quality.gate import Verdict, check_estimates
from flows.quality.suites import OBSERVATION_COLUMNS
from flows.workspace import Workspace
from monitoring.seasons import Season
from monitoring.targets import Target
from warehouse.records import EstimateRow
from warehouse.staging import read_all

#: Stands in the quality table for an expectation that nothing could be asked of.
NOT_JUDGED = "observations_not_judged"


@dataclass(frozen=True, eq=False)
class JudgedEstimates:
    """Estimates of one season as staged, with their gate's verdict."""

    staged: pa.Table
    """Columns of `EstimateRow`; null is unknown."""
    verdict: Verdict
    uncounted: tuple[str, ...]
    """Counts of observations that were not judged, as nobody counted."""

    @property
    def sound(self) -> pa.Table:
        """Those that the gate lets pass."""
        passed = pa.array(self.verdict.passed["woodland_id"], pa.string())
        return self.staged.filter(pc.is_in(self.staged["woodland_id"], passed))

    @property
    def not_judged(self) -> tuple[Check, ...]:
        """Rows by which the gate says that it did not judge the number of observations."""
        said = "the publisher of the embeddings does not count observations: their least was not judged"
        return tuple(Check("estimates", NOT_JUDGED, column, True, 0, said) for column in self.uncounted)


def judge_estimates(workspace: Workspace, season: Season, paths: Iterable[Path]) -> JudgedEstimates:
    """Return a season's estimates, read from all files that they are staged in, held against their gate."""
    staged = read_all(paths, EstimateRow)
    frame = estimate_frame(staged, workspace.reads_published)
    uncounted = uncounted_columns(frame) if workspace.reads_published else ()
    verdict = check_estimates(frame, season, workspace.science, target_of(workspace), uncounted)
    return JudgedEstimates(staged, verdict, uncounted)


def target_of(workspace: Workspace) -> Target:
    """Return what the head in use predicts, with its unit and bounds."""
    return workspace.head.card.target


def estimate_frame(staged: pa.Table, published: bool = False) -> pd.DataFrame:
    """Return staged estimates as the gate's table; an estimate that is missing says why."""
    frame = staged.to_pandas()
    reason = "no pixel of the woodland " + ("has a published embedding" if published else "was observed")
    return frame.assign(reason=frame["mean"].isna().map({True: reason, False: ""}))


def uncounted_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Return the columns of observation counts that say nothing of any estimate there is."""
    known = frame[frame["mean"].notna()]
    return tuple(column for column in OBSERVATION_COLUMNS if known[column].isna().all())
