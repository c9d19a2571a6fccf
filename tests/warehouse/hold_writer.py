"""Child process: opens a warehouse for writing, writes without end and keeps the lease until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from warehouse_world import NOW, estimate, load, prepare

from warehouse.writer import open_writer

folder = Path(sys.argv[1])
with open_writer(folder / "warehouse.duckdb", now=NOW) as writer:
    prepare(writer)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    number = 0
    while True:
        number += 1
        load(writer, folder, [estimate("a", inputs_hash=f"inputs-{number}")])
