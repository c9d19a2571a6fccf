"""Which season a run is about, and which results are told apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flows.pipeline import which_season
from monitoring.errors import SeasonError

NOW = datetime(2026, 1, 15, 3, tzinfo=UTC)


def test_the_schedule_runs_the_season_that_has_just_ended() -> None:
    assert which_season("latest", NOW).id == "2025-Q4"
    assert which_season("latest", datetime(2026, 4, 15, 3, tzinfo=UTC)).id == "2026-Q1"


def test_a_season_that_has_not_ended_is_refused_with_its_end() -> None:
    with pytest.raises(
        SeasonError, match=r"2026-Q1: its window ends 2026-04-01; the newest complete is 2025-Q4"
    ):
        which_season("2026-Q1", NOW)
