"""A season read from a server that fails: it ends as an undisturbed one does, or says what it lacks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fault_server import MIXED, Fault, FaultServer, serve
from ingest_world import (
    as_new_process,
    differences,
    listing_of,
    needed_tiles,
    rasters_asked,
    reads_of,
    scenes_asked,
    stored,
    tiles_of,
    write_woods,
)

from flows.ingesting.ingest import IngestReceipt, ingest_block
from flows.ingesting.intake import take_in
from flows.ingesting.ledger import LONGEST_WAIT, MOST_RUNS, Entry, State, ledger_path, read_ledger, wait_after
from flows.sources.assets.patience import Patience
from flows.sources.assets.transport import Transport
from flows.sources.catalogues.catalogue import open_catalogue
from flows.workspace import Workspace, open_workspace
from monitoring.errors import CatalogueError
from monitoring.grid import Block
from monitoring.seasons import Season
from monitoring.series import PixelSeries
from warehouse.cube import find_cube, open_cube

WriteSettings = Callable[..., Path]

SEASON = Season(2024, 4)
#: Within the grace for late scenes, and a day later each.
NOW = datetime(2025, 1, 15, 3, tzinfo=UTC)
NEXT_DAY, THIRD_DAY = NOW + timedelta(days=1), NOW + timedelta(days=2)
#: Of a reader that lets no silence of 30 s pass, but gives a loaded machine time to answer.
PATIENCE = Patience(first_wait_s=0.02, longest_wait_s=0.2, answer_s=0.7)
HASTE = Patience(attempts=2, first_wait_s=0.01, longest_wait_s=0.05, answer_s=0.5)
#: Requests for a raster that nothing befalls: the header in up to three pieces or twice, its tiles in one
#: or two ranges.
MOST_UNDISTURBED = 5
#: Requests that one request with damaged bytes brings about: the header again, twice, and the tiles.
MOST_FOR_DAMAGE = 5


@dataclass(frozen=True)
class Undisturbed:
    """What a season holds that was read from files."""

    workspace: Workspace
    block: Block
    series: PixelSeries


@pytest.fixture(scope="module")
def archive(one_year: Callable[[int], Path]) -> Path:
    """One year of the simulated archive."""
    return one_year(SEASON.year)


@pytest.fixture(scope="module")
def woods(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three woodlands of one park, far apart."""
    path = tmp_path_factory.mktemp("woods") / "woods.gpkg"
    return write_woods(path, archive / "woodlands.gpkg", ["HF-002", "HF-011", "HF-023"])


@pytest.fixture(scope="module")
def undisturbed(
    archive: Path, woods: Path, tmp_path_factory: pytest.TempPathFactory, write_settings: WriteSettings
) -> Undisturbed:
    settings = write_settings(tmp_path_factory.mktemp("undisturbed"), archive, woodlands=woods)
    workspace = open_workspace(str(settings))
    (block,) = workspace.blocks.values()
    receipt = ingest_block(workspace, block, SEASON, NOW)
    assert receipt.problems == ()
    assert receipt.n_read == receipt.n_scenes == 29
    return Undisturbed(workspace, block, stored(workspace, block, SEASON))


@pytest.fixture(scope="module")
def running(archive: Path) -> Iterator[FaultServer]:
    with serve(archive) as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    """The server as new: no faults, no memory."""
    running.share, running.first, running.kinds, running.latency_s, running.seed = 0.0, 0, MIXED, 0.0, 0
    running.broken.clear()
    running.forget()
    return running


@pytest.fixture
def settings(
    tmp_path: Path, archive: Path, woods: Path, server: FaultServer, write_settings: WriteSettings
) -> Path:
    catalogue = f"{server.address}/catalog.json"
    return write_settings(tmp_path, archive, catalogue=catalogue, woodlands=woods)


def service(settings: Path, patience: Patience) -> Workspace:
    """A service of that patience with servers, as a new process opens it."""
    workspace = as_new_process(open_workspace(str(settings)))
    workspace.__dict__["transport"] = Transport(patience=patience, seed=1)
    workspace.__dict__["catalogue"] = open_catalogue(workspace.settings.catalogue, patience=patience)
    return workspace


def ingest(workspace: Workspace, now: datetime = NOW) -> IngestReceipt:
    return ingest_block(workspace, workspace.blocks[min(workspace.blocks)], SEASON, now)


def check_bounds(server: FaultServer, workspace: Workspace) -> None:
    """No raster was asked for more often than its own faults explain, and no fault had to be paid twice."""
    faults = Counter(one.path for one in server.asked if one.fault)
    damaged = Counter(one.path for one in server.asked if one.fault == Fault.CORRUPT)
    retried = workspace.transport.traffic.total().retried
    asked = rasters_asked(server.asked)
    for path, n in asked.items():
        assert n <= MOST_UNDISTURBED + faults[path] + MOST_FOR_DAMAGE * damaged[path] + 2, path
    assert asked.total() <= 3 * len(asked) + retried + MOST_FOR_DAMAGE * damaged.total()


def check_named(receipt: IngestReceipt, lost: set[str]) -> None:
    """Every scene that is not there is named, with an asset of it, its attempts and the error."""
    failures = listing_of(receipt).failures
    assert {entry.scene_id for entry in failures} == lost
    assert {entry.state for entry in failures} <= {State.WAITING}
    for scene_id in lost:
        assert sum(scene_id in line for line in receipt.problems) == 1
    assert all(entry.attempts >= 1 and "\n" not in entry.error for entry in failures)


def disturb(server: FaultServer, settings: Path, seed: int) -> tuple[Workspace, IngestReceipt]:
    """Ingest a season while a tenth of all requests fails, the catalogue's too."""
    server.seed, server.share = seed, 0.1
    workspace = service(settings, PATIENCE)
    assert any(one.fault for one in server.asked)
    server.forget()
    receipt = ingest(workspace)
    assert len(server.faults()) > len(MIXED) - 2  # nearly every kind struck
    return workspace, receipt


def test_a_season_of_which_a_tenth_of_requests_fails_holds_what_an_undisturbed_one_does(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    workspace, receipt = disturb(server, settings, seed=0)
    assert differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series) == []
    assert (receipt.n_read, receipt.n_scenes, receipt.problems) == (29, 29, ())
    assert listing_of(receipt).failures == ()
    check_bounds(server, workspace)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_so_does_a_season_of_a_whole_park(
    seed: int,
    server: FaultServer,
    archive: Path,
    tmp_path_factory: pytest.TempPathFactory,
    write_settings: WriteSettings,
) -> None:
    of_files = open_workspace(str(write_settings(tmp_path_factory.mktemp("files"), archive)))
    ingest(of_files)
    settings = write_settings(
        tmp_path_factory.mktemp("web"), archive, catalogue=f"{server.address}/catalog.json"
    )
    workspace, receipt = disturb(server, settings, seed)
    block = of_files.blocks[min(of_files.blocks)]
    assert differences(*(stored(each, block, SEASON) for each in (workspace, of_files))) == []
    assert (receipt.n_read, receipt.problems) == (29, ())
    check_bounds(server, workspace)


@pytest.mark.slow
def test_what_could_not_be_had_is_named_and_is_there_once_the_faults_stop(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    workspace = service(settings, HASTE)
    server.share = 0.2
    server.forget()
    first = ingest(workspace)
    lost = set(differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series))
    assert 3 < len(lost) < 26
    assert first.n_read == 29 - len(lost)
    check_bounds(server, workspace)
    pixels_lost = {entry.scene_id for entry in listing_of(first).failures if entry.band != "MTD_TL"}
    assert pixels_lost == lost
    check_named(first, lost | {entry.scene_id for entry in listing_of(first).failures})

    server.share = 0.0
    server.forget()
    second = ingest(as_new_process(workspace), NEXT_DAY)
    assert differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series) == []
    assert (second.n_read, second.n_scenes, second.problems) == (len(lost), 29, ())
    assert scenes_asked(server.asked) == lost
    assert {entry.state for entry in listing_of(second).failures} == {State.RECOVERED}

    server.forget()
    third = ingest(as_new_process(workspace), THIRD_DAY)
    assert (third.n_read, third.n_scenes, third.problems) == (0, 29, ())
    assert [one for one in server.asked if not one.path.endswith("json")] == []


# --- one asset broken for good


def a_band(undisturbed: Undisturbed, server: FaultServer) -> tuple[str, str]:
    """A scene, and where its B04 lies on the server."""
    scene_id = undisturbed.series.s2.scene_ids[3]
    (path,) = server.folder.glob(f"*/*/{scene_id}/*_B04_10m.tif")
    return scene_id, str(path.relative_to(server.folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault.ERROR, HASTE.attempts),
        (Fault.MISSING, 1),
        (Fault.TRUNCATED, HASTE.attempts),
    ],
)
def test_an_asset_broken_for_good_costs_its_scene_only_and_is_left_alone_for_a_while(
    fault: Fault, attempts: int, server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    scene_id, path = a_band(undisturbed, server)
    server.broken[path] = fault
    workspace = service(settings, HASTE)
    receipt = ingest(workspace)
    assert differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series) == [scene_id]
    check_named(receipt, {scene_id})
    (entry,) = listing_of(receipt).failures
    assert (entry.band, entry.runs, entry.state) == ("B04", 1, State.WAITING)
    assert entry.attempts >= attempts
    assert entry.address == f"{server.address}/{path}"
    assert receipt.n_unread_remote == 1

    server.forget()
    soon = ingest(workspace, NOW + wait_after(1) - timedelta(seconds=1))
    assert server.attempts(path) == 0
    assert scene_id in " ".join(soon.problems)
    assert soon.n_unread_remote == 0  # asking again at once does not help
    later = ingest(workspace, NOW + wait_after(1))
    assert 0 < server.attempts(path) <= MOST_FOR_DAMAGE * HASTE.attempts
    (entry,) = listing_of(later).failures
    assert entry.runs == 2


def one_entry(workspace: Workspace, block: Block) -> Entry:
    (entry,) = read_ledger(ledger_path(workspace.staging, block.id)).entries.values()
    return entry


def test_an_asset_is_given_up_after_its_last_run_and_asked_for_no_more(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    scene_id, path = a_band(undisturbed, server)
    server.broken[path] = Fault.ERROR
    workspace, block = service(settings, HASTE), undisturbed.block
    offered = workspace.catalogue.scenes(block.pixels.bbox, SEASON.start, SEASON.end)
    scenes = [scene for scene in offered if scene.id == scene_id]
    cube, now = open_cube(workspace.cube, block), NOW
    for run in range(1, MOST_RUNS + 1):
        before = server.attempts(path)
        intake = take_in(workspace, block, cube, scenes, now, "ingest")
        assert (intake.n_read, intake.n_unread_remote) == (0, 1)
        assert server.attempts(path) == before + HASTE.attempts
        assert one_entry(workspace, block).attempts == run * HASTE.attempts
        now += wait_after(run)
    assert one_entry(workspace, block).state is State.GIVEN_UP
    server.forget()
    (row,) = take_in(workspace, block, cube, scenes, now + 10 * LONGEST_WAIT, "ingest").unread
    assert row.scene_id == scene_id
    assert "given up after" in row.reason
    assert server.asked == []


@pytest.mark.slow
def test_angles_that_cannot_be_had_are_in_the_ledger_and_keep_no_pixel_back(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    scene_id, band = a_band(undisturbed, server)
    path = f"{Path(band).parent}/MTD_TL.xml"
    server.broken[path] = Fault.MISSING
    workspace = service(settings, HASTE)
    receipt = ingest(workspace)
    assert differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series) == []
    assert scene_id in listing_of(receipt).scene_ids
    check_named(receipt, {scene_id})
    assert [entry.band for entry in listing_of(receipt).failures] == ["MTD_TL"]
    server.broken.clear()
    server.forget()
    soon = ingest(workspace, NOW + timedelta(minutes=9))
    assert scene_id in " ".join(soon.problems)
    assert server.asked == []
    later = ingest(workspace, NEXT_DAY)
    assert later.problems == ()
    assert [one.path for one in server.asked] == [path]
    (entry,) = listing_of(later).failures
    assert entry.state is State.RECOVERED


# --- the catalogue's own documents


def test_a_catalogue_whose_every_document_fails_twice_is_read_whole(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    server.first, server.kinds = 2, (Fault.BUSY, Fault.ERROR)
    patience = Patience(attempts=3, first_wait_s=0.01, longest_wait_s=0.02)
    workspace = service(settings, patience)
    documents = {one.path for one in server.asked}
    assert {server.attempts(path) for path in documents} == {3}
    server.first = 0
    offered = workspace.catalogue.scenes(undisturbed.block.pixels.bbox, SEASON.start, SEASON.end)
    assert sorted(scene.id for scene in offered) == list(undisturbed.series.scene_ids)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.ERROR, Fault.RESET, Fault.CUT])
def test_an_item_that_cannot_be_read_is_named_and_its_scene_comes_later(
    fault: Fault, server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    scene_id, band = a_band(undisturbed, server)
    path = f"{Path(band).parent}/{scene_id}.json"
    server.broken[path] = fault
    workspace = service(settings, HASTE)
    assert server.attempts(path) == HASTE.attempts
    receipt = ingest(workspace)
    assert differences(stored(workspace, undisturbed.block, SEASON), undisturbed.series) == [scene_id]
    (line,) = receipt.problems
    assert scene_id in line
    server.broken.clear()
    later = ingest(service(settings, HASTE), NEXT_DAY)
    assert (later.n_read, later.n_scenes, later.problems) == (1, 29, ())


def test_a_year_that_cannot_be_listed_is_named_and_refuses_its_season(
    server: FaultServer, settings: Path
) -> None:
    server.broken["sentinel-2-l2a/2024/catalog.json"] = Fault.ERROR
    receipt = ingest(service(settings, HASTE))
    assert "optical scenes" in receipt.refused
    assert any("2024/catalog.json" in line and "500" in line for line in receipt.problems)


def test_a_catalogue_without_a_root_says_so_in_one_line(server: FaultServer, settings: Path) -> None:
    server.broken["catalog.json"] = Fault.BUSY
    with pytest.raises(CatalogueError, match="429") as caught:
        service(settings, HASTE)
    assert "\n" not in str(caught.value)
    assert server.attempts("catalog.json") == HASTE.attempts


# --- killed

_CHILD = """
import sys
from datetime import datetime
from flows.ingesting.ingest import ingest_block
from flows.workspace import open_workspace
from monitoring.seasons import Season
workspace = open_workspace(sys.argv[1])
block = workspace.blocks[min(workspace.blocks)]
ingest_block(workspace, block, Season.parse(sys.argv[2]), datetime.fromisoformat(sys.argv[3]))
"""


def held(workspace: Workspace, block: Block) -> set[str]:
    cube = find_cube(workspace.cube, block)
    return {scene.id for scene in cube.held()} if cube else set()


def wait_until(is_so: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    latest = time.monotonic() + 120
    while not is_so():
        assert child.poll() is None
        assert time.monotonic() < latest
        time.sleep(0.02)


def kill_reading(server: FaultServer, settings: Path, n_asked: int, is_time: Callable[[], bool]) -> None:
    """Start a run, let the server fall silent once so many scenes were asked for, and kill it in time."""
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(settings), SEASON.id, NOW.isoformat()])
    try:
        wait_until(lambda: len(scenes_asked(list(server.asked))) >= n_asked, child)
        server.latency_s = 60.0
        wait_until(is_time, child)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    finally:
        child.kill()
        server.latency_s = 0.0


@pytest.mark.slow
@pytest.mark.parametrize(("n_asked", "has_committed"), [(3, False), (22, True)])
def test_a_run_that_was_killed_is_taken_up_where_it_stopped(
    n_asked: int, has_committed: bool, server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    workspace, block = as_new_process(open_workspace(str(settings))), undisturbed.block
    server.latency_s = 0.03
    kill_reading(server, settings, n_asked, lambda: held(workspace, block) != set() or not has_committed)
    before = held(workspace, block)
    assert bool(before) is has_committed
    assert len(before) < 29
    server.forget()
    receipt = ingest(workspace, NEXT_DAY)
    assert differences(stored(workspace, block, SEASON), undisturbed.series) == []
    assert (receipt.n_read, receipt.problems) == (29 - len(before), ())
    assert scenes_asked(server.asked) == set(undisturbed.series.scene_ids) - before


# --- which tiles


def test_no_tile_without_woodland_is_fetched_and_none_twice(
    server: FaultServer, settings: Path, archive: Path
) -> None:
    workspace = service(settings, PATIENCE)
    (block,) = workspace.blocks.values()
    server.forget()
    receipt = ingest(workspace)
    assert receipt.n_read == 29
    n_needed, n_tiles = 0, 0
    for path in rasters_asked(server.asked):
        needed = needed_tiles(archive / path, block.pixels)
        for tile in tiles_of(archive / path):
            reads = reads_of(server.asked, path, tile)
            assert reads == ([True] if (tile.row, tile.column) in needed else []), (path, tile)
            n_tiles += 1
        n_needed += len(needed)
    assert len(rasters_asked(server.asked)) == 19 * 11 + 10 * 2
    assert 0 < n_needed < 0.7 * n_tiles


@pytest.mark.slow
def test_an_item_that_cannot_be_read_again_is_not_withdrawn_and_freezes_nothing(
    server: FaultServer, settings: Path, undisturbed: Undisturbed
) -> None:
    ingest(service(settings, HASTE))
    scene_id, band = a_band(undisturbed, server)
    server.broken[f"{Path(band).parent}/{scene_id}.json"] = Fault.ERROR
    after_grace = SEASON.end + timedelta(days=45)
    for now in (NEXT_DAY, after_grace):
        receipt = ingest(service(settings, HASTE), now)
        assert scene_id in listing_of(receipt).scene_ids
        assert not listing_of(receipt).is_frozen
        assert scene_id in " ".join(receipt.problems)
    server.broken.clear()
    receipt = ingest(service(settings, HASTE), after_grace + timedelta(days=1))
    assert (receipt.n_scenes, receipt.problems) == (29, ())
    assert listing_of(receipt).is_frozen
