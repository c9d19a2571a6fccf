"""Child process: asks the published snapshot until a line comes in, and says what it saw as JSON.

    python read_until_told.py PUBLISHED anew|kept

`anew` opens the snapshot for every question, as clients do; `kept` opens it once. Anything but whole seasons,
or a snapshot older than the one before, ends it with an error.
"""

from __future__ import annotations

import contextlib
import json
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import whole_seasons

from warehouse.reader import read

#: Between two questions, so that the writer gets its turn where there are few cores.
_PAUSE_S = 0.2


@contextmanager
def questions(published: Path, how: str) -> Iterator[Callable[[], int]]:
    """What asks the snapshot: each time anew, or the one that is opened now."""
    with contextlib.ExitStack() as stack:
        if how == "kept":
            connection = stack.enter_context(read(published)).connection
            yield lambda: whole_seasons.check_shown(connection)
        else:
            yield lambda: ask_anew(published)


def ask_anew(published: Path) -> int:
    """Open the snapshot, ask and close it."""
    with read(published) as reader:
        return whole_seasons.check_shown(reader.connection)


def ask_on(ask: Callable[[], int]) -> dict[str, object]:
    """Ask until a line comes in; return how often, how long at most, and the loads seen."""
    seen: list[int] = []
    took_s: list[float] = []
    while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
        began = time.monotonic()
        seen.append(ask())
        took_s.append(time.monotonic() - began)
    assert seen == sorted(seen), f"went back: {seen}"
    return {"questions": len(seen), "slowest_s": max(took_s), "loads": sorted(set(seen))}


if __name__ == "__main__":
    with questions(Path(sys.argv[1]), sys.argv[2]) as ask:
        ask()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdout.write(json.dumps(ask_on(ask)) + "\n")
