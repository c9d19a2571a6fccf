"""What an installation keeps on disk, for `status`: sizes, rows, and when it was refreshed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.errors import WarehouseError
from warehouse.operations.rooms import counts_of, size_of
from warehouse.snapshots import earlier_snapshots

if TYPE_CHECKING:
    from flows.workspace import Workspace

#: Tables whose rows a person asks for, with the word for them.
MAIN_TABLES = {
    "woodland": "woodlands",
    "estimate": "estimates",
    "trend": "trends",
    "alert": "alerts",
    "alert_event": "alert events",
    "scene": "scenes",
    "run": "runs",
}


_UNITS = ("kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Room:
    """One of the places an installation keeps things in."""

    room: str
    bytes: int
    files: int
    holds: str
    """In words: rows, free blocks."""


@dataclass(frozen=True)
class House:
    """All of them, and the rows of every table."""

    rooms: tuple[Room, ...]
    rows: Mapping[str, int]
    schedule: str
    """When the service is to run, as cron and time zone, where it is deployed."""

    @property
    def as_row(self) -> dict[str, object]:
        """All of it, by name."""
        return {
            "rooms": [dataclasses.asdict(room) for room in self.rooms],
            "rows": dict(self.rows),
            "schedule": self.schedule,
        }


def house_of(workspace: Workspace) -> House:
    """Return what lies under the home; rows and free blocks are those of the published snapshot."""
    holds, rows = _content(workspace.published)
    schedule = workspace.settings.schedule
    return House(tuple(_rooms(workspace, holds)), rows, f"{schedule.cron} {schedule.timezone}")


def _rooms(workspace: Workspace, holds: str) -> Iterator[Room]:
    earlier = [each.path for each in earlier_snapshots(workspace.published)]
    yield Room("warehouse", *size_of(workspace.warehouse), holds)
    yield Room("snapshot", *size_of(workspace.published), "")
    yield Room("earlier snapshots", *_size_of_all(earlier), "")
    yield Room("staging", *size_of(workspace.staging), "")
    yield Room("cube", *size_of(workspace.cube), "")
    yield Room("heads", *size_of(workspace.heads), "")
    yield Room("replaced", *_size_of_all(_replaced(workspace)), "kept aside by restores: yours to remove")


def _content(published: Path) -> tuple[str, Mapping[str, int]]:
    try:
        blocks, rows = counts_of(published)
    except WarehouseError as error:
        return str(error), {}
    told = [f"{rows[table]:,} {word}" for table, word in MAIN_TABLES.items() if rows.get(table)]
    free = f"{100 * blocks.free_share:.0f} % free blocks"
    return ", ".join([*told, free]), rows


def _replaced(workspace: Workspace) -> list[Path]:
    home = workspace.settings.kept_in
    return sorted(home.glob("*.replaced-*")) if home.is_dir() else []


def _size_of_all(paths: list[Path]) -> tuple[int, int]:
    sizes = [size_of(path) for path in paths]
    return sum(size for size, _ in sizes), sum(n for _, n in sizes)


def in_words(n_bytes: int) -> str:
    """Return a size for a person, such as `2.6 MB`; decimal prefixes."""
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    power = min((len(str(n_bytes)) - 1) // 3, len(_UNITS))
    return f"{n_bytes / 1000**power:.1f} {_UNITS[power - 1]}"
