"""How the service stands: seasons run, checks made, rows held back."""

from __future__ import annotations

from collections import Counter
from typing import Any

from warehouse.reader import Reader


def season_rows(reader: Reader) -> list[dict[str, Any]]:
    """Return one row per season: its latest run, estimates, scenes and failed checks."""
    latest = {str(run["season"]): run for run in reader.runs()}
    estimates = Counter(row["season"] for row in reader.history())
    scenes = Counter(season for season, _ in {(row["season"], row["id"]) for row in reader.scenes()})
    failed = Counter(row["season"] for row in reader.quality() if not row["success"])
    held = Counter(row["season"] for row in reader.quarantined() if row["gate"] != "catalogue")
    return [
        {
            "season": season,
            "status": run["status"],
            "finished_at": run["finished_at"],
            "scenes": scenes[season],
            "estimates": estimates[season],
            "failed_checks": failed[season],
            "quarantined": held[season],
            "run_id": run["run_id"],
        }
        for season, run in sorted(latest.items())
    ]


def quarantine_rows(reader: Reader) -> list[dict[str, Any]]:
    """Return what the gates hold back; items the catalogue itself superseded are no trouble and left out."""
    columns = ("season", "gate", "key", "reasons")
    rows = (row for row in reader.quarantined() if row["gate"] != "catalogue")
    return [{column: row[column] for column in columns} for row in rows]
