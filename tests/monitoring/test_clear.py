"""Which optical observations count."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.clear import ClearRule, clear_observations
from monitoring.errors import ModelError
from monitoring.scenes import Sensor
from monitoring.series import SensorSeries


def every_class() -> SensorSeries:
    """One scene of twelve pixels, one of each class."""
    scl = np.arange(12, dtype=np.uint8)[None]
    values = np.full((1, 12, 10), 300, np.uint16)
    return SensorSeries(Sensor.S2, np.array(["2020-06-01"], "datetime64[s]"), ("a",), values, scl)


def test_tesseras_rule_takes_cirrus_and_snow_for_clear() -> None:
    clear = clear_observations(every_class(), ClearRule())
    assert np.flatnonzero(clear[0]).tolist() == [4, 5, 6, 7, 10, 11]


def test_another_rule_hides_other_classes() -> None:
    rule = ClearRule.stated("SCL not in {0, 1,2,3,8,9,10,11}; first of the date")
    assert np.flatnonzero(clear_observations(every_class(), rule)[0]).tolist() == [4, 5, 6, 7]


def test_a_missing_band_is_not_clear() -> None:
    scenes = every_class()
    scenes.values[0, 4, 9] = 0
    assert not clear_observations(scenes, ClearRule())[0, 4]


def test_a_probability_above_the_bound_is_not_clear_and_an_unknown_one_decides_nothing() -> None:
    cloud = np.zeros((1, 12), np.uint8)
    cloud[0, [4, 5, 6, 7]] = [40, 41, 255, 100]
    scenes = dataclasses.replace(every_class(), cloud=cloud)
    assert np.flatnonzero(clear_observations(scenes, ClearRule())[0]).tolist() == [4, 5, 6, 7, 10, 11]
    rule = ClearRule(max_cloud_probability=40)
    assert np.flatnonzero(clear_observations(scenes, rule)[0]).tolist() == [4, 6, 10, 11]


@pytest.mark.parametrize(
    "text",
    ["", "monthly composites", "SCL not in {}", "SCL not in {0,12}", "SCL in {4,5}", "SCL not in {4;5}"],
)
def test_a_rule_without_classes_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="clear rule"):
        ClearRule.stated(text)


@given(st.sets(st.integers(0, 11), min_size=1), st.sampled_from([",", ", ", " , "]))
def test_a_stated_rule_is_read_as_it_was_worded(classes: set[int], comma: str) -> None:
    text = f"SCL not in {{{comma.join(map(str, classes))}}} and all ten bands > 0"
    assert ClearRule.stated(text, 60) == ClearRule(tuple(sorted(classes)), 60)
