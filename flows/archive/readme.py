"""The README that lies in every archive: what is in it, and the model it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from flows.archive.angles import CELLS
from flows.archive.echoes import ZERO_BORDER_CELLS
from flows.archive.fates import DROUGHT_EFFECT, FLOOR, SPECIES_RICHNESS, TEXTURE_EFFECT, Kind
from flows.archive.items import RTC_NODATA
from flows.archive.parks import DROUGHT_YEARS, YEARS
from flows.archive.phenology import (
    DROUGHT_SENSITIVITY,
    EVERGREEN,
    LEAF_FALL_DAY,
    LEAF_OUT_DAY,
    SPECIES,
)
from flows.archive.products import BASELINES, REPROCESSED_BASELINE
from flows.archive.radar import DEATH_DB, LEAF_DB, LOOKS, WINTER_DB
from flows.archive.samples import CORE_SPREAD, HALF_READS, MEDIAN_READS, PRESENCE
from flows.archive.world import Landscape

_TEXT = """# Underwood's simulated archive (seed {seed})

**Everything here is simulated.** {parks} and their woods do not exist, no satellite
measured them, nobody took the samples. It serves to try and to test the service on files in the real formats.

- `catalog.json`: a static STAC catalogue. Collections `sentinel-2-l2a` and `sentinel-1-rtc`, items and asset
  names in the shape of Planetary Computer's, {first}-{last}; addresses are relative, so the folder can move.
- `woodlands.gpkg`: {woods} woods, layer `woodlands`, EPSG:27700.
  {multi} are multipolygons; one pair overlaps.
- `samples.csv`: field samples; empty fields are missing values.
- `truth/`: what was planted. For tests and for judging a result, never an input.

## What the pixels do that real ones do
- Sentinel-2 numbers are reflectance x 10000, with +1000 from baseline 04.00 on (sensed from 2022-01-25),
  uncorrected; 0 is no data. Baselines by first day sensed:
  {baselines}.
- Three passes before 2022 are listed twice: as first processed and as re-processed ({reprocessed}, with the
  offset). Both hold the same reflectance.
- Clouds, their shadows, cirrus (10), snow in the fells (11), unsure rims (7) and a slanting edge of the swath
  (0) are in the bands and in SCL. Some scenes are wholly overcast.
- Items sensed from 2025 on carry `proj:code`, older ones `proj:epsg`. Only the assets that exist are listed.
- `MTD_TL.xml` (asset `granule-metadata`) has the sun and view angle grids of each optical product, in the
  structure of the real file but cut to {cells} x {cells} cells of 5 km around the park (a tile: 23 x 23) and
  to the bands there are; two detectors see the park, and both see the cells along their seam. The pixels
  know no view angle: the satellite passes 2 degrees off the vertical, where NBAR changes them by less than
  1 % from February to October and by up to 1.5 % (B12) in midwinter.
- 2017 has half of the optical passes. Sentinel-2C follows 2A on 2025-01-21. Sentinel-1B is silent from
  2021-12-23; Sentinel-1C flies from 2025-03-26.
- Radar is gamma0 in linear power, no data {nodata}, ascending and descending. Ascending products of early
  2017 have a rim of {border} cells of zeros, as old products do; a few slices end within the footprint.

## The model of a wood
A pixel mixes five species. Each shows canopy over ground; leaves open and close by a double logistic; canopy
condition c (0-1) sets the share of canopy (0.28 + 0.68 c) x leaf-on and yellows the leaves by 0.5 (1 - c).
Ground flora greens in spring. Crowns shade each other under a low sun. The fells' spring is ten days later.

| species | leaf-on, day | leaf-off, day | winter leaf | drought loss of c | taxa at c = 1 | VV / VH, dB |
|---|---|---|---|---|---|---|
{species}

Leaves change VV and VH by up to {leaf_vv} and {leaf_vh} dB, death of the canopy by {death_vv} and
{death_vh} dB; speckle is gamma distributed with {looks:g} looks. Droughts ({droughts}) take c
down from July to October and are gone the next year.

Expected taxa per standard sample: (species mix x taxa at c = 1) x exp({texture:g} x stand texture)
x ({floor:g} + {rest:g} c), and {drought:.0%} less in drought years.

## What was planted
{kinds}. Decliners lose condition every year from {decline};
steps lose it in one year, 2019-2022. Most of them stand in ancient woodland.

## Samples
Expected taxa x effort, where effort is reads / (reads + {half_reads}) relative to {reads} reads. Each taxon
of a core's pool is found with chance {presence:g}; pools vary by {core:.0%} between cores. Some plots have
several cores; a few fields are missing.
"""


def readme(world: Sequence[Landscape], seed: int) -> str:
    """Return the text of the archive's README."""
    woods = [wood for land in world for wood in land.woods]
    counts = {kind: sum(wood.fate.kind is kind for wood in woods) for kind in Kind}
    return _TEXT.format(
        seed=seed,
        parks=" and ".join(land.park.name for land in world),
        first=YEARS[0],
        last=YEARS[-1],
        decline=YEARS[1],
        cells=CELLS,
        woods=len(woods),
        multi=sum(wood.outline.geom_type == "MultiPolygon" for wood in woods),
        baselines=", ".join(f"{baseline} {day}" for day, baseline in BASELINES),
        reprocessed=REPROCESSED_BASELINE,
        nodata=RTC_NODATA,
        border=ZERO_BORDER_CELLS,
        species="\n".join(_species_row(index) for index in range(len(SPECIES))),
        leaf_vv=LEAF_DB[:, 0].min(),
        leaf_vh=LEAF_DB[:, 1].min(),
        death_vv=DEATH_DB[0],
        death_vh=DEATH_DB[1],
        looks=LOOKS,
        droughts=" and ".join(map(str, DROUGHT_YEARS)),
        texture=TEXTURE_EFFECT,
        floor=FLOOR,
        rest=1.0 - FLOOR,
        drought=DROUGHT_EFFECT,
        kinds=", ".join(f"{kind}: {count} woods" for kind, count in counts.items()),
        presence=PRESENCE,
        core=CORE_SPREAD,
        half_reads=HALF_READS,
        reads=MEDIAN_READS,
    )


def _species_row(index: int) -> str:
    vv, vh = WINTER_DB[index]
    dates = f"{LEAF_OUT_DAY[index]:.0f} | {LEAF_FALL_DAY[index]:.0f} | {EVERGREEN[index]:.2f}"
    return (
        f"| {SPECIES[index]} | {dates} | {DROUGHT_SENSITIVITY[index]:.2f} "
        f"| {SPECIES_RICHNESS[index]:.0f} | {vv} / {vh} |"
    )
