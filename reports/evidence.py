"""What stands behind the figures: observations, gates, what was kept out, and what made the numbers."""

from __future__ import annotations

from statistics import median
from typing import Any

from reports.content import ReportContent
from reports.wording import breakable, count, number, percent, printable

#: Quarantined rows printed in full; the rest are counted.
_MOST_QUARANTINED = 60


def quality(content: ReportContent) -> dict[str, Any]:
    """Return the tables of scenes, gates and rows kept out, and what they come to."""
    kept = content.quality
    scenes = [
        [str(s.year), *(number(n, 0) for n in (s.s2, s.s1_ascending, s.s1_descending))] for s in kept.scenes
    ]
    gates = [
        [breakable(g.name), number(g.passed, 0), number(g.failed, 0), breakable(g.note) or "–"]
        for g in kept.gates
    ]
    kept_out = [
        [breakable(r.subject), breakable(r.season), breakable(r.gate), breakable(r.reason)]
        for r in kept.quarantined[:_MOST_QUARANTINED]
    ]
    left = len(kept.quarantined) - len(kept_out)
    more = f"And {count(left, 'more row', 'more rows')}, listed by the warehouse." if left else ""
    return {
        "scenes": scenes,
        "gates": gates,
        "quarantined": kept_out,
        "more": more,
        "text": _quality_text(content),
    }


def _quality_text(content: ReportContent) -> str:
    quality = content.quality
    failed = sum(gate.failed for gate in quality.gates)
    checks = sum(gate.passed + gate.failed for gate in quality.gates)
    gates = f"Of {count(checks, 'check')} at the quality gates, {failed or 'none'} failed. " if checks else ""
    rows = count(len(quality.quarantined), "row was", "rows were")
    kept_out = f"{rows[:1].upper() + rows[1:]} kept out of the warehouse"
    return f"{gates}{kept_out}; what is kept out takes no part in any figure."


def observations_alt(content: ReportContent) -> str:
    """Return in words what the chart of observations shows."""
    optical = [o.s2 for o in content.quality.observations if o.s2 == o.s2]
    counted = "not known"
    if optical:
        counted = f"from {number(min(optical))} to {number(max(optical))}, median {number(median(optical))}"
    return f"Bar chart of clear observations per pixel and year. Optical: {counted}."


def provenance(content: ReportContent) -> list[list[str]]:
    """Return (what, which) pairs: all that is needed to make the figures again."""
    made = content.provenance
    encoder, head = made.encoder, made.head
    rows = [
        ["Code", made.code_version],
        ["Science choices", f"version {content.science.version}, hash {made.config_hash}"],
        ["Scenes from", made.catalogue_source],
        ["Encoder", encoder.id],
        ["Encoder's training", encoder.training_domain or "not stated"],
        ["Encoder's weights", f"sha256 {encoder.weights_sha256}"],
        ["Encoder's licence", encoder.licence or "not stated"],
        ["Prediction model", f"{head.id}, {count(head.n_samples, 'field sample')}"],
        ["Tested far from samples", _skill(head.r2_spatial, head.rmse_spatial, head.coverage_spatial)],
        ["Tested among samples", _skill(head.r2_random, head.rmse_random, head.coverage_random)],
        ["Runs", ", ".join(made.run_ids) or "not recorded"],
        *([what, number(n, 0)] for what, n in made.counts),
    ]
    return [[printable(what), breakable(text)] for what, text in rows]


def _skill(r2: float, rmse: float, coverage: float) -> str:
    if r2 != r2 and rmse != rmse:
        return "not measured"
    return f"R² {number(r2, 2)}, error (RMSE) {number(rmse)} taxa, 90 % interval holds {percent(coverage)}"


def citation(content: ReportContent) -> str:
    """Return the line to cite the report by."""
    made = content.provenance
    return breakable(
        f"Underwood {made.code_version} ({content.generated_at.year}). {content.title}. "
        f"Season {content.season}, made {content.generated_at:%Y-%m-%d %H:%M} UTC. "
        f"Science {made.config_hash}, encoder {made.encoder.id}, model {made.head.id}."
    )
