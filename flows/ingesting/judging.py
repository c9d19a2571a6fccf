"""Judging what was read: offsets and positions against the block's own pixels, passes against the orbits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from flows.ingesting.listing import LeftOut
from flows.sources.scenes.offsets import CORRECTED
from flows.workspace import Workspace
from monitoring.clear import clear_observations
from monitoring.completeness import Completeness, PassSeen, completeness
from monitoring.errors import CatalogueError
from monitoring.geolocation import geolocation_shifts
from monitoring.grid import Block, PixelSet
from monitoring.radiometry import radiometric_contradictions
from monitoring.scenes import Scene, Sensor
from monitoring.science import GeolocationRule
from monitoring.seasons import Season
from monitoring.series import SensorSeries, joined
from warehouse.cube import Cube

#: Pixels that a scene is judged by at most: more say the same, and a season of them all fills the memory.
MOST_JUDGED = 20_000
#: Pixels, spread over the block, that an optical scene's percentiles are taken from at most.
MOST_SPREAD = 5_000
#: How far before a season its scenes are compared with what the cube holds.
ONE_YEAR = timedelta(days=365)
_RADAR = (Sensor.S1_ASCENDING, Sensor.S1_DESCENDING)


def contradicted(
    workspace: Workspace, block: Block, cube: Cube, season: Season, scenes: Sequence[Scene]
) -> tuple[LeftOut, ...]:
    """Return the scenes of a season whose own pixels speak against them: a wrong offset, another place.

    They are compared with each other and with what the cube holds of the year before. The published offset
    rule is wrong on purpose, and is not held against a scene.
    """
    asked = frozenset(scene.id for scene in scenes)
    held = [one for one in cube.held() if season.start - ONE_YEAR <= one.acquired_at < season.start]
    orbits = {one.id: one.relative_orbit for one in held} | {one.id: one.relative_orbit for one in scenes}
    before = frozenset(one.id for one in held)
    found: list[LeftOut] = []
    if workspace.settings.offset_rule == CORRECTED:
        found += _mistaken(
            workspace, _seen(cube, Sensor.S2, season, spread_pixels(len(block.pixels)), orbits)
        )
    chosen = middle_pixels(len(block.pixels))
    pixels = block.pixels.at(chosen)
    for sensor in _RADAR:
        radar = _seen(cube, sensor, season, chosen, orbits)
        found += _elsewhere(radar, orbits, before, pixels, workspace.science.geolocation)
    return tuple(one for one in found if one.scene_id in asked)


def spread_pixels(n: int) -> NDArray[np.int64]:
    """Return the positions of the pixels an optical scene is judged by: all, or some of all of the block."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_SPREAD)).astype(np.int64))


def middle_pixels(n: int) -> NDArray[np.int64]:
    """Return the positions of the pixels a radar scene is judged by: all, or the middle ones of a large one.

    They lie together on the ground, which the correlation needs.
    """
    first = max(n - MOST_JUDGED, 0) // 2
    return np.arange(first, min(first + MOST_JUDGED, n))


def _seen(
    cube: Cube, sensor: Sensor, season: Season, positions: NDArray[np.int64], scenes: Collection[str]
) -> SensorSeries | None:
    """Return some scenes of a season and of the year before at some pixels; None where there is none.

    Read a few at a time: the memory it takes is that of what is kept.
    """
    parts = cube.batches(sensor, season.start - ONE_YEAR, season.end, positions)
    kept = [part.keep(scenes) for part in parts]
    return joined(kept) if kept else None


def _mistaken(workspace: Workspace, optical: SensorSeries | None) -> list[LeftOut]:
    if optical is None:
        return []
    clear = clear_observations(optical, workspace.clear_rule)
    found = radiometric_contradictions(optical, clear, workspace.science.radiometry)
    return [LeftOut("radiometry", scene_id, each.reason) for scene_id, each in sorted(found.items())]


def _elsewhere(
    radar: SensorSeries | None,
    orbits: Mapping[str, int],
    before: frozenset[str],
    pixels: PixelSet,
    rule: GeolocationRule,
) -> Iterator[LeftOut]:
    """Yield the scenes that lie elsewhere than those of their orbit the year before, where those are enough.

    Else they are compared with each other, which cannot show that all of them moved.
    """
    if radar is None:
        return
    for orbit in sorted({orbits[scene_id] for scene_id in radar.scene_ids}):
        members = radar.keep({scene_id for scene_id in radar.scene_ids if orbits[scene_id] == orbit})
        earlier = before & set(members.scene_ids)
        reference = earlier if len(earlier) >= rule.min_orbit_scenes else None
        number = np.full(len(members.scene_ids), orbit, np.int64)
        for shift in geolocation_shifts(members, number, pixels, rule, reference):
            if shift.is_flagged:
                yield LeftOut("geolocation", shift.scene_id, shift.reason)


def counted(
    workspace: Workspace, block: Block, season: Season, cube: Cube, used: Iterable[Scene]
) -> tuple[Completeness, tuple[LeftOut, ...]]:
    """Return the passes a season has, against those it should have, and whom nothing was heard from.

    What to expect is learned from passes before the season only, so that a season judged twice is judged
    alike; of the season itself those count whose scenes are used.
    """
    ids = {scene.id for scene in used}
    record = [
        PassSeen(held.sensor, held.platform, held.relative_orbit, held.tile, held.acquired_at)
        for held in cube.held()
        if held.acquired_at < season.start or held.id in ids
    ]
    silent: tuple[LeftOut, ...] = ()
    try:
        others = _second_opinion(workspace, block, season)
    except CatalogueError as error:  # it is asked for its opinion only: the season goes on without
        others, silent = [], (LeftOut("catalogue", block.id, f"second catalogue: {error}"),)
    return completeness(record, season, others, workspace.science.completeness), silent


def _second_opinion(workspace: Workspace, block: Block, season: Season) -> list[PassSeen]:
    catalogue = workspace.second_catalogue
    if catalogue is None:
        return []
    listed = catalogue.scenes(block.pixels.bbox, season.start, season.end)
    return [
        PassSeen(scene.sensor, scene.platform, scene.relative_orbit, scene.tile, scene.acquired_at)
        for scene in listed
        if scene.sensor is not Sensor.S2 or scene.epsg == block.pixels.epsg
    ]
