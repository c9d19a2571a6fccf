from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.alerts.alert import Level, Severity
from monitoring.alerts.severity import severity
from monitoring.woodlands import Status

ORDER = {Severity.LOW: 0, Severity.MODERATE: 1, Severity.HIGH: 2}
SURENESS = [Level.PROVISIONAL, Level.WATCH, Level.CONFIRMED]
STANDINGS = [Status.OTHER, Status.PAWS, Status.ASNW]


@pytest.mark.parametrize(
    ("loss", "area_ha", "status", "level", "expected"),
    [
        (0.45, 30.0, Status.ASNW, Level.CONFIRMED, Severity.HIGH),
        (0.25, 5.0, Status.ASNW, Level.CONFIRMED, Severity.HIGH),
        (0.25, 5.0, Status.OTHER, Level.CONFIRMED, Severity.MODERATE),
        (0.12, 0.5, Status.OTHER, Level.CONFIRMED, Severity.LOW),
        (0.45, 30.0, Status.ASNW, Level.WATCH, Severity.MODERATE),
        (0.45, 30.0, Status.ASNW, Level.PROVISIONAL, Severity.LOW),
        (math.nan, math.nan, Status.OTHER, Level.CONFIRMED, Severity.LOW),
    ],
)
def test_severity_follows_loss_area_standing_and_certainty(loss, area_ha, status, level, expected) -> None:
    assert severity(loss, area_ha, status.is_ancient, status, level) is expected


cases = st.tuples(
    st.floats(-1, 1), st.floats(0, 200), st.integers(0, len(STANDINGS) - 1), st.integers(0, len(SURENESS) - 1)
)


@given(one=cases, other=cases)
def test_more_at_stake_is_never_less_severe(one, other) -> None:
    lower = tuple(min(pair) for pair in zip(one, other, strict=True))
    upper = tuple(max(pair) for pair in zip(one, other, strict=True))
    less, more = (
        severity(loss, area, STANDINGS[rank].is_ancient, STANDINGS[rank], SURENESS[sure])
        for loss, area, rank, sure in (lower, upper)
    )
    assert ORDER[less] <= ORDER[more]
