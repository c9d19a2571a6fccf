"""Radiometry by evidence: was the offset of a scene's processing baseline subtracted, once?

From baseline 04.00 on, Sentinel-2 digital numbers carry +1000. Left in, it lifts all ten bands alike;
subtracted twice, it lowers them alike and leaves the dark ones at the smallest value. Nothing else does: haze
lifts blue most and SWIR least, snow lifts the visible bands and lowers SWIR, leaves move near infrared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from monitoring.errors import ModelError
from monitoring.scenes import S2_BANDS
from monitoring.science import RadiometryRule
from monitoring.series import SensorSeries
from monitoring.wording import counted

#: Scene classes judged: vegetation, and not vegetated (leafless wood).
CANOPY_CLASSES = (4, 5)
#: What baseline 04.00 adds, and the smallest reflectance x 10000 that a pixel with an observation has.
OFFSET_DN, SMALLEST_DN = 1000, 1
#: No fewer pixels than this have a percentile worth the name.
LEAST_PIXELS = 20
#: Share of a scene's neighbours, lifted or clamped, above which they do not agree with each other.
AGREEING_SHARE = 0.25
#: A neighbour is lifted from this share of the step on: the median of two camps may lie between them.
LIFTED = 0.4
#: Bands in which a closed canopy is dark at any time of the year, and those of them that reach zero.
DARK_BANDS = ("B02", "B03", "B04", "B12")
ZERO_BANDS = ("B02", "B03", "B04")
#: Bands that leaves brighten by as much as the offset does.
LEAF_BANDS = ("B06", "B07", "B08", "B8A")
_DAYS_OF_YEAR = 365.25


class OffsetError(StrEnum):
    """What went wrong with an offset."""

    LEFT_IN = "offset left in"
    TWICE = "offset subtracted twice"


@dataclass(frozen=True)
class Contradiction:
    """A scene whose pixels say otherwise than its metadata."""

    scene_id: str
    error: OffsetError
    reason: str
    """One line: the scene, its figures by band and the bound."""

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class _Darkness:
    """The darkest canopy of each judged scene."""

    scene_ids: tuple[str, ...]
    day: NDArray[np.float64]
    """(T,) days since 1970."""
    n_pixels: NDArray[np.int64]
    """(T,) clear canopy pixels."""
    dark: NDArray[np.float64]
    """(T, 10) dark percentile, reflectance x 10000."""
    clamped: NDArray[np.float64]
    """(T, 10) share of pixels at the smallest value."""


def radiometric_contradictions(
    optical: SensorSeries, clear: NDArray[np.bool_], rule: RadiometryRule
) -> Mapping[str, Contradiction]:
    """Return the scenes whose offset is contradicted by their own pixels, by id.

    optical: scenes of one block, the more the better: each is compared with its neighbours in time; clear
    (T, N) its usable observations. A scene with too few clear canopy pixels cannot be judged, and is not
    contradicted.
    """
    if optical.scl is None:
        raise ModelError("Sentinel-2 series has no scene classification: its canopy cannot be told")
    scenes = _darkness(optical, clear & np.isin(optical.scl, CANOPY_CLASSES), rule)
    judged = (_judge(scenes, one, rule) for one in range(len(scenes.scene_ids)))
    return {found.scene_id: found for found in judged if found}


def _darkness(optical: SensorSeries, canopy: NDArray[np.bool_], rule: RadiometryRule) -> _Darkness:
    n_pixels = canopy.sum(axis=1)
    judged = np.flatnonzero(n_pixels >= _fewest(canopy.shape[1], rule))
    values = [optical.values[scene][canopy[scene]] for scene in judged]
    dark = [np.percentile(scene, rule.dark_percentile, axis=0) for scene in values]
    clamped = [(scene <= SMALLEST_DN).mean(axis=0) for scene in values]
    shape = (len(judged), len(S2_BANDS))
    return _Darkness(
        tuple(optical.scene_ids[scene] for scene in judged),
        optical.acquired_at[judged].astype("datetime64[s]").astype(np.float64) / 86_400,
        n_pixels[judged],
        np.reshape(dark, shape),
        np.reshape(clamped, shape),
    )


def _fewest(n_pixels: int, rule: RadiometryRule) -> float:
    return max(min(rule.min_judged_pixels, rule.min_judged_share * n_pixels), LEAST_PIXELS)


def _judge(scenes: _Darkness, one: int, rule: RadiometryRule) -> Contradiction | None:
    neighbours = _neighbours(scenes.day, one, rule)
    usual = _usual(scenes.dark[neighbours], rule)
    for error, why in (
        (OffsetError.TWICE, _why_twice(scenes.dark[one], scenes.clamped[one], usual, rule)),
        (OffsetError.LEFT_IN, _why_left_in(scenes.dark[one], usual, rule)),
    ):
        if why:
            reason = _reason(scenes, one, len(neighbours), error, usual, why)
            return Contradiction(scenes.scene_ids[one], error, reason)
    return None


def _neighbours(day: NDArray[np.float64], one: int, rule: RadiometryRule) -> NDArray[np.int64]:
    """Return the scenes near in time; where too few, near in the day of the year, or else the nearest."""
    apart = np.abs(day - day[one])
    in_year = np.minimum(apart % _DAYS_OF_YEAR, _DAYS_OF_YEAR - apart % _DAYS_OF_YEAR)
    others = np.arange(len(day)) != one
    for near in (apart <= rule.neighbour_days, in_year <= rule.neighbour_days):
        if np.count_nonzero(near & others) >= rule.min_neighbours:
            return np.flatnonzero(near & others)
    nearest = np.argsort(np.where(others, in_year, np.inf), kind="stable")
    return nearest[: min(rule.min_neighbours, len(day) - 1)]


def _usual(dark: NDArray[np.float64], rule: RadiometryRule) -> NDArray[np.float64] | None:
    """Return the median (10,) of the neighbours; None where they are too few or in two minds."""
    if len(dark) < rule.min_neighbours:
        return None
    usual = np.median(dark, axis=0)
    is_lifted = _steady(dark - usual).min(axis=1) > LIFTED * rule.max_step_dn
    is_clamped = (dark[:, _positions(ZERO_BANDS)] <= SMALLEST_DN).all(axis=1)
    return usual if (is_lifted | is_clamped).mean() <= AGREEING_SHARE else None


def _why_left_in(dark: NDArray[np.float64], usual: NDArray[np.float64] | None, rule: RadiometryRule) -> str:
    """Return the figure and bound by which the offset is still there; empty where it is not.

    Leaves move near infrared by as much as the offset, so where the neighbours are of another time of the
    year the other bands speak, if they are brighter than any canopy as well.
    """
    bright = float(dark[_positions(DARK_BANDS)].min())
    is_too_bright = bright > rule.max_dark_dn
    too_bright = f"at least {bright:.0f} in {', '.join(DARK_BANDS)}, bound {rule.max_dark_dn:.0f}"
    if usual is None or (usual[_positions(DARK_BANDS)] > rule.max_dark_dn).all():
        return too_bright if is_too_bright else ""
    step = dark - usual
    if (np.abs(_steady(step) - OFFSET_DN) >= OFFSET_DN - rule.max_step_dn).any():
        return ""
    if step.min() > rule.max_step_dn:
        return f"at least {step.min():.0f} above in every band, bound {rule.max_step_dn:.0f}"
    return too_bright if is_too_bright else ""


def _why_twice(
    dark: NDArray[np.float64],
    clamped: NDArray[np.float64],
    usual: NDArray[np.float64] | None,
    rule: RadiometryRule,
) -> str:
    """Return the figure and bound by which the offset was subtracted twice; empty where it was not.

    Blue, green and red are at the smallest value, and the bands with room to fall fell. Without the second, a
    dark conifer stand under a low sun, whose blue and red do reach zero, would do.
    """
    share = float(clamped[_positions(ZERO_BANDS)].min())
    if share <= rule.max_clamped_share:
        return ""
    if usual is not None:
        has_room = usual >= OFFSET_DN + rule.max_step_dn
        if not (usual - dark > rule.max_step_dn)[has_room].all():
            return ""
    bands = ", ".join(ZERO_BANDS)
    return f"{share:.0%} of them at the smallest value in {bands}, bound {rule.max_clamped_share:.0%}"


def _steady(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (..., 6): the bands that leaves do not move by as much as the offset."""
    return np.delete(values, _positions(LEAF_BANDS), axis=-1)


def _positions(bands: tuple[str, ...]) -> list[int]:
    return [S2_BANDS.index(band) for band in bands]


def _reason(
    scenes: _Darkness,
    one: int,
    n_neighbours: int,
    error: OffsetError,
    usual: NDArray[np.float64] | None,
    why: str,
) -> str:
    figures = " ".join(f"{band} {dark:.0f}" for band, dark in zip(S2_BANDS, scenes.dark[one], strict=True))
    beside = counted(n_neighbours, "neighbouring scene")
    if usual is None:
        beside = f"{beside}, too few or in two minds"
    else:
        beside = f"median of {beside} {' '.join(f'{level:.0f}' for level in usual)}"
    return (
        f"scene {scenes.scene_ids[one]}: {error}: darkest canopy of its {scenes.n_pixels[one]} clear pixels "
        f"{figures} against {beside}: {why}"
    )
