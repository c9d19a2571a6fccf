"""Mean embeddings of reference sites, staged beside their estimates: what gate G1 sees the encoder say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from flows.files import whole_file
from models.encoders.embeddings import Embeddings
from monitoring.errors import WarehouseError
from monitoring.estimates import weighted_mean
from monitoring.grid import Block

_MEANS, _SITES = "means", "sites"


def site_embeddings_path(staged: Path) -> Path:
    """Return where the mean embeddings of a block of sites are staged, beside its estimates."""
    return staged.with_suffix(".embeddings.safetensors")


def mean_embeddings(block: Block, embeddings: Embeddings) -> NDArray[np.float64]:
    """Return the mean embedding (S, D) of each polygon of a block by area; NaN where no pixel has one."""
    by_number = embeddings.values.T.astype(np.float64)
    return np.column_stack([weighted_mean(block.coverage, numbers) for numbers in by_number])


def write_site_embeddings(path: Path, block: Block, means: NDArray[np.float64]) -> Path:
    """Write the mean embeddings (S, D) of a block's sites, whole or not at all."""
    with whole_file(path) as draft:
        save_file({_MEANS: np.ascontiguousarray(means)}, draft, {_SITES: json.dumps(block.woodland_ids)})
    return path


def read_site_embeddings(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the mean embedding (D,) of each site; WarehouseError for a file that cannot be used."""
    try:
        with safe_open(path, framework="numpy") as held:
            means = np.asarray(held.get_tensor(_MEANS), np.float64)
            return dict(zip(json.loads((held.metadata() or {})[_SITES]), means, strict=True))
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WarehouseError(
            f"staged embeddings {path}: {first}; delete it and run the season again, which makes it anew"
        ) from error
