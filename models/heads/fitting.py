"""Fitting: from field samples to a head - compare, choose, hold out by every scheme, calibrate, fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.heads.applicability import Applicability, feature_weights, fit_applicability
from models.heads.candidates.contract import Array, Groups
from models.heads.candidates.registry import SETS, candidate
from models.heads.card import (
    ApplicabilityCard,
    DefectCount,
    EncoderIdentity,
    HeadCard,
    named,
)
from models.heads.comparison import SeenBy, Tried, choose, compare, natural_mean, under_schemes
from models.heads.crew import Crew, one_thread
from models.heads.evaluation import Evaluation
from models.heads.head import Head, digest
from models.heads.samples import HeadSamples, Labels, usable_samples
from models.heads.schemes import Scheme, make_schemes, primary_scheme
from models.heads.uncertainty.conformal import Conformal, calibrate
from models.heads.uncertainty.parts import ErrorParts, error_parts
from monitoring.errors import ModelError
from monitoring.samples import NO_YEAR
from monitoring.targets import Target

#: Held-out samples outside the area of applicability below which their error is not stated.
LEAST_OUTSIDE = 10
#: Labels below this share of the middle one are taken for it when the error of a label is brought to the
#: transformed scale: the slope of a root has no end towards 0.
LEAST_LABEL_SHARE = 0.01
#: Number by which years are spread, so that dates within one can be told apart.
MOST_VISITS = 100_000


@dataclass(frozen=True)
class Fitting:
    """How a head is to be fitted."""

    seed: int = 0
    candidates: tuple[str, ...] = SETS["quick"]
    beside: Mapping[str, Array] = field(default_factory=dict)
    """Covariates (n, k) at the samples, by name of their set, to compare embeddings with."""
    prediction_places: Array | None = None
    """(m, 2) longitude, latitude where the head is to be used; for the matched folds."""
    region: Groups | None = None
    """(n,) number of the region each sample lies in, for leaving whole regions out; None = clusters."""
    defects: tuple[DefectCount, ...] = ()
    """What was found wrong in the sample table, for the card."""
    created_for: str = ""


def fit_head(
    embeddings: NDArray[np.floating],
    labels: Labels,
    target: Target,
    encoder: EncoderIdentity,
    how: Fitting | None = None,
    crew: Crew | None = None,
) -> Head:
    """Return a head fitted to n field samples, its candidate chosen by held-out blocks.

    embeddings (n, D) of the sample's pixel and year, NaN rows are dropped and counted. ModelError when the
    samples cannot carry a head. The same input and seed give the same bytes, however large the crew.
    """
    how, crew = how or Fitting(), crew or Crew()
    _refuse_unaligned(how, labels)
    samples = usable_samples(embeddings, labels, target)
    schemes = schemes_of(samples, labels, how)
    primary = primary_scheme(schemes)
    tried = compare(samples, how.candidates, primary, beside_of(samples, labels, how), how.seed, crew)
    chosen, reason = choose(tried)
    seen = under_schemes(
        samples, chosen.candidate, schemes, primary.blocks, how.seed, crew, [chosen.held_out]
    )
    possible = tuple(scheme for scheme in schemes if scheme.folds is not None)
    with one_thread():
        fitted = _fit_to_all(samples, chosen, primary, seen, how)
    evaluation = Evaluation(samples, possible, natural_mean(samples, chosen.held_out))
    card = HeadCard(
        id="",
        target=target,
        encoder_id=encoder.id,
        encoder_weights_sha256=encoder.weights_sha256,
        dims=samples.embeddings.shape[1],
        n_samples=len(samples.value),
        n_dropped=len(labels.ids) - len(samples.value),
        domain=samples.domain,
        effort=samples.effort,
        candidate=chosen.candidate,
        words=candidate(chosen.candidate).words,
        choice=reason,
        primary=primary.name,
        schemes=tuple(each.row for each in seen),
        comparison=tuple(each.row for each in tried),
        correction=chosen.held_out.correction,
        conformal=fitted.conformal,
        parts=fitted.parts,
        applicability=fitted.evidence,
        defects=how.defects,
        seed=how.seed,
        created_for=how.created_for,
        libraries=tuple(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "scipy", "torch")),
        tensors_sha256=digest(fitted.module, fitted.applicability),
        evaluation_sha256=evaluation.sha256,
    )
    return Head(named(card), fitted.module, fitted.applicability, evaluation)


def _refuse_unaligned(how: Fitting, labels: Labels) -> None:
    aligned = dict(how.beside) if how.region is None else {**how.beside, "region": how.region}
    for name, values in aligned.items():
        if len(values) != len(labels.ids):
            raise ModelError(f"{name}: {len(values)} rows for {len(labels.ids)} samples")


def schemes_of(samples: HeadSamples, labels: Labels, how: Fitting) -> tuple[Scheme, ...]:
    """Return every way of making folds of the samples that are used of all labels."""
    return make_schemes(
        samples.labels.coordinates,
        seed=how.seed,
        group=samples.labels.group,
        region=None if how.region is None else how.region[used_rows(samples, labels)],
        prediction_places=how.prediction_places,
    )


def beside_of(samples: HeadSamples, labels: Labels, how: Fitting) -> dict[str, Array]:
    """Return the covariates of the samples that are used."""
    rows = used_rows(samples, labels)
    return {name: values[rows] for name, values in how.beside.items()}


def used_rows(samples: HeadSamples, labels: Labels) -> list[int]:
    """Return the positions of the samples that are used among all labels."""
    position = {name: row for row, name in enumerate(labels.ids)}
    return [position[name] for name in samples.labels.ids]


@dataclass(frozen=True)
class _Fitted:
    module: nn.Module
    applicability: Applicability
    conformal: Conformal
    parts: ErrorParts
    evidence: ApplicabilityCard


def _fit_to_all(
    samples: HeadSamples, chosen: Tried, primary: Scheme, seen: Sequence[SeenBy], how: Fitting
) -> _Fitted:
    training, held, latent = samples.training(primary.blocks), chosen.held_out, chosen.held_out.latent
    module = candidate(chosen.candidate).fit(training, how.seed)
    weights = feature_weights(module, training, how.seed)
    applicability = fit_applicability(samples.embeddings, weights, held.fold)
    return _Fitted(
        module=module,
        applicability=applicability,
        conformal=calibrate(latent.mean, latent.lower, latent.upper, training.latent, primary.blocks),
        parts=parts_of(samples, training.latent - latent.mean, natural_mean(samples, held)),
        evidence=applicability_card(
            samples, weights, applicability, _strictest(seen, primary), primary.blocks
        ),
    )


def parts_of(samples: HeadSamples, residual: Array, predicted: Array) -> ErrorParts:
    """Return what the held-out errors on the transformed scale (n,) consist of."""
    label = label_variance(samples.target, predicted)
    return error_parts(residual, samples.labels.coordinates, occasions(samples), label)


def occasions(samples: HeadSamples) -> Groups:
    """Return (n,) numbers that tell occasions apart: replicates share their place's embedding of a year.

    Samples of one place and year with different embeddings (several dates) are no replicates. -1 where the
    year is not known.
    """
    year = samples.labels.year
    _, seen = np.unique(samples.embeddings, axis=0, return_inverse=True)
    _, visit = np.unique(np.column_stack([samples.labels.coordinates, year]), axis=0, return_inverse=True)
    first = np.full(int(visit.max()) + 1, len(seen))
    np.minimum.at(first, visit.ravel(), seen.ravel())
    later = np.minimum(seen.ravel() - first[visit.ravel()], MOST_VISITS - 1)
    return np.where(year == NO_YEAR, NO_YEAR, year * MOST_VISITS + later)


def label_variance(target: Target, predicted: Array) -> Array:
    """Return the variance (n,) of a label about its cell on the transformed scale (delta method)."""
    size = np.abs(predicted)
    level = np.maximum(size, max(LEAST_LABEL_SHARE * float(np.median(size)), float(np.finfo(float).tiny)))
    natural = np.array([target.label_error.variance(float(each)) for each in level])
    slope = {"none": np.ones_like(level), "sqrt": 0.5 / np.sqrt(level), "log1p": 1.0 / (1.0 + level)}
    return np.asarray(natural * slope[target.transform] ** 2)


def _strictest(seen: Sequence[SeenBy], primary: Scheme) -> SeenBy:
    """Return the scheme that leaves whole regions out, or the primary one where there are no regions."""
    by_name = {each.scheme.name: each for each in seen if each.held_out is not None}
    return by_name.get("region") or by_name[primary.name]


def applicability_card(
    samples: HeadSamples, weights: Array, fitted: Applicability, seen: SeenBy, group: Groups
) -> ApplicabilityCard:
    """Return where a head may be applied, and how much larger the errors beyond were on held-out folds."""
    assert seen.held_out is not None
    assert seen.scheme.folds is not None
    inside = inside_when_held_out(samples.embeddings, weights, seen.scheme.folds.fold, group)
    error = natural_mean(samples, seen.held_out) - samples.value
    return ApplicabilityCard(
        threshold=float(fitted.threshold),
        n_reference=fitted.n_reference,
        share_outside=float(1 - inside.mean()),
        rmse_inside=_rmse_of(error[inside]),
        rmse_outside=_rmse_of(error[~inside]),
        scheme=seen.scheme.name,
    )


def inside_when_held_out(embeddings: Array, weights: Array, fold: Groups, group: Groups) -> NDArray[np.bool_]:
    """Return (n,) True for samples inside the area of applicability of the folds they are held out from.

    group (n,): what stands in for folds where only one is left, so that neighbours still stay together.
    """
    inside = np.zeros(len(embeddings), bool)
    for number in np.unique(fold):
        held_out = fold == number
        rest = fold[~held_out] if len(np.unique(fold)) > 2 else group[~held_out]
        area = fit_applicability(embeddings[~held_out], weights, _numbered(rest))
        inside[held_out] = area.contains(embeddings[held_out])
    return inside


def _numbered(fold: Groups) -> Groups:
    """Return the folds numbered from 0; two halves where all is one fold."""
    number = np.unique(fold, return_inverse=True)[1]
    return np.asarray(number if number.any() else np.arange(len(fold)) % 2, np.int64)


def _rmse_of(error: Array) -> float | None:
    return float(np.sqrt(np.mean(error**2))) if len(error) >= LEAST_OUTSIDE else None
