import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import false_discovery_control

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
    np.testing.assert_allclose(adjusted_p(p), false_discovery_control(p, method="bh"), rtol=1e-12)


def test_a_woodland_that_was_not_tested_does_not_count():
    q = adjusted_p(np.array([0.01, np.nan, 0.04, np.nan]))
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04, np.nan])


def test_an_empty_family_stays_empty():
    assert adjusted_p(np.array([])).size == 0
    assert np.isnan(adjusted_p(np.array([np.nan]))).all()
