"""The contrast of all parks under other choices: each changes what it says it changes, and nothing else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.science import MatchRule, TrendTest
from monitoring.trends.contrast import Contrast
from monitoring.trends.contrasts import contrasts
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.trends.variants import AS_ASSESSED, variants

YEARS = np.arange(2017, 2026)
RULE, MATCH = TrendTest(), MatchRule(max_area_ratio=100.0)
#: What the difference of ancient woodland does: scatter without a trend, and a fall on top.
CALM = np.array([0, 0.2, -0.1, 0.1, 0, -0.2, 0.1, 0, -0.1])
FALL = CALM - (YEARS - YEARS[0])


def wood(name: str, values: np.ndarray, area_ha: float = 10.0) -> tuple[RichnessSeries, Site]:
    """A woodland of the park; `a...` are ancient."""
    series = RichnessSeries(name, YEARS, 40.0 + values, np.ones(len(YEARS)))
    return series, Site(name, "Vale", name.startswith("a"), leaf_type="oak", area_ha=area_ha)


#: Two ancient woodlands that fall beside two that hold, and the others they are held against.
FAMILY = [wood("a1", FALL), wood("a2", FALL), wood("a3", CALM), wood("a4", CALM)] + [
    wood(f"o{i}", np.zeros(9)) for i in range(4)
]


#: Of 2017 to 2025, by the choice that leaves an era out.
YEARS_LEFT = {
    "without years to 2017": 8,
    "without years 2018-2021": 5,
    "without years 2022-2024": 6,
    "without years from 2025": 8,
}


def found(family: list[tuple[RichnessSeries, Site]] = FAMILY, **choices: object) -> dict[str, Contrast]:
    series, sites = [one for one, _ in family], [site for _, site in family]
    return {one.name: one.contrast for one in variants(series, sites, RULE, MATCH, **choices)}  # type: ignore[arg-type]


def test_the_first_is_the_contrast_of_all_parks_as_an_assessment_makes_it() -> None:
    whole = contrasts([one for one, _ in FAMILY], [site for _, site in FAMILY], RULE, MATCH).contrasts[-1]
    [first, *_] = found().items()
    assert first[0] == AS_ASSESSED
    assert dataclasses.replace(whole, sign_flip_p=0.0) == dataclasses.replace(first[1], sign_flip_p=0.0)
    assert first[1].slope == pytest.approx(-0.5, abs=0.02)


def test_by_area_a_large_wood_counts_for_more() -> None:
    large = [wood("a1", FALL, 97.0), wood("a2", CALM, 1.0), wood("a3", CALM, 1.0), wood("a4", CALM, 1.0)]
    seen = found([*large, *FAMILY[4:]])
    assert seen[AS_ASSESSED].slope == pytest.approx(-0.25, abs=0.02)
    assert seen["by area"].slope == pytest.approx(-0.97, abs=0.02)


def test_where_an_area_is_unknown_nothing_is_weighed_by_it() -> None:
    assert "by area" not in found([wood("a0", CALM, float("nan")), *FAMILY])


def test_each_era_with_some_of_the_years_is_left_out_once() -> None:
    seen = found()
    assert {name: one.n_years for name, one in seen.items() if "years" in name} == YEARS_LEFT
    assert np.isnan(seen["without years 2018-2021"].p)
    assert seen["without years 2018-2021"].slope == pytest.approx(-0.5, abs=0.05)


def test_felled_woodlands_and_those_in_doubt_are_left_out() -> None:
    doubtful = dataclasses.replace(
        FAMILY[1][0], years=YEARS[1:], mean=FAMILY[1][0].mean[1:], sd=np.ones(8), outside=YEARS[:1]
    )
    family = [FAMILY[0], (doubtful, FAMILY[1][1]), *FAMILY[2:]]
    seen = found(family, felled=frozenset({"a1", "a2"}))
    assert seen["without felling"].n_ancient == 2
    assert seen["without felling"].slope == pytest.approx(0.0, abs=0.02)
    assert seen["inside applicability"].n_ancient == 3


def test_another_release_of_the_inventory_makes_other_classes() -> None:
    seen = found(ancient_by={"2019": {"a3": False, "a4": False, "gone": True}, "2025": {"a1": True}})
    assert (seen["ancient by 2019"].n_ancient, seen["ancient by 2019"].slope) == (
        2,
        pytest.approx(-1, abs=0.05),
    )
    assert "ancient by 2025" not in seen


def test_a_choice_that_changes_nothing_is_not_shown() -> None:
    assert set(found(felled=frozenset({"elsewhere"}))) == {AS_ASSESSED, "by area", *YEARS_LEFT}


def test_no_woodland_at_all_has_a_contrast_without_a_slope() -> None:
    seen = found([])
    assert set(seen) == {AS_ASSESSED}
    assert np.isnan(seen[AS_ASSESSED].slope)


def test_a_woodland_without_a_site_is_refused() -> None:
    with pytest.raises(TrendError, match="its site is not given"):
        variants([FAMILY[0][0]], [], RULE, MATCH)
