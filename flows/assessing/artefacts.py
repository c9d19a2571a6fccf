"""Artefacts: every gate judged over one assessment, each with its figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from flows.assessing.evidence import Evidence
from flows.assessing.histories import Histories
from monitoring.gates.applicability import applicability_gate
from monitoring.gates.counts import counts_gate
from monitoring.gates.eras import era_gate
from monitoring.gates.finding import GateFinding
from monitoring.gates.reference_sites import reference_gate
from monitoring.gates.replay import ReplayDifference, ReplayStratum, replay_gate, replay_offsets
from monitoring.gates.seams import seam_gate
from monitoring.science import Science
from monitoring.trends.controls import Control, control_values
from monitoring.trends.histories import RichnessSeries, on_common_years
from monitoring.trends.sites import Site

Floats = NDArray[np.float64]

#: The loss that matters where no level is known or positive, target's unit.
_NO_LEVEL = 1.0


def judge_gates(
    histories: Histories,
    controls: Mapping[str, Control],
    candidates: Collection[str],
    science: Science,
    evidence: Evidence,
    seed: int = 0,
) -> tuple[GateFinding, ...]:
    """Return the findings of G1 to G6, in that order; candidates are the woodlands that may be alerted.

    Without any history there is nothing to judge, and nothing is returned.
    """
    if not histories.series:
        return ()
    ids = [one.woodland_id for one in histories.series]
    years, own = on_common_years(histories.series)
    tested = own - control_values(histories.series, controls, years)
    loss = loss_that_matters(own, science)
    park_of = {name: histories.sites[name].park for name in ids}
    rows = [row for row, name in enumerate(ids) if name in candidates]
    sites = [histories.sites[name] for name in ids]
    seen = {one.woodland_id: one for one in histories.seen}
    return (
        *reference_gate(evidence.references, loss, science.gates, evidence.embeddings, seed),
        *counts_gate(ids, years, tested, seen, park_of, loss, science.gates, seed),
        *replay_gate(evidence.replayed, _strata(sites), loss, science.gates),
        *era_gate([ids[row] for row in rows], years, tested[rows]),
        *seam_gate(sites, years, tested, candidates, loss, science.gates, evidence.references),
        *applicability_gate(histories.seen, park_of, science.estimation.min_applicable_share, science.gates),
    )


def loss_that_matters(own: Floats, science: Science) -> float:
    """Return the loss over the record from which anybody is called: the rule's share of the median level."""
    known = own[np.isfinite(own)]
    level = float(np.median(known)) if len(known) else 0.0
    return science.alert.min_decline_fraction * level if level > 0 else _NO_LEVEL


def _strata(sites: Sequence[Site]) -> dict[str, ReplayStratum]:
    return {
        site.woodland_id: ReplayStratum(site.park, "ancient" if site.is_ancient else "other")
        for site in sites
    }


def with_replay_error(
    series: Sequence[RichnessSeries],
    sites: Mapping[str, Site],
    replayed: Sequence[ReplayDifference],
    science: Science,
) -> tuple[RichnessSeries, ...]:
    """Return the series with the error that few observations add, in the years whose density was replayed.

    What a replay says of a park and class is added to the prediction error (sd_year) of its woodlands, so
    that poor years weigh less in the tested line. Series whose prediction error is not known stay as they
    are.
    """
    strata, known = _strata(list(sites.values())), [one for one in replayed if one.woodland_id in sites]
    offsets = replay_offsets(known, strata, science.gates)
    to_add = {each.stratum: each.sd_to_add for each in offsets}
    poor = np.unique(np.array([year for one in known for year in one.like_years], np.int64))
    return tuple(_with_error(one, to_add.get(strata[one.woodland_id], 0.0), poor) for one in series)


def _with_error(series: RichnessSeries, sd: float, poor: NDArray[np.int64]) -> RichnessSeries:
    if not len(series.sd_year) or not np.isfinite(sd) or not len(poor):
        return series
    return replace(series, sd_year=np.hypot(series.sd_year, np.where(np.isin(series.years, poor), sd, 0.0)))
