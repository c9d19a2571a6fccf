"""Grids of angles: where sun and satellite stood over a product, and the c-factors they give at points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.brdf import c_factor
from monitoring.errors import PixelReadError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """Where something stands in the sky as seen from each cell; both (R, C) in degrees, NaN = not stated."""

    zenith: Floats
    azimuth: Floats


@dataclass(frozen=True)
class AngleGrids:
    """Sun and view angles over a product, rows from north to south."""

    epsg: int
    easting_m: Floats
    """(C,) eastings of the cell centres, rising by the step of 5 km."""
    northing_m: Floats
    """(R,) northings of the cell centres, falling."""
    sun: Direction
    view: Mapping[str, Direction]
    """By band: mean over the detectors that see a cell, NaN where none does."""

    def c_grid(self, band: str) -> Floats:
        """Return the c-factor of a band at the cells, (R, C), NaN where no detector saw the cell."""
        seen = self.view[band]
        return c_factor(band, self.sun.zenith, seen.zenith, self.sun.azimuth - seen.azimuth)

    def c_at(self, band: str, easting_m: Floats, northing_m: Floats) -> Floats:
        """Return the c-factor of a band at N points, (N,).

        Cells that no detector saw take the nearest seen one, points lie bilinearly between cell centres, and
        points beyond the outermost centres take the edge's value. PixelReadError when no cell was seen.
        """
        grid = self.c_grid(band)
        if not np.isfinite(grid).any():
            raise PixelReadError(f"band {band}: no cell of the angle grids was seen by any detector")
        column = _position(easting_m, self.easting_m)
        row = _position(northing_m, self.northing_m)
        return _bilinear(filled(grid), row, column)


def filled(grid: Floats) -> Floats:
    """Return a grid (R, C) whose NaN cells have the value of the nearest other cell.

    Of cells equally near, the first from north, then from west, gives its value: the same in every run.
    """
    seen, unseen = np.argwhere(np.isfinite(grid)), np.argwhere(~np.isfinite(grid))
    apart = ((unseen[:, None, :] - seen[None, :, :]) ** 2).sum(axis=2)
    nearest = seen[apart.argmin(axis=1)]
    complete = grid.copy()
    complete[tuple(unseen.T)] = grid[tuple(nearest.T)]
    return complete


def _position(metres: Floats, centres: Floats) -> Floats:
    """Position of each place among evenly spaced centres, held to the first and the last."""
    if len(centres) == 1:
        return np.zeros_like(metres)
    position = (metres - centres[0]) / (centres[1] - centres[0])
    return np.asarray(np.clip(position, 0.0, len(centres) - 1.0))


def _bilinear(grid: Floats, row: Floats, column: Floats) -> Floats:
    top = np.minimum(row.astype(np.int64), max(grid.shape[0] - 2, 0))
    left = np.minimum(column.astype(np.int64), max(grid.shape[1] - 2, 0))
    bottom, right = np.minimum(top + 1, grid.shape[0] - 1), np.minimum(left + 1, grid.shape[1] - 1)
    down, east = row - top, column - left
    upper = grid[top, left] * (1.0 - east) + grid[top, right] * east
    lower = grid[bottom, left] * (1.0 - east) + grid[bottom, right] * east
    return np.asarray(upper * (1.0 - down) + lower * down)
