"""What the ingest claims, tried on a simulated year whose files and catalogue are tampered with."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from fault_server import serve
from ingest_world import (
    as_new_process,
    differences,
    edit_item,
    listing_of,
    needed_tiles,
    rasters_asked,
    reads_of,
    rewrite,
    stored,
    tiles_of,
    unlist,
    write_back,
    write_woods,
)
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform_bounds

from flows.archive import make_archive
from flows.assessing.season import assess_season
from flows.estimating.estimate import estimate_block, season_dpixels
from flows.ingesting.indices import indices_path, quarter_of
from flows.ingesting.ingest import IngestReceipt, ingest_block
from flows.load import load_season
from flows.workspace import Workspace, open_workspace
from monitoring.grid import Block
from monitoring.scenes import Scene, Sensor
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from warehouse.cube import open_cube
from warehouse.reader import read
from warehouse.records import IndexRow
from warehouse.staging import read_rows

WriteSettings = Callable[..., Path]
#: Opens a service on an archive, in a folder of its own.
Serve = Callable[..., Workspace]

SEASON = Season(2020, 4)
#: Within the grace of 30 days after the season's end, and after it.
NOW, LATER = datetime(2021, 1, 15, 3, tzinfo=UTC), datetime(2021, 1, 29, tzinfo=UTC)
TOO_LATE = datetime(2021, 2, 3, tzinfo=UTC)
#: Woodlands of the first park, far apart.
A, B = ["HF-002", "HF-011"], ["HF-023"]


@pytest.fixture(scope="module")
def year(one_year: Callable[[int], Path]) -> Path:
    """One year of the simulated archive, whose optical scenes are all of baseline 02.14."""
    return one_year(SEASON.year)


@pytest.fixture
def own(year: Path, tmp_path: Path) -> Path:
    """A copy of that year to tamper with."""
    return Path(shutil.copytree(year, tmp_path / "archive"))


@pytest.fixture
def service(tmp_path: Path, write_settings: WriteSettings) -> Serve:
    def open_service(
        archive: Path, woods: Collection[str] = (), name: str = "service", **more: object
    ) -> Workspace:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if woods:
            number = len(list(folder.glob("*.gpkg")))
            more["woodlands"] = write_woods(folder / f"{number}.gpkg", archive / "woodlands.gpkg", woods)
        return as_new_process(open_workspace(str(write_settings(folder, archive, **more))))

    return open_service


def park_block(workspace: Workspace, park: int = 0) -> Block:
    return workspace.blocks[sorted(workspace.blocks)[park]]


def ingest(workspace: Workspace, now: datetime = NOW, park: int = 0) -> IngestReceipt:
    return ingest_block(workspace, park_block(workspace, park), SEASON, now)


def problems(receipt: IngestReceipt) -> list[str]:
    """What went wrong; that a block of another shape is looked for anew is not."""
    return [line for line in receipt.problems if "kept for another question" not in line]


def pixels(workspace: Workspace, park: int = 0) -> PixelSeries:
    return stored(workspace, park_block(workspace, park), SEASON)


def offered(workspace: Workspace, sensor: Sensor, park: int = 0) -> list[Scene]:
    """Scenes of the season on the block's own grid, in time order."""
    block = park_block(workspace, park)
    scenes = workspace.catalogue.scenes(block.pixels.bbox, SEASON.start, SEASON.end, [sensor])
    return [scene for scene in scenes if scene.epsg == block.pixels.epsg]


def clearest(workspace: Workspace) -> Scene:
    """A summer scene with little cloud."""
    summer = [one for one in offered(workspace, Sensor.S2) if 5 <= one.acquired_at.month <= 9]
    return min(summer, key=lambda scene: scene.cloud_fraction)


def indices(workspace: Workspace) -> tuple[IndexRow, ...]:
    block = park_block(workspace)
    quarters = sorted({quarter_of(scene) for scene in offered(workspace, Sensor.S2)})
    paths = [indices_path(workspace.staging, block, quarter) for quarter in quarters]
    return tuple(row for path in paths if path.exists() for row in read_rows(path, IndexRow))


def left_out(receipt: IngestReceipt) -> dict[str, tuple[str, str]]:
    """Gate and reason by scene."""
    return {row.scene_id: (row.gate, row.reason) for row in listing_of(receipt).left_out}


# --- a block that grows and shrinks


@pytest.mark.slow
def test_a_new_woodland_is_filled_in_and_nothing_of_the_old_ones_is_read_again(
    year: Path, service: Serve
) -> None:
    whole = service(year, [*A, *B], "whole")
    ingest(whole)
    with serve(year) as server:
        catalogue = f"{server.address}/catalog.json"
        before = service(year, A, catalogue=catalogue)
        first = ingest(before)
        after = service(year, [*A, *B], catalogue=catalogue)
        old, new = park_block(before).pixels, park_block(after).pixels
        assert after.cube == before.cube
        assert old.index_of(new.column, new.row).min() == -1
        _ = after.catalogue
        server.forget()
        second = ingest(after)
        added = new.at(np.flatnonzero(old.index_of(new.column, new.row) < 0))
        for path in rasters_asked(server.asked):
            needed = needed_tiles(year / path, added)
            for tile in tiles_of(year / path):
                assert reads_of(server.asked, path, tile) == [True] * ((tile.row, tile.column) in needed)
        assert len(rasters_asked(server.asked)) == 19 * 11 + 20 * 2
        server.forget()
        assert ingest(after).n_read == 0
        assert server.asked == []
    assert first.n_read == second.n_read == second.n_scenes == 39
    assert differences(pixels(after), pixels(whole)) == []
    seen = [
        season_dpixels(one, park_block(one), SEASON, listing_of(receipt))
        for one, receipt in ((after, second), (whole, ingest(whole)))
    ]
    assert_same_arrays(*seen)
    assert {row.woodland_id for row in indices(after)} == {*A, *B}
    assert indices(after) == indices(whole)


def assert_same_arrays(one: Any, other: Any) -> None:
    """Two dataclasses of arrays, bit for bit."""
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(left):
            assert_same_arrays(left, right)
        elif isinstance(left, np.ndarray):
            assert left.tobytes() == right.tobytes(), field.name
        else:
            assert left == right, field.name


@pytest.mark.slow
def test_a_woodland_that_is_gone_is_not_shown_and_comes_back_without_a_read(
    year: Path, service: Serve
) -> None:
    ingest(service(year, [*A, *B]))
    few = service(year, A)
    shrunk = ingest(few)
    assert (shrunk.n_read, problems(shrunk)) == (0, [])
    fresh = service(year, A, "fresh")
    ingest(fresh)
    assert differences(pixels(few), pixels(fresh)) == []
    assert indices(few) == indices(fresh)
    assert {row.woodland_id for row in indices(few)} == set(A)
    assert ingest(service(year, [*A, *B])).n_read == 0


# --- what the pixels say against


def add_offset(values: NDArray[Any], _profile: dict[str, Any]) -> NDArray[Any]:
    return np.where(values > 0, values + 1000, 0).astype(values.dtype)


def test_a_scene_whose_offset_is_not_what_its_baseline_says_is_quarantined(own: Path, service: Serve) -> None:
    workspace = service(own)
    scene = clearest(workspace)
    assert (scene.baseline, scene.offset_dn) == ("02.14", 0)
    for band in scene.sensor.bands:
        rewrite(Path(scene.href(band)), add_offset)
    receipt = ingest(workspace)
    gate, reason = left_out(receipt)[scene.id]
    assert gate == "radiometry"
    assert "offset left in" in reason
    assert [line for line in receipt.problems if scene.id in line] == [reason]
    assert (receipt.n_read, receipt.n_scenes) == (39, 38)
    assert scene.id not in listing_of(receipt).scene_ids
    assert scene.id not in {row.scene_id for row in indices(workspace)}
    again = ingest(as_new_process(workspace))
    assert (again.n_read, left_out(again)) == (0, left_out(receipt))


def move_east(values: NDArray[Any], profile: dict[str, Any]) -> NDArray[Any]:
    """Two pixels of 10 m."""
    place = profile["transform"]
    profile["transform"] = Affine(place.a, 0, place.c + 20, 0, place.e, place.f)
    return values


@pytest.mark.parametrize(
    "sensor", [Sensor.S1_ASCENDING, pytest.param(Sensor.S1_DESCENDING, marks=pytest.mark.slow)]
)
def test_a_radar_scene_that_lies_two_pixels_off_is_quarantined(
    sensor: Sensor, own: Path, service: Serve
) -> None:
    workspace = service(own)
    scene = offered(workspace, sensor, park=1)[-1]
    for band in sensor.bands:
        rewrite(Path(scene.href(band)), move_east)
    receipt = ingest(workspace, park=1)
    assert {name for name, (gate, _) in left_out(receipt).items() if gate == "geolocation"} == {scene.id}
    _, reason = left_out(receipt)[scene.id]
    assert [line for line in receipt.problems if scene.id in line] == [reason]
    east = float(reason.split(" pixels east")[0].split()[-1])
    assert east == pytest.approx(2, abs=0.4)
    assert scene.id not in listing_of(receipt).scene_ids


def to_other_zone(path: Path, epsg: int) -> None:
    """Warp a COG into another zone, cells of 10 m on that zone's grid."""

    def warped(values: NDArray[Any], profile: dict[str, Any]) -> NDArray[Any]:
        height, width = values.shape
        place = profile["transform"]
        corners = place.c, place.f - 10 * height, place.c + 10 * width, place.f
        bounds = transform_bounds(profile["crs"], f"EPSG:{epsg}", *corners)
        west, south, east, north = (10 * round(edge / 10) for edge in bounds)
        grid = Affine(10, 0, west, 0, -10, north)
        out = np.full(((north - south) // 10, (east - west) // 10), profile["nodata"], values.dtype)
        reproject(
            values,
            out,
            src_transform=profile["transform"],
            src_crs=profile["crs"],
            src_nodata=profile["nodata"],
            dst_transform=grid,
            dst_crs=f"EPSG:{epsg}",
            dst_nodata=profile["nodata"],
            resampling=Resampling.cubic,
        )
        profile |= {"transform": grid, "crs": f"EPSG:{epsg}"}
        return out

    rewrite(path, warped)


@pytest.mark.slow
@pytest.mark.parametrize(("park", "epsg"), [(0, 32631), (1, 32630)])
def test_radar_of_the_neighbouring_zone_is_resampled_and_used(
    park: int, epsg: int, own: Path, service: Serve
) -> None:
    before = service(own, name="before")
    ingest(before, park=park)
    scene = offered(before, Sensor.S1_ASCENDING, park)[3]
    for band in scene.sensor.bands:
        to_other_zone(Path(scene.href(band)), epsg)
    edit_item(own, scene.id, lambda item: item["properties"].update({"proj:epsg": epsg}))
    workspace = service(own)
    receipt = ingest(workspace, park=park)
    assert (receipt.n_scenes, receipt.problems) == (39, ())
    (listed,) = (one for one in listing_of(receipt).scenes if one.id == scene.id)
    assert listed.epsg == epsg
    one, other = (pixels(each, park) for each in (before, workspace))
    assert differences(one, other) == [scene.id]
    original, resampled = (
        10 * np.log10(series.s1_ascending.keep({scene.id}).values[0, :, 1]) for series in (one, other)
    )
    assert np.isfinite(resampled).all()
    assert np.corrcoef(original, resampled)[0, 1] > 0.8
    assert abs(np.mean(resampled - original)) < 0.3


# --- a catalogue that changes


@pytest.mark.slow
def test_a_late_item_is_used_within_the_grace_and_not_after_it(own: Path, service: Serve) -> None:
    late = offered(service(own, A), Sensor.S2)[5].id
    before = unlist(own, SEASON.year, lambda item: item == late)
    for name, first, second, is_used in (
        ("soon", NOW, LATER, True),
        ("late", TOO_LATE, TOO_LATE + timedelta(days=1), False),
    ):
        unlist(own, SEASON.year, lambda item: item == late)
        workspace = service(own, A, name)
        assert ingest(workspace, first).n_read == 38
        assert listing_of(ingest(workspace, first)).is_frozen is not is_used
        write_back(before)
        receipt = ingest(as_new_process(workspace), second)
        assert receipt.n_read == is_used
        assert (late in listing_of(receipt).scene_ids) is is_used


def test_a_withdrawn_item_is_named_and_used_no_more_until_it_is_back(own: Path, service: Serve) -> None:
    workspace = service(own, A)
    ingest(workspace)
    gone = offered(workspace, Sensor.S2)[5].id
    before = unlist(own, SEASON.year, lambda item: item == gone)
    receipt = ingest(as_new_process(workspace), LATER)
    assert left_out(receipt)[gone][0] == "catalogue"
    assert "withdrawn" in left_out(receipt)[gone][1]
    assert gone not in listing_of(receipt).scene_ids
    assert receipt.n_scenes == 38
    write_back(before)
    back = ingest(as_new_process(workspace), LATER + timedelta(hours=1))
    assert (back.n_read, back.n_scenes, left_out(back)) == (0, 39, {})


def reissue(archive: Path, scene_id: str) -> None:
    """Issue an item of baseline 02.14 anew under its old id, of baseline 05.00."""

    def anew(item: dict[str, Any]) -> None:
        text = json.dumps(item["properties"]).replace("02.14", "05.00").replace("N0214", "N0500")
        item["properties"] = {**json.loads(text), "updated": "2021-01-20T00:00:00.000000Z"}

    edit_item(archive, scene_id, anew)


def test_a_scene_issued_anew_is_named_and_stays_what_its_pixels_are(own: Path, service: Serve) -> None:
    workspace = service(own, A)
    ingest(workspace)
    before, scene = pixels(workspace), offered(workspace, Sensor.S2)[5]
    reissue(own, scene.id)
    changed = as_new_process(workspace)
    assert next(one.offset_dn for one in offered(changed, Sensor.S2) if one.id == scene.id) == 1000
    receipt = ingest(changed, LATER)
    (line,) = receipt.problems
    assert all(word in line for word in (scene.id, "05.00", "02.14", "first read"))
    assert (receipt.n_read, receipt.n_scenes) == (0, 39)
    assert differences(pixels(changed), before) == []
    (listed,) = (one for one in listing_of(receipt).scenes if one.id == scene.id)
    assert (listed.baseline, listed.offset_dn, listed.offset_rule) == ("02.14", 0, scene.offset_rule)


@pytest.mark.slow
def test_a_scene_with_other_files_than_were_read_is_named(own: Path, service: Serve) -> None:
    workspace = service(own, A)
    ingest(workspace)
    scene = offered(workspace, Sensor.S1_ASCENDING)[2]

    def restate(item: dict[str, Any]) -> None:
        item["assets"]["vh"]["file:checksum"] = "1220" + "ab" * 32

    edit_item(own, scene.id, restate)
    receipt = ingest(as_new_process(workspace), LATER)
    (line,) = receipt.problems
    assert scene.id in line
    assert "checksums of VH" in line
    (listed,) = (one for one in listing_of(receipt).scenes if one.id == scene.id)
    assert listed.checksums == scene.checksums


@pytest.mark.slow
def test_pixels_of_two_versions_of_a_scene_never_mix_when_a_block_grows(own: Path, service: Serve) -> None:
    ingest(service(own, A))
    workspace = service(own, [*A, *B])
    scene = offered(workspace, Sensor.S2)[5]
    reissue(own, scene.id)
    changed = as_new_process(workspace)
    receipt = ingest(changed, LATER)
    assert receipt.n_read == receipt.n_scenes == 38
    (line,) = problems(receipt)
    assert scene.id in line
    assert "never mix" in line
    assert scene.id not in listing_of(receipt).scene_ids
    lacking = open_cube(changed.cube, park_block(changed)).lacking(offered(changed, Sensor.S2))
    assert set(lacking) == {scene.id}


def test_a_second_catalogue_names_the_days_that_the_first_lacks(
    own: Path, year: Path, service: Serve
) -> None:
    lost = [one.id for one in offered(service(own, A), Sensor.S2)[4:7]]
    unlist(own, SEASON.year, lambda item: item in lost)
    workspace = service(own, A, second_catalogue=year / "catalog.json")
    receipt = ingest(workspace)
    found = listing_of(receipt).completeness
    assert found is not None
    days = {f"{one.acquired_at:%Y-%m-%d}" for one in offered(service(year, A, "year"), Sensor.S2)[4:7]}
    assert {day for stream in found.streams for day in stream.missing_days} == days
    assert found.missing_share == pytest.approx(3 / 39)
    assert found.is_complete
    assert receipt.problems == ()


@pytest.mark.slow
def test_a_second_catalogue_that_lists_far_more_leaves_the_season_unfinished(
    own: Path, year: Path, service: Serve
) -> None:
    workspace = service(own, A)
    lost = [one.id for number, one in enumerate(offered(workspace, Sensor.S2)) if number % 3]
    unlist(own, SEASON.year, lambda item: item in lost)
    receipt = ingest(service(own, A, second_catalogue=year / "catalog.json"))
    found = listing_of(receipt).completeness
    assert found is not None
    assert not found.is_complete
    assert any("not final: optical: 7 of 19 expected passes" in line for line in receipt.problems)


@pytest.mark.slow
def test_a_second_catalogue_that_cannot_be_asked_costs_nothing_but_its_opinion(
    year: Path, service: Serve
) -> None:
    workspace = service(year, A, second_catalogue=year / "gone.json")
    receipt = ingest(workspace)
    assert (receipt.n_read, receipt.n_scenes) == (39, 39)
    (line,) = receipt.problems
    assert "second catalogue" in line
    assert "gone.json" in line


# --- indices


def test_every_woodland_that_a_scene_saw_has_indices_as_seen_from_above(year: Path, service: Serve) -> None:
    workspace = service(year, [*A, *B])
    receipt = ingest(workspace)
    rows = indices(workspace)
    assert {row.woodland_id for row in rows} == {*A, *B}
    assert {row.index_name for row in rows} == {"ndvi", "nirv", "nbr"}
    assert all(row.is_nbar for row in rows)
    optical = {scene.id for scene in listing_of(receipt).scenes if scene.sensor is Sensor.S2}
    assert {row.scene_id for row in rows} <= optical
    keys = [(row.scene_id, row.woodland_id, row.index_name) for row in rows]
    assert len(set(keys)) == len(keys)
    summer = [row.value for row in rows if row.index_name == "ndvi" and row.acquired_at.month in (6, 7)]
    assert 0.5 < np.median(summer) < 0.95
    assert len({row.scene_id for row in rows}) > len(optical) / 2
    ingest(as_new_process(workspace))
    assert indices(workspace) == rows


@pytest.mark.slow
def test_a_scene_whose_angles_are_missing_waits_for_them_and_keeps_no_other_waiting(
    own: Path, service: Serve
) -> None:
    other = service(own, A, "other")
    ingest(other)
    every, scene = indices(other), clearest(other)
    (path,) = own.glob(f"*/*/{scene.id}/MTD_TL.xml")
    content = path.read_bytes()
    path.unlink()
    workspace = service(own, A)
    receipt = ingest(workspace)
    (line,) = receipt.problems
    assert scene.id in line
    assert "MTD_TL" in line
    assert scene.id in listing_of(receipt).scene_ids
    assert indices(workspace) == tuple(row for row in every if row.scene_id != scene.id)
    (entry,) = listing_of(receipt).failures
    assert (entry.scene_id, entry.band, entry.state) == (scene.id, "MTD_TL", "waiting")
    path.write_bytes(content)
    mended = ingest(workspace, NOW + timedelta(minutes=1))  # a file is tried in every run
    assert (mended.n_read, mended.problems) == (0, ())
    assert indices(workspace) == every
    assert listing_of(mended).failures[0].state == "recovered"


# --- what a thin season does to the history

#: Seasons of whole years, and the one that is thinned; within the grace of the last.
YEARS = (2022, 2023, 2024)
IN_GRACE = datetime(2025, 1, 15, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three years of the simulated archive."""
    folder = tmp_path_factory.mktemp("years") / "archive"
    return make_archive(folder, years=YEARS, processes=1).directory


@pytest.fixture
def running(years: Path, trained: Path, tmp_path: Path, write_settings: WriteSettings) -> Workspace:
    """A service on a copy of those years, with a trained head."""
    archive = Path(shutil.copytree(years, tmp_path / "archive"))
    workspace = open_workspace(str(write_settings(tmp_path, archive)))
    shutil.copytree(trained.parent / "service" / "heads", workspace.settings.home / "heads")
    return workspace


def run(workspace: Workspace, year: int, now: datetime) -> tuple[list[IngestReceipt], int]:
    """Run a year's final season as the flow does; return what was ingested and how many rows were added."""
    fresh, season = as_new_process(workspace), Season(year, 4)
    ingested = [ingest_block(fresh, block, season, now) for block in fresh.blocks.values()]
    staged = [
        estimate_block(fresh, fresh.blocks[receipt.block_id], season, receipt.listing)
        for receipt in ingested
        if not receipt.refused
    ]
    loaded = load_season(fresh, season, ingested, staged, now)
    assessed = assess_season(fresh, season, loaded.run_id, now)
    return ingested, loaded.n_rows_added + assessed.n_rows_added


def standing(workspace: Workspace, season: str) -> tuple[set[bool], set[str]]:
    """Whether the estimates of a season are final, and why not."""
    with read(workspace.warehouse) as reader:
        rows = reader.history(season=season)
    assert rows
    return {bool(row["is_final"]) for row in rows}, {str(row["why_not_final"] or "") for row in rows}


def years_of_series(workspace: Workspace) -> set[tuple[int, ...]]:
    """The years with a final estimate, inside the area of applicability or outside."""
    with read(workspace.warehouse) as reader:
        series = reader.series(workspace.science.estimation.target)
    return {tuple(int(year) for year in one.estimated) for one in series}


def two_thirds(workspace: Workspace, block: Block) -> list[str]:
    """Two of three scenes of each sensor in the last year."""
    season = Season(YEARS[-1], 4)
    offers = [
        workspace.catalogue.scenes(block.pixels.bbox, season.start, season.end, [sensor]) for sensor in Sensor
    ]
    return [scene.id for scenes in offers for number, scene in enumerate(scenes) if number % 3]


@pytest.mark.slow
def test_a_season_that_lost_two_thirds_of_its_items_is_not_final_until_they_are_back(
    running: Workspace,
) -> None:
    archive = running.settings.woodlands.parent
    lost = {scene for block in running.blocks.values() for scene in two_thirds(running, block)}
    before = unlist(archive, YEARS[-1], lambda item: item in lost)
    for year in YEARS[:-1]:
        run(running, year, IN_GRACE)
    ingested, added = run(running, YEARS[-1], IN_GRACE)
    assert added > 0
    assert [receipt.refused for receipt in ingested] == ["", ""]
    for receipt in ingested:
        assert any("not final" in line and "expected passes" in line for line in receipt.problems)
        assert not listing_of(receipt).is_frozen
    is_final, why = standing(running, "2024-Q4")
    assert is_final == {False}
    assert all("expected passes" in one for one in why)
    assert standing(running, "2023-Q4") == ({True}, {""})
    assert years_of_series(running) == {YEARS[:-1]}

    write_back(before)
    ingested, added = run(running, YEARS[-1], IN_GRACE + timedelta(days=10))
    assert sum(receipt.n_read for receipt in ingested) == len(lost)
    assert [receipt.problems for receipt in ingested] == [(), ()]
    assert standing(running, "2024-Q4") == ({True}, {""})
    assert years_of_series(running) == {YEARS}

    ingested, added = run(running, YEARS[-1], IN_GRACE + timedelta(days=11))
    assert (sum(receipt.n_read for receipt in ingested), added) == (0, 0)


@pytest.mark.slow
def test_a_block_grown_by_a_woodland_is_estimated_as_one_that_always_had_it(
    running: Workspace, tmp_path: Path, write_settings: WriteSettings
) -> None:
    archive = running.settings.woodlands.parent
    found = []
    for name, steps in (("grown", (A, [*A, *B])), ("whole", ([*A, *B],))):
        for number, woods in enumerate(steps):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            boundaries = write_woods(folder / f"{number}.gpkg", archive / "woodlands.gpkg", woods)
            workspace = open_workspace(str(write_settings(folder, archive, woodlands=boundaries)))
            heads = workspace.settings.home / "heads"
            shutil.copytree(running.settings.home / "heads", heads, dirs_exist_ok=True)
            run(workspace, YEARS[-1], IN_GRACE)
        with read(workspace.warehouse) as reader:
            found.append([(row["woodland_id"], row["mean"], row["sd"]) for row in reader.history()])
    assert found[0] == found[1]
    assert [wood for wood, *_ in found[0]] == sorted([*A, *B])
