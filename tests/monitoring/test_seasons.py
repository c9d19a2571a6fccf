"""Seasons, scientific choices and pixel series: what cannot be constructed wrongly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.errors import SeasonError, SettingsError
from monitoring.scenes import Sensor
from monitoring.science import Science, read_science
from monitoring.seasons import Season, latest_complete, refuse_overlap, seasons_between
from monitoring.series import PixelSeries, SensorSeries

ANY_SEASON = st.builds(Season, st.integers(2015, 2099), st.integers(1, 4))


@given(ANY_SEASON)
def test_an_id_is_read_back_as_the_same_season(season: Season) -> None:
    assert Season.parse(season.id) == season


@given(ANY_SEASON)
def test_a_season_is_a_year_long_and_ends_where_a_quarter_ends(season: Season) -> None:
    assert season.start.replace(year=season.start.year + 1) == season.end
    assert (season.end.month, season.end.day) in {(4, 1), (7, 1), (10, 1), (1, 1)}
    assert (season.end - timedelta(days=1)).year == season.year


@given(ANY_SEASON)
def test_the_next_season_ends_three_months_later(season: Season) -> None:
    later = season.next()
    assert later > season
    assert 89 <= (later.end - season.end).days <= 92
    assert season.overlaps(later)


@given(ANY_SEASON, ANY_SEASON)
def test_windows_overlap_unless_their_ends_are_a_year_apart(one: Season, other: Season) -> None:
    quarters = abs((one.year * 4 + one.quarter) - (other.year * 4 + other.quarter))
    assert one.overlaps(other) == (quarters < 4)
    assert one.overlaps(other) == other.overlaps(one)


@given(
    st.integers(0, 83 * 365 * 24).map(lambda hours: datetime(2016, 1, 1, tzinfo=UTC) + timedelta(hours=hours))
)
def test_the_latest_complete_season_has_ended_and_the_next_has_not(now: datetime) -> None:
    season = latest_complete(now)
    assert season.end <= now < season.next().end


def test_q4_is_the_calendar_year() -> None:
    season = Season.parse("2025-Q4")
    assert season.start == datetime(2025, 1, 1, tzinfo=UTC)
    assert season.end == datetime(2026, 1, 1, tzinfo=UTC)
    assert season.is_final


@pytest.mark.parametrize(
    "text", ["2025", "2025-Q5", "2025-Q0", "25-Q1", "2025-q4x", "", "1999-Q1", "٢٠٢٥-Q4"]
)
def test_what_is_not_a_season_is_refused(text: str) -> None:
    with pytest.raises(SeasonError):
        Season.parse(text)


def test_seasons_between_includes_both_ends() -> None:
    found = [season.id for season in seasons_between(Season(2024, 3), Season(2025, 1))]
    assert found == ["2024-Q3", "2024-Q4", "2025-Q1"]
    with pytest.raises(SeasonError, match="later"):
        list(seasons_between(Season(2025, 1), Season(2024, 4)))


def test_a_trend_may_not_mix_windows_that_overlap() -> None:
    refuse_overlap([Season(2023, 4), Season(2024, 4), Season(2025, 4)])
    with pytest.raises(SeasonError, match="2024-Q4 and 2025-Q2"):
        refuse_overlap([Season(2024, 4), Season(2025, 2)])
    with pytest.raises(SeasonError):
        refuse_overlap([Season(2025, 4), Season(2024, 4)])


def science_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "science.toml"
    path.write_text(text, "utf-8")
    return path


def test_an_empty_science_file_gives_the_defaults(tmp_path: Path) -> None:
    assert read_science(science_file(tmp_path, "")) == Science()


def test_a_changed_choice_changes_the_hash(tmp_path: Path) -> None:
    changed = read_science(science_file(tmp_path, "[estimation]\nmin_coverage = 0.6\n"))
    assert changed.estimation.min_coverage == 0.6
    assert changed.digest != Science().digest
    assert (
        read_science(science_file(tmp_path, "[estimation]\nmin_coverage = 0.5\n")).digest == Science().digest
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[estimation]\nmin_coverag = 0.6", "min_coverag"),
        ("[estimation]\nmin_coverage = 'half'", "min_coverage"),
        ("[estimation]\nmin_coverage = true", "min_coverage"),
        ("estimation = 3", "estimation"),
        ("[estimation", "science"),
    ],
)
def test_an_unknown_or_wrong_choice_is_refused_by_name(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        read_science(science_file(tmp_path, text))
    assert "\n" not in str(caught.value)


def series(sensor: Sensor, times: int, pixels: int) -> SensorSeries:
    kind = np.uint16 if sensor is Sensor.S2 else np.float32
    return SensorSeries(
        sensor,
        np.zeros(times, "datetime64[s]"),
        tuple(f"{sensor}-{i}" for i in range(times)),
        np.zeros((times, pixels, len(sensor.bands)), kind),
        np.zeros((times, pixels), np.uint8) if sensor is Sensor.S2 else None,
    )


def test_three_sensors_hold_the_same_pixels() -> None:
    s2, up, down = (series(sensor, 2, 3) for sensor in Sensor)
    whole = PixelSeries(s2, up, down)
    assert whole.n_pixels == 3
    assert len(whole.scene_ids) == 6
    assert whole.of(Sensor.S1_DESCENDING) is down
    with pytest.raises(ValueError, match="same pixels"):
        PixelSeries(s2, up, series(Sensor.S1_DESCENDING, 2, 4))


def test_values_must_fit_times_and_bands() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        SensorSeries(Sensor.S2, np.zeros(2, "datetime64[s]"), ("a", "b"), np.zeros((2, 3, 2), np.uint16))
