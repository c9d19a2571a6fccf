import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from monitoring.estimates import PixelEstimates, aggregate, weighted_mean
from monitoring.scenes import Sensor
from monitoring.spatial_error import FULLY_CORRELATED, Correlation

NAN = float("nan")
#: Wood a fills cell 0 and half of cell 1; wood b fills a quarter of cell 1 and all of cell 2.
WEIGHTS = sparse.csr_array(np.array([[1.0, 0.5, 0.0], [0.0, 0.25, 1.0]]))


def counts(s2=(10, 20, 30), ascending=(4, 4, 4), descending=(0, 0, 0)):
    return {
        Sensor.S2: np.array(s2),
        Sensor.S1_ASCENDING: np.array(ascending),
        Sensor.S1_DESCENDING: np.array(descending),
    }


def pixel_estimates(mean, sd_place=1.0, sd_year=0.0, applicable=True):
    mean = np.array(mean, float)
    place, year, inside = (np.broadcast_to(each, mean.shape) for each in (sd_place, sd_year, applicable))
    label = np.ones(mean.shape)
    return PixelEstimates(
        mean=mean,
        sd=np.sqrt(place**2 + year**2 + label**2),
        sd_place=np.array(place, float),
        sd_year=np.array(year, float),
        lo90=mean - 2,
        hi90=mean + 2,
        applicable=np.array(inside & np.isfinite(mean)),
        dissimilarity=np.zeros(mean.shape),
        density=np.ones(mean.shape, np.int64),
    )


def estimates(mean, weights=WEIGHTS, ids=("a", "b"), how=FULLY_CORRELATED, observed=None, **errors):
    """Three cells of one row, side by side."""
    cells = (np.arange(3, dtype=np.int32), np.zeros(3, np.int32))
    pixels = pixel_estimates(mean, **errors)
    return aggregate(ids, weights, pixels, counts(**(observed or {})), *cells, how)


def test_each_woodland_is_the_mean_of_its_cells_by_the_share_it_covers():
    a, b = estimates([30.0, 60.0, 20.0])
    assert (a.woodland_id, b.woodland_id) == ("a", "b")
    assert a.mean == pytest.approx((30 + 0.5 * 60) / 1.5)
    assert b.mean == pytest.approx((0.25 * 60 + 20) / 1.25)
    assert (a.coverage, a.n_pixels, a.reason) == (1, 2, "")


def test_observation_counts_are_weighted_the_same_way():
    a, _ = estimates([30.0, 60.0, 20.0])
    assert a.n_s2 == pytest.approx((10 + 0.5 * 20) / 1.5)
    assert (a.n_s1_ascending, a.n_s1_descending) == (4, 0)


def test_a_cell_without_an_estimate_lowers_the_coverage_and_not_the_mean():
    a, b = estimates([30.0, NAN, 20.0])
    assert a.mean == 30
    assert (a.coverage, a.n_pixels) == (pytest.approx(1 / 1.5), 1)
    assert b.mean == 20
    assert b.coverage == pytest.approx(1 / 1.25)


def test_a_woodland_nobody_saw_has_no_mean_and_a_reason():
    a, b = estimates([NAN, NAN, 20.0], observed={"s2": (0, 0, 12)})
    assert np.isnan([a.mean, a.sd, a.sd_place, a.sd_year, a.applicable_share]).all()
    assert (a.coverage, a.n_pixels, a.n_s2) == (0, 0, 0)
    assert a.reason == "no pixel of the woodland was observed"
    assert b.mean == 20


def test_errors_that_are_the_same_everywhere_do_not_average_out():
    a, _ = estimates([30.0, 60.0, 20.0], sd_place=[1.0, 4.0, 2.0])
    assert a.sd_place == pytest.approx((1 + 0.5 * 4) / 1.5, rel=1e-6)


def test_errors_that_are_independent_from_cell_to_cell_average_out():
    a, _ = estimates([30.0, 60.0, 20.0], sd_place=[1.0, 4.0, 2.0], how=Correlation(1.0, 100.0))
    assert a.sd_place == pytest.approx(np.sqrt(1**2 + (0.5 * 4) ** 2) / 1.5)


def test_the_sd_of_a_mean_is_its_place_and_year_parts_together_without_label_error():
    a, b = estimates([30.0, 60.0, 20.0], sd_place=3.0, sd_year=4.0)
    for found in (a, b):
        assert (found.sd_place, found.sd_year) == (pytest.approx(3), pytest.approx(4))
        assert found.sd == pytest.approx(5)


def test_the_sd_of_a_cell_without_an_estimate_does_not_count():
    a, _ = estimates([30.0, NAN, 20.0], sd_place=[2.0, 100.0, 2.0])
    assert a.sd == pytest.approx(2)


def test_the_applicable_share_is_of_the_area_that_has_an_estimate():
    a, b = estimates([30.0, 60.0, 20.0], applicable=[True, False, True])
    assert a.applicable_share == pytest.approx(1 / 1.5)
    assert b.applicable_share == pytest.approx(1 / 1.25)
    a, _ = estimates([30.0, NAN, 20.0], applicable=[True, False, True])
    assert a.applicable_share == 1


def test_a_woodland_that_touches_no_cell_is_missing_rather_than_zero():
    weights = sparse.csr_array(np.array([[1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]))
    _, b = estimates([30.0, 60.0, 20.0], weights=weights)
    assert np.isnan([b.mean, b.sd, b.n_s2]).all()
    assert (b.coverage, b.n_pixels) == (0, 0)
    assert b.reason != ""


def test_overlapping_woodlands_each_get_the_whole_of_the_shared_cell():
    weights = sparse.csr_array(np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]))
    a, b = estimates([10.0, 40.0, 70.0], weights=weights)
    assert (a.mean, b.mean) == (25, 55)


def test_no_woodlands_have_no_estimates():
    assert estimates([1.0, 2.0, 3.0], weights=sparse.csr_array((0, 3)), ids=()) == ()


@settings(max_examples=50)
@given(
    arrays(float, 6, elements=st.one_of(st.floats(0, 500), st.just(NAN))),
    arrays(float, (3, 6), elements=st.floats(0.0625, 1)),
)
def test_a_mean_lies_between_the_smallest_and_largest_cell_and_agrees_with_numpy(values, shares):
    found = weighted_mean(sparse.csr_array(shares), values)
    known = np.isfinite(values)
    if not known.any():
        assert np.isnan(found).all()
        return
    expected = [np.average(values[known], weights=row[known]) for row in shares]
    np.testing.assert_allclose(found, expected)
    assert (found >= values[known].min() - 1e-9).all()
    assert (found <= values[known].max() + 1e-9).all()
