"""The warehouse as its keeper meets it, through the command line."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result
from typer.testing import CliRunner

from flows.cli import app
from flows.load import refuse_lost_warehouse
from flows.operating.contacts import add_contact
from flows.operating.rooms import in_words
from flows.workspace import open_workspace
from monitoring.errors import UnderwoodError, WarehouseError
from warehouse.content import content_digest
from warehouse.writer import open_writer

sys.path.append(str(Path(__file__).parents[1] / "warehouse"))  # the small world of the warehouse's own tests
import warehouse_world as world


class Keeper:
    """A published warehouse of two woodlands, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "underwood.toml"
        self.config.write_text('catalogue = "c.json"\nwoodlands = "w.gpkg"\nhome = "home"\n', "utf-8")
        self.workspace = open_workspace(str(self.config))
        self.warehouse, self.published = self.workspace.warehouse, self.workspace.published

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(self.config), *arguments])

    def done(self, *arguments: str) -> str:
        answer = self.run("warehouse", *arguments)
        assert answer.exit_code == 0, (answer.output, answer.exception)
        return answer.stdout

    def refused(self, *arguments: str) -> str:
        answer = self.run("warehouse", *arguments)
        assert isinstance(answer.exception, UnderwoodError), (answer.output, answer.exception)
        assert "\n" not in str(answer.exception)
        return str(answer.exception)

    def checked(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        answer = self.run("warehouse", "check", "--format", "json", *arguments)
        return answer.exit_code, {row["check"]: row for row in json.loads(answer.stdout)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What such a service keeps after a finished run."""
    home = tmp_path_factory.mktemp("finished") / "home"
    (home / "published").mkdir(parents=True)
    with open_writer(world.filled(home / "warehouse.duckdb"), now=world.NOW) as writer:
        writer.finish_run("run-1", "finished", now=world.NOW)
        writer.publish(home / "published" / "underwood.duckdb")
    return home


@pytest.fixture
def keeper(home: Path, tmp_path: Path) -> Keeper:
    shutil.copytree(home, tmp_path / "home")
    keeper = Keeper(tmp_path)
    assert keeper.warehouse.is_file()
    assert keeper.published.is_file()
    return keeper


@pytest.mark.parametrize("where", [(), ("--live",)])
def test_a_sound_warehouse_is_fine_line_by_line(keeper: Keeper, where: tuple[str, ...]) -> None:
    status, found = keeper.checked(*where)
    assert status == 0
    assert {row["outcome"] for row in found.values()} == {"fine"}
    assert {"keys", "references", "serving estimates", "gaps", "lease", "snapshot", "staging"} <= set(found)
    assert "fine" in keeper.done("check")


def test_damage_in_the_warehouse_shows_live_and_in_the_snapshot_once_published(keeper: Keeper) -> None:
    with duckdb.connect(str(keeper.warehouse)) as connection:
        connection.execute("delete from current_estimate where season = '2020-Q4'")
    assert keeper.checked()[0] == 0
    status, found = keeper.checked("--live")
    assert (status, found["serving estimates"]["outcome"]) == (1, "failed")
    assert found["serving estimates"]["remedy"] == "underwood warehouse rebuild-serving"
    assert "published" in keeper.done("rebuild-serving")
    assert keeper.checked("--live")[0] == 0


def test_a_snapshot_left_behind_fails_and_one_that_is_missing_too(keeper: Keeper) -> None:
    written = keeper.published.stat().st_mtime
    os.utime(keeper.warehouse, (written + 7200, written + 7200))
    assert keeper.checked()[0] == 0
    status, found = keeper.checked("--max-behind-hours", "1")
    assert (status, found["snapshot"]["outcome"]) == (1, "failed")
    assert "older than the warehouse" in found["snapshot"]["found"]
    keeper.published.unlink()
    assert keeper.checked()[0] == 1
    assert "published" in keeper.done("publish")
    assert keeper.checked()[0] == 0


def test_a_lost_warehouse_comes_back_from_its_backup(keeper: Keeper) -> None:
    before = content_digest(keeper.warehouse)
    assert "1 files" in keeper.done("backup", str(keeper.folder / "kept"))
    keeper.warehouse.unlink()
    with pytest.raises(WarehouseError, match="underwood warehouse restore"):
        refuse_lost_warehouse(keeper.warehouse, keeper.published)
    assert "restored" in keeper.done("restore", str(keeper.folder / "kept"))
    assert content_digest(keeper.warehouse) == content_digest(keeper.published) == before
    assert "--force keeps it aside" in keeper.refused("restore", str(keeper.folder / "kept"))
    assert "what was there lies in" in keeper.done("restore", str(keeper.folder / "kept"), "--force")


def test_a_spoiled_backup_is_one_line(keeper: Keeper) -> None:
    keeper.done("backup", str(keeper.folder / "kept"))
    assert "exists already" in keeper.refused("backup", str(keeper.folder / "kept"))
    (keeper.folder / "kept" / "warehouse.duckdb").write_bytes(b"")
    assert "0 bytes, not" in keeper.refused("restore", str(keeper.folder / "kept"), "--force")
    assert "not a whole backup" in keeper.refused("restore", str(keeper.folder))
    assert "backup: no cube" in keeper.refused("backup", str(keeper.folder / "other"), "--with-cube")


def test_people_are_in_a_backup_only_when_asked_for(keeper: Keeper) -> None:
    file = keeper.workspace.settings.home / "contacts.json"
    add_contact(file, "Hazel Wood", mail="hazel@vale.example")
    keeper.done("backup", str(keeper.folder / "without"))
    keeper.done("backup", str(keeper.folder / "with"), "--with-contacts")
    holds = {
        folder: any(
            b"azel" in each.read_bytes() for each in (keeper.folder / folder).rglob("*") if each.is_file()
        )
        for folder in ("without", "with")
    }
    assert holds == {"without": False, "with": True}
    file.unlink()
    keeper.done("restore", str(keeper.folder / "with"), "--force", "--with-contacts")
    assert "hazel@vale.example" in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_vacuum_says_first_and_does_then(keeper: Keeper) -> None:
    staged = keeper.workspace.staging / "2025-Q4" / "block-1-787da168e3dd971a.parquet"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"x" * 1234)
    listing = staged.with_name("block-1.scenes.json")
    listing.touch()
    assert "nothing to remove" in keeper.done("vacuum", "--dry-run")
    assert "would be freed: 1.2 kB" in keeper.done("vacuum", "--dry-run", "--staging-days", "0")
    assert staged.exists()
    assert "freed: 1.2 kB" in keeper.done("vacuum", "--staging-days", "0")
    assert not staged.exists()
    assert listing.exists()


def test_status_says_how_much_is_kept(keeper: Keeper) -> None:
    told = keeper.run("status").stdout
    assert "18 estimates" in told
    assert "2 woodlands" in told
    (whole,) = json.loads(keeper.run("status", "--format", "json").stdout)
    assert whole["kept"]["rows"]["estimate"] == 18
    rooms = {room["room"]: room for room in whole["kept"]["rooms"]}
    assert rooms["warehouse"]["bytes"] == keeper.warehouse.stat().st_size


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (2_600_000, "2.6 MB"), (7 * 10**15, "7000.0 TB")],
)
def test_a_size_in_words(size: int, words: str) -> None:
    assert in_words(size) == words
