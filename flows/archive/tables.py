"""The archive's tables: woodland boundaries, field samples, and the planted truth."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from flows.archive.parks import YEARS
from flows.archive.phenology import SPECIES
from flows.archive.samples import SimulatedSample
from flows.archive.world import Landscape, Wood

LAYER = "woodlands"
BRITISH_GRID = "EPSG:27700"
#: GeoPackages carry the day they were made; a fixed one keeps the bytes the same.
MADE_ON = "2026-01-01T00:00:00.000Z"


def write_woodlands(path: Path, world: Sequence[Landscape]) -> None:
    """Write every wood's outline to the layer `woodlands` of a GeoPackage, British National Grid."""
    import geopandas as gpd
    import pandas as pd
    import pyogrio

    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": MADE_ON})
    frames = [
        gpd.GeoDataFrame(
            {
                "wood_id": [wood.id for wood in land.woods],
                "name": [wood.name for wood in land.woods],
                "park": land.park.name,
                "status": [wood.status.value for wood in land.woods],
            },
            geometry=[wood.outline for wood in land.woods],
            crs=f"EPSG:{land.park.epsg}",
        ).to_crs(BRITISH_GRID)
        for land in world
    ]
    woods = gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=BRITISH_GRID)
    woods["area_ha"] = (woods.area / 10_000.0).round(4)
    try:
        woods.to_file(path, layer=LAYER, driver="GPKG", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_samples(path: Path, samples: Sequence[SimulatedSample]) -> None:
    """Write the field samples as CSV; an empty field is a missing value."""
    _write(path, [field.name for field in fields(SimulatedSample)], map(astuple, samples))


def write_truth(directory: Path, world: Sequence[Landscape]) -> None:
    """Write what was planted: each wood's fate, and its mean richness in every year."""
    woods = [wood for land in world for wood in land.woods]
    condition = [f"condition_{year}" for year in YEARS]
    header = ["wood_id", "kind", "start_year", "park", "status", *SPECIES, *condition]
    _write(directory / "woodlands.csv", header, map(_fate_row, woods))
    _write(directory / "richness.csv", ["wood_id", "year", "richness"], _richness_rows(world))


def _fate_row(wood: Wood) -> tuple[object, ...]:
    fate = wood.fate
    start = "" if fate.start_year is None else fate.start_year
    return (wood.id, fate.kind.value, start, wood.park.name, wood.status.value, *wood.mix, *fate.condition)


def _richness_rows(world: Sequence[Landscape]) -> Iterable[tuple[str, int, float]]:
    for land in world:
        by_year = {year: land.wood_richness(year) for year in YEARS}
        for index, wood in enumerate(land.woods):
            for year in YEARS:
                yield wood.id, year, round(by_year[year][index], 4)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
