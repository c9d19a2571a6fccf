"""Exports: a version is there whole or not at all, wherever it goes, and says where it came from."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pystac
import pytest
import typer
from typer.testing import CliRunner

from flows import cli
from flows.commands import exporting
from flows.progress import watching
from flows.sinks.parquet import Exported, export_snapshot, latest_version
from flows.sinks.places import Place, open_place, shown_place
from monitoring.errors import UnderwoodError, WarehouseError
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[2] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world

HERE = Path(__file__).parent
#: Days after the first snapshot that the second, third and fourth were recorded on.
DAYS = (0, 30, 60, 90)
#: Views enough to be in the midst of: the first, one between and the last.
FEW = ("site_history", "trends", "scenes")


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four snapshots of one warehouse, the last season of woodland a one taxon lower in each."""
    folder = tmp_path_factory.mktemp("snapshots")
    found = []
    for number, days in enumerate(DAYS):
        now = world.NOW + timedelta(days=days)
        with open_writer(folder / "warehouse.duckdb", now=now) as writer:
            if not number:
                world.prepare(writer)
                world.load(writer, folder, world.history())
                scenes = [world.scene(1), _with_secret(world.scene(2))]
                writer.load_scenes("block-1", "2025-Q4", scenes, now=now)
            row = world.estimate("a", "2025-Q4", 84.0 - number, inputs_hash=f"inputs-{number + 1}")
            world.load(writer, folder, [row], now)
            found.append(writer.publish(folder / f"published-{number}.duckdb"))
    return found


def _with_secret(scene: Any) -> Any:
    """A scene whose address somebody recorded with a signature, against the rule."""
    import dataclasses

    href = "https://user:word@example.org/scenes/2/B02.tif?sig=secret"
    return dataclasses.replace(scene, hrefs=tuple((band, href) for band in scene.sensor.bands))


@pytest.fixture(params=["disk", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path / "out")
        return
    yield "memory://exports/out"
    fsspec.filesystem("memory").store.clear()
    fsspec.filesystem("memory").pseudo_dirs[:] = [""]


@pytest.fixture
def out(address: str) -> Place:
    return open_place(address)


def newest_mean(place: Place, address: str) -> float:
    """What a reader who follows `latest.json` finds of woodland a in its last season."""
    folder = f"{address}/{latest_version(place)}/site_history/target=richness/park=Vale/part-0.parquet"
    frame = pd.read_parquet(folder)
    return float(frame.query("woodland_id == 'a' and season == '2025-Q4'")["mean"].iloc[0])


def content(address: str) -> dict[str, bytes]:
    """Every file at an address."""
    files, root = fsspec.core.url_to_fs(address)
    return {path.removeprefix(root): files.cat_file(path) for path in files.find(root)}


def test_an_export_can_be_read_where_it_is_said_to_lie(
    snapshots: list[Path], out: Place, address: str
) -> None:
    done = export_snapshot(snapshots[0], out)
    assert (done.is_new, done.removed) == (True, ())
    assert newest_mean(out, address) == 84.0
    files = content(address)
    manifest = json.loads(files[f"/{done.version}/manifest.json"])
    for view in manifest["views"].values():
        for file in view["files"]:
            assert hashlib.sha256(files[f"/{done.version}/{file['path']}"]).hexdigest() == file["sha256"]
    assert len(files) == len(done.files) + 4


def test_the_manifest_says_which_snapshot_it_was(snapshots: list[Path], out: Place, address: str) -> None:
    done = export_snapshot(snapshots[0], out, ["park_summary"])
    manifest = json.loads(content(address)[f"/{done.version}/manifest.json"])
    assert manifest["snapshot"]["sha256"] == hashlib.sha256(snapshots[0].read_bytes()).hexdigest()
    assert manifest["snapshot"]["recorded_until"] == "2026-01-15T03:00:00.000000Z"
    assert list(manifest["views"]) == ["park_summary"]
    assert manifest["attribution"].startswith("Contains modified Copernicus Sentinel data 2017-2025")


def test_the_same_snapshot_is_not_written_twice(snapshots: list[Path], out: Place, address: str) -> None:
    first = export_snapshot(snapshots[0], out)
    before = content(address)
    again = export_snapshot(snapshots[0], out)
    assert (again.version, again.is_new, again.files) == (first.version, False, first.files)
    assert content(address) == before


def test_two_addresses_get_the_same_bytes(snapshots: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_snapshot(snapshots[0], open_place(str(tmp_path / name)))
    assert content(str(tmp_path / "one")) == content(str(tmp_path / "two"))


def test_the_former_version_stays_and_older_ones_go(snapshots: list[Path], out: Place, address: str) -> None:
    done = [export_snapshot(snapshot, out, FEW) for snapshot in snapshots[:3]]
    assert [each.removed for each in done] == [(), (), (done[0].version,)]
    assert out.folders() == [done[1].version, done[2].version]
    assert newest_mean(out, address) == 82.0
    collection = json.loads(content(address)["/collection.json"])
    items = [link["title"] for link in collection["links"] if link["rel"] == "item"]
    assert items == [done[2].version, done[1].version]


def test_going_back_to_an_earlier_snapshot_is_an_export_like_any_other(
    snapshots: list[Path], out: Place, address: str
) -> None:
    for snapshot in (snapshots[0], snapshots[1], snapshots[0]):
        export_snapshot(snapshot, out, FEW)
    assert newest_mean(out, address) == 84.0
    assert len(out.folders()) == 2


class StopError(Exception):
    """What a test interrupts an export with."""


def stop_at(view: str) -> Any:
    def watch(label: str, done: int, total: int) -> None:
        if label == f"export {view}":
            raise StopError

    return watching(watch)


@pytest.mark.parametrize("view", FEW)
def test_an_export_that_fails_half_way_leaves_the_former_version_as_it_was(
    snapshots: list[Path], out: Place, address: str, view: str
) -> None:
    former = export_snapshot(snapshots[0], out, FEW)
    before = content(address)
    with pytest.raises(StopError), stop_at(view):
        export_snapshot(snapshots[1], out, FEW)
    after = content(address)
    assert {path: after[path] for path in before} == before
    assert latest_version(out) == former.version
    assert newest_mean(out, address) == 84.0
    export_snapshot(snapshots[2], out, FEW)
    assert newest_mean(out, address) == 82.0
    assert len(out.folders()) == 2


def test_an_export_killed_half_way_leaves_the_former_version_as_it_was(
    snapshots: list[Path], tmp_path: Path
) -> None:
    address = str(tmp_path / "out")
    export_snapshot(snapshots[0], open_place(address))
    before = content(address)
    killed = subprocess.run(
        [sys.executable, str(HERE / "export_until_killed.py"), str(snapshots[1]), address, "park_summary"],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    after = content(address)
    assert len(after) > len(before)
    assert {path: after[path] for path in before} == before
    assert newest_mean(open_place(address), address) == 84.0
    export_snapshot(snapshots[1], open_place(address))
    assert newest_mean(open_place(address), address) == 83.0


def test_an_export_overtaken_by_another_gives_way(snapshots: list[Path], out: Place, address: str) -> None:
    export_snapshot(snapshots[0], out, FEW)
    quicker: list[Exported] = []

    def watch(label: str, done: int, total: int) -> None:
        if label == "export scenes" and not quicker:
            quicker.append(Exported("", "", False, (), ()))
            quicker.append(export_snapshot(snapshots[2], open_place(address), FEW))

    with pytest.raises(WarehouseError, match="another export finished meanwhile"), watching(watch):
        export_snapshot(snapshots[1], out, FEW)
    assert latest_version(out) == quicker[1].version
    assert newest_mean(out, address) == 82.0
    assert len(out.folders()) == 2


def test_a_damaged_version_is_made_whole_again(snapshots: list[Path], out: Place, address: str) -> None:
    done = export_snapshot(snapshots[0], out, FEW)
    before = content(address)
    out.write(f"{done.version}/trends.parquet", b"half")
    again = export_snapshot(snapshots[0], out, FEW)
    assert again.is_new
    assert content(address) == before


@pytest.mark.parametrize(
    "text", [b"{}", b"[1]", b'{"format": "underwood-parquet-1", "versions": ["../.."]}', b"\xff"]
)
def test_a_latest_of_somebody_else_is_not_written_over(
    snapshots: list[Path], out: Place, address: str, text: bytes
) -> None:
    out.write("latest.json", text)
    with pytest.raises(WarehouseError, match=r"latest\.json: not of an export of ours"):
        export_snapshot(snapshots[0], out)
    assert list(content(address).values()) == [text]


def test_what_else_lies_at_the_address_stays(snapshots: list[Path], out: Place, address: str) -> None:
    out.write("mine/letter.txt", b"dear")
    for snapshot in snapshots[:3]:
        export_snapshot(snapshot, out, FEW)
    assert content(address)["/mine/letter.txt"] == b"dear"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("", "empty or unprintable"),
        ("a\nb", "empty or unprintable"),
        ("plough://bucket/key", r"plough://bucket/key: cannot be used: Protocol not known"),
        ("s3://name:word@bucket/key?token=x", r"^s3://bucket/key: cannot be used: Install s3fs"),
        ("memory://", "names no folder"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_line_without_its_secrets(address: str, said: str) -> None:
    with pytest.raises(WarehouseError, match=said) as refused:
        open_place(address)
    assert "\n" not in str(refused.value)
    assert "word" not in str(refused.value)


def test_an_address_is_shown_without_its_secrets() -> None:
    assert shown_place("s3://key:word@bucket/path?x=1#y") == "s3://bucket/path"
    assert shown_place("memory://a/b") == "memory://a/b"
    assert shown_place("/tmp/a?b") == "/tmp/a?b"


def test_a_folder_that_cannot_be_written_is_one_line(snapshots: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WarehouseError, match=r"file/out.*: cannot be used: Not a directory"):
        export_snapshot(snapshots[0], open_place(str(tmp_path / "file" / "out")))


def item_of(done: Exported, address: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content(address)[f"/{done.version}/item.json"])
    return found


def test_an_item_says_what_its_files_are(snapshots: list[Path], out: Place, address: str) -> None:
    done = export_snapshot(snapshots[0], out)
    item = item_of(done, address)
    files = content(address)
    for name, asset in item["assets"].items():
        whole = files[f"/{done.version}/{asset['href'].removeprefix('./')}"]
        assert asset["file:size"] == len(whole), name
        assert asset["file:checksum"] == "1220" + hashlib.sha256(whole).hexdigest()
    history = item["assets"]["site_history/target=richness/park=Vale"]
    assert history["table:row_count"] == 18
    assert history["table:primary_geometry"] == "geometry"
    assert {"name": "mean", "type": "double"}.items() <= history["table:columns"][9].items()
    assert all(column["description"] for column in history["table:columns"])


def test_an_item_says_what_it_was_made_of_without_secrets(
    snapshots: list[Path], out: Place, address: str
) -> None:
    item = item_of(export_snapshot(snapshots[0], out), address)
    derived = [link for link in item["links"] if link["rel"] == "derived_from"]
    assert [link["title"] for link in derived] == ["s2-0001", "s2-0002"]
    assert derived[1]["href"] == "https://example.org/scenes/2/B02.tif"
    properties = item["properties"]
    assert properties["processing:software"] == {"underwood": "0.1.0"}
    assert properties["processing:datetime"] == "2026-01-15T03:00:00.000000Z"
    assert "from 2 scenes; encoder encoder-1, head head-1" in properties["processing:lineage"]
    assert properties["processing:expression"]["format"] == "sql"
    assert properties["proj:code"] == "EPSG:4326"
    for text in content(address).values():
        assert b"secret" not in text


def test_the_catalogue_can_be_walked_from_its_collection(snapshots: list[Path], tmp_path: Path) -> None:
    done = [export_snapshot(snapshot, open_place(str(tmp_path / "out"))) for snapshot in snapshots[:2]]
    collection = pystac.Collection.from_file(str(tmp_path / "out" / "collection.json"))
    items = list(collection.get_items())
    assert [item.id for item in items] == [done[1].version, done[0].version]
    for item in items:
        assert item.get_parent() is collection
        assert set(item.stac_extensions) >= {
            f"https://stac-extensions.github.io/{name}/schema.json"
            for name in ("file/v2.1.0", "processing/v1.2.0", "projection/v2.0.0", "table/v1.2.0")
        }
        for asset in item.get_assets().values():
            assert Path(asset.get_absolute_href() or "").is_file()
        assert item.bbox == [-1.8, 51.6, -1.7945, 51.601]
        start, end = item.common_metadata.start_datetime, item.common_metadata.end_datetime
        assert (str(start), str(end)) == ("2017-01-01 00:00:00+00:00", "2026-01-01 00:00:00+00:00")


@pytest.fixture
def config(snapshots: list[Path], tmp_path: Path) -> Path:
    """A service whose snapshot is published."""
    path = tmp_path / "underwood.toml"
    path.write_text('catalogue = "catalog.json"\nwoodlands = "woods.gpkg"\nhome = "service"\n')
    published = tmp_path / "service" / "published" / "underwood.duckdb"
    published.parent.mkdir(parents=True)
    published.write_bytes(snapshots[0].read_bytes())
    return path


def run(config: Path, *arguments: object) -> Any:
    app = typer.Typer()
    app.callback()(cli.session)
    exporting.add_commands(app)
    return CliRunner().invoke(app, ["--config", str(config), "export", *map(str, arguments)])


def test_the_command_lists_what_it_wrote(config: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(config, out, "--views", "trends,park_summary", "--views", "releases", "--format", "json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["view"], row["rows"]) for row in rows] == [
        ("park_summary", 18),
        ("releases", 1),
        ("trends", 0),
    ]
    assert "written at" in done.stderr
    again = run(config, out, "--views", "trends,park_summary,releases")
    assert "lay there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--views", "plough"), "view plough: not handed out"),
        (("--views", "trends; drop table estimate"), "not handed out"),
        (("--keep", 0), "--keep 0: at least 1"),
    ],
)
def test_the_command_refuses_in_one_line(
    config: Path, tmp_path: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = run(config, tmp_path / "out", *arguments)
    assert isinstance(done.exception, UnderwoodError)
    assert said in str(done.exception)
    assert not (tmp_path / "out").exists()
