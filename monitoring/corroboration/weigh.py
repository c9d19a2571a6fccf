"""Weighing: what all other evidence on a woodland amounts to, and what it says the cause is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitoring.alerts.alert import Confidence
from monitoring.corroboration.disturbances import Disturbance, by_woodland, causes, evidence_of_disturbances
from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.corroboration.indices import evidence_of_indices
from monitoring.science import CorroborationRule
from monitoring.trends.sites import Site


def weigh(evidence: Sequence[Corroboration]) -> tuple[Confidence, str]:
    """Return how far the evidence on one woodland bears a decline out, and its known cause or an empty text.

    One piece that agrees is enough to corroborate, whatever the others say: NDVI saturates in closed canopy
    and holds while NBR falls. Without any, one piece that disagrees contradicts. The cause is a disturbance
    that agrees, such as `felling of 12 % of it in 2021`; an index has no cause to give.
    """
    said = {one.verdict for one in evidence}
    if Verdict.AGREES in said:
        return Confidence.CORROBORATED, causes(evidence)
    return (Confidence.CONTRADICTED if Verdict.DISAGREES in said else Confidence.ALONE), ""


def corroborate(
    records: Mapping[str, tuple[int, int]],
    index_rows: Iterable[Mapping[str, Any]],
    sites: Mapping[str, Site],
    disturbances: Iterable[Disturbance],
    rule: CorroborationRule,
) -> dict[str, tuple[Corroboration, ...]]:
    """Return all evidence on each woodland of `records`: disturbances first, then the indices.

    records: first and last year of each woodland's trend. index_rows: the index histories of all woodlands of
    the parks, as controls are taken from them, up to the season judged. A woodland of which nothing else is
    known has an empty tuple.
    """
    found: dict[str, list[Corroboration]] = {woodland: [] for woodland in records}
    for woodland, events in by_woodland(disturbances).items():
        if woodland in records:
            found[woodland].extend(evidence_of_disturbances(events, records[woodland], rule))
    for one in evidence_of_indices(index_rows, sites, rule):
        if one.woodland_id in records:
            found[one.woodland_id].append(one)
    return {woodland: tuple(evidence) for woodland, evidence in found.items()}
