"""From a table as it comes to one the checks can be asked of: declared columns, declared kinds."""

from __future__ import annotations

from typing import Any

import pandas as pd

from flows.quality.suites import ROUNDED_UP, ROUNDING, Suite
from monitoring.errors import QualityError


def working_copy(frame: pd.DataFrame, suite: Suite) -> pd.DataFrame:
    """Return the suite's columns, rows numbered from 0; QualityError for a column that is absent or wrong.

    Text is `str` or missing, numbers float64, times aware, notes text with "" for missing.
    """
    for column in suite.columns:
        if column not in frame.columns:
            raise QualityError(f"{suite.name}: column {column} is missing")
    copy = frame.loc[:, list(suite.columns)].reset_index(drop=True)
    text = {column: _text(copy[column]) for column in suite.text}
    notes = {column: _text(copy[column]).fillna("") for column in suite.notes}
    numbers = {column: _numbers(copy[column], suite.name) for column in suite.numbers}
    times = {column: _times(copy[column], suite.name) for column in suite.times}
    rounded_up = {column + ROUNDED_UP: numbers[column] + ROUNDING for column in suite.rounded_up}
    return pd.DataFrame({**text, **notes, **numbers, **times, **rounded_up}, index=copy.index)


def _text(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.map(str, na_action="ignore").astype(object)


def _numbers(column: pd.Series[Any], suite: str) -> pd.Series[float]:
    try:
        if not any(isinstance(value, str) for value in column):
            return pd.to_numeric(column).astype("float64")
    except (TypeError, ValueError) as error:
        raise QualityError(f"{suite}: column {column.name} holds what is not a number: {error}") from error
    raise QualityError(f"{suite}: column {column.name} holds text where a number belongs")


def _times(column: pd.Series[Any], suite: str) -> pd.Series[Any]:
    if len(column) and not isinstance(column.dtype, pd.DatetimeTZDtype):
        raise QualityError(f"{suite}: column {column.name} is {column.dtype}, not a time with a zone")
    return column
