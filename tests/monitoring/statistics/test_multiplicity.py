import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control

from monitoring.errors import SettingsError
from monitoring.statistics.multiplicity import adjusted_p

#: The fifteen p of Benjamini & Hochberg (1995), section 4.
PAPER = [
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0,
]  # fmt: skip


def test_the_papers_example_rejects_four():
    q = adjusted_p(np.array(PAPER))
    assert (q <= 0.05).tolist() == [True] * 4 + [False] * 11


@settings(max_examples=50)
@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1)))
def test_the_adjusted_p_is_that_of_scipy(p):
    np.testing.assert_allclose(
        adjusted_p(p), false_discovery_control(p, method="bh"), rtol=1e-12, atol=1e-300
    )


def test_the_papers_example_rejects_three_under_any_dependence():
    q = adjusted_p(np.array(PAPER), "BY")
    assert (q <= 0.05).tolist() == [True] * 3 + [False] * 12


@settings(max_examples=50)
@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1)))
def test_under_any_dependence_the_adjusted_p_is_that_of_scipy_and_never_smaller(p):
    q = adjusted_p(p, "BY")
    np.testing.assert_allclose(q, false_discovery_control(p, method="by"), rtol=1e-12, atol=1e-300)
    assert (q >= adjusted_p(p, "BH")).all()


def test_a_correction_that_is_not_known_is_refused():
    with pytest.raises(SettingsError, match="trend correction 'Holm': must be one of BH, BY"):
        adjusted_p(np.array(PAPER), "Holm")


def test_a_woodland_that_was_not_tested_does_not_count():
    q = adjusted_p(np.array([0.01, np.nan, 0.04, np.nan]))
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04, np.nan])


def test_an_empty_family_stays_empty():
    assert adjusted_p(np.array([])).size == 0
    assert np.isnan(adjusted_p(np.array([np.nan]))).all()
