"""How the service stands: seasons run, checks made, what is not final, not read or held back."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flows.ingesting.ledger import State
from monitoring.seasons import Season
from warehouse.reader import Reader, Record

#: Gates under which CSV, which has room for one table, tells what no gate holds back.
NOT_FINAL, UNREAD = "not final", "not read"
#: Why a season is never final, whatever was found for it.
PROVISIONAL = "provisional: it overlaps the calendar year that counts"


Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Standing:
    """What there is to tell of every season."""

    seasons: Rows
    not_final: Rows
    unread: Rows
    quarantine: Rows

    @property
    def as_row(self) -> dict[str, Rows]:
        """All of it, by name."""
        return {
            "seasons": self.seasons,
            "not_final": self.not_final,
            "unread": self.unread,
            "quarantine": self.quarantine,
        }

    @property
    def held_back(self) -> Rows:
        """What is in quarantine, not read or not final, each with season, gate, key and reasons."""
        return [
            *self.quarantine,
            *(
                {
                    "season": row["season"],
                    "gate": UNREAD,
                    "key": f"{row['scene_id']} {row['band']}",
                    "reasons": f"{row['state']} after {row['attempts']} attempts: {row['error']}",
                }
                for row in self.unread
            ),
            *(
                {"season": row["season"], "gate": NOT_FINAL, "key": row["block"], "reasons": row["why"]}
                for row in self.not_final
            ),
        ]


def standing_of(reader: Reader) -> Standing:
    """Return what there is to tell of every season."""
    return Standing(
        seasons=season_rows(reader),
        not_final=not_final_rows(reader),
        unread=unread_rows(reader),
        quarantine=quarantine_rows(reader),
    )


def season_rows(reader: Reader) -> Rows:
    """Return one row per season: its latest run, what it has, what it lacks, and whether it is final.

    `missing` is the share of the expected passes of all blocks that is missing, None where nobody knows how
    many to expect; `frozen` is None where no scenes are read; `unread` counts assets waiting or given up.
    """
    latest = {str(run["season"]): run for run in reader.runs()}
    estimates = Counter(row["season"] for row in reader.history())
    scenes = Counter(season for season, _ in {(row["season"], row["id"]) for row in reader.scenes()})
    failed = Counter(row["season"] for row in reader.quality() if not row["success"])
    held = Counter(row["season"] for row in quarantine_rows(reader))
    unread = Counter(row["season"] for row in unread_rows(reader))
    blocks = _blocks(reader)
    return [
        {
            "season": season,
            "status": run["status"],
            "finished_at": run["finished_at"],
            "scenes": scenes[season],
            "estimates": estimates[season],
            "final": Season.parse(season).is_final and all(row["is_complete"] for row in blocks[season]),
            "frozen": all(row["is_frozen"] for row in blocks[season]) if blocks[season] else None,
            "missing": _missing_share(blocks[season]),
            "unread": unread[season],
            "failed_checks": failed[season],
            "quarantined": held[season],
            "run_id": run["run_id"],
        }
        for season, run in sorted(latest.items())
    ]


def _blocks(reader: Reader) -> Mapping[str, list[Record]]:
    blocks: dict[str, list[Record]] = defaultdict(list)
    for row in reader.standing():
        blocks[str(row["season"])].append(row)
    return blocks


def _missing_share(blocks: Sequence[Record]) -> float | None:
    """Return the mean over blocks of what each misses, weighed by what each expects."""
    known = [row for row in blocks if math.isfinite(row["missing_share"]) and row["expected"] > 0]
    expected = sum(row["expected"] for row in known)
    return sum(row["missing_share"] * row["expected"] for row in known) / expected if known else None


def not_final_rows(reader: Reader) -> Rows:
    """Return why seasons are not final: one row per block under its floor, one per season that never is."""
    rows = [
        {"season": season, "block": None, "why": PROVISIONAL}
        for season in {str(run["season"]) for run in reader.runs()}
        if not Season.parse(season).is_final
    ]
    rows += [
        {
            "season": row["season"],
            "block": row["block_id"],
            "why": row["reason"] or "too many expected passes are missing",
        }
        for row in reader.standing()
        if not row["is_complete"]
    ]
    return sorted(rows, key=lambda row: (row["season"], row["block"] or ""))


def unread_rows(reader: Reader) -> Rows:
    """Return the assets that wait to be read again, and those given up."""
    columns = ("season", "block_id", "scene_id", "band", "state", "attempts", "last_failed_at", "error")
    rows = (row for row in reader.asset_failures() if row["state"] != State.RECOVERED)
    return [{column: row[column] for column in columns} for row in rows]


def quarantine_rows(reader: Reader) -> Rows:
    """Return what the gates hold back, without what has come through since.

    The table keeps every refusal for good; a scene whose assets were read at a later try, and a season of a
    woodland estimated since, are held back no more. Items the catalogue itself superseded are no trouble and
    left out.
    """
    columns = ("season", "gate", "key", "reasons")
    came_through = _recovered(reader), _estimated_at(reader)
    rows = (row for row in reader.quarantined() if row["gate"] != "catalogue")
    return [{column: row[column] for column in columns} for row in rows if not _is_over(row, *came_through)]


def _recovered(reader: Reader) -> frozenset[tuple[str, str]]:
    """Return (season, scene id) of scenes whose unread assets have all been read since."""
    states: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in reader.asset_failures():
        states[row["season"], row["scene_id"]].add(row["state"])
    return frozenset(scene for scene, found in states.items() if found == {State.RECOVERED})


def _estimated_at(reader: Reader) -> dict[tuple[str, str], datetime]:
    return {(row["season"], row["woodland_id"]): row["recorded_at"] for row in reader.history()}


def _is_over(
    row: Record,
    recovered: frozenset[tuple[str, str]],
    estimated_at: Mapping[tuple[str, str], datetime],
) -> bool:
    named = (row["season"], row["key"])
    if row["gate"] == "pixels":
        return named in recovered
    estimated = estimated_at.get(named)
    return row["gate"] == "estimates" and estimated is not None and estimated > row["recorded_at"]
