"""Which season a run is about, and which cached results it may take."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows import pipeline
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


def test_a_cached_estimate_of_another_service_is_never_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two services of the same inputs on one server stage files of one name in two folders."""
    keys = []
    for home in ("one", "two"):
        staged = tmp_path / home / "32630-e48-n603-c7d0c3d69a6480a5.parquet"
        monkeypatch.setattr(pipeline, "open_workspace", lambda _config: None)
        monkeypatch.setattr(pipeline, "staged_block_path", lambda _workspace, _receipt, path=staged: path)
        assert pipeline._result_key(None, {"config": "", "receipt": None}) is None
        staged.parent.mkdir()
        staged.touch()
        keys.append(pipeline._result_key(None, {"config": "", "receipt": None}))
    assert None not in keys
    assert keys[0] != keys[1]
