"""Weighing: what raises a decline's standing, what lowers it and what gives it another cause."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from monitoring.alerts.alert import Confidence
from monitoring.corroboration.disturbances import Disturbance, by_woodland, evidence_of_disturbances
from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.corroboration.weigh import corroborate, weigh
from monitoring.errors import SourceError
from monitoring.science import CorroborationRule
from monitoring.trends.sites import Site

RULE = CorroborationRule()
RECORD = (2017, 2025)


def said(kind: str, verdict: Verdict) -> Corroboration:
    return Corroboration("oak", kind, verdict, 0, float("nan"), f"{kind} {verdict}")


def event(kind: str = "felling", year: int = 2021, share: float = 0.12, certain: bool = True) -> Disturbance:
    return Disturbance("oak", kind, date(year, 1, 1), date(year, 12, 31), share, "works.gpkg", certain)


def test_a_felling_inside_the_record_gives_the_cause() -> None:
    evidence = evidence_of_disturbances([event()], RECORD, RULE)
    assert weigh(evidence) == (Confidence.CORROBORATED, "felling of 12 % of it in 2021")
    assert evidence[0].year == 2021
    assert evidence[0].source == "works.gpkg"


def test_fellings_of_several_years_add_up() -> None:
    evidence = evidence_of_disturbances([event(year=y, share=0.03) for y in (2019, 2020, 2021)], RECORD, RULE)
    assert weigh(evidence) == (Confidence.CORROBORATED, "felling of 9 % of it between 2019 and 2021")


def test_the_larger_cause_is_named_first() -> None:
    events = [event(), event("fire", 2022, 0.4)]
    assert weigh(evidence_of_disturbances(events, RECORD, RULE))[1] == (
        "fire of 40 % of it in 2022; felling of 12 % of it in 2021"
    )


@pytest.mark.parametrize(
    ("disturbance", "why"),
    [
        (event(share=0.02), "too little of it to explain a decline"),
        (event(share=0.001), "felling of less than 1 % of it"),
        (event(year=2012), "outside the record"),
        (event(certain=False), "of low confidence"),
    ],
)
def test_what_cannot_explain_a_decline_is_told_and_changes_nothing(
    disturbance: Disturbance, why: str
) -> None:
    evidence = evidence_of_disturbances([disturbance], RECORD, RULE)
    assert why in evidence[0].text
    assert weigh(evidence) == (Confidence.ALONE, "")


def test_agreement_outweighs_contradiction() -> None:
    pieces = [said("ndvi", Verdict.DISAGREES), said("nbr", Verdict.AGREES)]
    assert weigh(pieces) == (Confidence.CORROBORATED, "")
    assert weigh(pieces[:1]) == (Confidence.CONTRADICTED, "")
    assert weigh([said("nbr", Verdict.SILENT)]) == (Confidence.ALONE, "")
    assert weigh([]) == (Confidence.ALONE, "")


def test_all_evidence_of_a_woodland_comes_together() -> None:
    sites = {name: Site(name, "P", name == "oak") for name in ("oak", *"abcdef")}
    wobble = np.array([2, -1, 1, -2, 0, 2, -2, 1, -1]) / 1000
    rows = [
        {"woodland_id": name, "index_name": "nbr", "year": 2017 + i, "value": value, "n": 5, "n_nbar": 5}
        for number, name in enumerate(sites)
        for i, value in enumerate(0.6 + np.roll(wobble, number) - 0.012 * np.arange(9) * (name == "oak"))
    ]
    found = corroborate({"oak": RECORD, "unseen": RECORD}, rows, sites, [event()], RULE)
    assert [one.kind for one in found["oak"]] == ["felling", "nbr"]
    assert {one.verdict for one in found["oak"]} == {Verdict.AGREES}
    assert found["unseen"] == ()
    assert set(found) == {"oak", "unseen"}


def test_events_are_kept_by_woodland() -> None:
    assert by_woodland([event(), event(year=2020)]) == {"oak": [event(), event(year=2020)]}
    assert by_woodland([]) == {}


def test_an_impossible_disturbance_cannot_be_made() -> None:
    with pytest.raises(SourceError, match="kind 'flood'"):
        event("flood")
    with pytest.raises(SourceError, match=r"share 1\.2: above 0 and at most 1"):
        event(share=1.2)
    with pytest.raises(SourceError, match="begins 2021-02-01, ends 2021-01-01"):
        Disturbance("oak", "fire", date(2021, 2, 1), date(2021, 1, 1), 0.5, "")
