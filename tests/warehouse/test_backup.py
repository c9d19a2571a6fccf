"""Backups as an operator makes, spoils and restores them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, estimate, filled, load

from monitoring.errors import LeaseHeldError, MigrationError, WarehouseError
from warehouse.content import content_digest
from warehouse.lease import lease
from warehouse.operations.backup import back_up, read_manifest, restore
from warehouse.publish import lease_path
from warehouse.writer import open_writer


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return filled(tmp_path / "home" / "warehouse.duckdb")


@pytest.fixture
def backup(warehouse: Path, tmp_path: Path) -> Path:
    back_up(warehouse, tmp_path / "backup", parts={}, now=NOW)
    return tmp_path / "backup"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith((".lease", ".lease.alive"))}


def test_a_backup_restored_elsewhere_holds_the_same(warehouse: Path, backup: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "warehouse.duckdb"
    done = restore(backup, elsewhere, parts={}, now=NOW)
    assert done.replaced == ()
    assert content_digest(elsewhere) == content_digest(warehouse)
    assert names(elsewhere.parent) == {"warehouse.duckdb"}


def test_a_restore_keeps_what_it_replaces_aside(warehouse: Path, backup: Path, tmp_path: Path) -> None:
    before = content_digest(warehouse)
    with open_writer(warehouse, now=NOW) as writer:
        load(writer, tmp_path, [estimate("a", "2016-Q4")])
    grown = content_digest(warehouse)
    with pytest.raises(WarehouseError, match="exists; --force keeps it aside"):
        restore(backup, warehouse, parts={}, now=NOW)
    assert content_digest(warehouse) == grown
    done = restore(backup, warehouse, parts={}, now=NOW, force=True)
    assert content_digest(warehouse) == before
    (aside,) = done.replaced
    assert aside.name == "warehouse.duckdb.replaced-20260115T030000"
    assert content_digest(aside) == grown


def test_what_a_killed_writer_had_committed_is_in_the_backup(warehouse: Path, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{warehouse}' as w")
        connection.execute("insert into w.park values ('Downs', timestamp '2026-01-15')")
        shutil.copy(warehouse, tmp_path / "killed.duckdb")
        shutil.copy(f"{warehouse}.wal", tmp_path / "killed.duckdb.wal")
    back_up(tmp_path / "killed.duckdb", tmp_path / "backup", parts={}, now=NOW)
    restore(tmp_path / "backup", tmp_path / "again.duckdb", parts={}, now=NOW)
    with duckdb.connect(str(tmp_path / "again.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from park where name = 'Downs'").fetchone() == (1,)


def truncate(backup: Path) -> None:
    path = backup / "warehouse.duckdb"
    path.write_bytes(path.read_bytes()[:-4096])


def flip(backup: Path) -> None:
    path = backup / "warehouse.duckdb"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose(backup: Path) -> None:
    (backup / "warehouse.duckdb").unlink()


def link(backup: Path) -> None:
    (backup / "warehouse.duckdb").rename(backup.parent / "other.duckdb")
    (backup / "warehouse.duckdb").symlink_to(backup.parent / "other.duckdb")


def half_manifest(backup: Path) -> None:
    path = backup / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])


def no_manifest(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def other_rows(backup: Path) -> None:
    path = backup / "manifest.json"
    told = json.loads(path.read_text())
    told["rows"]["estimate"] += 1
    path.write_text(json.dumps(told))


def outside(backup: Path) -> None:
    path = backup / "manifest.json"
    told = json.loads(path.read_text())
    told["files"]["../../etc/passwd"] = {"bytes": 1, "sha256": "0"}
    path.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [(truncate, "bytes, not"), (flip, "changed since"), (lose, "No such file"), (link, "is a link"),
     (half_manifest, "is damaged"), (no_manifest, "not a whole backup"), (other_rows, "other rows"),
     (outside, "no place in a backup")],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_a_spoiled_backup_is_refused_and_replaces_nothing(
    warehouse: Path, backup: Path, spoil: Callable[[Path], None], line: str
) -> None:
    before = warehouse.read_bytes()
    spoil(backup)
    with pytest.raises(WarehouseError, match=line) as refused:
        restore(backup, warehouse, parts={}, now=NOW, force=True)
    assert "\n" not in str(refused.value)
    assert warehouse.read_bytes() == before
    assert names(warehouse.parent) == {"warehouse.duckdb"}


def test_a_backup_of_a_newer_version_is_refused(warehouse: Path, tmp_path: Path) -> None:
    newer = shutil.copy(warehouse, tmp_path / "newer.duckdb")
    with duckdb.connect(str(newer)) as connection:
        connection.execute("insert into schema_migration values (999, 'x', 'y', timestamp '2026-01-15')")
    with pytest.raises(MigrationError, match="is newer than"):
        back_up(Path(newer), tmp_path / "backup", parts={}, now=NOW)
    assert not (tmp_path / "backup").exists()


def test_a_damaged_warehouse_makes_no_backup(warehouse: Path, tmp_path: Path) -> None:
    content = bytearray(warehouse.read_bytes())
    for place in range(3 * len(content) // 4, len(content), 512):
        content[place] ^= 255
    warehouse.write_bytes(content)
    with pytest.raises(WarehouseError) as refused:
        back_up(warehouse, tmp_path / "backup", parts={}, now=NOW)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "backup").exists()
    assert not list(tmp_path.glob(".backup*"))


def test_nothing_is_copied_while_somebody_writes_nor_over_a_folder(warehouse: Path, tmp_path: Path) -> None:
    with lease(lease_path(warehouse)), pytest.raises(LeaseHeldError):
        back_up(warehouse, tmp_path / "backup", parts={}, now=NOW)
    (tmp_path / "backup").mkdir()
    with pytest.raises(WarehouseError, match="exists already"):
        back_up(warehouse, tmp_path / "backup", parts={}, now=NOW)
    with pytest.raises(WarehouseError, match="no such file"):
        back_up(tmp_path / "none.duckdb", tmp_path / "other", parts={}, now=NOW)


def test_cube_and_heads_go_along_when_asked_for(warehouse: Path, tmp_path: Path) -> None:
    heads = warehouse.parent / "heads"
    (heads / "richness").mkdir(parents=True)
    (heads / "richness" / "card.json").write_text("{}")
    back_up(warehouse, tmp_path / "backup", parts={"heads": heads}, now=NOW)
    assert set(read_manifest(tmp_path / "backup").files) == {"warehouse.duckdb", "heads/richness/card.json"}
    (heads / "richness" / "card.json").write_text("changed")
    done = restore(tmp_path / "backup", warehouse, parts={"heads": heads}, now=NOW, force=True)
    assert (heads / "richness" / "card.json").read_text() == "{}"
    assert (done.replaced[0] / "richness" / "card.json").read_text() == "changed"
    with pytest.raises(WarehouseError, match="has no cube"):
        restore(tmp_path / "backup", warehouse, parts={"cube": heads}, now=NOW, force=True)
