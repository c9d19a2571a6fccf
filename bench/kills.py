"""What survives kill -9 at random moments of load, publish and migrate, and what readers see meanwhile.

    python bench/kills.py --kills 200 --seed 1

Each process says what it is about to do; it is killed a random while after that. Of every ten kills three are
aimed at a load, three at a publish, two at the migration of an old warehouse, one at bringing histories into
order, one at opening after the kill before. Then readers in processes of their own ask the snapshot while a
writer loads, supersedes and publishes 30 times. Stops at the first row that is lost or half there; see
`kill_drill.py` and `reader_drill.py` in `tests/warehouse` for what is looked at.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "warehouse"))

import kill_drill
import reader_drill

_LOADS = 30


def main() -> None:
    """Run the drill and print what was done."""
    asked = argparse.ArgumentParser(description="kill -9 at random moments of load, publish and migrate")
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--readers", type=int, default=8)
    choices = asked.parse_args()
    if choices.kills:
        kill(choices.kills, choices.seed)
    if choices.readers:
        watch(choices.readers)


def kill(n_kills: int, seed: int) -> None:
    """Kill, and print what was done."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tally = kill_drill.run_drill(Path(folder), kill_drill.aims(n_kills, seed), seed, progress)
    print(f"\n{sum(tally.kills.values())} kills, seed {seed}")
    for what, n_times in tally.kills.most_common():
        print(f"  {n_times:4} right after it said: {what}")
    print(
        f"{tally.loads_committed} loads of {tally.rows_committed:,} rows committed by the killed; none lost"
    )
    print(f"{tally.migrations} migrations completed by the next run")
    print(f"{tally.killed_again} killed again before anybody looked")
    print(f"{tally.checks} warehouses and snapshots looked through: whole seasons only, no draft left")
    print(f"{time.monotonic() - began:.0f} s")


def watch(n_readers: int) -> None:
    """Let readers ask while a writer works, and print what they saw."""
    hows = ["anew"] * (n_readers - 1) + ["kept"]
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        saw = reader_drill.watched(Path(folder), _LOADS, *hows)
    print(f"{n_readers} readers, one with its snapshot kept open, through {_LOADS} loads and publishes")
    print(f"{sum(each['questions'] for each in saw)} questions: whole seasons only, never back, no error")
    print(f"slowest of each: {', '.join(format(each['slowest_s'], '.3f') for each in saw)} s")
    print(f"{time.monotonic() - began:.0f} s")


def progress(done: int, tally: kill_drill.Tally) -> None:
    """One line that counts."""
    if sys.stderr.isatty() or done % 20 == 0:
        print(f"\r{done} kills, {tally.checks} looked through", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
