from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from warehouse_world import NOW, filled

from monitoring.errors import LeaseLostError, WarehouseError
from warehouse.database import connect, refusals, transaction
from warehouse.publish import copy_snapshot, lease_path, publish, write_lease
from warehouse.snapshots import (
    Snapshot,
    SnapshotPolicy,
    advised,
    current_snapshot,
    earlier_snapshots,
    remove_by_policy,
    snapshot_at,
    snapshots,
)

DAY = timedelta(days=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return filled(tmp_path / "warehouse.duckdb")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published" / "underwood.duckdb"


def publish_day(path: Path, published: Path, day: int, **choices: SnapshotPolicy) -> Path:
    """Add the park of a day, and publish the warehouse that day."""
    with write_lease(path) as held, connect(path, read_only=False, held=held) as connection:
        with transaction(connection, "park", held):
            insert = "insert into park (name, recorded_at) values ($name, now())"
            connection.execute(insert, {"name": f"park of day {day}"})
        return copy_snapshot(connection, published, held=held, now=NOW + day * DAY, **choices)


def parks(path: Path) -> set[str]:
    with connect(path, read_only=True) as connection:
        return {name for (name,) in connection.execute("select name from park").fetchall()} - {"Vale"}


def at(year: int, day: int) -> Snapshot:
    """A snapshot of a day in a year, by that name alone."""
    return Snapshot(Path(f"{year}-{day}"), datetime(year, 1, 1, tzinfo=UTC) + day * DAY, 1, 1)


def test_a_snapshot_says_what_it_is(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    found = current_snapshot(published)
    assert found is not None
    assert (found.published_at, found.token, found.size_bytes) == (NOW, 1, published.stat().st_size)
    assert found.seasons == tuple(f"{year}-Q4" for year in range(2017, 2026))
    assert (found.schema >= 8, found.is_readable, found.damage) == (True, True, "")


def test_the_snapshot_of_a_day_is_what_a_report_of_that_day_saw(path: Path, published: Path) -> None:
    for day in range(4):
        publish_day(path, published, day)
    assert parks(snapshot_at(published, NOW + 1.5 * DAY).path) == {"park of day 0", "park of day 1"}
    assert snapshot_at(published, NOW + 30 * DAY).path == published
    with pytest.raises(WarehouseError, match=r"none kept is of 2026-01-14.*the oldest is of 2026-01-15"):
        snapshot_at(published, NOW - DAY)


def test_earlier_snapshots_are_named_by_moment_and_token_and_no_second_copy(
    path: Path, published: Path
) -> None:
    publish_day(path, published, 0)
    inode = published.stat().st_ino
    publish_day(path, published, 1)
    (earlier,) = earlier_snapshots(published)
    assert earlier.path == published.parent / "earlier" / "underwood-20260115T030000Z-1.duckdb"
    assert earlier.path.stat().st_ino == inode
    assert (earlier.damage, earlier.token) == ("", 1)
    assert [each.token for each in snapshots(published)] == [2, 1]


def test_publishing_what_is_published_already_changes_no_file(path: Path, published: Path) -> None:
    publish(path, published)
    before = {file: file.stat().st_mtime_ns for file in published.parent.rglob("*")}
    publish(path, published)
    assert {file: file.stat().st_mtime_ns for file in published.parent.rglob("*")} == before


def test_the_newest_are_kept_and_the_last_of_each_year() -> None:
    earlier = [at(year, day) for year in (2024, 2025, 2026) for day in (1, 2, 3)]
    names = [each.path.name for each in SnapshotPolicy(newest=2).to_remove(earlier)]
    assert names == ["2024-1", "2024-2", "2025-1", "2025-2", "2026-1"]
    assert len(SnapshotPolicy(newest=2, yearly=False).to_remove(earlier)) == 7
    assert SnapshotPolicy(newest=9).to_remove(earlier) == ()
    with pytest.raises(WarehouseError, match="-1 of the newest"):
        SnapshotPolicy(newest=-1)


def test_every_publish_removes_what_the_policy_does_not_keep(path: Path, published: Path) -> None:
    for day in range(5):
        publish_day(path, published, day, policy=SnapshotPolicy(newest=2))
    assert [each.token for each in earlier_snapshots(published)] == [4, 3]
    assert len(list((published.parent / "earlier").iterdir())) == 4
    removed = remove_by_policy(published, SnapshotPolicy(newest=0, yearly=False))
    assert [each.token for each in removed] == [3, 4]
    assert list((published.parent / "earlier").iterdir()) == []
    assert parks(published) == {f"park of day {day}" for day in range(5)}


def test_files_that_are_no_snapshots_are_neither_listed_nor_removed(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    strangers = [published.parent / "earlier" / name for name in ("notes.txt", "underwood-1-1.duckdb")]
    strangers[0].parent.mkdir()
    for stranger in strangers:
        stranger.write_text("kept by a person")
    publish_day(path, published, 1, policy=SnapshotPolicy(newest=0, yearly=False))
    assert earlier_snapshots(published) == ()
    assert all(stranger.exists() for stranger in strangers)


def test_a_snapshot_whose_paper_is_lost_or_of_another_file_is_told_by_its_name(
    path: Path, published: Path
) -> None:
    for day in range(3):
        publish_day(path, published, day)
    newer, older = earlier_snapshots(published)
    older.path.with_suffix(".json").unlink()
    newer.path.with_suffix(".json").write_bytes(published.with_suffix(".json").read_bytes())
    assert [(each.token, each.published_at, each.sha256) for each in earlier_snapshots(published)] == [
        (2, NOW + DAY, ""),
        (1, NOW, ""),
    ]
    published.with_suffix(".json").write_text("[]")
    assert current_snapshot(published) is not None
    publish_day(path, published, 3)
    assert len(earlier_snapshots(published)) == 3


def test_what_a_killed_publish_left_is_removed_by_the_next(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    publish_day(path, published, 1)
    left = [
        published.with_name(".underwood.duckdb.999.draft"),
        published.with_name(".underwood.duckdb.999.draft.wal"),
        published.with_name(".underwood.json.999.draft"),
        published.parent / "earlier" / ".underwood-20260115T030000Z-1.duckdb.999.draft",
        published.parent / "earlier" / ".underwood-20260115T030000Z-1.json.999.draft",
    ]
    for draft in left:
        draft.write_text("half")
    publish(path, published)
    assert [draft for draft in left if draft.exists()] == []


@pytest.mark.slow
def test_a_publish_killed_at_any_moment_leaves_a_whole_snapshot(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    script = (
        "import sys; from pathlib import Path; from test_snapshots import publish_day\n"
        "print('ready', flush=True)\n"
        "for day in range(1, 1000): publish_day(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) + day)"
    )
    for number in range(12):
        command = [sys.executable, "-c", script, str(path), str(published), str(1000 * number)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.3 + number * 0.037)
        child.kill()
        child.communicate()
        assert parks(published) >= {"park of day 0"}
        assert all(not each.damage for each in snapshots(published))
    publish(path, published)
    assert len(parks(published)) > 1
    assert parks(published) == parks(path)
    assert list(published.parent.rglob(".*")) == []


def test_a_publish_by_a_former_holder_is_refused(path: Path, published: Path) -> None:
    with write_lease(path) as held, connect(path, read_only=False, held=held) as connection:
        record = lease_path(path)
        record.write_text(json.dumps(json.loads(record.read_bytes()) | {"token": 2}))
        with pytest.raises(LeaseLostError, match="token 1 is lost"):
            copy_snapshot(connection, published, held=held)
    assert not published.exists()
    assert list(published.parent.glob(".*")) == []


def test_after_the_lease_file_was_lost_tokens_go_on_from_the_published_one(
    path: Path, published: Path
) -> None:
    for day in range(3):
        publish_day(path, published, day)
    for file in path.parent.glob("*.lease*"):
        file.unlink()
    publish_day(path, published, 3)
    assert [each.token for each in snapshots(published)] == [4, 3, 2, 1]


def damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    """A file cut short, emptied, replaced by a stranger, and with bytes flipped from front to end."""
    yield "empty", b""
    yield "stranger", b"a letter to the forester\n" * 1000
    yield "half", content[: len(content) // 2]
    yield "short", content[:-1000]
    for number in range(12):
        flipped, place = bytearray(content), number * len(content) // 12
        for offset in range(0, 3000, 7):
            flipped[min(place + offset, len(flipped) - 1)] ^= 0x55
        yield f"flipped at {place}", bytes(flipped)


def read_all(path: Path) -> None:
    with advised(path), connect(path, read_only=True) as connection, refusals(f"warehouse {path}"):
        for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall():
            connection.table(name).fetchall()


def test_a_damaged_snapshot_is_one_line_that_says_what_to_do(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    publish_day(path, published, 1)
    (earlier,) = earlier_snapshots(published)
    content = published.read_bytes()
    for what, damaged in damages(content):
        published.write_bytes(damaged)
        found = current_snapshot(published)
        assert found is not None
        assert found.damage or not found.is_readable or not found.sha256, what
        try:
            read_all(published)
        except WarehouseError as refusal:
            said = str(refusal)
            assert "\n" not in said, what
            assert f"publish again (underwood warehouse publish); until then read {earlier.path}" in said, (
                what
            )
        else:
            assert what.startswith("flipped"), what


def test_a_damaged_snapshot_is_replaced_by_publishing_again_and_not_kept(path: Path, published: Path) -> None:
    publish_day(path, published, 0)
    content = bytearray(published.read_bytes())
    for place in random.Random(7).sample(range(20_000, len(content)), 2000):
        content[place] ^= 1
    published.write_bytes(content)
    publish(path, published)
    found = current_snapshot(published)
    assert found is not None
    assert found.damage == ""


def test_a_file_that_is_being_written_is_not_called_damaged(path: Path) -> None:
    child = hold(path.parent)
    try:
        with pytest.raises(WarehouseError, match="lock on file") as refusal:
            read_all(path)
        assert "publish again" not in str(refusal.value)
    finally:
        child.kill()
        child.communicate()


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that writes to folder/warehouse.duckdb without end."""
    command = [sys.executable, str(Path(__file__).with_name("hold_writer.py")), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_what_is_wrong_with_a_question_is_no_damage_of_the_file(path: Path, published: Path) -> None:
    with pytest.raises(WarehouseError) as refusal, advised(published):
        raise WarehouseError("woodland w: not recorded")
    assert str(refusal.value) == "woodland w: not recorded"
    assert snapshots(published) == ()
    assert current_snapshot(published) is None
