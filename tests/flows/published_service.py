"""A small service on published embeddings: a store, four woodlands and field samples that know the truth."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
from published_world import DIMS, EPSG, NAN, Field, write_store
from pyproj import Transformer
from shapely import box

from models.encoders.quantise import quantise

#: Edge of the square of pixels the store covers; the woodlands are four squares inside it.
EDGE = 192
WEST, NORTH = 500_000, 5_900_000
#: Metres taken off the edges, so that degrees and back touch no further pixel.
SLIVER_M = 0.01
#: Woodland id -> (row, column, edge) in pixels.
WOODS = {"oak": (10, 10, 20), "pond": (10, 60, 20), "ash": (100, 40, 30), "edge": (90, 140, 25)}


def richness_at(rows: np.ndarray, columns: np.ndarray, year: int) -> np.ndarray:
    """The planted truth: expected taxa at a pixel."""
    return np.asarray(40 + 12 * np.sin(rows / 30) + 8 * np.cos(columns / 40) - 2.0 * (year - 2023))


def content_of(years: tuple[int, ...]) -> Field:
    """Return embeddings that know the planted truth, quantised as published."""
    rows, columns = np.mgrid[:EDGE, :EDGE]
    directions = np.random.default_rng(3).normal(size=(4, DIMS))
    codes, scales = [], []
    for year in years:
        signals = [
            richness_at(rows, columns, year) / 40,
            np.sin(rows / 9),
            np.cos(columns / 7),
            np.ones_like(rows),
        ]
        values = np.einsum("khw,kd->hwd", np.array(signals, np.float64), directions).astype(np.float32)
        code, scale = quantise(values.reshape(-1, DIMS))
        codes.append(np.moveaxis(code.reshape(EDGE, EDGE, DIMS), -1, 0))
        scales.append(scale.reshape(EDGE, EDGE))
    field = Field(np.array(codes), np.array(scales), years, WEST, NORTH)
    row, column, edge = WOODS["pond"]
    field.scales[:, row + 5 : row + 10, column : column + edge] = NAN
    return field


def to_degrees() -> Transformer:
    return Transformer.from_crs(EPSG, 4326, always_xy=True)


def write_world(folder: Path, content: Field) -> Path:
    """Write the store, the woodlands and the samples; return the folder."""
    write_store(folder / "v1.1", content)
    squares = [
        box(WEST + 10 * c, NORTH - 10 * (r + e), WEST + 10 * (c + e), NORTH - 10 * r).buffer(-SLIVER_M)
        for r, c, e in WOODS.values()
    ]
    table = {"wood_id": list(WOODS), "name": list(WOODS), "status": "ASNW", "park": "Vale"}
    gpd.GeoDataFrame(table, geometry=squares, crs=EPSG).to_file(folder / "woodlands.gpkg")
    write_samples(folder / "samples.csv", years=[2023, 2024, 2024, 2019])
    return folder


def write_samples(path: Path, years: list[int], n: int = 160) -> None:
    random = np.random.default_rng(5)
    rows, columns = random.integers(0, EDGE, (2, n))
    longitude, latitude = to_degrees().transform(WEST + 10 * columns + 5, NORTH - 10 * rows - 5)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sample_id", "longitude", "latitude", "year", "richness", "reads"])
        for i in range(n):
            year = years[i % len(years)]
            taxa = richness_at(rows[i], columns[i], year) + random.normal(0, 1)
            writer.writerow([f"S{i}", longitude[i], latitude[i], year, round(float(taxa), 3), 10_000])


def write_config(folder: Path, **more: str) -> Path:
    chosen = {
        "catalogue": "v1.1", "source": "geotessera", "encoder": "geotessera-1.1-cambridge",
        "woodlands": "woodlands.gpkg", "samples": "samples.csv", "home": "service", **more,
    }  # fmt: skip
    path = folder / "underwood.toml"
    path.write_text("".join(f'{key} = "{value}"\n' for key, value in chosen.items()), "utf-8")
    return path


def truth_of(wood: str, year: int) -> float:
    row, column, edge = WOODS[wood]
    rows, columns = np.mgrid[row : row + edge, column : column + edge]
    return float(richness_at(rows, columns, year).mean())
