"""The one place that runs Great Expectations.

The library takes seconds to import, so it is imported by the first gate that runs and by nothing else.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from flows.quality.suites import Check

#: One validation at a time: the context belongs to the whole process and is not made for threads.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """What Great Expectations found for one check."""

    expectation: str
    success: bool
    failed_rows: tuple[int, ...]
    """Positions of the rows that failed, ascending; empty for a check of the whole table."""
    observed: str
    error: str = ""
    """Why it could not be evaluated; empty where it was."""


def evaluate(frame: pd.DataFrame, checks: Sequence[Check]) -> tuple[Outcome, ...]:
    """Return one outcome per check, in order; the frame's rows must be numbered from 0."""
    if not checks:
        return ()
    with _ONE_AT_A_TIME:
        found = _batch(frame).validate(_suite(checks), result_format={"result_format": "COMPLETE"})
    outcomes = {one.expectation_config.meta["check"]: _outcome(one, len(frame)) for one in found.results}
    return tuple(outcomes[number] for number in range(len(checks)))


def _outcome(found: Any, rows: int) -> Outcome:
    result = found.result or {}
    failed = tuple(sorted(int(position) for position in result.get("unexpected_index_list") or ()))
    observed = result.get("observed_value", f"{len(failed)} of {rows} rows failed")
    error = _error(found.exception_info or {})
    return Outcome(found.expectation_config.type, bool(found.success), failed, str(observed), error)


def _error(exceptions: Mapping[str, Any]) -> str:
    """Return the first message; the library nests them by metric, or does not."""
    nested = [exceptions, *(each for each in exceptions.values() if isinstance(each, Mapping))]
    raised = [each for each in nested if each.get("raised_exception")]
    return str(raised[0].get("exception_message") or "unknown fault") if raised else ""


def _suite(checks: Sequence[Check]) -> Any:
    from great_expectations import ExpectationSuite

    return ExpectationSuite(name="gate", expectations=[_expectation(*pair) for pair in enumerate(checks)])


def _expectation(number: int, check: Check) -> Any:
    from great_expectations import expectations
    from great_expectations.expectations.row_conditions import Column

    arguments = dict(check.arguments) | _column_arguments(check)
    if check.where is not None:
        column, value = check.where
        arguments["row_condition"] = Column(column) == value
    return getattr(expectations, check.expectation)(meta={"check": number}, **arguments)


def _column_arguments(check: Check) -> dict[str, Any]:
    if "ColumnPair" in check.expectation:
        return dict(zip(("column_A", "column_B"), check.columns, strict=True))
    if "CompoundColumns" in check.expectation:
        return {"column_list": list(check.columns)}
    return {"column": check.columns[0]} if check.columns else {}


def _batch(frame: pd.DataFrame) -> Any:
    return _definition().get_batch(batch_parameters={"dataframe": frame})


@cache
def _definition() -> Any:
    """The process's one ephemeral context, with the place where frames are handed in."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when the library is imported
    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it notes every function it registers
    with warnings.catch_warnings():
        # It imports standard-library modules that are on their way out: nothing for us to mend.
        warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
        import great_expectations
        from great_expectations.data_context.types import base

    in_memory = base.InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    silent = base.ProgressBarsConfig(globally=False)
    config = base.DataContextConfig(store_backend_defaults=in_memory, progress_bars=silent)
    context = great_expectations.get_context(project_config=config, mode="ephemeral")
    source = context.data_sources.add_pandas("frames")
    return source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("whole frame")
