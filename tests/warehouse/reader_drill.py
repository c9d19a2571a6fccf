"""Readers in processes of their own, while a writer loads, supersedes and publishes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import whole_seasons

from warehouse.reader import read
from warehouse.writer import open_writer

HERE = Path(__file__).parent


@contextmanager
def readers(published: Path, *hows: str) -> Iterator[list[dict[str, Any]]]:
    """Let processes ask a snapshot while the body runs; what each saw is in the list afterwards."""
    children, saw = [_reader(published, how) for how in hows], []
    try:
        for child in children:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
        yield saw
        saw.extend(json.loads(child.communicate("\n", timeout=60)[0]) for child in children)
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _reader(published: Path, how: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(HERE / "read_until_told.py"), str(published), how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def load_and_publish(folder: Path, published: Path, first: int, last: int) -> None:
    """Load and publish one season after the other, each under a lease of its own."""
    for number in range(first, last + 1):
        with open_writer(folder / "warehouse.duckdb", now=whole_seasons.BEGIN) as writer:
            whole_seasons.prepare(writer)
            whole_seasons.load(writer, whole_seasons.stage(folder, number), number)
            writer.cluster(after=3)
            writer.publish(published)


def watched(folder: Path, n_loads: int, *hows: str) -> list[dict[str, Any]]:
    """What readers saw while a writer went from load 2 to the last."""
    published = folder / "published.duckdb"
    load_and_publish(folder, published, 1, 1)
    with readers(published, *hows) as saw:
        load_and_publish(folder, published, 2, n_loads)
    with read(published) as reader:
        assert whole_seasons.check_whole(reader.connection) == n_loads
    return saw
