"""Quality: what went into the final seasons, and what was kept out of them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean

from flows.operating.standing import quarantine_rows
from monitoring.scenes import Sensor
from monitoring.seasons import Season
from reports.observed import (
    GateLine,
    ObservationsOfYear,
    Quality,
    QuarantinedLine,
    ScenesOfYear,
    SeasonSeen,
    UnderFloorLine,
    UnreadLine,
)
from warehouse.reader import Reader, Record


def quality_of(reader: Reader, season: Season, park: str) -> Quality:
    """Return what went into the final seasons up to one, and what was kept out of them."""
    finals = sorted(
        {r["season"] for r in reader.history(park=park or None) if r["is_final"] and r["season"] <= season.id}
    )
    standings = [
        row
        for row in reader.standing(park=park or None)
        if row["season"] <= season.id and Season.parse(row["season"]).is_final
    ]
    return Quality(
        scenes=tuple(_scenes_of(reader, each) for each in finals),
        observations=tuple(
            _observations_of(reader.history(season=each, park=park or None)) for each in finals
        ),
        quarantined=tuple(
            QuarantinedLine(row["key"], row["season"], row["gate"], row["reasons"])
            for row in quarantine_rows(reader)
            if row["season"] in finals
        ),
        gates=_gates(reader, finals),
        seen=_seen(reader, standings, park),
        under_floor=tuple(_under_floor(row) for row in standings if not row["is_complete"]),
        unread=tuple(
            UnreadLine(r["scene_id"], r["band"], r["season"], r["attempts"], r["error"], r["state"])
            for r in reader.asset_failures(park=park or None)
            if r["season"] <= season.id and Season.parse(r["season"]).is_final
        ),
    )


def _seen(reader: Reader, standings: Sequence[Record], park: str) -> tuple[SeasonSeen, ...]:
    """Return the missing share by sensor of each season, and how its blocks stand."""
    shares = {(r["season"], r["sensor"]): r["missing_share"] for r in reader.missing(park=park or None)}
    blocks: dict[str, list[Record]] = defaultdict(list)
    for row in standings:
        blocks[row["season"]].append(row)
    return tuple(
        SeasonSeen(
            season=season,
            **{sensor.value: shares.get((season, sensor.value), math.nan) for sensor in Sensor},
            n_blocks=len(rows),
            n_under_floor=sum(not row["is_complete"] for row in rows),
            n_frozen=sum(row["is_frozen"] for row in rows),
        )
        for season, rows in sorted(blocks.items())
    )


def _under_floor(row: Record) -> UnderFloorLine:
    names = ("block_id", "season", "found", "expected", "missing_share", "reason")
    return UnderFloorLine(*(row[name] for name in names))


def _scenes_of(reader: Reader, season_id: str) -> ScenesOfYear:
    sensors = Counter(
        sensor for sensor, _ in {(r["sensor"], r["id"]) for r in reader.scenes(season=season_id)}
    )
    counts = (sensors[sensor.value] for sensor in Sensor)
    return ScenesOfYear(Season.parse(season_id).year, *counts)


def _observations_of(rows: Sequence[Record]) -> ObservationsOfYear:
    means = (_known_mean(rows, name) for name in ("n_s2", "n_s1_ascending", "n_s1_descending"))
    return ObservationsOfYear(Season.parse(rows[0]["season"]).year, *means)


def _known_mean(rows: Sequence[Record], name: str) -> float:
    """Return the mean of a column over the rows that state it; NaN where none does."""
    known = [row[name] for row in rows if not math.isnan(row[name])]
    return fmean(known) if known else math.nan


def _gates(reader: Reader, seasons: Iterable[str]) -> tuple[GateLine, ...]:
    """Return each gate with its expectations passed and failed, and what was left out before it."""
    wanted = frozenset(seasons)
    counts: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in reader.quality():
        if row["season"] in wanted:
            counts[row["gate"]][bool(row["success"])] += 1
    older = len(
        {r["key"] for r in reader.quarantined() if r["gate"] == "catalogue" and r["season"] in wanted}
    )
    notes = {"scenes": f"{older} items were left out before the gate: superseded or unfit" if older else ""}
    return tuple(GateLine(gate, n[True], n[False], notes.get(gate, "")) for gate, n in sorted(counts.items()))
