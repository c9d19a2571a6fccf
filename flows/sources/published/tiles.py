"""The NPY tiles of published embeddings: a folder of 0.1 degree boxes, memory-mapped.

    npy/<set>/<year>/grid_<lon>_<lat>/grid_<lon>_<lat>.npy          int8 (H, W, D)
                                      grid_<lon>_<lat>_scales.npy   float32 (H, W) or (H, W, D)
    landmasks/<set>/grid_<lon>_<lat>.tiff                           CRS and transform; 0 = water

or, as the publisher's client keeps them, `global_0.1_degree_representation[.<variant>]/<year>/...` beside
`global_0.1_degree_tiff_all/`. A tile may also lie in its year's folder itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.errors import RasterioError

from flows.sources.addresses import shown
from flows.sources.published.grids import OtherGridError, PublishedGrid, grid_of_transform
from flows.sources.published.identities import Publication, published_config
from flows.sources.published.pixels import PublishedPixels, not_counted, nothing_at, reason_of_scales
from models.encoders.card import EncoderCard
from models.encoders.configs import PublishedConfig
from models.encoders.embeddings import Progress, Reason
from monitoring.errors import CardMismatchError, PixelReadError
from monitoring.grid import PixelSet

#: Tiles per degree; a tile's name is its centre.
TILES_PER_DEGREE = 10
#: Folder of the land masks beside the tiles that the publisher's client keeps.
LOCAL_LANDMASKS = "global_0.1_degree_tiff_all"


@dataclass(frozen=True)
class TileSource:
    """A folder of tiles that are what their card says."""

    publication: Publication
    tiles: Path
    """Folder of the years."""
    landmasks: Path
    dims: int

    def read(self, pixels: PixelSet, year: int, progress: Progress | None = None) -> PublishedPixels:
        """Return what is published for N pixels in a calendar year; of a tile only their pages are read.

        A tile whose grid is not exactly that of the pixels gives none: nothing is resampled. PixelReadError
        for a tile that is damaged or lacks a file.
        """
        pieces = []
        done = 0
        for name, members in tiles_of(pixels):
            file = self._file(name, year)
            if file is not None:
                mask = self.landmasks / f"{name}.tiff"
                pieces.append((members, read_tile(file, mask, _some(pixels, members), self.dims)))
            done += len(members)
            if progress is not None:
                progress(done, len(pixels))
        return self._assemble(len(pixels), pieces)

    def _assemble(
        self, n_pixels: int, pieces: list[tuple[NDArray[np.int64], PublishedPixels]]
    ) -> PublishedPixels:
        found = nothing_at(n_pixels, self.dims, Reason.NOT_PUBLISHED)
        width = max((piece.scales.shape[1] for _, piece in pieces), default=1)
        scales = np.full((n_pixels, width), np.nan, np.float32)
        for members, piece in pieces:
            found.codes[members], scales[members] = piece.codes, piece.scales
            found.reason[members] = piece.reason
        return PublishedPixels.of(found.codes, scales, found.reason, found.counts)

    def _file(self, name: str, year: int) -> Path | None:
        folder = self.tiles / str(year)
        places = folder / name / f"{name}.npy", folder / f"{name}.npy"
        return next((path for path in places if path.is_file()), None)


def tiles_of(pixels: PixelSet) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield the name of each tile that holds the centre of a pixel, and the positions of its pixels."""
    to_degrees = Transformer.from_crs(pixels.epsg, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(pixels.easting_m, pixels.northing_m)
    boxes = np.floor(np.stack([longitude, latitude], axis=1) * TILES_PER_DEGREE).astype(np.int64)
    unique, position = np.unique(boxes, axis=0, return_inverse=True)
    for number, (east, north) in enumerate(unique):
        centre = ((edge + 0.5) / TILES_PER_DEGREE for edge in (east, north))
        name = "_".join(f"{degrees:.2f}" for degrees in centre)
        yield f"grid_{name}", np.flatnonzero(position.ravel() == number)


def read_tile(file: Path, landmask: Path, pixels: PixelSet, dims: int) -> PublishedPixels:
    """Return what one tile holds of N pixels: OUTSIDE where its grid is another."""
    codes = _mapped(file, np.int8)
    if codes.ndim != 3 or codes.shape[2] != dims:
        raise PixelReadError(f"tile {file}: is {codes.shape}, needed are rows, columns and {dims} bands")
    scales = _scales(file.with_name(f"{file.stem}_scales.npy"), codes.shape)
    found = nothing_at(len(pixels), dims, Reason.OUTSIDE)
    found_scales = np.full((len(pixels), scales.shape[2]), np.nan, np.float32)
    mask = _landmask(landmask, codes.shape[:2])
    rows, columns = mask.grid.positions(pixels) if mask.grid else np.full((2, len(pixels)), -1)
    inside = np.flatnonzero(rows >= 0)
    at = rows[inside], columns[inside]
    found.codes[inside], found_scales[inside] = codes[at], scales[at]
    reason = reason_of_scales(found_scales[inside], Reason.NOT_PUBLISHED)
    found.reason[inside] = np.where(mask.land[at], reason, Reason.WATER)
    return PublishedPixels(found.codes, found_scales, found.reason, not_counted(len(pixels)))


def _some(pixels: PixelSet, chosen: NDArray[np.int64]) -> PixelSet:
    return PixelSet(pixels.epsg, pixels.column[chosen], pixels.row[chosen])


def _mapped(file: Path, dtype: type) -> NDArray[Any]:
    """Return an array of a file, mapped and not read; nothing is unpickled."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise PixelReadError(f"tile {file}: {reason}") from error
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        raise PixelReadError(f"tile {file}: holds no {np.dtype(dtype)} array")
    return array


def _scales(file: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return scales (H, W, 1) or (H, W, D)."""
    scales = _mapped(file, np.float32)
    if scales.shape not in (shape[:2], shape):
        raise PixelReadError(f"tile {file}: is {scales.shape}, its codes are {shape}")
    return scales if scales.ndim == 3 else scales[..., np.newaxis]


@dataclass(frozen=True)
class LandMask:
    """Where a tile lies, and which of its pixels are land."""

    grid: PublishedGrid | None
    """None where its pixels are not those of any UTM-zone grid of ours."""
    land: NDArray[np.bool_]
    """(H, W)."""


def _landmask(file: Path, shape: tuple[int, ...]) -> LandMask:
    """Return the land mask of a tile, which is also what says where the tile lies."""
    try:
        with rasterio.open(file) as raster:
            land = raster.read(1) != 0
            transform, epsg = tuple(raster.transform), raster.crs.to_epsg() if raster.crs else None
    except (RasterioError, OSError) as error:
        raise PixelReadError(f"tile {file}: {' '.join(str(error).split())}") from error
    if land.shape != shape:
        raise PixelReadError(f"tile {file}: is {land.shape}, its codes are {shape}")
    try:
        return LandMask(grid_of_transform(transform, epsg or 0, *shape), land)
    except OtherGridError:
        return LandMask(None, land)


def open_tiles(address: str, card: EncoderCard) -> TileSource:
    """Return the card's tiles below a folder; CardMismatchError where only other sets are there."""
    root, config = Path(address), published_config(card)
    for tiles, landmasks in _places(config):
        if (root / tiles).is_dir():
            named = Publication(shown(address), config.version, config.variant, "")
            return TileSource(named, root / tiles, root / landmasks, card.dims)
    there = sorted(
        path.name for folder in (root, root / "npy") if folder.is_dir() for path in folder.iterdir()
    )
    needed = " or ".join(["a Zarr store", *(f"the folder {tiles}" for tiles, _ in _places(config))])
    raise CardMismatchError(
        f"published embeddings {shown(address)}: encoder {card.id} needs {needed}; "
        f"found are {', '.join(there) or 'no folders'}"
    )


def _places(config: PublishedConfig) -> list[tuple[str, str]]:
    """Return the folders of tiles and of land masks, as published and as the publisher's client has them."""
    published = (f"npy/{config.tiles}", f"landmasks/{config.landmasks}")
    return [published, (config.local_tiles, LOCAL_LANDMASKS)] if config.tiles else []
