"""What the histories show, from series to alerts, and what no alert may rest on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from flows.assessing.evidence import NOTHING, Evidence
from flows.assessing.find import Findings, find
from flows.assessing.histories import Histories
from flows.assessing.names import series_hash
from flows.load import refuse_lost_warehouse
from monitoring.alerts.alert import Confidence, Course, Level
from monitoring.corroboration.disturbances import Disturbance
from monitoring.errors import TrendError, WarehouseError
from monitoring.gates.finding import Scope, State
from monitoring.gates.reference_sites import ReferenceSite
from monitoring.science import GateRule, Science
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import ALL_PARKS
from monitoring.trends.sites import Site
from monitoring.weather.years import WeatherYears

YEARS = np.arange(2017, 2026)
RICHNESS = Target("richness", "taxa per standard sample", high=600.0)
#: Thirty reference sites instead of two hundred.
SCIENCE = Science(gates=GateRule(min_reference_sites=30))
WOODS = 26
NOISE = np.random.default_rng(20).normal(0, 1, (WOODS, 9))
NONE: tuple[int, ...] = ()
#: Four ancient woodlands and twenty-two others in one park.
SITES = {f"w{number:02}": Site(f"w{number:02}", "Vale", number < 4) for number in range(WOODS)}


def series(number: int, slope: float = 0.0, outside: tuple[int, ...] = NONE) -> RichnessSeries:
    """Nine years about 60 taxa, those outside left out."""
    inside, values = ~np.isin(YEARS, outside), 60 + slope * np.arange(9) + NOISE[number]
    return RichnessSeries(
        f"w{number:02}", YEARS[inside], values[inside], np.ones(inside.sum()), np.array(outside, np.int64)
    )


def family(decliner: RichnessSeries) -> tuple[RichnessSeries, ...]:
    return (decliner, *(series(number) for number in range(1, WOODS)))


def found(decliner: RichnessSeries, evidence: Evidence = NOTHING, looks: int = 1) -> Findings:
    histories = Histories(family(decliner), SITES)
    return find(histories, SCIENCE, Season(2025, 4), RICHNESS, evidence=evidence, looks=looks)


@cache
def planted(outside: tuple[int, ...] = NONE) -> Findings:
    """What is found of one decliner among woodland that holds, with nothing beside the histories."""
    return found(series(0, -2.0, outside))


@cache
def held() -> Findings:
    """The same where the reference sites fall too."""
    return found(series(0, -2.0), Evidence(references=references(-1.0)))


def test_a_planted_decliner_inside_the_area_of_applicability_alerts() -> None:
    findings = planted()
    assert [(alert.woodland_id, alert.level) for alert in findings.alerts] == [("w00", Level.CONFIRMED)]
    assert len(findings.trends) == WOODS
    assert [contrast.park for contrast in findings.contrasts] == ["Vale", ALL_PARKS]
    assert findings.contrasts[0].n_ancient == 4
    assert findings.verdict.fatal == ""


@pytest.mark.parametrize("outside", [(2025,), (2017, 2018), tuple(YEARS.tolist())])
def test_a_planted_decliner_outside_the_area_of_applicability_never_alerts(outside: tuple[int, ...]) -> None:
    findings = planted(outside)
    assert findings.alerts == ()
    assert findings.verdict.fatal == ""
    assert len(findings.verdict.quarantined) == 0


def test_a_woodland_never_inside_takes_no_part_in_the_contrast() -> None:
    for contrast in planted(tuple(YEARS.tolist())).contrasts:
        assert (contrast.n_ancient, contrast.n_years) == (3, 9)


def references(slope: float) -> tuple[ReferenceSite, ...]:
    """Thirty sites that should not change, falling by `slope` a year with little noise."""
    noise = np.random.default_rng(4).normal(0, 0.2, (30, 9))
    return tuple(
        ReferenceSite(
            "heath", "Vale", RichnessSeries(f"r{row}", YEARS, 30 + slope * np.arange(9) + each, np.ones(9))
        )
        for row, each in enumerate(noise)
    )


def test_reference_sites_that_fall_hold_the_alert_and_its_reason_says_so() -> None:
    findings = held()
    red = [gate for gate in findings.gates if gate.gate == "G1" and gate.is_red]
    assert {gate.scope for gate in red} == {Scope.ALL, Scope.PARK}
    (alert,) = findings.alerts
    assert (alert.level, alert.held_by) == (Level.WATCH, "G1")
    assert "; held back: G1 " in alert.reason
    assert alert.q == planted().alerts[0].q


def test_reference_sites_that_hold_let_the_alert_pass() -> None:
    findings = found(series(0, -2.0), Evidence(references=references(0.0)))
    assert {gate.state for gate in findings.gates if gate.gate == "G1"} == {State.PASSED}
    assert findings.alerts[0].level is Level.CONFIRMED


def test_with_nothing_beside_the_histories_gates_that_need_it_are_not_judged_and_hold_nothing() -> None:
    findings = planted()
    states = {gate.gate: gate.state for gate in findings.gates}
    assert states["G1"] is states["G2"] is State.NOT_JUDGED
    assert not any(gate.is_red for gate in findings.gates)
    assert all(gate.reason for gate in findings.gates)
    assert (findings.alerts[0].held_by, findings.alerts[0].course) == ("", Course.UNKNOWN)
    assert (findings.evidence, findings.weather) == ((), ())


def weather(name: str, extreme: tuple[int, ...]) -> WeatherYears:
    days = np.where(np.isin(YEARS, extreme), 6, 0)
    return WeatherYears(name, YEARS, days, days, days)


def test_a_fall_in_years_of_heat_and_drought_alone_is_called_a_dip() -> None:
    """The last three years lie twelve taxa low, and were extreme; the six before hold."""
    steady = series(0)
    dipped = replace(steady, mean=steady.mean - 12.0 * (YEARS >= 2023))
    findings = found(dipped, Evidence(weather=(weather("w00", (2023, 2024, 2025)),)))
    (alert,) = findings.alerts
    assert alert.course is Course.DIP
    assert "an extreme-year dip" in alert.reason
    assert [one.woodland_id for one in findings.weather] == ["w00"]


def test_a_decline_that_outlasts_the_extreme_years_is_called_sustained() -> None:
    (alert,) = found(series(0, -2.0), Evidence(weather=(weather("w00", (2018, 2022)),))).alerts
    assert (alert.course, alert.level) == (Course.SUSTAINED, Level.CONFIRMED)


def test_a_felling_is_named_in_the_reason() -> None:
    felled = Disturbance("w00", "felling", date(2021, 3, 1), date(2021, 4, 1), 0.4, "felling.gpkg")
    elsewhere = replace(felled, woodland_id="w05")
    findings = found(series(0, -2.0), Evidence(disturbances=(felled, elsewhere)))
    (alert,) = findings.alerts
    assert alert.confidence is Confidence.CORROBORATED
    assert alert.cause == "felling of 40 % of it in 2021"
    assert "; known cause: felling of 40 % of it in 2021" in alert.reason
    assert [piece.woodland_id for piece in findings.evidence] == ["w00"]


def test_a_later_look_asks_more() -> None:
    first, later = planted(), found(series(0, -2.0), looks=4)
    assert [one.q for one in later.trends] == [one.q for one in first.trends]
    assert {(one.look, one.q_allowed) for one in later.trends} == {(4, 0.05 / 16)}


def test_a_woodland_given_twice_is_refused() -> None:
    doubled = Histories((*family(series(0, -2.0)), series(5)), SITES)
    with pytest.raises(TrendError, match="woodland w05: given twice"):
        find(doubled, SCIENCE, Season(2025, 4), RICHNESS)


def test_a_woodland_without_a_site_is_not_looked_at() -> None:
    sites = {name: site for name, site in SITES.items() if name != "w00"}
    findings = find(Histories(family(series(0, -2.0)), sites), SCIENCE, Season(2025, 4), RICHNESS)
    assert findings.alerts == ()
    assert len(findings.trends) == WOODS - 1


def test_no_histories_show_nothing() -> None:
    findings = find(Histories((), {}), SCIENCE, Season(2025, 4), RICHNESS)
    assert (findings.trends, findings.alerts, findings.gates) == ((), (), ())


def test_the_order_of_woodlands_does_not_change_what_is_found() -> None:
    forward = planted()
    turned = Histories(family(series(0, -2.0))[::-1], dict(reversed(SITES.items())))
    backward = find(turned, SCIENCE, Season(2025, 4), RICHNESS)
    by_name = {one.woodland_id: one for one in backward.trends}
    for one in forward.trends:
        assert by_name[one.woodland_id].q == pytest.approx(one.q, rel=1e-6)
        assert by_name[one.woodland_id].slope == one.slope
    assert [(one.id, one.level, one.reason) for one in backward.alerts] == [
        (one.id, one.level, one.reason) for one in forward.alerts
    ]
    assert [(one.park, one.p) for one in backward.contrasts] == [
        (one.park, pytest.approx(one.p)) for one in forward.contrasts
    ]


def test_the_same_histories_and_evidence_show_the_same() -> None:
    again = found(series(0, -2.0), Evidence(references=references(-1.0)))
    for name in ("trends", "contrasts", "alerts", "park_trends", "balance", "gates", "evidence"):
        assert repr(getattr(held(), name)) == repr(getattr(again, name))


def test_what_lies_outside_names_the_assessment_and_without_any_the_name_stays() -> None:
    whole = series(0, -2.0)
    plain = RichnessSeries(whole.woodland_id, whole.years, whole.mean, whole.sd)
    assert series_hash([whole]) == series_hash([plain])
    cut = series(0, -2.0, (2020,))
    bare = RichnessSeries(cut.woodland_id, cut.years, cut.mean, cut.sd)
    assert series_hash([cut]) != series_hash([bare])


def test_a_lost_warehouse_is_not_begun_anew_beside_its_snapshot(tmp_path: Path) -> None:
    warehouse, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    refuse_lost_warehouse(warehouse, published)
    published.touch()
    with pytest.raises(
        WarehouseError, match=r"warehouse\.duckdb: missing, while its snapshot .* exists"
    ) as no:
        refuse_lost_warehouse(warehouse, published)
    assert "\n" not in str(no.value)
    shutil.copy(published, warehouse)
    refuse_lost_warehouse(warehouse, published)
