"""Times the whole line on the simulated archive: archive, training, backfill twice, report.

    python bench/line.py [FOLDER] [--every-quarter]

Each step is the command a user would type, in a process of its own. Printed are wall and processor seconds
and the largest resident memory of the process tree. FOLDER (default: a temporary one) must be empty or new.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.demo import FIRST, LAST, SETTINGS


@dataclass(frozen=True)
class Timing:
    what: str
    wall_s: float
    cpu_s: float
    peak_mib: float
    said: str


def timed(what: str, folder: Path, *arguments: str) -> Timing:
    """Run one command and watch its process tree until it ends."""
    began = time.monotonic()
    command = [sys.executable, "-m", "flows.cli", *arguments]
    running = psutil.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak, cpu = 0.0, 0.0
    while running.poll() is None:
        tree = members(running)
        peak = max(peak, sum(memory for memory, _ in tree))
        cpu = max(cpu, sum(seconds for _, seconds in tree))
        time.sleep(0.1)
    said = running.stdout.read() if running.stdout else ""
    if running.returncode not in (0, 1):
        sys.exit(f"{what}: exit {running.returncode}\n{said}")
    return Timing(what, time.monotonic() - began, cpu, peak / 2**20, said)


def members(process: psutil.Process) -> list[tuple[int, float]]:
    """Return (resident bytes, processor seconds) of every live process of a tree."""
    found = []
    try:
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            spent = times.user + times.system + times.children_user + times.children_system
            found.append((each.memory_info().rss, spent))
    except psutil.NoSuchProcess:
        pass
    return found


def rows_of(timing: Timing) -> str:
    """Return what a backfill says it did."""
    rows = json.loads(timing.said)
    read, added = sum(row["scenes_read"] for row in rows), sum(row["rows_added"] for row in rows)
    return f"{len(rows)} seasons, {read} scene reads, {added} rows added"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Time the whole line on the simulated archive.")
    parser.add_argument("folder", nargs="?", type=Path, help="empty or new; default: a temporary one")
    parser.add_argument("--every-quarter", action="store_true", help="also the seasons that are not final")
    return parser.parse_args()


def main() -> None:
    asked = parse()
    folder = (asked.folder or Path(tempfile.mkdtemp(prefix="underwood-line-"))).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "underwood.toml").write_text(SETTINGS, "utf-8")
    seasons = ("--from", FIRST, "--to", LAST, "--format", "json")
    if not asked.every_quarter:
        seasons = (*seasons, "--final-only")
    timings = [
        timed("archive make", folder, "archive", "make", "archive"),
        timed("train", folder, "train"),
        (first := timed("backfill", folder, "backfill", *seasons)),
        (again := timed("backfill again", folder, "backfill", *seasons)),
        timed("report", folder, "report", "--season", LAST, "--out", "report.pdf", "--at", "2026-02-15"),
    ]
    print(f"{'step':<16}{'wall s':>9}{'cpu s':>9}{'peak MiB':>10}")
    for each in timings:
        print(f"{each.what:<16}{each.wall_s:>9.1f}{each.cpu_s:>9.1f}{each.peak_mib:>10.0f}")
    print(f"backfill:       {rows_of(first)}\nbackfill again: {rows_of(again)}\nin {folder}")


if __name__ == "__main__":
    main()
