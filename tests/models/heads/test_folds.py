"""Folds: nothing near a held-out sample is ever trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.heads.folds import (
    EARTH_RADIUS_M,
    block_groups,
    deal,
    linked_groups,
    random_folds,
    spatial_folds,
)
from monitoring.errors import ModelError

#: Metres of one degree of latitude on the sphere.
DEGREE_M = EARTH_RADIUS_M * np.pi / 180


def places(*offsets_m: tuple[float, float]) -> np.ndarray:
    """Longitude, latitude of points given in metres east and north of (0, 0)."""
    return np.array(offsets_m) / DEGREE_M


def haversine_m(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle distances of every a to every b, by the textbook formula."""
    lon_a, lat_a = np.radians(a).T[:, :, None]
    lon_b, lat_b = np.radians(b).T[:, None, :]
    h = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(h))


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
    folds = spatial_folds(coordinates)
    assert folds.method == "linked within 10000 m"
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
    if place.max() < 4:
        return
    folds = spatial_folds(coordinates)
    for groups in (folds.fold, linked_groups(coordinates, 500), block_groups(coordinates, 500)):
        pairs = np.unique(np.column_stack([place.ravel(), groups]), axis=0)
        assert len(pairs) == place.max() + 1


@given(arrays(np.int64, (40, 2), elements=st.integers(0, 12)))
@settings(max_examples=30, deadline=None)
def test_groups_are_as_far_apart_as_the_link_distance(cells: np.ndarray) -> None:
    coordinates = cells * 900 / DEGREE_M
    groups = linked_groups(coordinates, 1000)
    apart = haversine_m(coordinates, coordinates)[groups[:, None] != groups[None, :]]
    assert not len(apart) or apart.min() > 1000


def test_a_dense_field_without_gaps_is_cut_into_blocks() -> None:
    east, north = np.meshgrid(np.arange(0, 3000, 100), np.arange(0, 3000, 100))
    folds = spatial_folds(places(*zip(east.ravel(), north.ravel(), strict=True)))
    assert folds.method == "blocks of 1000 m"
    assert folds.caution == ""


def test_each_sample_is_held_out_exactly_once() -> None:
    folds = random_folds(23, seed=4)
    held_out = np.sum([held for _, held in folds.splits()], axis=0)
    assert (held_out == 1).all()
    assert all((training ^ held).all() for training, held in folds.splits())


def test_order_of_samples_does_not_change_the_groups() -> None:
    coordinates = np.random.default_rng(3).uniform(0, 0.5, (80, 2))
    backwards = linked_groups(coordinates[::-1], 2000)[::-1]
    pairs = set(zip(linked_groups(coordinates, 2000), backwards, strict=True))
    assert len(pairs) == backwards.max() + 1


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (np.zeros((60, 2)), "1 distinct places cannot fill 5 folds"),
        (np.full((60, 2), np.nan), "expected finite"),
        (np.zeros(60), "expected finite"),
        (np.array([[432_000.0, 5_680_000.0]] * 9), "beyond 180, 90"),
        (np.empty((0, 2)), "0 distinct places"),
    ],
)
def test_coordinates_that_make_no_folds_are_refused(coordinates: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        spatial_folds(coordinates)
