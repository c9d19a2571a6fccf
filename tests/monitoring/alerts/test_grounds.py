import dataclasses

import numpy as np
import pytest

from monitoring.alerts.grounds import Beside, Grounds
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.statistics.change_points import Fall
from monitoring.trends.controls import Control
from monitoring.trends.trend import Trend

YEARS = np.arange(2017, 2026)
CONTROL = Control("Hallin Fells", YEARS, np.zeros(9), 12)
NO_CONTROL = Control("", np.array([], int), np.array([]), 0, "lies in no park")
TREND = Trend(
    "a", 9, 2017, 2025, -36, -2, -2.2, -1.8, -2, 0.001, 0.05, 0.27, 0.4, "moderated t", q_allowed=0.05
)
STEP = Fall(2021, -15.0, 1.0, 9.0, 0.95)
RED = GateFinding("G2", "observation counts", Scope.ALL, "", State.RED, "counts explain it")
SOUND = Grounds(TREND, CONTROL, YEARS, 60 - 2.0 * np.arange(9), None, frozenset(), True)


def test_a_decline_that_passes_everything_is_confirmed():
    assert SOUND.is_confirmed


def test_a_step_of_one_woodland_alone_is_confirmed():
    assert dataclasses.replace(SOUND, step=STEP, shared_step_years=frozenset({2019})).is_confirmed


@pytest.mark.parametrize(
    "missing",
    [
        {"control": None},
        {"control": NO_CONTROL},
        {"step": STEP, "shared_step_years": frozenset({2021})},
        {"is_large": False},
        {"held_by": (RED,)},
        {"trend": dataclasses.replace(TREND, q=0.0501)},
        {"trend": dataclasses.replace(TREND, q_allowed=0.0499)},
        {"trend": dataclasses.replace(TREND, q=float("nan"))},
    ],
    ids=[
        "no control given",
        "no control found",
        "a step that most share",
        "a small loss",
        "a red gate",
        "too large a q",
        "a look that allows less",
        "no q",
    ],
)
def test_each_ground_alone_holds_a_decline_back(missing):
    assert not dataclasses.replace(SOUND, **missing).is_confirmed


def test_nothing_is_known_beside_woodlands_unless_given():
    assert (Beside().gates, Beside().courses, Beside().evidence) == ((), (), ())
