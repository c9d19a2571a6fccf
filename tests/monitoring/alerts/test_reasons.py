import numpy as np
import pytest

from monitoring.alerts.reasons import _number, _probability


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-1.94, "-1.9"),
        (-12.4, "-12"),
        (-0.0312, "-0.031"),
        (123456.0, "123456"),
        (0.0, "0"),
        (np.nan, "unknown"),
    ],
)
def test_numbers_in_a_sentence_have_two_digits(value, text):
    assert _number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0304, "0.03"), (0.00012, "below 0.001"), (1.0, "1")])
def test_probabilities_in_a_sentence_are_never_zero(value, text):
    assert _probability(value) == text
