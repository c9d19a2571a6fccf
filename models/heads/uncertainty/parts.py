"""Parts of an error: what one sample errs about its cell, what stays with a place, what varies by year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.heads.candidates.contract import Array, Groups
from models.heads.folds import block_groups
from models.heads.uncertainty.variogram import PlaceErrors, fit_correlation
from monitoring.errors import ModelError
from monitoring.grid import PIXEL_SIZE_M
from monitoring.samples import NO_YEAR
from monitoring.spatial_error import FULLY_CORRELATED, Correlation

#: Places with a repetition below which it says nothing of the others.
LEAST_PLACES = 10
#: No head knows the mean of a cell without error: label error is at most this share of what is seen.
LARGEST_LABEL_SHARE = 0.95


@dataclass(frozen=True)
class ErrorParts:
    """Shares of the variance of held-out errors; together 1, or more by the caution in `year`."""

    label: float
    """What one sample errs about its cell: no part of the error of a mean."""
    place: float
    """Stays with a place: cancels in a slope."""
    year: float
    """Varies from year to year: what a trend has to exceed."""
    evidence: str
    """What the shares and the correlation rest on, with counts."""
    correlation: Correlation
    """Of the parts that stay or vary, between cells of one year."""


def error_parts(residual: Array, coordinates: Array, year: Groups, label_variance: Array) -> ErrorParts:
    """Return what the held-out errors `residual` (n,) consist of.

    coordinates (n, 2) longitude, latitude in degrees, NaN where not given; year (n,), -1 where not given;
    label_variance (n,) by the label-error model of the target, on the scale of the residuals. A place is a
    square of 10 m, as large as the cell of an embedding, and counts once however often it was sampled.

    Half the mean squared difference within a place and year is the label error; where fewer than 10 places
    tell it, the model's. The same between years of a place has the year's part on top. The year's part is
    taken one standard error above its estimate, and for all that is left where fewer than 10 places tell it:
    too large a part costs a trend its power, too small a one raises false alerts. The place's part is what
    the estimate itself leaves. Variances are about zero, so that a bias shared by all stays with the place.
    """
    _refuse_infinite(residual)
    place = _places(coordinates)
    total = float(_per_place(residual**2, place).mean())
    if total == 0:
        return ErrorParts(0.0, 0.0, 1.0, "held-out errors are all zero", FULLY_CORRELATED)
    same, other = repetitions(residual, place, year)
    label, label_words = _label(same, float(_per_place(label_variance, place).mean()))
    label = min(label, LARGEST_LABEL_SHARE * total)
    likely, cautious, year_words = _varying(same, other, label, total - label)
    correlation, words = _correlation(residual, coordinates, place, year, label)
    return ErrorParts(
        label=label / total,
        place=(total - label - likely) / total,
        year=cautious / total,
        evidence="; ".join((label_words, year_words, words)),
        correlation=correlation,
    )


@dataclass(frozen=True)
class Repetitions:
    """Half the mean squared difference between samples of a place, over P places that were sampled again."""

    half_square: Array
    """(P,)"""
    n_pairs: int

    @property
    def n_places(self) -> int:
        """How many places say it."""
        return len(self.half_square)

    @property
    def suffice(self) -> bool:
        """True where they say something of places in general."""
        return self.n_places >= LEAST_PLACES

    @property
    def mean(self) -> float:
        """Over places, each counting once."""
        return float(self.half_square.mean())

    @property
    def mean_variance(self) -> float:
        """Squared standard error of the mean, between places."""
        return float(self.half_square.var(ddof=1)) / self.n_places


def repetitions(residual: Array, place: Groups, year: Groups) -> tuple[Repetitions, Repetitions]:
    """Return what pairs of samples say at one place: (in the same year, in different years).

    Samples without a year say nothing.
    """
    dated = year != NO_YEAR
    residual, place, year = residual[dated], place[dated], year[dated]
    _, first, visit = np.unique(
        np.column_stack([place, year]), axis=0, return_index=True, return_inverse=True
    )
    visit_squares, visit_pairs = _half_squares(residual, visit.ravel())
    overall, n_overall = _half_squares(residual, place)
    within: Array = np.asarray(np.bincount(place[first], visit_squares, len(overall)), np.float64)
    n_within: Array = np.asarray(np.bincount(place[first], visit_pairs, len(overall)), np.float64)
    return _repetitions(within, n_within), _repetitions(overall - within, n_overall - n_within)


def _half_squares(values: Array, group: Groups) -> tuple[Array, Array]:
    """Return (G,) sums of half squared differences over the pairs of a group, and numbers of pairs."""
    count, total = np.bincount(group).astype(np.float64), np.bincount(group, values)
    return (count * np.bincount(group, values**2) - total**2) / 2, count * (count - 1) / 2


def _repetitions(half_squares: Array, n_pairs: Array) -> Repetitions:
    again = n_pairs > 0
    return Repetitions(half_squares[again] / n_pairs[again], int(n_pairs.sum()))


def _label(same: Repetitions, modelled: float) -> tuple[float, str]:
    """Return the variance of the label error, and what it rests on."""
    counted = f"{same.n_pairs} pairs of samples at {same.n_places} places in one year"
    if same.suffice:
        return max(same.mean, 0.0), f"label: {counted}"
    source = "the target's label-error model" if modelled > 0 else "none stated, taken for 0"
    return modelled, f"label: {source} ({counted}, needs {LEAST_PLACES} places)"


def _varying(same: Repetitions, other: Repetitions, label: float, rest: float) -> tuple[float, float, str]:
    """Return the variance that varies from year to year: likely, cautious, and what they rest on.

    Neither is more than `rest`.
    """
    counted = f"{other.n_pairs} pairs of samples at {other.n_places} places in different years"
    if not other.suffice:
        return rest, rest, f"year: all beyond the label's ({counted}, needs {LEAST_PLACES} places)"
    spread = other.mean_variance + (same.mean_variance if same.suffice else 0.0)
    likely = min(max(other.mean - label, 0.0), rest)
    return likely, min(likely + float(np.sqrt(spread)), rest), f"year: {counted}, one standard error added"


def _correlation(
    residual: Array, coordinates: Array, place: Groups, year: Groups, label: float
) -> tuple[Correlation, str]:
    """Return how the errors of places correlate within a year, from the mean of each place and year."""
    located = np.isfinite(coordinates).all(axis=1)
    key = np.column_stack([place, year])[located]
    _, first, visit, count = np.unique(
        key, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    means = PlaceErrors(
        error=np.bincount(visit.ravel(), residual[located], len(count)) / count,
        label=label / count,
        coordinates=coordinates[located][first],
        year=year[located][first],
    )
    found, words = fit_correlation(means)
    undated = int((means.year == NO_YEAR).sum())
    return found, words + (f" ({undated} without a year taken for one year)" if undated else "")


def _places(coordinates: Array) -> Groups:
    """Return (n,) the place of each sample; one without coordinates is a place of its own."""
    located = np.isfinite(coordinates).all(axis=1)
    place = np.arange(len(coordinates), dtype=np.int64)
    place[located] = block_groups(coordinates[located], PIXEL_SIZE_M) + len(coordinates)
    return np.asarray(np.unique(place, return_inverse=True)[1].ravel(), np.int64)


def _per_place(values: Array, place: Groups) -> Array:
    return np.asarray(np.bincount(place, values) / np.bincount(place))


def _refuse_infinite(residual: NDArray[np.float64]) -> None:
    wrong = int((~np.isfinite(residual)).sum())
    if wrong or not len(residual):
        raise ModelError(f"error parts: {wrong} of {len(residual)} held-out errors are missing or infinite")
