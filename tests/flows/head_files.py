"""Field samples and embeddings in files, small enough that a head is fitted in a second or two."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

N, DIMS = 90, 4
IDS = tuple(f"S{number}" for number in range(N))
HEADER = ("sample_id", "longitude", "latitude", "year", "richness", "reads", "wood")


def embeddings_of(seed: int = 1) -> NDArray[np.float32]:
    """Embeddings (N, DIMS) whose first number knows the richness."""
    return np.random.default_rng(seed).normal(size=(N, DIMS)).astype(np.float32)


def rows_of(ids: tuple[Any, ...] = IDS) -> list[list[Any]]:
    """A table of samples in 15 woods a tenth of a degree apart: about 50 taxa, 10 more per unit of x."""
    random, x = np.random.default_rng(2), embeddings_of()[:, 0]
    richness = 50 + 10 * x + random.normal(0, 2, N)
    rows = []
    for number, (name, taxa) in enumerate(zip(ids, richness, strict=True)):
        wood = number % 15
        place = (-3 + wood % 5 / 10 + number / 1e5, 51 + wood // 5 / 10)
        rows.append([name, *place, 2020 + number % 3, round(float(taxa), 3), 10_000, f"wood {wood}"])
    return rows


def write_table(path: Path, rows: list[list[Any]] | None = None, header: tuple[str, ...] = HEADER) -> Path:
    """Write the table as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows_of() if rows is None else rows)
    return path


def write_embeddings(path: Path, ids: Any = IDS, values: Any = None, **more: Any) -> Path:
    """Write an .npz of `sample_id` and `embedding`."""
    embedding = embeddings_of() if values is None else values
    np.savez(path, sample_id=np.asarray(ids), embedding=embedding, **more)
    return path
