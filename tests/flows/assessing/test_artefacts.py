"""Every gate is judged over one assessment, and each says what it found."""

from __future__ import annotations

import numpy as np
import pytest

from flows.assessing.artefacts import judge_gates, loss_that_matters
from flows.assessing.evidence import NOTHING
from flows.assessing.histories import Histories
from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.seen import SeenYears
from monitoring.science import AlertRule, Science
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

YEARS = np.arange(2017, 2026)
NOISE = np.random.default_rng(20).normal(0, 1, (30, 9))
NAMES = [f"w{row:02}" for row in range(30)]
SITES = {name: Site(name, "Vale", row < 4, block="b1") for row, name in enumerate(NAMES)}
#: Optical observations per pixel: from 2022 on half of what they were.
HALVED = np.where(YEARS < 2022, 30.0, 15.0)


def histories(values: np.ndarray, n_s2: np.ndarray | None = None) -> Histories:
    seen = () if n_s2 is None else tuple(seen_years(name, n_s2) for name in NAMES)
    series = (RichnessSeries(name, YEARS, each, np.ones(9)) for name, each in zip(NAMES, values, strict=True))
    return Histories(tuple(series), SITES, seen)


def seen_years(name: str, n_s2: np.ndarray) -> SeenYears:
    rest = np.full(9, 20.0)
    wobble = np.random.default_rng(NAMES.index(name)).normal(0, 1, 9)
    return SeenYears(name, YEARS, n_s2 + wobble, rest, rest, np.full(9, 0.5), np.full(9, 0.95))


def judged(known: Histories, candidates: tuple[str, ...] = ("w00",)) -> tuple[GateFinding, ...]:
    return judge_gates(known, {}, candidates, Science(), NOTHING)


def test_the_gates_come_in_their_order_and_each_gives_a_reason() -> None:
    found = judged(histories(60 + NOISE, HALVED))
    gates = [one.gate for one in found]
    assert gates == sorted(gates)
    assert {"G1", "G2", "G4", "G6"} <= set(gates)
    assert all(one.reason and "\n" not in one.reason for one in found)


def test_without_any_history_there_is_nothing_to_judge() -> None:
    assert judge_gates(Histories((), {}), {}, (), Science(), NOTHING) == ()


def test_only_woodlands_that_may_be_alerted_are_judged_without_their_eras() -> None:
    found = judged(histories(60 + NOISE), ("w03", "w07"))
    assert [one.of for one in found if one.gate == "G4"] == ["w03", "w07"]
    assert [one for one in judged(histories(60 + NOISE), ()) if one.scope is Scope.WOODLAND] == []


def test_richness_that_follows_the_number_of_observations_is_red() -> None:
    with_counts = judged(histories(60 + 0.3 * NOISE - 6.0 * (YEARS >= 2022), HALVED))
    assert any(one.gate == "G2" and one.is_red for one in with_counts)


def test_richness_that_does_not_follow_them_is_not() -> None:
    steady = judged(histories(60 + NOISE, HALVED))
    assert not any(one.gate == "G2" and one.is_red for one in steady)


def test_without_known_counts_nothing_is_judged_of_them() -> None:
    found = judged(histories(60 + NOISE))
    assert {one.state for one in found if one.gate == "G2"} == {State.NOT_JUDGED}


def test_the_same_histories_and_seed_give_the_same_findings() -> None:
    assert repr(judged(histories(60 + NOISE, HALVED))) == repr(judged(histories(60 + NOISE, HALVED)))


@pytest.mark.parametrize(
    ("own", "loss"),
    [
        ([[40.0, 50.0, 60.0]], 5.0),
        ([[40.0, np.nan, 60.0], [50.0, 50.0, np.nan]], 5.0),
        ([[np.nan, np.nan]], 1.0),
        ([[-3.0, -5.0]], 1.0),
        ([[0.0, 0.0]], 1.0),
    ],
    ids=["a tenth of the median", "gaps", "no values", "below zero", "zero"],
)
def test_the_loss_that_matters_is_the_rules_share_of_the_usual_level(
    own: list[list[float]], loss: float
) -> None:
    assert loss_that_matters(
        np.array(own), Science(alert=AlertRule(min_decline_fraction=0.1))
    ) == pytest.approx(loss)
