"""What stands behind the figures: observations, gates, what was kept out, and what made the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from reports.content import ReportContent
from reports.observed import Quality, SeasonSeen, UnderFloorLine, UnreadLine
from reports.woodland import IndexYear
from reports.wording import breakable, count, exact, number, percent, printable, shorten

#: Rows printed in full of what was kept out, is under its floor or could not be read; the rest are counted.
_MOST_QUARANTINED = 60
#: Letters of an error in the list of what could not be read.
_LONGEST_ERROR = 160

CHECK_TEXT = (
    "Greenness of the canopy, measured by the optical satellite alone. The model that makes the predictions "
    "never sees these figures. Where both change alike, something happened to the canopy; where only one "
    "does, look closer before believing it."
)


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
    return {
        "scenes": scenes,
        "gates": gates,
        "quarantined": kept_out,
        "more": _more(left),
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


def observed(content: ReportContent) -> dict[str, Any]:
    """Return the tables of missing passes, of blocks under their floor, and of assets that were not read."""
    kept = content.quality
    unread = [line for line in kept.unread if line.state != "recovered"]
    under, lost = kept.under_floor[:_MOST_QUARANTINED], unread[:_MOST_QUARANTINED]
    return {
        "text": _observed_text(kept, len(unread)),
        "seasons": [_season_row(season) for season in kept.seen],
        "under": [_under_row(line) for line in under],
        "under_more": _more(len(kept.under_floor) - len(under)),
        "unread": [_unread_row(line) for line in lost],
        "unread_more": _more(len(unread) - len(lost)),
    }


def _observed_text(quality: Quality, n_unread: int) -> str:
    if not (quality.seen or quality.under_floor or quality.unread):
        return ""
    return (
        "Satellites pass on known days. Missing: the share of the expected passes that no catalogue offered, "
        f"a dash where nothing says how many to expect. {_under_text(len(quality.under_floor))} "
        + _unread_text(n_unread, len(quality.unread) - n_unread)
    )


def _under_text(n_under: int) -> str:
    if not n_under:
        return "No block-season is under its floor."
    under = count(n_under, "block-season is", "block-seasons are")
    return f"{under} under the floor: that year of its woodlands is not final and takes part in no trend."


def _unread_text(n_unread: int, n_recovered: int) -> str:
    if not n_unread:
        return f"Every file could be read{f', {n_recovered} at a later try' if n_recovered else ''}."
    again = f"; {n_recovered} more came through at a later try" if n_recovered else ""
    return f"{count(n_unread, 'file')} could not be read{again}."


def _season_row(seen: SeasonSeen) -> list[str]:
    frozen = "yes" if seen.n_frozen == seen.n_blocks else f"{seen.n_frozen} of {seen.n_blocks}"
    return [
        breakable(seen.season),
        *(percent(share, 1) for share in (seen.s2, seen.s1_ascending, seen.s1_descending)),
        number(seen.n_blocks, 0),
        number(seen.n_under_floor, 0),
        frozen if seen.n_frozen or not seen.n_blocks else "no",
    ]


def _under_row(line: UnderFloorLine) -> list[str]:
    return [
        exact(line.block),
        breakable(line.season),
        f"{number(line.found, 0)} of {number(line.expected, 0)}",
        percent(line.missing_share),
        breakable(line.reason) or "–",
    ]


def _unread_row(line: UnreadLine) -> list[str]:
    return [
        exact(line.scene),
        breakable(line.band),
        breakable(line.season),
        f"{number(line.attempts, 0)}, {breakable(line.state)}",
        exact(shorten(line.error, _LONGEST_ERROR)),
    ]


def _more(left: int) -> str:
    return f"And {count(left, 'more row', 'more rows')}, listed by the warehouse." if left else ""


def index_caption(indices: Sequence[IndexYear]) -> str:
    """Return what stands below a chart of indices, hollow markers explained where there are any."""
    text = "Independent check, not used by the model: median of 15 May to 30 September."
    hollow = " Hollow: view angle not corrected in all."
    return text if all(value.is_nbar for value in indices) else text + hollow


def index_alt(indices: Sequence[IndexYear]) -> str:
    """Return in words what a chart of indices shows."""
    parts = [
        f"{name} {_ends(indices, [getattr(value, name.lower()) for value in indices])}"
        for name in ("NIRv", "NDVI")
    ]
    return f"Two line charts of vegetation indices by year, an independent check: {'; '.join(parts)}."


def _ends(indices: Sequence[IndexYear], values: Sequence[float]) -> str:
    known = [(i.year, value) for i, value in zip(indices, values, strict=True) if math.isfinite(value)]
    if not known:
        return "has no value"
    return " and ".join(f"{number(value, 2)} in {year}" for year, value in (known[0], known[-1]))


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
    encoder, head, unit = made.encoder, made.head, content.target.short_unit
    rows = [
        ["Code", made.code_version],
        ["Science choices", f"version {content.science.version}, hash {made.config_hash}"],
        ["Scenes from", made.catalogue_source],
        ["Encoder", encoder.id],
        ["Encoder's training", encoder.training_domain or "not stated"],
        ["Encoder's weights", f"sha256 {encoder.weights_sha256}"],
        ["Encoder's licence", encoder.licence or "not stated"],
        ["Prediction model", f"{head.id}, {count(head.n_samples, 'field sample')}"],
        ["Tested far from samples", _skill(head.r2_spatial, head.rmse_spatial, head.coverage_spatial, unit)],
        ["Tested among samples", _skill(head.r2_random, head.rmse_random, head.coverage_random, unit)],
        ["Runs", ", ".join(made.run_ids) or "not recorded"],
        *([what, number(n, 0)] for what, n in made.counts),
    ]
    return [[printable(what), exact(text)] for what, text in rows]


def _skill(r2: float, rmse: float, coverage: float, unit: str) -> str:
    if r2 != r2 and rmse != rmse:
        return "not measured"
    return f"R² {number(r2, 2)}, error (RMSE) {number(rmse)} {unit}, 90 % interval holds {percent(coverage)}"


def citation(content: ReportContent) -> str:
    """Return the line to cite the report by."""
    made = content.provenance
    return exact(
        f"Underwood {made.code_version} ({content.generated_at.year}). {content.title}. "
        f"Season {content.season}, made {content.generated_at:%Y-%m-%d %H:%M} UTC. "
        f"Science {made.config_hash}, encoder {made.encoder.id}, model {made.head.id}."
    )
