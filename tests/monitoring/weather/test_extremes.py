"""Extreme days: flags exactly as published; runs and events that can be counted by eye."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from monitoring.weather.events import events_of
from monitoring.weather.extremes import (
    SPANS_DAYS,
    extreme_days,
    in_runs,
    precipitation_demand_index,
    ranks,
)


def flags(text: str) -> np.ndarray:
    return np.array([character == "x" for character in text])


def shown(found: np.ndarray) -> str:
    return "".join("x" if each else "." for each in found)


def same_parts(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether two labellings are the same but for the numbers used."""
    pairs = np.unique(np.stack([found.ravel(), expected.ravel()]), axis=1).shape[1]
    return bool(((found > 0) == (expected > 0)).all()) and (
        pairs == len(np.unique(found)) == len(np.unique(expected))
    )


@pytest.mark.parametrize("cell", ["none", "oak", "pine"])
def test_every_day_is_what_the_published_definition_says(shared: Path, cell: str) -> None:
    with (shared / "golden" / "extremes" / f"cell_{cell}.csv").open() as file:
        columns = np.array(list(csv.reader(file)))[1:, 1:].astype(float).T
    tmax, rain, pet, *pei = (column[None] for column in columns[:6])
    for span, expected in zip(SPANS_DAYS, pei, strict=True):
        np.testing.assert_allclose(precipitation_demand_index(rain - pet, span), expected, rtol=0, atol=1e-8)
    event_byte, compound, three, four = columns[6:]
    found = extreme_days(tmax, rain, pet)
    np.testing.assert_array_equal(found.event_byte[0], event_byte)
    np.testing.assert_array_equal((found.hot & found.dry)[0], compound > 0)
    np.testing.assert_array_equal(found.compound[0], three > 0)
    np.testing.assert_array_equal(extreme_days(tmax, rain, pet, min_run_days=4).compound[0], four > 0)
    assert three.sum() > 0


def test_cells_do_not_touch_each_other() -> None:
    tmax, rain, pet = np.random.default_rng(2).normal(10, 4, (3, 5, 1200))
    together = extreme_days(tmax, rain, pet, share=0.05)
    for row in range(5):
        alone = extreme_days(*(each[row : row + 1] for each in (tmax, rain, pet)), share=0.05)
        np.testing.assert_array_equal(alone.event_byte[0], together.event_byte[row])
        np.testing.assert_array_equal(alone.compound[0], together.compound[row])


def test_runs_shorter_than_asked_for_are_no_event() -> None:
    days = np.stack([flags("xxx.xx.xxxx"), flags("x.........."), flags("xxxxxxxxxxx")])
    assert [shown(row) for row in in_runs(days, 3)] == ["xxx....xxxx", "...........", "xxxxxxxxxxx"]
    assert [shown(row) for row in in_runs(days, 4)] == [".......xxxx", "...........", "xxxxxxxxxxx"]
    np.testing.assert_array_equal(in_runs(days, 1), days)


def test_ranks_run_from_one_nth_to_one_and_leave_missing_days_out() -> None:
    found = ranks(np.array([[30.0, np.nan, 10.0, 10.0, 20.0]]))
    np.testing.assert_array_equal(found, [[1.0, np.nan, 0.25, 0.5, 0.75]])


def test_an_index_takes_what_there_is_and_leaves_missing_days_out() -> None:
    found = precipitation_demand_index(np.array([[1.0, 3.0, np.nan, 5.0, 7.0]]), 3)
    np.testing.assert_array_equal(found, [[1.0, 2.0, np.nan, 4.0, 6.0]])


def test_a_missing_day_is_nothing_and_ends_a_run() -> None:
    tmax = np.r_[np.zeros(95), np.full(5, 30.0)][None]
    rain = np.r_[np.full(95, 9.0), np.zeros(5)][None]
    whole = extreme_days(tmax, rain, np.ones((1, 100)), share=0.06)
    assert whole.compound[0].sum() == 5
    tmax[0, 97] = np.nan
    broken = extreme_days(tmax, rain, np.ones((1, 100)), share=0.06)
    assert broken.event_byte[0, 97] == 0
    assert not broken.known[0, 97]
    assert not broken.compound.any()


def test_no_cell_and_no_known_day_give_no_extreme() -> None:
    nothing = np.empty((0, 400))
    assert extreme_days(nothing, nothing, nothing).compound.shape == (0, 400)
    sea = np.full((2, 400), np.nan)
    assert not extreme_days(sea, sea, sea).event_byte.any()


def test_events_are_the_connected_parts_of_the_reference(shared: Path) -> None:
    with np.load(shared / "golden" / "extremes" / "labels.npz", allow_pickle=False) as golden:
        mask = golden["mask_time_lat_lon"]
        long = np.moveaxis(in_runs(np.moveaxis(mask, 0, -1), 3), -1, 0)
        np.testing.assert_array_equal(long, golden["mask_min3"])
        assert same_parts(events_of(mask).labels, golden["labels_face_connected"])
        assert same_parts(events_of(mask, corners=True).labels, golden["labels_full_connected"])
        assert same_parts(events_of(long).labels, golden["labels_min3_face"])


def test_one_heatwave_over_many_cells_is_one_event() -> None:
    """Four days by 1 x 4 cells: a wave that moves east, and a cell of its own that it touches nowhere."""
    west_to_east = np.array([["x...", "xx.x", ".x.x", "...."]])
    mask = np.array([[[c == "x" for c in row]] for row in west_to_east[0]])
    found = events_of(mask)
    assert found.first_day.tolist() == [0, 1]
    assert found.last_day.tolist() == [2, 2]
    assert found.days.tolist() == [3, 2]
    assert found.cells.tolist() == [2, 1]
    assert found.cell_days.tolist() == [4, 2]


def test_no_flag_is_no_event() -> None:
    assert len(events_of(np.zeros((3, 2, 2), bool)).days) == 0
