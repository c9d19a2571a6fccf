"""What candidates made of trees share while they are fitted: columns, inner folds, the least spread."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.heads.candidates.contract import Array, Groups, Training
from models.heads.folds import Folds, deal

#: Folds inside the training rows by which settings are chosen.
INNER_FOLDS = 3
#: Variance never falls below this share of the target's own: no sample table is free of noise, ...
LEAST_VARIANCE_SHARE = 1e-4
#: ... nor its sd below this share of the largest value, which float32 (2e-7) can still tell from the mean.
LEAST_SD_SHARE = 1e-5
#: Half-widths of raw intervals are at least so many sds, so that mean, lower and upper stay apart.
LEAST_HALF_WIDTH_SDS = 0.1


def columns_of(training: Training) -> NDArray[np.float32]:
    """Return embeddings and effort (n, D + E) as trees see them: float32, as in serving."""
    return np.column_stack([training.embeddings, training.effort]).astype(np.float32)


def inner_folds(group: Groups) -> Folds:
    """Return three folds of whole groups, or two where there are two; single rows where all are one group."""
    groups = np.unique(group, return_inverse=True)[1].ravel().astype(np.int64)
    if groups.max() == 0:
        groups = np.arange(len(group), dtype=np.int64)
    return deal(groups, min(INNER_FOLDS, len(np.unique(groups))), "inner")


def inner_splits(group: Groups) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield (fitted on, judged by), each (n,); a fold that would leave nothing to fit on is left out."""
    return ((seen, judged) for seen, judged in inner_folds(group).splits() if seen.any())


def least_variance(latent: Array) -> float:
    """Return the variance below which none is believed, above 0 for a constant target."""
    least_sd = LEAST_SD_SHARE * max(float(np.abs(latent).max()), 1.0)
    return max(LEAST_VARIANCE_SHARE * float(latent.var()), least_sd**2)
