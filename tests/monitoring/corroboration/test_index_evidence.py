"""Indices as witnesses: agreement, silence and contradiction, held to the other woodland of the park."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.corroboration.indices import (
    evidence_of_indices,
    index_histories,
    index_trends,
    verdicts,
)
from monitoring.errors import TrendError
from monitoring.science import CorroborationRule
from monitoring.trends.sites import Site

RULE = CorroborationRule()
YEARS = np.arange(2017, 2026)
#: Departures of nine years with no trend among them, index units.
WOBBLE = np.array([2, -1, 1, -2, 0, 2, -2, 1, -1]) / 1000


def history(
    woodland: str, values: Any, index: str = "nbr", n: int = 6, n_nbar: int = 6
) -> list[dict[str, Any]]:
    return [
        {
            "woodland_id": woodland,
            "index_name": index,
            "year": int(y),
            "value": float(v),
            "n": n,
            "n_nbar": n_nbar,
        }
        for y, v in zip(YEARS, values, strict=False)
        if np.isfinite(v)
    ]


def others(index: str = "nbr", shared: Any = 0.0) -> list[dict[str, Any]]:
    """Six other woodlands of the park, each with its own order of the wobble."""
    return [
        row
        for number in range(6)
        for row in history(f"other-{number}", 0.5 + 0.01 * number + np.roll(WOBBLE, number) + shared, index)
    ]


SITES = {f"other-{n}": Site(f"other-{n}", "Hallin Fells") for n in range(6)} | {
    "oak": Site("oak", "Hallin Fells", is_ancient=True)
}


def of_oak(values: Any, shared: Any = 0.0, sites: dict[str, Site] = SITES) -> Corroboration:
    evidence = evidence_of_indices([*history("oak", values), *others(shared=shared)], sites, RULE)
    return next(one for one in evidence if one.woodland_id == "oak")


def test_an_index_that_falls_with_richness_agrees() -> None:
    said = of_oak(0.6 - 0.012 * np.arange(9) + WOBBLE)
    assert said.verdict is Verdict.AGREES
    assert said.kind == "nbr"
    assert said.year == 0
    assert said.text == "NBR falls too (-0.012 a year against other woodland, p below 0.001)"


def test_an_index_that_holds_disagrees() -> None:
    said = of_oak(0.6 + WOBBLE)
    assert said.verdict is Verdict.DISAGREES
    assert said.text.startswith("NBR held (")


def test_an_index_too_noisy_to_tell_is_silent() -> None:
    said = of_oak(0.6 + 30 * WOBBLE)
    assert said.verdict is Verdict.SILENT
    assert said.text.startswith("NBR does not tell (")


def test_a_drought_that_hits_every_wood_is_no_agreement() -> None:
    drought = np.where(YEARS >= 2022, -0.08, 0.0) - 0.005 * np.arange(9)
    alone = of_oak(0.6 + drought + WOBBLE)
    shared = of_oak(0.6 + drought + WOBBLE, shared=drought)
    assert alone.verdict is Verdict.AGREES
    # Silent and not contradicting: the wood itself did lose, if no more than its neighbours.
    assert shared.verdict is Verdict.SILENT


def test_without_other_woodland_nothing_is_concluded() -> None:
    lonely = {"oak": Site("oak", "Elsewhere", is_ancient=True)}
    for sites in (lonely, {}):
        said = of_oak(0.6 - 0.012 * np.arange(9) + WOBBLE, sites=sites)
        assert said.verdict is Verdict.SILENT
        assert "no other woodland to compare it with" in said.text


def test_too_few_years_are_silent() -> None:
    said = of_oak(np.where(YEARS < 2021, 0.6 - 0.02 * np.arange(9), np.nan))
    assert said.verdict is Verdict.SILENT
    assert said.text == "NBR has 4 years, 5 needed"


def test_a_year_of_one_acquisition_is_left_out() -> None:
    rows = history("oak", 0.6 + WOBBLE)
    rows[3] |= {"n": 1, "n_nbar": 1}
    assert index_histories(rows, "nbr").years.tolist() == [2017, 2018, 2019, 2021, 2022, 2023, 2024, 2025]


def test_the_two_kinds_of_reflectance_never_meet_in_one_series() -> None:
    rows = [*history("oak", 0.6 + WOBBLE)[:6], *history("oak", 0.7 + WOBBLE, n_nbar=0)[6:]]
    values = index_histories(rows, "nbr").values[0]
    assert np.isfinite(values[:6]).all()
    assert np.isnan(values[6:]).all()


def test_a_year_given_twice_is_refused() -> None:
    with pytest.raises(TrendError, match="oak: nbr of 2017 is given twice"):
        index_histories(history("oak", 0.6 + WOBBLE) * 2, "nbr")


def test_no_history_is_no_evidence() -> None:
    assert evidence_of_indices([], SITES, RULE) == ()
    assert index_histories([], "ndvi").values.shape == (0, 0)


def test_a_constant_index_disagrees_and_has_no_p_of_nought() -> None:
    said = of_oak(np.full(9, 0.6))
    assert said.verdict is Verdict.DISAGREES


def test_an_infinite_confidence_never_contradicts() -> None:
    trends = index_trends(
        index_histories([*history("oak", 0.6 + WOBBLE), *others()], "nbr"),
        SITES,
        CorroborationRule(corroboration_p=0.0),
    )
    assert (verdicts(trends, np.zeros(7)) == 0).all()


def test_the_error_is_shared_among_the_indices_of_a_woodland() -> None:
    # Nine pairs of 36 rise: S = -18, p 0.038: enough for one index, not for one of three.
    values = 0.6 - np.array([2, 1, 0, 5, 4, 3, 8, 7, 6]) / 100
    alone = [*history("oak", values), *others()]
    three = alone + [
        row for index in ("ndvi", "nirv") for row in [*history("oak", values, index), *others(index)]
    ]
    verdict = {
        len(rows): next(
            one.verdict
            for one in evidence_of_indices(rows, SITES, RULE)
            if (one.woodland_id, one.kind) == ("oak", "nbr")
        )
        for rows in (alone, three)
    }
    assert list(verdict.values()) == [Verdict.AGREES, Verdict.SILENT]


def park_of_noise(rng: np.random.Generator, slope: float, sd: float = 0.01) -> NDArray[np.int8]:
    """Verdicts on 40 ancient woods among 60 others, with weather that all of them share."""
    weather = rng.normal(0, 0.05, 9)
    sites = {f"w{i:03}": Site(f"w{i:03}", "P", is_ancient=i < 40) for i in range(100)}
    rows = [
        row
        for i in range(100)
        for row in history(
            f"w{i:03}", 0.6 + weather + rng.normal(0, sd, 9) + (slope * np.arange(9) if i < 40 else 0)
        )
    ]
    trends = index_trends(index_histories(rows, "nbr"), sites, RULE)
    return verdicts(trends, np.full(100, RULE.corroboration_p))[:40]


def test_shared_weather_does_not_make_witnesses() -> None:
    """2,000 stable woods under weather five times their own noise: at most 5 % agree, two errors allowed."""
    rng = np.random.default_rng(11)
    said = np.concatenate([park_of_noise(rng, 0.0) for _ in range(50)])
    assert (said == 1).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / len(said))


def test_a_fall_that_matters_is_hardly_ever_contradicted() -> None:
    """A loss of exactly `min_index_loss`: the interval leaves it out in at most 5 %."""
    rng = np.random.default_rng(12)
    said = np.concatenate([park_of_noise(rng, -RULE.min_index_loss * 0.6 / 8) for _ in range(50)])
    assert (said == -1).mean() <= 0.05
    assert (said == 1).mean() > 0.2
