"""The pixel cube: every observation of a block's woodland pixels, appended once, in Icechunk."""

from warehouse.cube.observation import HeldScene, Observation
from warehouse.cube.pixels import Cube, find_cube, open_cube

__all__ = ["Cube", "HeldScene", "Observation", "find_cube", "open_cube"]
