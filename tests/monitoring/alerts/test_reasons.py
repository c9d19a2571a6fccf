from dataclasses import replace

import numpy as np
import pytest

from monitoring.alerts.alert import Confidence, Course
from monitoring.alerts.grounds import Grounds
from monitoring.alerts.reasons import _certainty, _number, _probability, sentence
from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.statistics.change_points import Fall
from monitoring.trends.controls import Control
from monitoring.trends.trend import Trend


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


@pytest.mark.parametrize(("value", "text"), [(0.8, "0.80"), (0.995, "above 0.99"), (0.99, "0.99")])
def test_nothing_is_called_certain_in_a_sentence(value, text):
    assert _certainty(value) == text


YEARS = np.arange(2017, 2026)
TREND = Trend(
    "a", 9, 2017, 2025, -36, -2, -2, -2, -2, 0.001, 0.002, 0.31, 0.4, "moderated t",
    decline_probability=0.97, q_allowed=0.05,
)  # fmt: skip
SOUND = Grounds(
    trend=TREND,
    control=Control("Hallin Fells", YEARS, np.zeros(9), 12),
    years=YEARS,
    values=60 - 2.0 * np.arange(9),
    step=None,
    shared_step_years=frozenset(),
    is_large=True,
)


def test_a_confirmed_decline_has_loss_years_slopes_interval_n_q_and_yardstick():
    assert sentence(SOUND, "richness") == (
        "lost 31 % of its expected taxa between 2017 and 2025 (-2 a year; against other woodland -2 a year, "
        "95 % interval -2 to -2, 9 years, q 0.002) while other woodland in Hallin Fells held"
    )


def test_cause_course_evidence_and_years_left_out_follow_in_that_order():
    pieces = (
        Corroboration("a", "felling", Verdict.AGREES, 2021, 0.3, "felling of 30 % of it in 2021"),
        Corroboration("a", "nbr", Verdict.AGREES, 0, np.nan, "NBR falls too (-0.012 a year)"),
    )
    grounds = replace(
        SOUND,
        course=Course.SUSTAINED,
        confidence=Confidence.CORROBORATED,
        cause="felling of 30 % of it in 2021",
        evidence=pieces,
        left_out="1 of 9 years lies outside the area of applicability",
    )
    assert sentence(grounds, "richness").split("; ")[2:] == [
        "known cause: felling of 30 % of it in 2021",
        "sustained: it goes on without the years of heat and drought",
        "NBR falls too (-0.012 a year)",
        "left out: 1 of 9 years lies outside the area of applicability",
    ]


def test_everything_that_holds_a_decline_back_is_said():
    red = GateFinding("G1", "reference sites", Scope.ALL, "", State.RED, "reference sites fall by 1.2 taxa")
    held = replace(
        SOUND,
        trend=replace(TREND, q=0.2),
        control=None,
        held_by=(red,),
        step=Fall(2022, -15.0, 1.0, 9.0, 0.95),
        shared_step_years=frozenset({2022}),
        is_large=False,
    )
    assert sentence(held, "richness").split("; ")[1:] == [
        "held back: G1 reference sites fall by 1.2 taxa",
        "most woodlands fall in 2022, so the sensor or the processing is suspected",
        "bad years shared by all cannot be ruled out",
        "a decline with probability 0.97, not confirmed over all woodlands tested (q allowed 0.05)",
    ]
    assert ", in one step of -15 in 2022 (" in sentence(held, "richness")
    assert "with no other woodland to compare it with" in sentence(held, "richness")


def test_a_confirmed_decline_says_nothing_of_being_held():
    assert "held back" not in sentence(SOUND, "richness")
    assert "not confirmed" not in sentence(SOUND, "richness")


def test_another_target_goes_by_its_own_name():
    assert sentence(SOUND, "root_tips").startswith("lost 31 % of its root tips between 2017 and 2025")
