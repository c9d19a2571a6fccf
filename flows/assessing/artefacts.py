"""Artefacts: every gate judged over one assessment, each with its figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from flows.assessing.evidence import Evidence
from flows.assessing.histories import Histories
from monitoring.gates.applicability import applicability_gate
from monitoring.gates.counts import counts_gate
from monitoring.gates.eras import era_gate
from monitoring.gates.finding import GateFinding
from monitoring.gates.reference_sites import reference_gate
from monitoring.gates.replay import ReplayStratum, replay_gate
from monitoring.gates.seams import seam_gate
from monitoring.science import Science
from monitoring.trends.controls import Control, control_values
from monitoring.trends.histories import on_common_years
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
    """Return the findings of G1 to G6, in that order; candidates are the woodlands that may be alerted."""
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
