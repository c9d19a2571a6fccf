"""Folds: nothing near a held-out sample is ever trained on."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sample_places import DEGREE_M, haversine_m, places
from scipy.sparse.csgraph import connected_components

from models.heads.folds import (
    block_groups,
    deal,
    distinct_places,
    linked_groups,
    random_folds,
    refuse_coordinates,
)
from monitoring.errors import ModelError


def europe(shared: Path) -> np.ndarray:
    return np.genfromtxt(shared / "golden/spatial_cv/europe.csv", delimiter=",", skip_header=1)


def soil_samples(shared: Path) -> np.ndarray:
    with (shared / "data/ecm_richness/ECM_richness_europe_train.csv").open() as file:
        rows = [(row["longitude"], row["latitude"]) for row in csv.DictReader(file)]
    return np.array([row for row in rows if row[0] not in ("", "NA")], np.float64)


def test_a_chain_of_near_places_is_one_group() -> None:
    groups = linked_groups(places((0, 0), (900, 0), (1800, 0), (5000, 0)), 1000)
    assert list(groups) == [0, 0, 0, 1]


def test_linked_groups_equal_the_published_clusters(shared: Path) -> None:
    table = europe(shared)
    groups = linked_groups(table[:, :2], 50_000)
    pairs = set(zip(groups, table[:, 3], strict=True))
    assert len(pairs) == groups.max() + 1 == len(np.unique(table[:, 3])) == 190


@pytest.mark.parametrize("n_folds", [5, 10])
def test_dealing_out_clusters_gives_the_published_sizes_and_says_what_is_wrong(
    shared: Path, n_folds: int
) -> None:
    expected = json.loads((shared / "golden/spatial_cv/europe.json").read_text())
    folds = deal(linked_groups(europe(shared)[:, :2], 50_000), n_folds, "linked")
    assert sorted(np.bincount(folds.fold)) == expected[f"group_sizes_{n_folds}_balanced"]
    assert "largest group holds 33%" in folds.caution


def test_real_soil_samples_are_held_out_far_from_training(shared: Path) -> None:
    coordinates = soil_samples(shared)
    folds = deal(linked_groups(coordinates, 10_000), 5, "linked")
    assert folds.caution == ""
    assert np.ptp(np.bincount(folds.fold)) <= 5
    held_out = coordinates[folds.fold == 0]
    nearest = haversine_m(np.unique(held_out, axis=0), np.unique(coordinates[folds.fold != 0], axis=0)).min()
    assert nearest > 10_000


def test_a_random_split_of_real_soil_samples_parts_samples_of_one_coordinate(shared: Path) -> None:
    coordinates = soil_samples(shared)
    _, place = np.unique(coordinates, axis=0, return_inverse=True)
    split = {(p, f) for p, f in zip(place.ravel(), random_folds(len(place), 1).fold, strict=True)}
    assert len(split) > 1.2 * (place.max() + 1)


@given(arrays(np.int64, (60, 2), elements=st.integers(0, 30)), st.sampled_from([10.0, 700.0, 40_000.0]))
@settings(max_examples=40, deadline=None)
def test_samples_at_one_coordinate_are_never_parted(cells: np.ndarray, spacing_m: float) -> None:
    coordinates = cells * spacing_m / DEGREE_M
    _, place = np.unique(coordinates, axis=0, return_inverse=True)
    linked = linked_groups(coordinates, 500)
    for groups in (deal(linked, 3, "linked").fold, linked, block_groups(coordinates, 500)):
        pairs = np.unique(np.column_stack([place.ravel(), groups]), axis=0)
        assert len(pairs) == place.max() + 1


@given(arrays(np.int64, (40, 2), elements=st.integers(0, 12)))
@settings(max_examples=30, deadline=None)
def test_groups_are_as_far_apart_as_the_link_distance(cells: np.ndarray) -> None:
    coordinates = cells * 900 / DEGREE_M
    groups = linked_groups(coordinates, 1000)
    apart = haversine_m(coordinates, coordinates)[groups[:, None] != groups[None, :]]
    assert not len(apart) or apart.min() > 1000


def test_each_sample_is_held_out_exactly_once() -> None:
    folds = random_folds(23, seed=4)
    held_out = np.sum([held for _, held in folds.splits()], axis=0)
    assert (held_out == 1).all()
    assert all((training ^ held).all() for training, held in folds.splits())


def test_linked_groups_equal_those_of_all_pairs() -> None:
    generator = np.random.default_rng(5)
    coordinates = np.vstack([generator.uniform(-3, 3, (150, 2)), generator.normal(0, 0.1, (150, 2))])
    for distance_m in (500.0, 3_000.0, 20_000.0, 90_000.0):
        near = haversine_m(coordinates, coordinates) <= distance_m
        _, expected = connected_components(near, directed=False)
        pairs = set(zip(linked_groups(coordinates, distance_m), expected, strict=True))
        assert len(pairs) == expected.max() + 1 == len({found for found, _ in pairs})


def test_places_on_both_sides_of_the_antimeridian_and_around_a_pole_are_linked() -> None:
    coordinates = np.array([[179.999, 0], [-179.999, 0], [0, 89.999], [180, 89.999], [90, -90], [7, -90]])
    groups = linked_groups(coordinates, 1000)
    assert (groups[::2] == groups[1::2]).all()
    assert len(set(groups)) == 3
    assert distinct_places(np.array([[180.0, 3], [-180, 3], [90, -90], [7, -90]]))[1].tolist() == [0, 0, 1, 1]


def test_seven_thousand_samples_in_one_park_are_linked_without_their_pairs() -> None:
    coordinates = np.random.default_rng(2).uniform(0, 0.2, (7000, 2))
    tracemalloc.start()
    groups = linked_groups(coordinates, 50_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not groups.any()
    assert peak < 20e6


def test_six_equal_groups_in_five_folds_are_cautioned() -> None:
    folds = deal(np.repeat(np.arange(6), 10), 5, "whole")
    assert folds.caution == "the largest fold holds 33% of the samples, more than one fold of 5 should"


def test_order_of_samples_does_not_change_the_groups() -> None:
    coordinates = np.random.default_rng(3).uniform(0, 0.5, (80, 2))
    backwards = linked_groups(coordinates[::-1], 2000)[::-1]
    pairs = set(zip(linked_groups(coordinates, 2000), backwards, strict=True))
    assert len(pairs) == backwards.max() + 1


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (np.full((60, 2), np.nan), "expected finite"),
        (np.zeros(60), "expected finite"),
        (np.array([[432_000.0, 5_680_000.0]] * 9), "beyond 180, 90"),
    ],
)
def test_coordinates_that_are_none_are_refused(coordinates: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        refuse_coordinates(coordinates)
