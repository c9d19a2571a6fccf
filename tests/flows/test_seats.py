"""Seats: as many embeddings at once as there are devices, and never more."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from flows.estimating.seats import Seats


@pytest.mark.parametrize("devices", [1, 2, 3])
def test_no_more_embed_at_once_than_there_are_devices_and_all_devices_work(devices: int) -> None:
    seats = Seats([f"device {number}" for number in range(devices)])  # type: ignore[list-item]
    together, busy = threading.Barrier(devices), set()
    most, lock = [0], threading.Lock()

    def embed(_block: int) -> None:
        with seats.taken() as encoder:
            with lock:
                assert encoder not in busy, "two on one device"
                busy.add(encoder)
                most[0] = max(most[0], len(busy))
            together.wait(5)  # passes only when every device is at work
            with lock:
                busy.remove(encoder)

    with ThreadPoolExecutor(8) as blocks:
        list(blocks.map(embed, range(4 * devices)))
    assert most[0] == devices


def test_a_seat_is_free_again_when_embedding_fails() -> None:
    seats = Seats(["one"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="broken"), seats.taken():
        raise ValueError("broken")
    with seats.taken() as encoder:
        assert encoder == "one"
