"""Rules: which rows that can be read are not believed."""

from __future__ import annotations

import math

from flows.sources.field_samples.continents import BOXES
from flows.sources.field_samples.rows import StatedSample, UnusableRowError
from monitoring.targets import SampleRules

#: Values are printed with three decimals or fewer, those of whole and half taxa exactly.
_ROUNDING = 0.001


def refuse_unbelieved(stated: StatedSample, rules: SampleRules, *, has_counts: bool) -> None:
    """UnusableRowError for the first rule that a row breaks.

    has_counts: the table has a column of observed counts; without one nothing is said about them.
    """
    _refuse_elsewhere(stated, rules)
    if has_counts:
        _refuse_empty_zero(stated, rules)
        _refuse_all_singletons(stated, rules)
        _refuse_extrapolated(stated, rules)


def is_of_known_continent(stated: StatedSample) -> bool:
    """True where the row states a continent that has a box."""
    return stated.continent.lower() in BOXES


def _refuse_elsewhere(stated: StatedSample, rules: SampleRules) -> None:
    place = stated.sample.longitude, stated.sample.latitude
    if not rules.inside_stated_continent or not is_of_known_continent(stated) or math.isnan(place[0]):
        return
    if not BOXES[stated.continent.lower()].holds(*place):
        raise UnusableRowError(
            "outside the stated continent", "coordinates or continent are wrong", f"{place[0]:g} {place[1]:g}"
        )


def _refuse_empty_zero(stated: StatedSample, rules: SampleRules) -> None:
    if rules.zero_needs_count and stated.sample.value == 0 and math.isnan(stated.count):
        raise UnusableRowError("0 without an observed count", "missing is never zero", stated.sample.value)


def _refuse_all_singletons(stated: StatedSample, rules: SampleRules) -> None:
    count = stated.count
    if not rules.refuse_all_singletons or not count >= 2:
        return
    if abs(stated.sample.value - all_singletons(count)) <= _ROUNDING:
        raise UnusableRowError(
            "estimated from as many reads as taxa",
            "the largest Chao1 there is: every taxon was read once",
            f"{stated.sample.value:g} of {count:g}",
        )


def all_singletons(count: float) -> float:
    """Return Chao1 of `count` taxa that were read once each: the largest it can be for that many.

    k + (n - 1) / n * k (k - 1) / 2 with n = k reads (Chao 1984, bias-corrected form).
    """
    return (count**2 + 1) / 2


def _refuse_extrapolated(stated: StatedSample, rules: SampleRules) -> None:
    limit, value = rules.max_extrapolation, stated.sample.value
    if limit is not None and value > limit * stated.count:
        raise UnusableRowError(
            f"estimate above {limit:g} times the observed count",
            "extrapolated too far",
            f"{value:g} of {stated.count:g}",
        )
