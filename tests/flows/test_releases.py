"""Releases of the inventory: the real one, a changed copy of it, and the woodlands' ids through both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import shapely
import typer
from click.testing import Result
from shapely.affinity import translate
from typer.testing import CliRunner

from flows import cli
from flows.commands import releases as commands
from flows.commands.findings import ancient_by_release
from flows.releases.files import read_release_file
from flows.releases.inventory import Inventory, in_force, open_inventory
from flows.releases.loading import Loaded, load_release, record_inventory
from flows.releases.recorded import Recorded, recorded_in
from monitoring.errors import BoundaryError, UnderwoodError, WarehouseError
from warehouse.reader import Reader, read
from warehouse.writer import open_writer

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LATER = datetime(2027, 2, 1, tzinfo=UTC)
NEW_YEAR = date(2027, 1, 1)
WriteSettings = Callable[..., Path]

#: Woodlands of the real inventory by THEMID, unique for these, and what the changed copy does to them.
MOVED = ("1502525", "1110622", "1110620")
SPLIT, GONE, REGRADED = "1502524", "1110476", "1110634"
MERGED = ("1502519", "1502520")
#: Ids in the changed copy: the outcome of the merge, the second part of the split, a new woodland.
WHOLE, PART, FRESH = "9000001", "9000002", "9000003"


@dataclass(frozen=True)
class Place:
    """A warehouse with its snapshot."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    @property
    def published(self) -> Path:
        return self.folder / "published" / "underwood.duckdb"

    def load(
        self, file: Path, name: str, valid_from: date | None = None, now: datetime = NOW, **more: Any
    ) -> Loaded | None:
        return load_release(
            file,
            name,
            valid_from,
            warehouse=self.warehouse,
            published=self.published,
            now=now,
            wait_s=0,
            **more,
        )

    def open(self, file: Path) -> Inventory:
        return open_inventory(file, self.published, self.warehouse)


def recorded(place: Place) -> Recorded:
    with read(place.published) as reader:
        return recorded_in(reader)


@pytest.fixture(scope="module")
def first(shared: Path) -> Path:
    """The Ancient Woodland Inventory around Swindon, as Natural England publishes it."""
    return shared / "data" / "woodland_polygons" / "Ancient_Woodland_swindon.geojson"


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A changed copy of it, in another order and another format."""
    frame = gpd.read_file(first).to_crs(27700)
    ids = frame["THEMID"].map(lambda value: f"{value:.0f}")
    for name in MOVED:
        frame.loc[ids == name, "geometry"] = frame.loc[ids == name, "geometry"].buffer(4)
    frame.loc[ids == REGRADED, "STATUS"] = "PAWS"
    halves = halved(frame.loc[ids == SPLIT, "geometry"].item())
    changed = [
        (SPLIT, "ASNW", halves[0]),  # one part goes by the id of the whole
        (PART, "ASNW", halves[1]),
        (WHOLE, "ASNW", frame.loc[ids.isin(MERGED), "geometry"].union_all()),
        (FRESH, "PAWS", shapely.box(433_000, 190_000, 433_200, 190_200)),
        (GONE, "ASNW", shapely.box(433_000, 191_000, 433_300, 191_200)),  # an id of another wood
    ]
    rows = {"THEMID": [float(name) for name, *_ in changed], "STATUS": [status for _, status, _ in changed]}
    added = gpd.GeoDataFrame(rows, geometry=[polygon for *_, polygon in changed], crs=27700)
    kept = frame[~ids.isin([SPLIT, GONE, *MERGED])]
    path = tmp_path_factory.mktemp("second") / "inventory_2027.gpkg"
    pd.concat([added, kept[::-1]]).to_crs(4326).to_file(path, driver="GPKG")
    return path


def halved(polygon: shapely.Polygon) -> list[shapely.Geometry]:
    """The west and the east half of a polygon, by its middle."""
    west, south, east, north = polygon.bounds
    middle = (west + east) / 2
    return [
        polygon.intersection(shapely.box(*box))
        for box in ((west, south, middle, north), (middle, south, east, north))
    ]


@pytest.fixture(scope="module")
def place(first: Path, second: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A warehouse with both releases."""
    made = Place(tmp_path_factory.mktemp("both"))
    made.load(first, "1")
    made.load(second, "2027", NEW_YEAR, LATER)
    return made


@pytest.fixture
def reader(place: Place) -> Iterator[Reader]:
    with read(place.published) as opened:
        yield opened


def lines_of(reader: Reader, release: str) -> list[dict[str, Any]]:
    return [row for row in reader.lineage() if row["release"] == release]


def test_the_real_inventory_is_the_first_release_though_its_ids_repeat(reader: Reader) -> None:
    rows = reader.releases()
    assert [(row["id"], row["source"], row["n_woodlands"], row["n_refused"]) for row in rows] == [
        ("1", "Ancient_Woodland_swindon.geojson", 251, 0),
        ("2027", "inventory_2027.gpkg", 252, 0),
    ]
    assert [row["valid_from"] for row in rows] == [None, NEW_YEAR]
    first = lines_of(reader, "1")
    assert len(first) == len({row["new_id"] for row in first}) == 251
    assert {(row["old_id"], row["kind"]) for row in first} == {("", "new")}
    assert sum(row["new_id"].startswith("g") for row in first) == 55  # 54 repeats of 14 ids, and one without


def test_the_classes_that_each_release_gave_can_be_asked_for(reader: Reader) -> None:
    classes = ancient_by_release(reader)
    assert [len(classes[name]) for name in ("1", "2027")] == [251, 252]
    assert all(classes["1"].values())
    assert set(classes["2027"]) - set(classes["1"]) >= {WHOLE, PART, FRESH}


def test_the_changed_copy_has_the_lineage_it_was_made_with(reader: Reader) -> None:
    lines = lines_of(reader, "2027")
    changed = {(row["old_id"], row["new_id"], row["kind"]) for row in lines if row["kind"] != "kept"}
    assert changed == {
        *((name, name, "moved") for name in MOVED),
        (SPLIT, f"{SPLIT}:2027", "split"),
        (SPLIT, PART, "split"),
        *((name, WHOLE, "merged") for name in MERGED),
        ("", FRESH, "new"),
        ("", f"{GONE}:2027", "new"),
        (GONE, "", "gone"),
    }
    kept = [row for row in lines if row["kind"] == "kept"]
    assert all(row["old_id"] == row["new_id"] for row in kept)
    assert len(kept) == 251 - len(MOVED) - len(MERGED) - len((SPLIT, GONE))
    assert {row["old_id"] for row in lines} == {row["new_id"] for row in lines_of(reader, "1")} | {""}


def test_the_shares_say_how_much_of_whom_is_where(reader: Reader) -> None:
    lines = lines_of(reader, "2027")
    parts = [row["share_of_old"] for row in lines if row["old_id"] == SPLIT]
    assert sum(parts) == pytest.approx(1, abs=1e-4)
    merged = [row for row in lines if row["new_id"] == WHOLE]
    assert [row["share_of_old"] for row in merged] == pytest.approx([1, 1], abs=1e-4)
    assert sum(row["share_of_new"] for row in merged) == pytest.approx(1, abs=1e-3)
    for row in lines:
        if row["kind"] == "moved":
            assert row["share_of_old"] == pytest.approx(1, abs=1e-4)
            assert 0.9 < row["share_of_new"] < 0.99


def test_a_moved_woodland_has_a_second_polygon_and_a_regraded_one_has_not(reader: Reader) -> None:
    moved = reader.tables.woodland_history(MOVED[0]).rows
    assert [(row["version"], row["release"], row["valid_from"], row["valid_to"]) for row in moved] == [
        (1, "1", None, NEW_YEAR),
        (2, "2027", NEW_YEAR, None),
    ]
    assert moved[0]["boundary"] != moved[1]["boundary"]
    assert moved[1]["area_ha"] > moved[0]["area_ha"]
    regraded = reader.tables.woodland_history(REGRADED).rows
    assert [row["status"] for row in regraded] == ["ASNW", "PAWS"]
    assert regraded[0]["boundary"] == regraded[1]["boundary"]
    versions = [row["version"] for row in reader.tables.woodland_history().rows]
    assert sorted(versions)[-5:] == [1, 2, 2, 2, 2]  # three moved, one regraded, nobody else


def test_old_ids_lead_to_the_woodlands_of_today(reader: Reader) -> None:
    def today(name: str) -> set[str]:
        return {row["current_id"] for row in reader.successors(name)}

    assert today(SPLIT) == {f"{SPLIT}:2027", PART}
    assert today(MERGED[0]) == today(MERGED[1]) == {WHOLE}
    assert today(MOVED[0]) == {MOVED[0]}
    assert today(GONE) == set()
    standing = {woodland.id for woodland in reader.woodland_values()}
    assert len(standing) == 252
    assert standing.isdisjoint({SPLIT, GONE, *MERGED})


def test_the_file_of_the_newest_release_gives_the_ids_and_polygons_on_record(
    place: Place, second: Path
) -> None:
    inventory = place.open(second)
    assert inventory.release == "2027"
    with read(place.published) as reader:
        on_record = {woodland.id: woodland for woodland in reader.woodland_values()}
    found = inventory.reading.woodlands
    assert {woodland.id: woodland for woodland in found} == on_record
    assert [woodland.id for woodland in found[:5]] == [f"{SPLIT}:2027", PART, WHOLE, FRESH, f"{GONE}:2027"]


def test_the_same_woodlands_in_another_file_are_the_same_release(
    place: Place, second: Path, tmp_path: Path
) -> None:
    frame = gpd.read_file(second)
    frame.to_parquet(tmp_path / "again.parquet")
    assert place.open(tmp_path / "again.parquet").release == "2027"


def test_a_season_stops_at_the_file_of_an_older_release_and_at_one_never_loaded(
    place: Place, first: Path, second: Path, tmp_path: Path
) -> None:
    with pytest.raises(BoundaryError, match=r"release '1', but release '2027' \(\S+\) was loaded since"):
        place.open(first)
    gpd.read_file(second)[1:].to_file(tmp_path / "other.gpkg", driver="GPKG")
    with pytest.raises(BoundaryError, match=r"underwood releases load \S+other.gpkg --name NAME$"):
        place.open(tmp_path / "other.gpkg")


def test_loading_the_same_release_again_adds_nothing(place: Place, second: Path) -> None:
    before = recorded(place)
    assert place.load(second, "2027", NEW_YEAR, LATER) is None
    assert recorded(place) == before


# --- small inventories: squares of 200 m (4 ha) on a line, 1 km apart, named by letters

BOX = shapely.box(-1.8, 51.6, -1.797, 51.6018)


def woods(path: Path, names: str, **status: str) -> Path:
    """A file in which each letter stands at its own place: A first, B east of it."""
    rows = {"wood_id": list(names), "status": [status.get(name, "ASNW") for name in names]}
    squares = [translate(BOX, (ord(name) - ord("A")) * 0.015) for name in names]
    gpd.GeoDataFrame(rows, geometry=squares, crs=4326).to_parquet(path)
    return path


@pytest.fixture(scope="module")
def first_loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a first release of A, B and C, and its file."""
    folder = tmp_path_factory.mktemp("first")
    Place(folder).load(woods(folder / "first.parquet", "ABC"), "1")
    return folder


@pytest.fixture
def small(first_loaded: Path, tmp_path: Path) -> Place:
    """A warehouse of one's own with that release; its file lies beside it."""
    shutil.copytree(first_loaded, tmp_path / "service")
    shutil.copy(first_loaded / "first.parquet", tmp_path)
    return Place(tmp_path / "service")


def changes(loaded: Loaded | None) -> list[tuple[str, str, str, str]]:
    assert loaded is not None
    return [(one.kind.value, one.old_id, one.new_id, one.note) for one in loaded.revision.changes]


def test_a_woodland_that_comes_back_gets_an_id_of_its_own(small: Place, tmp_path: Path) -> None:
    assert changes(small.load(woods(tmp_path / "second.parquet", "AB"), "2")) == [("gone", "C", "", "")]
    back = small.load(woods(tmp_path / "third.parquet", "ABC"), "3")
    assert changes(back) == [("new", "", "C:3", "id C was given before: this is another woodland")]


def test_what_a_file_says_otherwise_of_the_same_ground_is_a_version_of_the_woodland(
    small: Place, tmp_path: Path
) -> None:
    loaded = small.load(woods(tmp_path / "second.parquet", "ABC", B="PAWS"), "2")
    assert changes(loaded) == [("kept", "B", "B", "status ASNW -> PAWS")]
    renamed = gpd.read_parquet(tmp_path / "second.parquet").assign(wood_id=["A", "B", "Z"])
    renamed.to_parquet(tmp_path / "third.parquet")
    assert changes(small.load(tmp_path / "third.parquet", "3")) == [
        ("kept", "C", "C", "id in the file C -> Z")
    ]
    assert [wood.id for wood in small.open(tmp_path / "third.parquet").reading.woodlands] == ["A", "B", "C"]


def refused(small: Place, file: Path, name: str = "2", valid_from: date | None = None) -> str:
    """The line by which a release is refused, nothing being recorded."""
    before = recorded(small)
    with pytest.raises(UnderwoodError) as refusal:
        small.load(file, name, valid_from)
    assert recorded(small) == before
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


def test_what_cannot_be_a_release_is_refused_in_one_line_and_nothing_recorded(
    small: Place, tmp_path: Path
) -> None:
    second, first = woods(tmp_path / "second.parquet", "ABD"), tmp_path / "first.parquet"
    assert "on record already as release '1'" in refused(small, first)
    assert "release 1: on record from another first.parquet" in refused(small, second, "1")
    assert "release 'a b'" in refused(small, second, "a b")
    assert "3 of 3 woodlands would be gone" in refused(small, woods(tmp_path / "far.parquet", "XYZ"))
    assert "no usable woodland" in refused(small, woods(tmp_path / "none.parquet", ""))
    (tmp_path / "torn.parquet").write_bytes(second.read_bytes()[:900])
    assert "torn.parquet" in refused(small, tmp_path / "torn.parquet")
    small.load(second, "2", NEW_YEAR)
    assert "the one before it from 2027-01-01" in refused(
        small, woods(tmp_path / "e.parquet", "ABE"), "3", NEW_YEAR
    )


def test_a_release_that_leaves_no_woodland_is_loaded_when_it_is_meant(small: Place, tmp_path: Path) -> None:
    loaded = small.load(woods(tmp_path / "far.parquet", "XYZ"), "2", most_may_go=True)
    assert [kind for kind, *_ in changes(loaded)] == ["new"] * 3 + ["gone"] * 3


def test_the_first_season_records_its_file_as_the_first_release(small: Place, tmp_path: Path) -> None:
    fresh = Place(tmp_path / "fresh")
    fresh.folder.mkdir()
    file = tmp_path / "first.parquet"
    with open_writer(fresh.warehouse, now=NOW) as writer:
        assert record_inventory(writer, fresh.open(file), NOW) == 1 + 3 + 3  # release, versions, lineage
        assert (
            record_inventory(writer, in_force(read_release_file(file), recorded_in(writer.reader)), NOW) == 0
        )
        assert recorded_in(writer.reader) == recorded(small)


def test_woodlands_may_be_added_to_the_first_file_and_to_no_later_one(small: Place, tmp_path: Path) -> None:
    more = woods(tmp_path / "more.parquet", "ABCD")
    with open_writer(small.warehouse, now=NOW) as writer:
        assert record_inventory(writer, small.open(more), NOW) == 1
        writer.publish(small.published)
    assert [wood.id for wood in small.open(more).reading.woodlands] == ["A", "B", "C", "D"]
    small.load(woods(tmp_path / "second.parquet", "ABCE"), "2")
    with pytest.raises(BoundaryError, match="releases load"):
        small.open(woods(tmp_path / "third.parquet", "ABCEF"))


def test_a_season_that_began_before_a_release_was_loaded_does_not_end_after_it(
    small: Place, tmp_path: Path
) -> None:
    begun = small.open(tmp_path / "first.parquet")
    small.load(woods(tmp_path / "second.parquet", "ABD"), "2")
    with (
        open_writer(small.warehouse, now=NOW) as writer,
        pytest.raises(BoundaryError, match="'2' was loaded meanwhile"),
    ):
        record_inventory(writer, begun, NOW)


def test_a_damaged_snapshot_leaves_the_warehouse_to_be_asked(small: Place, tmp_path: Path) -> None:
    second = woods(tmp_path / "second.parquet", "ABD")
    small.load(second, "2")
    small.published.write_bytes(b"not a database")
    assert small.open(second).release == "2"


# --- commands


@dataclass(frozen=True)
class Service:
    config: Path

    def run(self, *arguments: object) -> Result:
        app = typer.Typer()
        app.callback()(cli.session)
        commands.add_commands(app)
        return CliRunner().invoke(app, ["--config", str(self.config), *map(str, arguments)])

    def rows(self, *arguments: object) -> Any:
        result = self.run(*arguments, "--format", "json")
        assert result.exit_code == 0, result.output + repr(result.exception)
        return json.loads(result.stdout)


@pytest.fixture
def service(small: Place, tmp_path: Path, write_settings: WriteSettings) -> Service:
    return Service(write_settings(tmp_path, tmp_path, woodlands=tmp_path / "first.parquet"))


def test_a_dry_run_shows_what_loading_would_do_and_records_nothing(service: Service, tmp_path: Path) -> None:
    second = woods(tmp_path / "second.parquet", "ABD", A="PAWS")
    load = ("releases", "load", second, "--name", "2027", "--valid-from", "2027-01-01")
    tried = service.rows(*load, "--dry-run")
    assert [(row["kind"], row["old_id"], row["new_id"]) for row in tried] == [
        ("new", "", "D"), ("kept", "A", "A"), ("gone", "C", ""),
    ]  # fmt: skip
    assert (tried[1]["status_before"], tried[1]["status_after"]) == ("ASNW", "PAWS")
    assert [row["id"] for row in service.rows("releases", "list")] == ["1"]
    assert service.rows(*load) == tried
    assert service.rows(*load) == []  # the same again
    assert [row["id"] for row in service.rows("releases", "list")] == ["1", "2027"]


def test_after_a_load_the_next_steps_are_told(service: Service, tmp_path: Path) -> None:
    second = woods(tmp_path / "second.parquet", "ABD")
    said = service.run("releases", "load", second, "--name", "2027").output
    assert f'set woodlands = "{second}"' in said
    assert "of another status" in said


def test_the_lineage_of_an_id_tells_what_became_of_it(service: Service, tmp_path: Path) -> None:
    service.run("releases", "load", woods(tmp_path / "second.parquet", "ABD"), "--name", "2")
    (gone,) = service.rows("lineage", "C")
    assert (gone["present"], gone["versions"][0]["ended_by"]) == ([], "gone")
    (kept,) = service.rows("lineage", "A")
    assert [row["current_id"] for row in kept["present"]] == ["A"]
    assert "no woodland stands on its ground" in service.run("lineage", "C").output
    unknown = service.run("lineage", "Q")
    assert isinstance(unknown.exception, WarehouseError)


def test_a_day_is_written_as_a_day(service: Service, tmp_path: Path) -> None:
    told = service.run("releases", "load", tmp_path / "first.parquet", "--name", "1", "--valid-from", "soon")
    assert "YYYY-MM-DD" in str(told.exception)
