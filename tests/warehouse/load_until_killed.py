"""Child process: fills a warehouse season by season, publishing after each, and says so."""

from __future__ import annotations

import sys
from pathlib import Path

from warehouse_world import NOW, WOODLANDS, alert_row, assessment, estimate, load, prepare, scene, trend_row

from warehouse.writer import open_writer


def say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def load_all(folder: Path, n_years: int) -> None:
    """Load, assess and publish one calendar year after the other."""
    for year in range(2017, 2017 + n_years):
        load_year(folder, year)
        say(year)


def load_year(folder: Path, year: int) -> None:
    season, judged = f"{year}-Q4", assessment(f"{year}-Q4", f"series-{year}")
    with open_writer(folder / "warehouse.duckdb", now=NOW) as writer:
        prepare(writer)
        writer.load_scenes("block-1", season, [scene(number) for number in range(20)], now=NOW)
        load(writer, folder, [estimate(woodland.id, season, year - 1917.0) for woodland in WOODLANDS])
        writer.load_trends([trend_row("a", judged), trend_row("b", judged)], now=NOW)
        writer.load_alerts([alert_row("a", judged)], now=NOW)
        writer.publish(folder / "published.duckdb")


if __name__ == "__main__":
    say("ready")
    load_all(Path(sys.argv[1]), int(sys.argv[2]))
