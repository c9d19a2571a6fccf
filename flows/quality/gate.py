"""The gates: each parts a table into rows fit to go on and rows in quarantine, with plain reasons.

A row-level failure quarantines the row. A table-level failure is fatal: nothing of the table goes on.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from flows.quality.expectations import Outcome, evaluate
from flows.quality.suites import ROUNDED_UP, Check, Suite, estimate_suite, scene_suite, trend_suite
from flows.quality.tables import working_copy
from monitoring.errors import QualityError
from monitoring.science import Science
from monitoring.seasons import Season
from monitoring.targets import Target

#: Column of a quarantined row that says why, the reasons parted by `; `.
REASONS = "reasons"


@dataclass(frozen=True)
class ExpectationResult:
    """How one expectation fared."""

    expectation: str
    """Name in Great Expectations, such as `expect_column_values_to_be_unique`."""
    column: str
    """The columns it looked at, parted by commas; empty for the whole table."""
    success: bool
    unexpected_count: int
    """Rows that failed it."""
    observed: str
    """The table's value, or `3 of 100 rows failed`."""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What a gate decided: every row of the table is either in `passed` or in `quarantined`."""

    suite: str
    passed: pd.DataFrame
    """Rows to go on with, in their order; empty when `fatal`."""
    quarantined: pd.DataFrame
    """Rows held back, with a column `reasons`: one line in plain English."""
    results: tuple[ExpectationResult, ...]
    fatal: str = ""
    """Why the whole table is refused; empty where it is not."""


def check_scenes(frame: pd.DataFrame, season: Season, science: Science) -> Verdict:
    """Return which scenes of a block and season may be used; one row per `monitoring.scenes.Scene`."""
    return run_gate(frame, scene_suite(season, science))


def check_estimates(
    frame: pd.DataFrame, season: Season, science: Science, target: Target, uncounted: Sequence[str] = ()
) -> Verdict:
    """Return which estimates of a season may be stored; one row per woodland.

    `uncounted`: observation columns that cannot be judged, because nobody counted.
    """
    return run_gate(frame, estimate_suite(season, science, target, uncounted))


def check_trends(frame: pd.DataFrame, season: Season, target: Target) -> Verdict:
    """Return which trends up to a season may raise an alert; one row per `monitoring.trends.Trend`."""
    return run_gate(frame, trend_suite(season, target))


def run_gate(frame: pd.DataFrame, suite: Suite) -> Verdict:
    """Return the verdict of a suite on a table; the table itself is left as it is."""
    try:
        working = working_copy(frame, suite)
    except QualityError as error:
        return _refused(frame, suite, [[] for _ in range(len(frame))], (), str(error))
    first = evaluate(working, suite.rows + suite.whole)
    reasons = _reasons(working, suite.rows, first[: len(suite.rows)])
    sound = [position for position, found in enumerate(reasons) if not found]
    second = evaluate(working.iloc[sound].reset_index(drop=True), suite.sound)
    judged = tuple(zip(suite.rows + suite.whole + suite.sound, first + second, strict=True))
    results, fatal = tuple(_result(*pair) for pair in judged), _fatal(suite, judged)
    if fatal:
        return _refused(frame, suite, reasons, results, fatal)
    held = [position for position, found in enumerate(reasons) if found]
    return Verdict(suite.name, frame.iloc[sound], _with_reasons(frame, reasons, held), results)


def _reasons(working: pd.DataFrame, checks: Sequence[Check], outcomes: Sequence[Outcome]) -> list[list[str]]:
    """Return each row's reasons, in the order of the checks; none for a row that is sound."""
    rows = working.to_dict("records")
    reasons: list[list[str]] = [[] for _ in rows]
    decided: set[int] = set()
    for check, outcome in sorted(zip(checks, outcomes, strict=True), key=lambda pair: not pair[0].decisive):
        for position in outcome.failed_rows:
            if position not in decided:
                reasons[position] += _unless_said(reasons[position], _explain(check, rows[position]))
        decided.update(outcome.failed_rows if check.decisive else ())
    return reasons


def _unless_said(said: Sequence[str], reason: str) -> list[str]:
    return [] if reason in said else [reason]


def _explain(check: Check, row: Mapping[Hashable, object]) -> str:
    values = {str(name): value for name, value in row.items()}
    return _one_line(check.reason.format_map(values)) or check.otherwise.format_map(values)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fatal(suite: Suite, judged: Sequence[tuple[Check, Outcome]]) -> str:
    """Return why the table is refused: an expectation that could not run, or the first of the table's own."""
    for _, outcome in judged:
        if outcome.error:
            return f"{suite.name}: {outcome.expectation} could not be judged: {_one_line(outcome.error)}"
    for check, outcome in judged[len(suite.rows) :]:
        if not outcome.success:
            return check.reason.format(observed=outcome.observed)
    return ""


def _result(check: Check, outcome: Outcome) -> ExpectationResult:
    columns = ", ".join(column.removesuffix(ROUNDED_UP) for column in check.columns)
    failed = len(outcome.failed_rows)
    return ExpectationResult(outcome.expectation, columns, outcome.success, failed, outcome.observed)


def _refused(
    frame: pd.DataFrame,
    suite: Suite,
    reasons: Sequence[Sequence[str]],
    results: tuple[ExpectationResult, ...],
    fatal: str,
) -> Verdict:
    everyone = [[*found, fatal] for found in reasons]
    held = _with_reasons(frame, everyone, range(len(frame)))
    return Verdict(suite.name, frame.iloc[:0], held, results, fatal)


def _with_reasons(
    frame: pd.DataFrame, reasons: Sequence[Sequence[str]], positions: Sequence[int]
) -> pd.DataFrame:
    lines = pd.Series(["; ".join(reasons[position]) for position in positions], dtype=object)
    return frame.iloc[list(positions)].assign(**{REASONS: lines.to_numpy()})
