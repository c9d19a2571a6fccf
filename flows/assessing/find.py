"""Find: what annual histories show, from trends through their gates to alerts; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import pandas as pd

from flows.assessing.artefacts import judge_gates, with_replay_error
from flows.assessing.evidence import NOTHING, Evidence
from flows.assessing.histories import Histories
from flows.quality.gate import Verdict, check_trends
from monitoring.alerts.alert import Alert, Course
from monitoring.alerts.grounds import Beside
from monitoring.alerts.rule import is_candidate, raise_alerts
from monitoring.corroboration.evidence import Corroboration
from monitoring.corroboration.weigh import corroborate
from monitoring.gates.finding import GateFinding
from monitoring.science import Science, WeatherRule
from monitoring.seasons import Season
from monitoring.targets import Target
from monitoring.trends.contrast import Contrast, Contrasts
from monitoring.trends.contrasts import contrasts
from monitoring.trends.controls import Control, controls_among, series_to_test
from monitoring.trends.family import family_trends
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.matching import BalanceRow
from monitoring.trends.parks import ParkTrend, park_trends
from monitoring.trends.trend import Trend
from monitoring.weather.course import courses
from monitoring.weather.yearly import extreme_among
from monitoring.weather.years import WeatherYears

#: With fewer years there is no slope to show, and nothing to keep.
MIN_YEARS_SHOWN = 3


@dataclass(frozen=True)
class Findings:
    """What the histories up to a season show."""

    trends: tuple[Trend, ...]
    contrasts: tuple[Contrast, ...]
    alerts: tuple[Alert, ...]
    verdict: Verdict
    park_trends: tuple[ParkTrend, ...] = ()
    balance: tuple[BalanceRow, ...] = ()
    gates: tuple[GateFinding, ...] = ()
    evidence: tuple[Corroboration, ...] = ()
    weather: tuple[WeatherYears, ...] = ()


def find(
    histories: Histories,
    science: Science,
    season: Season,
    target: Target,
    *,
    evidence: Evidence = NOTHING,
    looks: int = 1,
    seed: int = 0,
) -> Findings:
    """Return what the histories show at a final season.

    looks: which yearly look this is, from 1. Woodlands without a site are not looked at. A trend that the
    quality gate refuses is in the verdict and takes no part in alerts. Errors are those of the tests.
    """
    known = _known(histories, evidence, science)
    series, sites = known.series, known.sites
    controls = controls_among(series, sites)
    tested = family_trends(series, controls, science.trend, q_confirmed=science.alert.q_confirmed, look=looks)
    trends, verdict = _sound([trend for trend in tested if trend.n >= MIN_YEARS_SHOWN], season, target)
    beside = _beside(known, controls, trends, science, evidence, seed)
    compared = _compared(known, science, seed)
    return Findings(
        trends=trends,
        contrasts=compared.contrasts,
        alerts=raise_alerts(trends, series, controls, science.alert, season.id, target.name, sites, beside),
        verdict=verdict,
        park_trends=park_trends(series, sites, science.trend, seed),
        balance=compared.balance,
        gates=tuple(beside.gates),
        evidence=tuple(each for _, pieces in beside.evidence for each in pieces),
        weather=evidence.weather,
    )


def _known(histories: Histories, evidence: Evidence, science: Science) -> Histories:
    """Return the histories of woodlands with a site, with the error that few observations add."""
    inside = [one for one in histories.series if one.woodland_id in histories.sites]
    series = with_replay_error(inside, histories.sites, evidence.replayed, science)
    return replace(histories, series=series)


def _beside(
    histories: Histories,
    controls: Mapping[str, Control],
    trends: Sequence[Trend],
    science: Science,
    evidence: Evidence,
    seed: int,
) -> Beside:
    """Return the gates, and for the woodlands that may be alerted their courses and other evidence."""
    candidates = {trend.woodland_id: trend for trend in trends if is_candidate(trend, science.alert)}
    gates = judge_gates(histories, controls, candidates.keys(), science, evidence, seed)
    records = {name: (trend.first_year, trend.last_year) for name, trend in candidates.items()}
    told = corroborate(
        records, evidence.index_rows, histories.sites, evidence.disturbances, science.corroboration
    )
    declining = [one for one in histories.series if one.woodland_id in candidates]
    weathered = _courses(declining, controls, evidence.weather, science.weather)
    return Beside(gates, weathered, tuple(told.items()))


def _compared(histories: Histories, science: Science, seed: int) -> Contrasts:
    series = [one for one in histories.series if len(one.years)]
    sites = [histories.sites[one.woodland_id] for one in series]
    return contrasts(series, sites, science.trend, science.matching, seed=seed)


def _sound(trends: Sequence[Trend], season: Season, target: Target) -> tuple[tuple[Trend, ...], Verdict]:
    """Return the trends that pass their quality gate, and the gate's verdict."""
    columns = [field.name for field in fields(Trend)]
    verdict = check_trends(pd.DataFrame([vars(each) for each in trends], columns=columns), season, target)
    sound = frozenset(verdict.passed["woodland_id"]) if len(verdict.passed) else frozenset()
    return tuple(trend for trend in trends if trend.woodland_id in sound), verdict


def _courses(
    series: Sequence[RichnessSeries],
    controls: Mapping[str, Control],
    weather: Sequence[WeatherYears],
    rule: WeatherRule,
) -> tuple[tuple[str, Course], ...]:
    """Return the course of every woodland whose weather is known in all the years it was tested on."""
    known = {one.woodland_id: one for one in weather}
    found = []
    for one in series:
        days = known.get(one.woodland_id)
        years, values = series_to_test(one, controls.get(one.woodland_id))
        extreme = extreme_among(years, days, min_days=rule.extreme_days) if days else None
        if extreme is not None:
            course = courses(
                years, values[None, :], extreme, p_sustained=rule.course_p, dip_mads=rule.dip_mads
            ).course[0]
            found.append((one.woodland_id, course or Course.UNCERTAIN))
    return tuple(found)
