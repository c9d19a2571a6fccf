"""Disturbances: what a layer of fellings, fires or alerts says happened to a woodland, and when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from monitoring.corroboration.evidence import Corroboration, Verdict
from monitoring.errors import SourceError
from monitoring.science import CorroborationRule

#: What a disturbance may be; `disturbance` where the layer does not say.
KINDS = ("felling", "fire", "storm", "disease", "disturbance")


@dataclass(frozen=True)
class Disturbance:
    """One event, or the events of one kind and year, on one woodland."""

    woodland_id: str
    kind: str
    """One of `KINDS`."""
    first_day: date
    last_day: date
    """Inclusive; 31 December where only the year is known."""
    share: float
    """Share of the woodland's area touched, above 0 and at most 1."""
    source: str
    """File name and layer."""
    is_certain: bool = True
    """False for an alert that its layer calls of low confidence."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SourceError(f"disturbance of {self.woodland_id}: kind {self.kind!r}, known are {KINDS}")
        if self.first_day > self.last_day:
            raise SourceError(
                f"disturbance of {self.woodland_id}: begins {self.first_day}, ends {self.last_day}"
            )
        if not 0 < self.share <= 1:
            raise SourceError(
                f"disturbance of {self.woodland_id}: share {self.share}: above 0 and at most 1 is needed"
            )


def by_woodland(disturbances: Iterable[Disturbance]) -> dict[str, list[Disturbance]]:
    """Return the disturbances of each woodland, in their order."""
    found: dict[str, list[Disturbance]] = {}
    for one in disturbances:
        found.setdefault(one.woodland_id, []).append(one)
    return found


def evidence_of_disturbances(
    disturbances: Sequence[Disturbance], record: tuple[int, int], rule: CorroborationRule
) -> tuple[Corroboration, ...]:
    """Return one piece of evidence for each kind of disturbance of one woodland, in the order of `KINDS`.

    record: first and last year of the trend. AGREES when what is certain and lies inside the record touches
    at least `rule.min_disturbed_share` of the woodland; the shares of several events add up, to 1 at most.
    Otherwise SILENT, and the text says why. No disturbance layer shows that nothing was lost.
    """
    kinds: dict[str, list[Disturbance]] = {}
    for one in disturbances:
        kinds.setdefault(one.kind, []).append(one)
    return tuple(_evidence(kinds[kind], record, rule) for kind in KINDS if kind in kinds)


def _evidence(
    of_kind: Sequence[Disturbance], record: tuple[int, int], rule: CorroborationRule
) -> Corroboration:
    inside = [one for one in of_kind if one.last_day.year >= record[0] and one.first_day.year <= record[1]]
    certain = [one for one in inside if one.is_certain]
    counted = certain or inside or list(of_kind)
    share = min(1.0, math.fsum(one.share for one in counted))
    why_not = _why_not(bool(inside), bool(certain), share, rule)
    return Corroboration(
        woodland_id=counted[0].woodland_id,
        kind=counted[0].kind,
        verdict=Verdict.SILENT if why_not else Verdict.AGREES,
        year=_main_year(counted),
        share=share,
        text=_text(counted, share) + why_not,
        source="; ".join(dict.fromkeys(one.source for one in counted)),
    )


def _why_not(is_inside: bool, is_certain: bool, share: float, rule: CorroborationRule) -> str:
    if not is_inside:
        return ", outside the record"
    if not is_certain:
        return ", of low confidence"
    return "" if share >= rule.min_disturbed_share else ", too little of it to explain a decline"


def _main_year(events: Sequence[Disturbance]) -> int:
    """Return the year of the largest, the earlier of equal ones."""
    largest = max(events, key=lambda one: (one.share, -one.first_day.toordinal()))
    return largest.first_day.year


def _text(events: Sequence[Disturbance], share: float) -> str:
    """Return `felling of 12 % of it in 2021`, or `... between 2019 and 2021`."""
    first, last = min(one.first_day.year for one in events), max(one.last_day.year for one in events)
    when = f"in {first}" if first == last else f"between {first} and {last}"
    return f"{events[0].kind} of {_percent(share)} of it {when}"


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.005 else f"{100 * share:.0f} %"


def causes(evidence: Iterable[Corroboration]) -> str:
    """Return the disturbances that explain a decline, the largest first; empty where none does."""
    found = [one for one in evidence if one.kind in KINDS and one.verdict is Verdict.AGREES]
    return "; ".join(one.text for one in sorted(found, key=lambda one: -one.share))
