from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.ingesting.ledger import (
    LONGEST_WAIT,
    MOST_RUNS,
    Failure,
    Ledger,
    State,
    ledger_path,
    read_ledger,
    wait_after,
    write_ledger,
)

NOW = datetime(2025, 1, 15, 3, tzinfo=UTC)
THERE = "https://example.org/B04.tif"


def failure(attempts=5, address=THERE, is_remote=True):
    return Failure("scene-1", "B04", address, attempts, "503 of the server", is_remote)


def after_runs(runs, is_remote=True):
    ledger, at = Ledger({}), NOW
    for _ in range(runs):
        ledger = ledger.noting([failure(is_remote=is_remote)], (), at)
        at += LONGEST_WAIT
    return ledger, at - LONGEST_WAIT


def is_waiting(ledger, now, address=THERE):
    return ledger.waiting("scene-1", [("B04", address)], now) is not None


def test_a_failed_asset_is_left_alone_until_its_wait_is_over():
    ledger, last = after_runs(1)
    assert is_waiting(ledger, last + timedelta(minutes=9))
    assert not is_waiting(ledger, last + timedelta(minutes=10))


def test_within_its_own_run_an_asset_may_be_tried_again():
    ledger, last = after_runs(1)
    assert not is_waiting(ledger, last)


def test_tries_of_one_run_count_as_one_run_and_add_their_attempts():
    ledger = Ledger({}).noting([failure(5)], (), NOW).noting([failure(5)], (), NOW)
    (entry,) = ledger.of({"scene-1"})
    assert (entry.runs, entry.attempts) == (1, 10)


@given(st.integers(1, 40))
def test_waits_never_shrink_and_never_pass_the_longest(runs):
    assert wait_after(runs) <= wait_after(runs + 1) <= LONGEST_WAIT


def test_after_the_last_run_a_remote_asset_is_given_up_until_it_moves():
    ledger, last = after_runs(MOST_RUNS)
    assert ledger.of({"scene-1"})[0].state is State.GIVEN_UP
    assert is_waiting(ledger, last + timedelta(days=400))
    assert not is_waiting(ledger, last, "https://example.org/mended/B04.tif")


def test_a_file_is_tried_in_every_run():
    ledger, last = after_runs(MOST_RUNS + 3, is_remote=False)
    assert ledger.of({"scene-1"})[0].state is State.WAITING
    assert not is_waiting(ledger, last + timedelta(seconds=1))


def test_a_scene_that_was_read_at_last_is_recovered_and_starts_afresh():
    ledger, last = after_runs(3)
    ledger = ledger.noting([], {"scene-1"}, last)
    assert ledger.of({"scene-1"})[0].state is State.RECOVERED
    (entry,) = ledger.noting([failure()], (), last + timedelta(days=30)).of({"scene-1"})
    assert (entry.runs, entry.attempts, entry.state) == (1, 5, State.WAITING)


def test_a_ledger_comes_back_from_disk_as_it_was(tmp_path):
    ledger, _ = after_runs(2)
    path = write_ledger(ledger_path(tmp_path, "block"), ledger)
    assert read_ledger(path) == ledger


@pytest.mark.parametrize("content", ["", "[1]", "{}", '[{"scene_id": 1}]', "not json"])
def test_a_damaged_ledger_is_an_empty_one(tmp_path, content):
    path = tmp_path / "ledger.json"
    path.write_text(content)
    assert read_ledger(path) == Ledger({})
