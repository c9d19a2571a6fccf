import dataclasses

import numpy as np
import pytest

from monitoring.alerts.alert import Level, Severity, alert_id
from monitoring.alerts.provisional import LOOKS_A_YEAR, TAIL_FACTOR, provisional_alerts, yearly_falls
from monitoring.errors import SeasonError
from monitoring.science import AlertRule
from monitoring.trends.controls import park_controls
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site
from monitoring.woodlands import Status

YEARS = np.arange(2017, 2026)
NOISE = np.random.default_rng(20).normal(0, 1, (40, 9))
#: In the last year only.
FALL = np.array([0, 0, 0, 0, 0, 0, 0, 0, -12.0])


def series(name, values, years=YEARS):
    return RichnessSeries(name, np.array(years), np.array(values, float), np.ones(len(years)))


def others(count=24, shared=0.0):
    return [series(f"o{i}", 40 + i + NOISE[i] + shared) for i in range(count)]


def controls_of(family):
    parks = {one.woodland_id: "Hallin Fells" for one in family}
    return park_controls(family, parks, [name for name in parks if name.startswith("o")])


def alerts_of(family, season="2025-Q2", sites=None, rule=None):
    return provisional_alerts(
        family, controls_of(family), sites or {}, rule or AlertRule(), season, "richness"
    )


def falling(name="a", drop=FALL, row=30):
    return series(name, 60 + NOISE[row] + drop)


def test_a_woodland_that_drops_by_many_times_what_it_varies_is_named():
    (alert,) = alerts_of([falling(), *others()])
    assert (alert.woodland_id, alert.kind, alert.level) == ("a", "fall", Level.PROVISIONAL)
    assert (alert.season, alert.target, alert.id) == ("2025-Q2", "richness", alert_id("a", "richness"))
    assert alert.slope == pytest.approx(-12, abs=3)
    assert alert.decline_fraction == pytest.approx(0.2, abs=0.05)
    assert np.isnan(alert.q)


def test_its_sentence_has_the_figures_and_speaks_of_no_decline():
    (alert,) = alerts_of([falling(), *others()])
    assert alert.reason.startswith(
        f"stands {100 * alert.decline_fraction:.0f} % of its expected taxa below the"
    )
    assert "the same season of 2024, other woodland taken off (-1" in alert.reason
    assert alert.reason.endswith(
        "one season says nothing of a decline, and the next look renews this or lets it go"
    )
    assert "lost" not in alert.reason
    assert "declin" not in alert.reason.replace("says nothing of a decline", "")


def test_woodlands_that_stay_as_they_were_are_not_named():
    assert alerts_of([falling(drop=0.0), *others()]) == ()


def test_a_drop_that_all_woodland_shares_names_nobody():
    assert alerts_of([falling(), *others(shared=FALL)]) == ()


def test_a_rise_names_nobody():
    assert alerts_of([falling(drop=-FALL), *others()]) == ()


def test_a_steady_decline_is_no_fall_within_a_year():
    assert alerts_of([falling(drop=-1.5 * np.arange(9)), *others()]) == ()


def test_a_woodland_without_a_control_is_not_looked_at():
    family = [falling(), *others(4)]
    assert np.isfinite(yearly_falls(family, controls_of(family), 2025).p[0])
    assert alerts_of(family) == ()


def cut(wood, first):
    kept = wood.years >= first
    return series(wood.woodland_id, wood.mean[kept], wood.years[kept])


@pytest.mark.parametrize(("first", "named"), [(2020, True), (2021, False)])
def test_five_earlier_years_are_needed(first, named):
    family = [cut(falling(), first), *others()]
    assert bool(alerts_of(family)) is named


@pytest.mark.parametrize("missing", [2024, 2025])
def test_a_woodland_without_this_or_the_last_year_has_no_change(missing):
    wood = falling()
    kept = wood.years != missing
    assert alerts_of([series("a", wood.mean[kept], wood.years[kept]), *others()]) == ()


def test_a_year_that_nobody_has_names_nobody():
    assert alerts_of([falling(), *others()], season="2027-Q1") == ()


@pytest.mark.parametrize("season", ["2025-Q4", "2024-Q4"])
def test_a_final_season_is_refused(season):
    with pytest.raises(
        SeasonError, match=f"season {season}: provisional alerts are for seasons that are not final"
    ):
        alerts_of([falling(), *others()], season=season)


def test_no_woodlands_make_no_alerts():
    assert provisional_alerts([], {}, {}, AlertRule(), "2025-Q2", "richness") == ()


def test_what_is_provisional_is_never_grave():
    sites = {"a": Site("a", "Hallin Fells", True, Status.ASNW, area_ha=50.0)}
    (alert,) = alerts_of([falling(drop=3 * FALL), *others()], sites=sites)
    assert alert.decline_fraction > 0.4
    assert alert.severity is Severity.LOW


def test_woodlands_that_do_not_vary_have_no_fall_and_do_no_harm():
    still = [series(f"o{i}", np.full(9, 40.0 + i)) for i in range(24)]
    falls = yearly_falls([series("a", np.full(9, 60.0)), *still], controls_of(still), 2025)
    assert np.isnan(falls.p).all()
    assert (falls.change == 0).all()


def test_the_change_is_held_against_the_scatter_of_two_years():
    family = [falling(), *others()]
    falls = yearly_falls(family, controls_of(family), 2025)
    tested = family[0].mean[-2:] - controls_of(family)["a"].values[-2:]
    assert falls.change[0] == pytest.approx(tested[1] - tested[0])
    assert falls.z[0] == pytest.approx(falls.change[0] / np.sqrt(2), rel=0.35)
    assert falls.share[0] == pytest.approx(falls.change[0] / family[0].mean[-2])


@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_of_a_thousand_woodlands_where_nothing_changes_no_more_than_allowed_are_named_in_a_year(tails):
    """Noise normal, or of Student's t with 4 degrees of freedom; 15,000 woodlands are five allowed alerts."""
    rng, shape = np.random.default_rng(5), (15_000, 9)
    noise = rng.normal(size=shape) if tails == "normal" else rng.standard_t(4, shape)
    falls = yearly_falls([series(f"w{row}", 50 + each) for row, each in enumerate(noise)], {}, 2025)
    allowed = AlertRule().provisional_per_1000 / 1000
    named = np.mean(falls.p <= allowed / LOOKS_A_YEAR / TAIL_FACTOR)
    assert LOOKS_A_YEAR * named <= 1.5 * allowed
    assert np.mean(falls.p <= 0.05) == pytest.approx(0.05, abs=0.015)


def test_more_woodlands_are_named_where_more_false_ones_are_allowed():
    family = [falling(drop=0.5 * FALL), *others()]
    assert alerts_of(family, rule=AlertRule(provisional_per_1000=0.0)) == ()
    assert len(alerts_of(family, rule=AlertRule(provisional_per_1000=1000.0))) >= 1


def test_the_same_series_name_the_same_woodlands():
    family = [falling(), *others()]
    assert repr(alerts_of(family)) == repr(alerts_of(family))
    assert [one.woodland_id for one in alerts_of(family[::-1])] == ["a"]
    with_gap = dataclasses.replace(family[0], mean=np.where(YEARS == 2019, np.nan, family[0].mean))
    assert len(alerts_of([with_gap, *family[1:]])) == 1
