import numpy as np
import pytest

from monitoring.errors import SettingsError, TrendError
from monitoring.gates.finding import Scope, State
from monitoring.gates.reference_sites import (
    PanelEmbeddings,
    ReferenceSite,
    last_year_shift,
    moving_average_weights,
    reference_gate,
    year_falls,
)
from monitoring.science import GateRule
from monitoring.statistics.permutations import every_order
from monitoring.trends.histories import RichnessSeries

YEARS = np.arange(2017, 2026)
RULE = GateRule()
LOSS = 3.0
"""A tenth of a level of 30 taxa."""


def sites_of(values, park=""):
    return [
        ReferenceSite("heath", park, RichnessSeries(f"{park}{row}", YEARS, one, np.ones(len(YEARS))))
        for row, one in enumerate(values)
    ]


def panel(rng, n=210, step=0.0, year_sd=0.1, noise=1.0):
    shared = rng.normal(0, year_sd, 9) + np.where(YEARS >= 2022, step, 0.0)
    return sites_of(rng.normal(30, 5, (n, 1)) + shared + rng.normal(0, noise, (n, 9)))


def share_red(worlds):
    return np.mean([reference_gate(sites, LOSS, RULE)[0].state is State.RED for sites in worlds])


def test_sites_that_all_step_down_in_2022_are_red_and_say_when():
    finding = reference_gate(panel(np.random.default_rng(1), step=-0.6, year_sd=0.05), LOSS, RULE)[0]
    assert (finding.gate, finding.scope, finding.state) == ("G1", Scope.ALL, State.RED)
    assert finding.figures["step_year"] == 2022
    assert finding.figures["step_change"] == pytest.approx(-0.6, abs=0.15)


def test_a_clear_step_too_small_to_matter_is_not_red():
    assert reference_gate(panel(np.random.default_rng(1), step=-0.1, year_sd=0.01), LOSS, RULE)[0].state is (
        State.PASSED
    )


def test_a_rise_makes_no_decline_and_is_not_red():
    finding = reference_gate(panel(np.random.default_rng(1), step=2.0), LOSS, RULE)[0]
    assert finding.state is State.PASSED


def test_too_few_sites_are_not_judged_but_shown_from_twenty_on():
    values = np.tile(30.0 - np.arange(9), (40, 1))
    shown = reference_gate(sites_of(values), LOSS, RULE)[0]
    silent = reference_gate(sites_of(values[:19]), LOSS, RULE)[0]
    assert (shown.state, silent.state) == (State.NOT_JUDGED, State.NOT_JUDGED)
    assert shown.figures["trend_change"] == pytest.approx(-8)
    assert set(silent.figures) == {"n_sites"}


def test_no_sites_and_sites_that_never_vary_are_answered():
    assert [one.state for one in reference_gate([], LOSS, RULE)] == [State.NOT_JUDGED]
    assert reference_gate(sites_of(np.full((210, 9), 30.0)), LOSS, RULE)[0].state is State.PASSED


def test_each_park_has_its_own_finding():
    rng = np.random.default_rng(2)
    steady, falling = rng.normal(30, 0.1, (200, 9)), rng.normal(30, 0.1, (200, 9)) - np.arange(9)
    findings = reference_gate(sites_of(steady, "A") + sites_of(falling, "B"), LOSS, RULE)
    states = {one.of: one.state for one in findings if one.scope is Scope.PARK}
    assert states == {"A": State.PASSED, "B": State.RED}


def test_the_views_of_a_series_are_what_listing_every_order_gives():
    years, series = np.arange(2017, 2023), np.array([5.0, 4.0, 4.5, 3.0, 2.5, 3.5])
    falls = year_falls(years, series)
    reordered = [series[order] - series.mean() for order in every_order(6)]
    slopes = [np.polyfit(years, one, 1)[0] for one in reordered]
    observed = np.polyfit(years, series, 1)[0]
    assert falls.trend_p == pytest.approx(np.mean(np.array(slopes) <= observed + 1e-9))
    assert falls.trend_change == pytest.approx(5 * observed)


def test_the_moving_average_is_the_recursion_of_roberts():
    values, level = np.array([1.0, -2.0, 0.5, 3.0]), 0.0
    for value in values:
        level = 0.7 * level + 0.3 * value
    assert moving_average_weights(4) @ values == pytest.approx(level)


def test_a_last_year_unlike_the_others_shows_in_the_embeddings():
    rng = np.random.default_rng(3)
    places, noise = rng.normal(0, 1, (200, 1, 32)), rng.normal(0, 0.05, (1, 9, 32))
    steady = places + noise
    moved = steady + np.where(YEARS == 2025, 0.5, 0.0)[None, :, None]
    sites = panel(rng, n=200)
    of = {
        name: reference_gate(sites, LOSS, RULE, PanelEmbeddings(YEARS, means))[1]
        for name, means in (("steady", steady), ("moved", moved))
    }
    assert (of["steady"].state, of["moved"].state) == (State.PASSED, State.RED)
    assert of["moved"].figures["distance_order_p"] == pytest.approx(1 / 9)


def test_embeddings_of_other_sites_and_a_loss_of_nothing_are_refused():
    sites = panel(np.random.default_rng(4), n=20)
    with pytest.raises(TrendError, match="embeddings of reference sites"):
        reference_gate(sites, LOSS, RULE, PanelEmbeddings(YEARS, np.zeros((3, 9, 4))))
    with pytest.raises(SettingsError, match="loss that matters 0"):
        reference_gate(sites, 0.0, RULE)


def test_the_last_year_of_steady_embeddings_is_rarely_called_moved():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(400):
        shared = rng.normal(0, 0.1, (1, 9, 16)) * np.linspace(0.2, 2, 16)
        p.append(last_year_shift(rng.normal(0, 1, (30, 1, 16)) + shared).p)
    assert np.mean(np.array(p) <= RULE.gate_error) <= 0.025


@pytest.mark.slow
def test_clean_panels_are_rarely_red_and_a_step_of_two_per_cent_is_found():
    rng = np.random.default_rng(6)
    assert share_red(panel(rng) for _ in range(60)) <= 0.04
    assert share_red(panel(rng, step=-0.6) for _ in range(60)) >= 0.8
