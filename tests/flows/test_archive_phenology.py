from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.archive import radar
from flows.archive.fields import Floats
from flows.archive.phenology import (
    BANDS,
    DROUGHT_SENSITIVITY,
    EVERGREEN,
    OPEN_LAND,
    SPECIES,
    SeasonOfYear,
    drought_loss,
    leaf_on,
    open_reflectance,
    wood_reflectance,
)

SUMMER, WINTER = SeasonOfYear(190, 0.0, False), SeasonOfYear(20, 0.0, False)
PURE = np.eye(len(SPECIES))


def reflectance(season: SeasonOfYear, condition: float = 0.9) -> Floats:
    """(5, 10): pure stands of each species."""
    return wood_reflectance(PURE, np.full(5, condition), np.full(5, 0.3), season)


def ndvi(spectra: Floats) -> Floats:
    red, nir = spectra[:, BANDS.index("B04")], spectra[:, BANDS.index("B08")]
    return np.asarray((nir - red) / (nir + red))


def test_broadleaves_green_up_and_spruce_stays_green() -> None:
    gain = ndvi(reflectance(SUMMER)) - ndvi(reflectance(WINTER))
    assert np.all(gain[:3] > 0.2)
    assert abs(gain[4]) < 0.08


def test_summer_crowns_have_the_ndvi_of_published_stands() -> None:
    assert np.all((ndvi(reflectance(SUMMER)) > 0.70) & (ndvi(reflectance(SUMMER)) < 0.92))


def test_spruce_is_darker_than_beech_in_the_near_infrared() -> None:
    nir = reflectance(SUMMER)[:, BANDS.index("B08")]
    assert nir[4] < 0.5 * nir[1]


@settings(max_examples=50, deadline=None)
@given(
    species=st.integers(0, 4),
    day=st.integers(160, 250),
    better=st.floats(0.5, 1.0),
    loss=st.floats(0.05, 0.4),
)
def test_lost_condition_lowers_nir_and_red_edge_and_raises_red_and_swir(
    species: int, day: int, better: float, loss: float
) -> None:
    season = SeasonOfYear(day, 0.0, False)
    change = (reflectance(season, better - loss) - reflectance(season, better))[species]
    assert change[BANDS.index("B08")] < 0
    assert change[BANDS.index("B07")] < 0
    assert change[BANDS.index("B04")] > 0
    assert change[BANDS.index("B11")] > 0
    assert change[BANDS.index("B12")] > 0


@settings(max_examples=50, deadline=None)
@given(day=st.integers(1, 366), delay=st.floats(-10, 20))
def test_leaf_share_stays_between_the_winter_share_and_one(day: int, delay: float) -> None:
    share = leaf_on(SeasonOfYear(day, delay, False))
    assert np.all(share >= EVERGREEN)
    assert np.all(share <= 1.0)


def test_a_later_spring_delays_leaf_out() -> None:
    early, late = (leaf_on(SeasonOfYear(120, delay, False)) for delay in (0.0, 10.0))
    assert np.all(late[:3] < early[:3])


def test_a_drought_acts_from_july_to_october_only_and_hits_beech_hardest() -> None:
    loss = np.array([drought_loss(SeasonOfYear(day, 0.0, True)) for day in range(1, 366)])
    active = np.flatnonzero(loss.any(axis=1)) + 1
    assert active.min() >= 182
    assert active.max() <= 304
    assert loss.max(axis=0) == pytest.approx(DROUGHT_SENSITIVITY, rel=0.01)
    assert SPECIES[int(loss.max(axis=0).argmax())] == "beech"
    assert not drought_loss(SeasonOfYear(240, 0.0, False)).any()


@pytest.mark.parametrize("cover", sorted(OPEN_LAND))
def test_open_land_is_a_reflectance_all_year(cover: str) -> None:
    for day in range(1, 366, 30):
        spectrum = open_reflectance(cover, SeasonOfYear(day, 0.0, True))
        assert spectrum.shape == (10,)
        assert np.all((spectrum > 0.01) & (spectrum < 0.6))


def backscatter(season: SeasonOfYear, condition: float = 0.9) -> Floats:
    return radar.wood_gamma0_db(PURE, np.full(5, condition), np.zeros(5), np.zeros(5), season)


def test_woods_scatter_about_minus_eleven_and_minus_seventeen_decibels() -> None:
    mean = (backscatter(SUMMER) + backscatter(WINTER)).mean(axis=0) / 2
    assert mean == pytest.approx([-11.2, -16.8], abs=0.5)


def test_thinning_darkens_vh_more_than_vv() -> None:
    loss = backscatter(SUMMER, 0.9) - backscatter(SUMMER, 0.4)
    assert np.all(loss[:, 1] > loss[:, 0])
    assert np.all(loss[:, 0] > 0)


def test_broadleaf_vh_is_brighter_without_leaves() -> None:
    assert np.all(backscatter(WINTER)[:3, 1] > backscatter(SUMMER)[:3, 1] + 0.5)


def test_speckle_has_mean_one_and_the_spread_of_its_looks() -> None:
    factor = radar.speckle((200_000,), np.random.default_rng(0))
    assert factor.mean() == pytest.approx(1.0, abs=0.005)
    assert factor.var() == pytest.approx(1.0 / radar.LOOKS, rel=0.02)


@settings(max_examples=60, deadline=None)
@given(power=st.floats(1e-5, 5.0))
def test_rounding_keeps_three_significant_digits_and_clears_the_low_bits(power: float) -> None:
    kept = radar.rounded(np.array([power]))
    assert kept[0] == pytest.approx(power, rel=1.0 / 1024)
    assert int(kept.view(np.uint32)[0]) % 2 ** (23 - radar.MANTISSA_BITS) == 0
