"""Schemes: the same samples judged by ever stricter ways to hold them out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sample_places import haversine_m, places, villages

from models.heads.folds import EARTH_RADIUS_M
from models.heads.nndm import held_out_distances_m
from models.heads.schemes import Scheme, make_schemes, primary_scheme
from monitoring.errors import ModelError

SPATIAL = ["coordinate", "1 km", "10 km", "50 km", "100 km", "region", "nndm"]


def by_name(coordinates: np.ndarray, **options: object) -> dict[str, Scheme]:
    schemes = make_schemes(coordinates, seed=1, **options)  # type: ignore[arg-type]
    return {each.name: each for each in schemes}


@pytest.fixture(scope="module")
def of_villages() -> dict[str, Scheme]:
    """The schemes of the villages, by name."""
    return by_name(villages())


def field(edge_m: float, step_m: float) -> np.ndarray:
    """A dense square of places."""
    east, north = np.meshgrid(np.arange(0, edge_m, step_m), np.arange(0, edge_m, step_m))
    return places(*zip(east.ravel(), north.ravel(), strict=True))


def test_every_scheme_is_made_in_order_of_strictness(of_villages: dict[str, Scheme]) -> None:
    assert list(of_villages) == ["random", *SPATIAL]


def test_random_folds_leak_where_samples_are_clustered(of_villages: dict[str, Scheme]) -> None:
    coordinates, schemes = villages(), of_villages
    median_m = {
        name: np.median(held_out_distances_m(coordinates, scheme.folds))
        for name, scheme in schemes.items()
        if scheme.folds is not None
    }
    assert median_m["random"] < 250
    assert median_m["10 km"] > 50 * median_m["random"]
    assert median_m["region"] >= median_m["10 km"]


@pytest.mark.parametrize("km", [1, 10, 50])
def test_a_spatial_scheme_keeps_its_distance(of_villages: dict[str, Scheme], km: int) -> None:
    folds = of_villages[f"{km} km"].folds
    assert folds is not None
    assert held_out_distances_m(villages(), folds).min() > km * 1000


@pytest.mark.parametrize("n_folds", [5, pytest.param(10, marks=pytest.mark.slow)])
def test_the_50_km_scheme_deals_the_published_clusters_to_folds_of_the_published_sizes(
    shared: Path, n_folds: int
) -> None:
    golden = shared / "golden/spatial_cv"
    expected = json.loads((golden / "europe.json").read_text())[f"group_sizes_{n_folds}_balanced"]
    table = np.genfromtxt(golden / "europe.csv", delimiter=",", skip_header=1)
    scheme = by_name(table[:, :2], n_folds=n_folds)["50 km"]
    assert scheme.folds is not None
    assert sorted(np.bincount(scheme.folds.fold)) == expected
    assert len(set(zip(scheme.blocks, table[:, 3], strict=True))) == scheme.blocks.max() + 1 == 190
    assert "the largest group holds 33%" in scheme.reason


def test_whole_regions_are_left_out_one_by_one() -> None:
    region = np.arange(600) // 75
    scheme = by_name(villages(), region=region)["region"]
    assert scheme.folds is not None
    assert scheme.folds.n_folds == 8
    assert len(np.unique(np.column_stack([region, scheme.folds.fold]), axis=0)) == 8


def test_without_regions_five_clusters_of_places_are_left_out(of_villages: dict[str, Scheme]) -> None:
    scheme = of_villages["region"]
    assert scheme.folds is not None
    assert scheme.folds.n_folds == 5
    assert (scheme.blocks.max() + 1, scheme.folds.n_groups) == (5, 5)


def test_very_many_regions_share_folds_but_are_never_parted() -> None:
    region = np.arange(600) // 10
    folds = by_name(villages(), region=region)["region"].folds
    assert folds is not None
    assert folds.n_folds == 20
    assert len(np.unique(np.column_stack([region, folds.fold]), axis=0)) == 60


def test_a_given_group_is_primary_and_is_never_parted() -> None:
    group = np.arange(600) // 20 * 7
    schemes = make_schemes(villages(), seed=1, group=group)
    primary = primary_scheme(schemes)
    assert primary.name == "group"
    assert primary.folds is not None
    assert len(np.unique(np.column_stack([group, primary.folds.fold]), axis=0)) == 30
    assert (schemes[0].blocks == primary.blocks).all()


def test_samples_without_coordinates_are_judged_by_their_group_alone() -> None:
    schemes = by_name(np.full((60, 2), np.nan), group=np.arange(60) // 6)
    assert [name for name, each in schemes.items() if each.folds is not None] == ["random", "group"]
    assert {schemes[name].reason for name in SPATIAL} == {"60 of 60 samples have no coordinates"}


def test_samples_of_one_place_leave_only_the_random_split() -> None:
    schemes = make_schemes(np.ones((40, 2)), seed=1)
    assert [each.name for each in schemes if each.folds is not None] == ["random"]
    assert not schemes[0].blocks.any()
    with pytest.raises(ModelError, match="all samples lie at one place"):
        primary_scheme(schemes)


def test_fewer_places_than_folds_make_as_many_folds_as_places() -> None:
    schemes = by_name(places((0, 0), (0, 0), (300_000, 0), (0, 300_000)))
    counts = {each.folds.n_folds for each in schemes.values() if each.name in SPATIAL and each.folds}
    assert counts == {3}


def test_the_primary_scheme_is_the_strictest_that_is_balanced() -> None:
    crowd = field(40_000, 4_000)
    alone = places(*((1_000_000 + 60_000 * i, 0) for i in range(40)))
    schemes = make_schemes(np.vstack([crowd, alone]), seed=1)
    assert primary_scheme(schemes).name == "1 km"
    assert primary_scheme(make_schemes(alone, seed=1)).name == "50 km"
    cautions = {each.name: each.reason for each in schemes}
    assert "the largest group holds 71%" in cautions["10 km"]


def test_a_field_without_gaps_is_judged_by_squares() -> None:
    schemes = make_schemes(field(3000, 100), seed=1)
    primary = primary_scheme(schemes)
    assert primary.name == "square"
    assert primary.folds is not None
    assert primary.folds.method == "blocks of 1000 m"
    assert {each.name: each.reason for each in schemes}["1 km"] == "all samples chain within 1 km"


def test_near_splits_are_resampled_by_the_blocks_of_the_primary_scheme(
    of_villages: dict[str, Scheme],
) -> None:
    schemes = tuple(of_villages.values())
    blocks = primary_scheme(schemes).blocks
    assert all((each.blocks == blocks).all() for each in schemes if each.name in ("random", "coordinate"))


def test_unknown_prediction_places_are_said_to_be_unknown(of_villages: dict[str, Scheme]) -> None:
    assert "no prediction places given" in of_villages["nndm"].reason
    assert by_name(villages(), prediction_places=villages() + 0.1)["nndm"].reason == ""


def test_groups_that_share_a_place_are_cautioned() -> None:
    coordinates = np.repeat(places(*((1000 * i, 0) for i in range(10))), 2, axis=0)
    assert by_name(coordinates, group=np.arange(20) // 2)["group"].reason == ""
    shifted = (np.arange(20) + 1) // 2 % 10
    assert (
        "10 places have samples in more than one group" in by_name(coordinates, group=shifted)["group"].reason
    )


def test_poles_and_the_antimeridian_are_places_like_others() -> None:
    generator = np.random.default_rng(4)
    longitude = (generator.uniform(175, 185, 200) + 180) % 360 - 180
    coordinates = np.column_stack([longitude, np.append(generator.uniform(-90, -80, 198), [-90, -90])])
    folds = by_name(coordinates)["10 km"].folds
    assert folds is not None
    apart = haversine_m(coordinates, coordinates)[folds.fold[:, None] != folds.fold[None, :]]
    assert 10_000 < apart.min() < np.pi * EARTH_RADIUS_M


def test_the_same_samples_and_seed_give_the_same_folds(of_villages: dict[str, Scheme]) -> None:
    for one, other in zip(of_villages.values(), make_schemes(villages(), seed=1), strict=True):
        assert one.folds is not None
        assert other.folds is not None
        assert (one.folds.fold == other.folds.fold).all()
        assert (one.blocks == other.blocks).all()


@pytest.mark.parametrize(
    ("coordinates", "options", "message"),
    [
        (np.full((9, 2), np.nan), {}, "expected finite"),
        (np.empty((0, 2)), {}, "no sample"),
        (np.zeros((9, 2)), {"n_folds": 1}, "needs at least 2"),
        (np.zeros((9, 2)), {"group": np.zeros(8, np.int64)}, r"group: \(8,\) labels for 9 samples"),
        (np.zeros((9, 2)), {"region": np.zeros(8, np.int64)}, r"region: \(8,\) labels"),
        (np.array([[0.0, 91.0]] * 9), {"group": np.zeros(9, np.int64)}, "beyond 180, 90"),
        (np.zeros((9, 2)), {"prediction_places": np.empty((0, 2))}, "prediction places: none"),
        (
            np.zeros((9, 2)),
            {"prediction_places": np.full((3, 2), np.nan)},
            "prediction places: expected finite",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line(
    coordinates: np.ndarray, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        by_name(coordinates, **options)
