from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest
from warehouse_world import NOW, empty, filled

from monitoring.errors import LeaseHeldError, LeaseLostError, WarehouseError
from warehouse.database import connect, transaction
from warehouse.lease import lease
from warehouse.publish import lease_path, publish, write_lease
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
    path = empty(tmp_path / "warehouse.duckdb")
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


def parks(path: Path) -> set[str]:
    """Names of the parks in a warehouse, read from the file as it lies on disk."""
    with duckdb.connect(str(path), read_only=True) as client:
        return {name for (name,) in client.execute("select name from park").fetchall()}


def stop_writer(path: Path, *words: str) -> subprocess.Popen[str]:
    """Start a process that adds parks under a lease of 0.4 s, with lines to and from it."""
    command = [sys.executable, str(HERE / "stop_writer.py"), str(path), "0.4", *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> str:
    """Let a process go on, and return what it says to its end."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    return child.stdout.read()


def record_of(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_bytes())
    return content


def rewrite(path: Path, **changed: object) -> None:
    """Change what the record of a lease says."""
    path.write_text(json.dumps(record_of(path) | changed))


def leave_behind(path: Path, ttl_s: float, **changed: object) -> None:
    """Leave the record of a holder on another machine that died without a word."""
    with lease(path, ttl_s=ttl_s):
        record = record_of(path)
    path.write_text(json.dumps(record | {"host": "elsewhere", "kernel": "another boot"} | changed))


def test_every_holder_has_a_higher_token_than_all_before(tmp_path: Path) -> None:
    path, tokens = tmp_path / "lease", []
    for _ in range(4):
        with lease(path) as held:
            tokens.append(held.token)
    assert tokens == [1, 2, 3, 4]


def test_a_lease_file_that_is_damaged_or_emptied_is_free_and_the_tokens_go_on(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    for content, token in (
        (b"", 2),
        (b"\xff\x00 not json", 3),
        (b'{"token": 99999999999999999999999, "ttl_s": 1e309}', 4),
        (b"process 12 on an earlier version", 5),
    ):
        with lease(path) as held:
            assert held.token == token - 1
        path.write_bytes(content)
    with lease(path) as held:
        assert held.token == 5


def test_a_holder_whose_lease_file_is_overwritten_or_removed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path) as held:
        held.refuse_lost()
        path.write_text("a letter to the forester")
        with pytest.raises(LeaseLostError, match="token 1 is lost, the lease file was lost or damaged"):
            held.refuse_lost()
        path.unlink()
        with pytest.raises(LeaseLostError), held.fenced():
            pass


def test_a_lease_is_renewed_for_as_long_as_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path, ttl_s=0.3) as held:
        with pytest.raises(LeaseHeldError), lease(path, wait_s=1.0):
            pass
        held.refuse_lost()
        assert record_of(path)["renewals"] >= 3


def test_a_lease_that_could_not_be_renewed_in_its_time_has_run_out(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path, ttl_s=0.2) as held:
        with path.open() as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            time.sleep(0.5)
        with pytest.raises(LeaseLostError, match=r"token 1 ran out, not renewed for 0\.\d s of 0\.2 s"):
            held.refuse_lost()


def test_what_is_done_within_the_fence_may_take_longer_than_the_lease_stands(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path, ttl_s=0.2) as held:
        with held.fenced():
            time.sleep(0.5)
        held.refuse_lost()


def test_a_holder_that_died_on_this_machine_is_followed_at_once(tmp_path: Path) -> None:
    path = empty(tmp_path / "warehouse.duckdb")
    child = hold(tmp_path)
    child.kill()
    child.communicate()
    began = time.monotonic()
    with open_writer(path, now=NOW):
        assert time.monotonic() - began < 5


def test_a_holder_that_died_elsewhere_is_followed_once_its_time_has_run_out(tmp_path: Path) -> None:
    path, began = tmp_path / "lease", time.monotonic()
    leave_behind(path, ttl_s=0.5, expires_at="2999-01-01T00:00:00+00:00")
    with pytest.raises(LeaseHeldError, match=r"held by process .* on elsewhere; waited 0 s"), lease(path):
        pass
    with lease(path, wait_s=5.0) as held:
        assert (held.token, held.heir_of.endswith("on elsewhere")) == (2, True)
    assert 0.5 <= time.monotonic() - began < 4


def test_where_the_clock_says_that_it_ran_out_long_ago_nobody_has_to_ask_for_the_wait(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    leave_behind(path, ttl_s=0.3, expires_at="2001-01-01T00:00:00+00:00")
    with lease(path) as held:
        assert held.token == 2


@pytest.mark.parametrize("clock_s", [0.0, 4e9], ids=["back to 1970", "on to 2096"])
def test_a_clock_that_jumps_neither_frees_a_held_lease_nor_holds_a_dead_one(
    tmp_path: Path, clock_s: float
) -> None:
    path = tmp_path / "lease"
    with lease(path, ttl_s=0.3, clock=lambda: clock_s) as held:
        with pytest.raises(LeaseHeldError), lease(path, wait_s=0.8):
            pass
        held.refuse_lost()
        dead = record_of(path)
    path.write_text(json.dumps(dead | {"kernel": "another boot"}))
    with lease(path, wait_s=2.0, clock=lambda: clock_s) as held:
        assert held.token == 2


def test_a_lease_where_nothing_can_be_written_is_one_clear_line(tmp_path: Path) -> None:
    for path in (Path("/proc/lease"), tmp_path):
        with pytest.raises(WarehouseError, match=rf"^lease {path}: .*") as refusal, lease(path):
            pass
        assert "\n" not in str(refusal.value)


def test_on_a_full_disk_a_new_lease_is_refused_and_a_known_one_leaves_its_record(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with lease(path):
        pass
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(WarehouseError, match=r"lease .*File too large"), lease(path):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    with lease(path) as held:
        assert held.token == 2


def test_of_twenty_threads_only_one_at_a_time_holds_the_lease(tmp_path: Path) -> None:
    path, inside, tokens = tmp_path / "lease", [0], []

    def hold_for_a_moment() -> None:
        with lease(path, wait_s=30.0) as held:
            inside[0] += 1
            tokens.append((held.token, inside[0]))
            inside[0] -= 1

    threads = [threading.Thread(target=hold_for_a_moment) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == [(number, 1) for number in range(1, 21)]


def test_a_stopped_writer_is_taken_over_and_its_write_refused_when_it_wakes(tmp_path: Path) -> None:
    path = filled(tmp_path / "warehouse.duckdb")
    child = stop_writer(path)
    assert child.stdout is not None
    assert child.stdout.readline() == "in the middle\n"
    child.send_signal(signal.SIGSTOP)
    try:
        with (
            write_lease(path, wait_s=5.0) as held,
            connect(path, read_only=False, held=held) as connection,
        ):
            with transaction(connection, "park", held):
                connection.execute("insert into park (name, recorded_at) values ('of the heir', now())")
            child.send_signal(signal.SIGCONT)
            said = finish(child)
            with transaction(connection, "park", held):
                connection.execute("insert into park (name, recorded_at) values ('after', now())")
    finally:
        child.kill()
        child.communicate()
    assert f"token 1 is lost, taken over by process {os.getpid()} on" in said
    assert said.count("\n") == 1
    assert parks(path) == {"Vale", "before", "of the heir", "after"}
    assert [file.name for file in tmp_path.glob(".*")] == []


def test_an_heir_that_ended_before_it_moved_the_files_leaves_that_to_the_next(tmp_path: Path) -> None:
    path = filled(tmp_path / "warehouse.duckdb")
    child = stop_writer(path)
    assert child.stdout is not None
    assert child.stdout.readline() == "in the middle\n"
    child.send_signal(signal.SIGSTOP)
    try:
        with lease(lease_path(path), wait_s=5.0) as first:
            assert first.heir_of == f"process {child.pid} on {socket.gethostname()}"
        with write_lease(path) as held, connect(path, read_only=False, held=held):
            assert (held.token, held.heir_of) == (3, "")
    finally:
        child.kill()
        child.communicate()
    assert parks(path) == {"Vale", "before"}


@pytest.mark.slow
def test_a_writer_stopped_at_any_moment_loses_nothing_it_committed(tmp_path: Path) -> None:
    taken_over = [stop_and_write(filled(tmp_path / f"{number}.duckdb"), number) for number in range(12)]
    assert any(taken_over)


def stop_and_write(path: Path, number: int) -> bool:
    """Stop a writer at some moment and write beside it; False where it was in the middle of a commit."""
    child = stop_writer(path, "endlessly")
    assert child.stdout is not None
    said = [child.stdout.readline().strip() for _ in range(5 + number)]
    time.sleep(number / 977)
    child.send_signal(signal.SIGSTOP)
    try:
        refusal = write_beside(path)
        if refusal:
            assert f"process {child.pid} on" in refusal
            assert "in the middle of a write" in refusal
            return False
        child.send_signal(signal.SIGCONT)
        *more, lost = child.stdout.read().splitlines()
    finally:
        child.kill()
        child.communicate()
    assert "is lost, taken over by" in lost
    assert {"before", "of the heir", *said, *more} <= parks(path)
    return True


def write_beside(path: Path) -> str:
    """Add a park; return why not, or nothing."""
    try:
        with (
            write_lease(path, wait_s=2.0) as held,
            connect(path, read_only=False, held=held) as connection,
            transaction(connection, "park", held),
        ):
            connection.execute("insert into park (name, recorded_at) values ('of the heir', now())")
    except LeaseHeldError as refusal:
        return str(refusal)
    return ""
