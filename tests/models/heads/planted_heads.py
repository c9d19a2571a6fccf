"""Field samples of a planted relation, and heads fitted to them by the two quickest candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.heads.card import StatedEncoder
from models.heads.crew import Crew
from models.heads.fitting import Fitting, fit_head
from models.heads.head import Head
from models.heads.samples import Labels
from monitoring.targets import Effort, LabelError, Target

Array = NDArray[np.float64]

DIMS = 16
ENCODER = StatedEncoder("student", "ab" * 32)
QUICK = Fitting(seed=1, candidates=("mean", "ridge"))
RICHNESS = Target(
    "richness",
    "taxa",
    "sqrt",
    high=600.0,
    effort=(Effort("reads", standard=8000.0),),
    label_error=LabelError("poisson", 1.0),
)


@dataclass(frozen=True)
class World:
    """Samples of sqrt(richness) = 6 + a + 0.7 b + 0.3 log(reads / 8000) + noise, 8 to a place."""

    embeddings: NDArray[np.float32]
    labels: Labels
    expected: Array
    """(n,) root of the richness in a sample of 8000 reads, without noise."""


def world(n: int = 160, seed: int = 7, noise: float = 0.5, located: bool = False) -> World:
    """Samples in groups of eight; without coordinates unless `located`: schemes of distance cost time."""
    random = np.random.default_rng(seed)
    factors = random.normal(size=(n, 4))
    mixing = np.random.default_rng(99).normal(size=(4, DIMS))
    embeddings = factors @ mixing + 0.05 * random.normal(size=(n, DIMS))
    reads = np.exp(random.normal(np.log(8000), 0.5, n))
    root = 6 + factors[:, 0] + 0.7 * factors[:, 1]
    seen = root + 0.3 * np.log(reads / 8000) + noise * random.normal(size=n)
    group = np.arange(n) // 8
    centres = random.uniform((-3, 50), (1, 54), (int(group.max()) + 1, 2))
    labels = Labels(
        ids=tuple(f"s{number}" for number in range(n)),
        value=np.maximum(seen, 0) ** 2,
        coordinates=centres[group] if located else np.full((n, 2), np.nan),
        effort=reads[:, None],
        year=2019 + np.arange(n) % 3,
        group=None if located else group,
    )
    return World(embeddings.astype(np.float32), labels, root)


def fitted(field: World, target: Target = RICHNESS, how: Fitting = QUICK, crew: Crew | None = None) -> Head:
    """The head of a planted world."""
    return fit_head(field.embeddings, field.labels, target, ENCODER, how, crew)


def with_labels(field: World, **changes: object) -> World:
    """The same world with other labels."""
    return replace(field, labels=replace(field.labels, **changes))  # type: ignore[arg-type]


def changed(values: Array, where: int, value: float) -> Array:
    """The same values but for one."""
    other = values.copy()
    other[where] = value
    return other
