from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.archive.fates import Kind, expected_richness, plan_fate, plan_kinds
from flows.archive.fields import smooth_field
from flows.archive.parks import CELL_M, PARKS, SIZE, YEARS
from flows.archive.samples import COUNT, draw_samples, effort_factor
from flows.archive.world import Landscape, Wood, build_world
from monitoring.woodlands import Status

SEED = 20170401


@pytest.fixture(scope="module")
def world() -> tuple[Landscape, ...]:
    return build_world(SEED)


@pytest.fixture(scope="module")
def woods(world: tuple[Landscape, ...]) -> list[Wood]:
    return [wood for land in world for wood in land.woods]


def test_two_parks_hold_at_least_sixty_woods_with_unique_ids_and_names(woods: list[Wood]) -> None:
    assert len(woods) == len({wood.id for wood in woods}) == len({wood.name for wood in woods}) == 66


def test_half_of_each_park_is_ancient_and_both_ancient_kinds_occur(world: tuple[Landscape, ...]) -> None:
    for land in world:
        statuses = [wood.status for wood in land.woods]
        assert 0.4 < np.mean([status.is_ancient for status in statuses]) < 0.6
        assert {Status.ASNW, Status.PAWS, Status.OTHER} == set(statuses)


def test_woods_are_small_as_real_ones_are(woods: list[Wood]) -> None:
    hectares = np.array([wood.outline.area / 10_000 for wood in woods])
    assert 1.5 < np.median(hectares) < 2.5
    assert (hectares < 1.0).sum() >= 5
    assert 120 < hectares.sum() < 170
    assert sum(wood.outline.geom_type == "MultiPolygon" for wood in woods) >= 4
    assert all(wood.outline.is_valid for wood in woods)


def test_exactly_two_woods_overlap(woods: list[Wood]) -> None:
    pairs = itertools.combinations(woods, 2)
    touching = [(a.id, b.id) for a, b in pairs if a.park == b.park and a.outline.intersects(b.outline)]
    assert len(touching) == 1


def test_every_wood_lies_inside_its_park(woods: list[Wood]) -> None:
    for wood in woods:
        west, south, east, north = wood.outline.bounds
        bounds = wood.park.bounds_m
        assert bounds.left < west
        assert bounds.bottom < south
        assert east < bounds.right
        assert north < bounds.top


def test_parks_align_with_the_twenty_metre_grid_of_their_zone() -> None:
    assert all(edge % (2 * CELL_M) == 0 for park in PARKS for edge in park.bounds_m)
    assert SIZE % 2 == 0


def test_about_sixty_percent_are_stable_a_quarter_decline_and_the_rest_step(woods: list[Wood]) -> None:
    share = {kind: np.mean([wood.fate.kind is kind for wood in woods]) for kind in Kind}
    assert share[Kind.STABLE] == pytest.approx(0.60, abs=0.03)
    assert share[Kind.DECLINE] == pytest.approx(0.25, abs=0.03)
    assert share[Kind.STEP] == pytest.approx(0.15, abs=0.03)


def test_decline_is_mostly_in_ancient_woodland_but_in_both(woods: list[Wood]) -> None:
    ancient = [wood.status.is_ancient for wood in woods if wood.fate.kind is Kind.DECLINE]
    assert 0.6 < np.mean(ancient) < 1.0


def test_losers_lose_a_quarter_to_two_fifths_of_their_richness(world: tuple[Landscape, ...]) -> None:
    for land in world:
        first, last = np.array(land.wood_richness(2017)), np.array(land.wood_richness(2025))
        stable = np.array([wood.fate.kind is Kind.STABLE for wood in land.woods])
        assert np.all(np.abs(1 - last / first)[stable] < 0.06)
        assert np.all((1 - last / first)[~stable] > 0.22)
        assert np.all((1 - last / first)[~stable] < 0.42)


def test_a_drought_marks_richness_slightly_and_only_that_year(world: tuple[Landscape, ...]) -> None:
    stable = np.array([wood.fate.kind is Kind.STABLE for wood in world[0].woods])
    by_year = {year: np.mean(np.array(world[0].wood_richness(year))[stable]) for year in (2021, 2022, 2023)}
    assert 0.005 < 1 - by_year[2022] / by_year[2021] < 0.04
    assert abs(1 - by_year[2023] / by_year[2021]) < 0.01


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_decliner_falls_every_year_and_a_step_falls_in_one(seed: int) -> None:
    decline = plan_fate(Kind.DECLINE, np.random.default_rng(seed))
    step = plan_fate(Kind.STEP, np.random.default_rng(seed))
    falls = -np.diff(step.condition)
    assert np.corrcoef(YEARS, decline.condition)[0, 1] < -0.97
    assert decline.condition[0] - decline.condition[-1] > 0.35
    assert step.start_year == YEARS[1 + int(np.argmax(falls))]
    assert falls.max() > 0.3
    assert 2019 <= (step.start_year or 0) <= 2022
    assert all(0.0 < c <= 1.0 for c in (*decline.condition, *step.condition))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(10, 60), seed=st.integers(0, 2**32 - 1))
def test_every_wood_is_given_one_kind(n: int, seed: int) -> None:
    kinds = plan_kinds([i % 2 == 0 for i in range(n)], np.random.default_rng(seed))
    assert len(kinds) == n
    assert set(kinds) <= set(Kind)


def test_richness_is_ordered_oak_beech_birch_pine_spruce_and_falls_with_condition() -> None:
    full = expected_richness(np.eye(5), np.zeros(5), np.ones(5), 2020)
    poor = expected_richness(np.eye(5), np.zeros(5), np.full(5, 0.5), 2020)
    assert np.all(np.diff(full) < 0)
    assert full == pytest.approx([62, 54, 43, 26, 13])
    assert poor == pytest.approx(full * 0.65)


def test_the_same_seed_gives_the_same_world_and_another_another() -> None:
    build_world.cache_clear()
    first = build_world(7)[0]
    build_world.cache_clear()
    again = build_world(7)[0]
    assert np.array_equal(first.stand.mix, again.stand.mix)
    assert [w.outline.wkb for w in first.woods] == [w.outline.wkb for w in again.woods]
    assert [w.outline.wkb for w in first.woods] != [w.outline.wkb for w in build_world(8)[0].woods]


def test_a_smooth_field_has_mean_zero_and_unit_spread() -> None:
    field = smooth_field(np.random.default_rng(1), 64, 6)
    assert field.shape == (64, 64)
    assert field.mean() == pytest.approx(0.0, abs=1e-12)
    assert field.std() == pytest.approx(1.0)
    assert np.abs(np.diff(field, axis=0)).max() < 0.6


def test_samples_are_many_scattered_over_years_and_a_little_dirty(world: tuple[Landscape, ...]) -> None:
    samples = draw_samples(world, SEED)
    places = [(one.longitude, one.latitude) for one in samples if one.longitude is not None]
    assert len(samples) == COUNT >= 500
    assert len({one.sample_id for one in samples}) == COUNT
    assert {one.year for one in samples} == set(YEARS)
    assert sum(one.richness is None for one in samples) == 6
    assert sum(one.longitude is None for one in samples) == 5
    assert len(set(places)) < len(places)


def test_sampled_richness_follows_the_truth_as_closely_as_one_core_can(world: tuple[Landscape, ...]) -> None:
    found = np.array([one.richness for one in draw_samples(world, SEED) if one.richness is not None])
    assert 25 < found.mean() < 45
    assert 9 < found.std() < 13


def test_more_reads_find_more_taxa_with_diminishing_returns() -> None:
    assert effort_factor(20_000) == 1.0
    assert effort_factor(5_000) < effort_factor(20_000) < effort_factor(80_000) < 1.11
