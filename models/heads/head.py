"""Heads: our fitted regressors from embeddings to a target, with the card each is known by.

A head predicts, per pixel, mean and sd of the target in one standard sample: a soil sample sequenced to the
head's standard effort. It belongs to exactly one encoder and refuses any other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors
from threadpoolctl import threadpool_limits

from models.cards import card_digest, card_text, read_card
from models.heads.folds import Folds, random_folds, spatial_folds
from models.heads.metrics import Scores, score
from models.heads.regression import (
    Array,
    Form,
    Regression,
    Validation,
    cross_validate,
    fit_regression,
    with_residual,
)
from models.heads.samples import HeadSamples, TrainingDomain, usable_samples
from monitoring.errors import CardMismatchError, ModelError, WeightsError
from monitoring.estimates import PixelEstimates

#: Forms tried in this order, the simpler first.
LINEAR_FORMS = (Form("sqrt"), Form("log1p"))
WAVY_FORMS = (Form("sqrt", 256), Form("log1p", 256))
#: A form with Fourier features must lower the spatial RMSE by this share to be worth its complexity.
WORTHWHILE_GAIN = 0.02
#: What `sd` is made of, as stated on every card.
UNCERTAINTY = (
    "sd of one standard sample: posterior variance of the regression plus the residual variance that spatial "
    "cross-validation left beyond it, on the transformed scale, transformed back by exact moments"
)
TENSORS, CARD = "head.safetensors", "card.json"


class EncoderIdentity(Protocol):
    """What a head must know of an encoder: any card with these two."""

    @property
    def id(self) -> str:
        """Name of the encoder."""

    @property
    def weights_sha256(self) -> str:
        """Hash of its weights."""


@dataclass(frozen=True)
class HeadCard:
    """Everything that identifies a head and says how far it can be trusted."""

    id: str
    """Target and twelve hex digits of the rest of this card: the same head has the same id."""
    target: str
    encoder_id: str
    encoder_weights_sha256: str
    dims: int
    """Length D of the embeddings it takes."""
    n_samples: int
    n_dropped: int
    """Samples left out because their embedding or sampling effort is missing."""
    domain: TrainingDomain
    transform: str
    n_fourier: int
    """Random Fourier features beside the embedding; 0 = linear."""
    standard_reads: float | None
    """Sampling effort every prediction is made for; None where the samples state none."""
    spatial: Scores
    """Scores where held-out samples lie apart from training: the ones to quote."""
    random: Scores
    """Scores of a random split, for comparison: flattered by neighbours."""
    folds: str
    """How the spatial folds were made."""
    n_folds: int
    n_groups: int
    caution: str
    """What is wrong with the balance of the folds; empty where nothing is."""
    uncertainty: str
    seed: int
    created_for: str
    libraries: tuple[str, ...]
    """Versions of what fitted it."""
    tensors_sha256: str


@dataclass(frozen=True)
class Head:
    """A fitted head: a pure function of embeddings, and its card."""

    card: HeadCard
    regression: Regression

    def predict(self, embeddings: NDArray[np.float32]) -> PixelEstimates:
        """Return mean and sd at N pixels for one standard sample; mean is never negative.

        embeddings (N, D); a row with any NaN gives NaN. ModelError when D is not the head's.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.card.dims:
            raise ModelError(f"head {self.card.id}: takes (N, {self.card.dims}), got {embeddings.shape}")
        observed = np.isfinite(embeddings).all(axis=1)
        mean, sd = np.full((2, len(embeddings)), np.nan)
        effort = np.full(int(observed.sum()), _log_reads(self.card.standard_reads))
        mean[observed], sd[observed] = self.regression.predict(
            embeddings[observed].astype(np.float64), effort
        )
        return PixelEstimates(mean, sd)


def fit_head(
    embeddings: NDArray[np.float32],
    richness: Array,
    reads: Array,
    coordinates: Array,
    *,
    encoder: EncoderIdentity,
    target: str,
    seed: int,
    years: Sequence[int] = (),
    standard_reads: float | None = None,
    created_for: str = "",
) -> Head:
    """Return a head fitted to n field samples, its form chosen by spatial cross-validation.

    embeddings (n, D) of the sample's pixel and year, NaN rows are dropped and counted; richness (n,) the
    target's values; reads (n,) sampling effort, all NaN where unknown; coordinates (n, 2) longitude, latitude
    in degrees; years (n,) for the card. `standard_reads` defaults to the median of the samples' reads.
    ModelError when the samples cannot carry a head. The same input and seed give the same bytes.
    """
    samples = usable_samples(embeddings, richness, reads, coordinates, years, target)
    spatial, random = spatial_folds(samples.coordinates), random_folds(len(samples.target), seed)
    # One thread: how a matrix product is split over threads may change its last bit.
    with threadpool_limits(1):
        form, apart = _choose_form(samples, spatial, seed)
        mixed = _validate(samples, random, form, seed)
        regression = fit_regression(samples.embeddings, samples.log_reads, samples.target, form, seed)
    regression = with_residual(regression, apart.residual_variance)
    card = HeadCard(
        id="",
        target=target,
        encoder_id=encoder.id,
        encoder_weights_sha256=encoder.weights_sha256,
        dims=samples.embeddings.shape[1],
        n_samples=len(samples.target),
        n_dropped=len(richness) - len(samples.target),
        domain=samples.domain,
        transform=form.transform,
        n_fourier=form.n_fourier,
        standard_reads=_standard_effort(samples, standard_reads),
        spatial=_scores(samples, apart),
        random=_scores(samples, mixed),
        folds=spatial.method,
        n_folds=spatial.n_folds,
        n_groups=spatial.n_groups,
        caution=spatial.caution,
        uncertainty=UNCERTAINTY,
        seed=seed,
        created_for=created_for,
        libraries=tuple(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "scipy")),
        tensors_sha256=_sha256(_tensors(regression)),
    )
    return Head(replace(card, id=_card_id(card)), regression)


def _choose_form(samples: HeadSamples, folds: Folds, seed: int) -> tuple[Form, Validation]:
    """Return the form that predicts unseen places best, linear unless the other pays."""
    linear = _best(samples, folds, LINEAR_FORMS, seed)
    wavy = _best(samples, folds, WAVY_FORMS, seed)
    gain = 1 - _rmse(samples, wavy[1]) / _rmse(samples, linear[1])
    return wavy if gain > WORTHWHILE_GAIN else linear


def _best(samples: HeadSamples, folds: Folds, forms: Sequence[Form], seed: int) -> tuple[Form, Validation]:
    tried = [(form, _validate(samples, folds, form, seed)) for form in forms]
    return min(tried, key=lambda pair: _rmse(samples, pair[1]))


def _validate(samples: HeadSamples, folds: Folds, form: Form, seed: int) -> Validation:
    return cross_validate(samples.embeddings, samples.log_reads, samples.target, folds, form, seed)


def _rmse(samples: HeadSamples, validation: Validation) -> float:
    error = np.where(np.isfinite(validation.mean), validation.mean - samples.target, np.inf)
    return float(np.sqrt(np.mean(error**2)))


def _scores(samples: HeadSamples, validation: Validation) -> Scores:
    return score(samples.target, validation.mean, validation.inside_90(samples.target))


def _standard_effort(samples: HeadSamples, wanted: float | None) -> float | None:
    if not samples.states_effort:
        return None
    if wanted is not None and not (np.isfinite(wanted) and wanted > 0):
        raise ModelError(f"standard effort {wanted:g} reads: must be positive and finite")
    return float(np.median(samples.reads) if wanted is None else wanted)


def _log_reads(reads: float | None) -> float:
    return 0.0 if reads is None else float(np.log(reads))


def save_head(head: Head, directory: Path) -> Path:
    """Return `directory`, now holding the head: both files or none, an earlier head kept until then."""
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as beside:
            fresh = Path(beside) / "fresh"
            fresh.mkdir()
            _write(fresh / TENSORS, _tensors(head.regression))
            _write(fresh / CARD, card_text(head.card).encode())
            _put_in_place(fresh, directory)
    except OSError as error:
        raise ModelError(f"head {head.card.id}: cannot be written to {directory}: {error}") from error
    return directory


def _put_in_place(fresh: Path, directory: Path) -> None:
    """Swap the new folder in; none can be renamed over a full one, so the earlier steps aside first."""
    earlier = fresh.with_name("earlier")
    if directory.exists():
        directory.rename(earlier)
    try:
        fresh.rename(directory)
    except OSError:
        if earlier.exists():
            earlier.rename(directory)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_head(directory: Path, encoder: EncoderIdentity) -> Head:
    """Return the head saved in `directory`.

    WeightsError when it is missing, damaged or altered; CardMismatchError when it belongs to another encoder.
    """
    card = _read_head_card(directory)
    if (card.encoder_id, card.encoder_weights_sha256) != (encoder.id, encoder.weights_sha256):
        raise CardMismatchError(
            f"head {card.id}: belongs to encoder {card.encoder_id} ({card.encoder_weights_sha256[:12]}), "
            f"not to {encoder.id} ({encoder.weights_sha256[:12]})"
        )
    return Head(card, _read_regression(directory / TENSORS, card))


def _read_head_card(directory: Path) -> HeadCard:
    try:
        card = read_card(HeadCard, directory / CARD)
    except ModelError as error:
        raise WeightsError(f"head {directory}: {error}") from error
    if card.id != _card_id(card):
        raise WeightsError(f"head {directory}: {CARD} was altered, its id {card.id} does not fit its content")
    return card


def _read_regression(path: Path, card: HeadCard) -> Regression:
    try:
        content = path.read_bytes()
        found, expected = _sha256(content), card.tensors_sha256
        if found != expected:
            raise WeightsError(f"head {path}: sha256 is {found[:12]}, its card says {expected[:12]}")
        return _regression(load_tensors(content), Form(card.transform, card.n_fourier))
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise WeightsError(f"head {path}: {error}") from error


_SCALARS = ("effort_mean", "effort_scale", "intercept", "residual_variance")
_ARRAYS = (
    "embedding_mean",
    "embedding_scale",
    "frequencies",
    "phases",
    "feature_mean",
    "coefficients",
    "covariance_factor",
)


def _tensors(regression: Regression) -> bytes:
    arrays = {name: np.ascontiguousarray(getattr(regression, name)) for name in _ARRAYS}
    scalars = {name: np.array([getattr(regression, name)], np.float64) for name in _SCALARS}
    return save_tensors(arrays | scalars)


def _regression(tensors: dict[str, Any], form: Form) -> Regression:
    arrays: dict[str, Any] = {name: tensors[name] for name in _ARRAYS}
    scalars: dict[str, Any] = {name: float(tensors[name][0]) for name in _SCALARS}
    return Regression(form=form, **arrays, **scalars)


def _card_id(card: HeadCard) -> str:
    return f"{card.target}-{card_digest(replace(card, id=''))}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
