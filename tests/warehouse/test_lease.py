from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from warehouse_world import NOW, filled

from monitoring.errors import LeaseHeldError, WarehouseError
from warehouse.lease import lease
from warehouse.publish import publish
from warehouse.reader import read
from warehouse.writer import open_writer

HERE = Path(__file__).parent


def hold(folder: Path) -> subprocess.Popen[str]:
    """Start a process that writes to folder/warehouse.duckdb without end."""
    command = [sys.executable, str(HERE / "hold_writer.py"), str(folder)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    with (
        open_writer(path, now=NOW),
        pytest.raises(LeaseHeldError, match=f"held by process {os.getpid()} on "),
        open_writer(path, now=NOW),
    ):
        pass


def test_a_waiting_writer_gives_up_after_its_time(tmp_path: Path) -> None:
    began = time.monotonic()
    with (
        lease(tmp_path / "lease"),
        pytest.raises(LeaseHeldError, match=r"waited 0\.2 s"),
        lease(tmp_path / "lease", wait_s=0.2),
    ):
        pass
    assert time.monotonic() - began >= 0.2


def test_the_lease_is_free_after_an_error_inside(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lease(tmp_path / "lease"):
        raise KeyError
    with lease(tmp_path / "lease"):
        pass


def test_a_lease_in_no_folder_at_all_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WarehouseError, match="File exists"), lease(tmp_path / "file" / "lease"):
        pass


def test_the_snapshot_reads_while_another_writes_whose_death_frees_the_lease(
    tmp_path: Path,
) -> None:
    path, published = tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"
    publish(filled(path), published)
    child = hold(tmp_path)
    try:
        with pytest.raises(LeaseHeldError, match=f"process {child.pid} "), open_writer(path, now=NOW):
            pass
        with pytest.raises(LeaseHeldError):
            publish(path, published)
        with pytest.raises(WarehouseError, match="lock"), read(path):
            pass
        with read(published) as reader:
            assert len(reader.history("a", "richness")) == 9
        with duckdb.connect(str(published), read_only=True) as client:
            assert client.execute("select count(*) from site_history").fetchone() == (18,)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    with open_writer(path, now=NOW) as writer:
        assert writer.finish_run("run-1", "finished", now=NOW) == 1
