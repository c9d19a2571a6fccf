"""Bytes over HTTP are the file's own or an error of one line, whatever the server does."""

from __future__ import annotations

import logging
import os
import pickle
import random
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_server import MIXED, Fault, FaultServer, serve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.sources.assets.patience import Patience, retry_after_s
from flows.sources.assets.questions import content_range, followed
from flows.sources.assets.refusals import Fate, RejectedError
from flows.sources.assets.traffic import HostTraffic
from flows.sources.assets.transport import (
    AssetChangedError,
    AssetRefusedError,
    AssetUnreachableError,
    Transport,
)
from flows.sources.assets.versions import Memory, Version
from monitoring.errors import PixelReadError, SettingsError, UnreachableError

CONTENT = random.Random(4).randbytes(100_000)
#: Of a reader that a loaded machine does not make impatient, and of one that waits for silences to end.
STEADY, QUICK = Patience(), Patience(answer_s=0.5)


@dataclass
class Slept:
    """A clock that only sleeping moves."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    (folder / "a.tif").write_bytes(CONTENT)
    (folder / "item.json").write_text('{"id": 1}', "utf-8")
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[FaultServer]:
    with serve(folder) as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    """The server as new: no faults, no memory."""
    running.share, running.first, running.kinds, running.latency_s = 0.0, 0, MIXED, 0.0
    running.retry_after, running.stall_s = "0", 30.0
    running.broken.clear()
    running.forget()
    return running


@pytest.fixture
def slept() -> Slept:
    return Slept()


@pytest.fixture
def transport(slept: Slept) -> Iterator[Transport]:
    transport = Transport(patience=STEADY, sleep=slept.sleep, clock=slept.clock, seed=0)
    yield transport
    transport.close()


# --- a server without faults


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0, 100_000), (7, 4_103), (99_999, 100_000)])
def test_the_bytes_asked_for_are_given(
    server: FaultServer, transport: Transport, start: int, stop: int
) -> None:
    assert transport.at(f"{server.address}/a.tif").read(start, stop) == CONTENT[start:stop]
    assert [(asked.start, asked.stop) for asked in server.asked] == [(start, stop)]


def test_fewer_bytes_come_only_at_the_end_and_the_end_is_not_asked_for_twice(
    server: FaultServer, transport: Transport
) -> None:
    asset = transport.at(f"{server.address}/a.tif")
    assert asset.read(99_990, 200_000) == CONTENT[-10:]
    assert asset.read(100_000, 100_001) == b""
    assert asset.read(5, 5) == b""
    assert asset.read(0, 10**15) == CONTENT
    assert [asked.stop for asked in server.asked] == [200_000, 100_000]


def test_nothing_is_kept_so_that_a_second_read_asks_again(server: FaultServer, transport: Transport) -> None:
    asset = transport.at(f"{server.address}/a.tif")
    assert asset.read(0, 100) == asset.read(0, 100)
    assert server.attempts("a.tif") == 2


def test_a_range_that_is_none_is_refused_without_a_request(server: FaultServer, transport: Transport) -> None:
    with pytest.raises(PixelReadError, match=r"no range of bytes: \[-5, 10\)"):
        transport.at(f"{server.address}/a.tif").read(-5, 10)
    assert not server.asked


def test_a_whole_document_is_read_up_to_its_limit(server: FaultServer, transport: Transport) -> None:
    assert transport.whole(f"{server.address}/item.json", 9) == b'{"id": 1}'
    with pytest.raises(PixelReadError, match="larger than 8 bytes"):
        transport.whole(f"{server.address}/item.json", 8)
    assert transport.traffic.total().bytes_received < 2 * 9 + 1


@pytest.mark.parametrize(
    "address", ["/etc/passwd", "file:///etc/passwd", "ftp://h/x", "http://", "http://[x/y"]
)
def test_only_web_addresses_are_read(transport: Transport, address: str) -> None:
    with pytest.raises(PixelReadError, match="not a readable web address"):
        transport.at(address)


def test_traffic_counts_what_was_asked_of_each_host(server: FaultServer, transport: Transport) -> None:
    server.first, server.kinds = 2, (Fault.ERROR,)
    transport.at(f"{server.address}/a.tif").read(0, 1000)
    with pytest.raises(PixelReadError):
        transport.at(f"{server.address}/none.tif").read(0, 1000)
    server.broken["a.tif"] = Fault.ERROR
    with pytest.raises(UnreachableError):
        transport.at(f"{server.address}/a.tif").read(0, 1000)
    host = server.address.removeprefix("http://")
    # a.tif: two 500 and the bytes; none.tif: two 500 and a 404; a.tif: five 500
    expected = HostTraffic(requests=11, retried=8, refused=1, unreachable=1, bytes_received=1000)
    assert transport.traffic.snapshot() == {host: expected}
    assert transport.traffic.total() - expected == HostTraffic()


# --- faults


CAUGHT = [kind for kind in MIXED if kind is not Fault.CORRUPT]


@pytest.mark.parametrize(
    ("kind", "failing"),
    [*((kind, 1) for kind in CAUGHT), *((kind, 3) for kind in CAUGHT if "stall" not in kind)],
)
def test_a_fault_that_passes_costs_exactly_its_attempts(
    server: FaultServer, slept: Slept, kind: Fault, failing: int
) -> None:
    patience = QUICK if "stall" in kind else STEADY
    transport = Transport(patience=patience, sleep=slept.sleep, clock=slept.clock)
    server.first, server.kinds = failing, (kind,)
    assert transport.at(f"{server.address}/a.tif").read(10, 5_000) == CONTENT[10:5_000]
    assert [asked.fault for asked in server.asked] == [*[str(kind)] * failing, ""]
    assert transport.traffic.total().retried == failing


@pytest.mark.parametrize("kind", [kind for kind in CAUGHT if "stall" not in kind])
def test_a_fault_that_stays_ends_after_the_attempts_allowed(
    server: FaultServer, transport: Transport, kind: Fault
) -> None:
    server.broken["a.tif"] = kind
    with pytest.raises(UnreachableError) as caught:
        transport.at(f"{server.address}/a.tif?sig=hush").read(10, 5_000)
    assert server.attempts("a.tif") == 5
    assert isinstance(caught.value, AssetUnreachableError)
    assert caught.value.attempts == 5
    line = str(caught.value)
    assert line.startswith(f"{server.address}/a.tif: no answer after 5 attempts: ")
    assert "\n" not in line
    assert "hush" not in line
    assert pickle.loads(pickle.dumps(caught.value)).attempts == 5


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Fault.BUSY, "answered 429 (too many requests)"),
        (Fault.RESET, "the connection broke off"),
        (Fault.CUT, "2495 of 4990 bytes came"),
        (Fault.TRUNCATED, "2495 bytes announced for a range of 4990"),
        (Fault.WRONG_RANGE, "Content-Range 11-5000 for bytes 10-4999"),
        (Fault.STALL, "silent for 0.5 s"),
        (Fault.STALL_IN_BODY, "silent for 0.5 s"),
    ],
)
def test_the_error_says_what_the_last_attempt_met(
    server: FaultServer, slept: Slept, kind: Fault, said: str
) -> None:
    server.broken["a.tif"] = kind
    once = Transport(patience=Patience(attempts=1, answer_s=0.5), sleep=slept.sleep, clock=slept.clock)
    with pytest.raises(UnreachableError) as caught:
        once.at(f"{server.address}/a.tif").read(10, 5_000)
    assert str(caught.value) == f"{server.address}/a.tif: no answer after 1 attempt: {said}"
    assert slept.waits == []


def test_a_silent_server_is_left_within_the_time_an_answer_may_take(
    server: FaultServer, slept: Slept
) -> None:
    server.broken["a.tif"] = Fault.STALL  # for 30 s
    patience = Patience(attempts=3, answer_s=0.3)
    transport = Transport(patience=patience, sleep=slept.sleep, clock=slept.clock)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"3 attempts: silent for 0\.3 s"):
        transport.at(f"{server.address}/a.tif").read(0, 100)
    assert 3 * 0.3 <= time.monotonic() - begun < 5


def test_a_body_that_only_drips_ends_too(server: FaultServer, slept: Slept) -> None:
    server.broken["a.tif"], server.stall_s = Fault.DRIP, 20.0
    patience = Patience(attempts=1, answer_s=5, whole_s=0.3)
    transport = Transport(patience=patience, sleep=slept.sleep, clock=slept.clock)
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no whole answer within 0\.3 s"):
        transport.at(f"{server.address}/a.tif").read(0, 1000)
    assert time.monotonic() - begun < 5


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ranges=st.lists(st.tuples(st.integers(0, 99_999), st.integers(1, 20_000)), min_size=1, max_size=20))
def test_random_ranges_under_mixed_faults_are_the_files_own_bytes(
    server: FaultServer, ranges: list[tuple[int, int]]
) -> None:
    server.forget()
    server.share, server.seed = 0.1, len(ranges)
    server.kinds = tuple(kind for kind in CAUGHT if "stall" not in kind)
    clock = Slept()
    transport = Transport(sleep=clock.sleep, clock=clock.clock, seed=1)
    asset = transport.at(f"{server.address}/a.tif")
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda one: asset.read(one[0], one[0] + one[1]), ranges))
    assert got == [CONTENT[start : start + size] for start, size in ranges]
    faults = server.faults()
    assert transport.traffic.total().retried == sum(faults.values()) - faults[""]
    assert server.attempts("a.tif") == len(ranges) + transport.traffic.total().retried
    transport.close()


def test_mixed_faults_befall_about_the_share_of_requests_that_was_asked_for(
    server: FaultServer, transport: Transport
) -> None:
    server.share, server.kinds = 0.1, (Fault.ERROR, Fault.CORRUPT)
    asset = transport.at(f"{server.address}/a.tif")
    wrong = sum(asset.read(start, start + 50) != CONTENT[start : start + 50] for start in range(600))
    faults = server.faults()
    assert 30 <= faults["500"] + faults["corrupt"] <= 95
    assert wrong == faults["corrupt"] > 0


# --- waiting


def test_waits_grow_and_are_drawn_from_the_seed(server: FaultServer) -> None:
    server.broken["a.tif"] = Fault.ERROR
    waits = []
    for seed in (3, 3, 4):
        slept = Slept()
        transport = Transport(sleep=slept.sleep, clock=slept.clock, seed=seed)
        with pytest.raises(UnreachableError):
            transport.at(f"{server.address}/a.tif").read(0, 1)
        transport.close()
        waits.append(slept.waits)
    assert waits[0] == waits[1] != waits[2]
    assert len(waits[0]) == 4
    assert all(wait <= 0.5 * 2**failed for failed, wait in enumerate(waits[0]))


def test_the_longest_wait_bounds_the_back_off_and_the_server_alike() -> None:
    patience, chance = Patience(longest_wait_s=3), random.Random(0)
    assert all(patience.wait_s(60, None, chance) <= 3 for _ in range(100))
    assert patience.wait_s(1, 86_400.0, chance) == 3
    assert patience.wait_s(1, 2.5, chance) == 2.5


@pytest.mark.parametrize("seconds", [1, 7, 3600])
@pytest.mark.parametrize("form", ["{}", "{{date+{}}}"])
def test_a_server_that_says_when_to_come_back_is_asked_then(
    server: FaultServer, transport: Transport, slept: Slept, seconds: int, form: str
) -> None:
    server.first, server.kinds, server.retry_after = 1, (Fault.BUSY,), form.format(seconds)
    assert transport.at(f"{server.address}/a.tif").read(0, 9) == CONTENT[:9]
    (wait,) = slept.waits
    assert min(seconds, 30) - 1 <= wait <= min(seconds + 1, 30)  # a Date has no fractions of a second


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:27:00 GMT"}, 60.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon", "Date": "Wed, 21 Oct 2026 07:29:00 GMT"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"Retry-After": "Wed, 99 Oct 2026 99:28:00 GMT", "Date": "x"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


def test_a_busy_host_is_left_alone_by_every_thread_until_it_said(folder: Path, server: FaultServer) -> None:
    (folder / "b.tif").write_bytes(CONTENT)
    server.broken["a.tif"], server.retry_after = Fault.BUSY, "0.4"
    moments: list[float] = []
    transport = Transport(patience=Patience(attempts=1), sign=lambda address: address)
    with pytest.raises(UnreachableError):
        transport.at(f"{server.address}/a.tif").read(0, 9)
    begun = time.monotonic()

    def read(start: int) -> None:
        transport.at(f"{server.address}/b.tif").read(start, start + 9)
        moments.append(time.monotonic() - begun)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(8)))
    assert min(moments) > 0.35
    assert server.attempts("b.tif") == 8
    transport.close()


def test_requests_in_flight_never_exceed_the_limit_of_their_host(folder: Path) -> None:
    transport = Transport(per_host=3, patience=Patience(first_wait_s=0.01))
    with serve(folder, latency_s=0.01, share=0.1, kinds=(Fault.ERROR, Fault.RESET)) as server:
        asset = transport.at(f"{server.address}/a.tif")
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda start: asset.read(start, start + 9), range(60)))
        transport.close()
    assert server.peak == 3
    assert len(server.faults()) == 3


# --- refusals and signatures


@pytest.mark.parametrize(("fault", "said"), [(Fault.FORBIDDEN, "403"), (Fault.MISSING, "404")])
def test_what_is_refused_is_not_asked_for_again(
    server: FaultServer, transport: Transport, slept: Slept, fault: Fault, said: str
) -> None:
    server.broken["a.tif"] = fault
    with pytest.raises(PixelReadError, match=rf"/a.tif: answered {said} .*\(1 attempt\)") as caught:
        transport.at(f"{server.address}/a.tif").read(0, 9)
    assert isinstance(caught.value, AssetRefusedError)
    assert caught.value.attempts == server.attempts("a.tif") == 1
    assert slept.waits == []


def test_behind_the_end_of_an_unknown_asset_there_is_nothing_to_read(
    server: FaultServer, transport: Transport
) -> None:
    with pytest.raises(PixelReadError, match="416"):
        transport.at(f"{server.address}/a.tif").read(200_000, 200_001)
    assert server.attempts("a.tif") == 1


def signing(slept: Slept, patience: Patience = STEADY) -> Transport:
    numbers = iter(range(1, 100))
    return Transport(
        patience=patience,
        sign=lambda address: f"{address}?sv=1&sig=hush{next(numbers)}",
        sleep=slept.sleep,
        clock=slept.clock,
    )


def test_an_address_is_signed_anew_at_each_attempt(server: FaultServer, slept: Slept) -> None:
    server.first, server.kinds = 2, (Fault.ERROR,)
    assert signing(slept).at(f"{server.address}/a.tif").read(0, 9) == CONTENT[:9]
    assert [asked.query for asked in server.asked] == [f"sv=1&sig=hush{n}" for n in (1, 2, 3)]


def test_a_token_that_expired_is_replaced_once(server: FaultServer, slept: Slept) -> None:
    server.first, server.kinds = 1, (Fault.FORBIDDEN,)
    assert signing(slept).at(f"{server.address}/a.tif").read(0, 9) == CONTENT[:9]
    server.broken["a.tif"] = Fault.FORBIDDEN
    with pytest.raises(AssetRefusedError, match=r"403 \(forbidden\) \(2 attempts\)"):
        signing(slept).at(f"{server.address}/a.tif").read(0, 9)
    assert server.attempts("a.tif") == 4


def everything_of(error: BaseException) -> str:
    """All that a log or a ledger could write of an error."""
    told = [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
    linked = [one for one in (error.__cause__, error.__context__) if one is not None]
    return "\n".join([*told, *map(everything_of, linked)])


@pytest.mark.parametrize("kind", [*CAUGHT, Fault.DRIP, Fault.FORBIDDEN, Fault.MISSING])
def test_a_signature_shows_in_no_error_and_no_log(
    server: FaultServer, slept: Slept, caplog: pytest.LogCaptureFixture, kind: Fault
) -> None:
    server.broken["a.tif"] = kind
    transport = signing(slept, Patience(attempts=2, answer_s=0.4, whole_s=0.8))
    asset = transport.at(f"{server.address}/a.tif?own=hush")
    with caplog.at_level(logging.DEBUG), pytest.raises((PixelReadError, UnreachableError)) as caught:
        asset.read(0, 5_000)
    assert "sig=hush" in server.asked[0].query
    assert "hush" not in everything_of(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert "hush" not in repr(transport) + repr(asset) + asset.name
    assert "GET /a.tif" in caplog.text or "stall" in kind or kind is Fault.RESET
    assert "hush" not in caplog.text


def test_a_host_that_is_not_there_is_named_without_its_signature(slept: Slept) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/a.tif"
        with pytest.raises(UnreachableError, match="after 5 attempts: no connection") as caught:
            signing(slept).at(address).read(0, 9)
    assert "hush" not in everything_of(caught.value)
    assert len(slept.waits) == 4


def test_a_signer_that_fails_is_named_without_what_it_signed(slept: Slept) -> None:
    def sign(address: str) -> str:
        raise UnreachableError(f"{address}?sig=hush: the token endpoint is silent")

    transport = Transport(sign=sign, sleep=slept.sleep, clock=slept.clock)
    with pytest.raises(UnreachableError, match=r"could not be signed: .* the token endpoint") as caught:
        transport.at("http://127.0.0.1:9/a.tif").read(0, 9)
    assert "hush" not in everything_of(caught.value)
    assert transport.traffic.total().requests == 0


# --- an asset that becomes another


def test_an_asset_that_changes_between_two_reads_is_noticed_once(
    folder: Path, server: FaultServer, transport: Transport
) -> None:
    path = folder / "changing.tif"
    path.write_bytes(CONTENT)
    asset = transport.at(f"{server.address}/changing.tif")
    assert asset.read(0, 9) == CONTENT[:9]
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(UnreachableError, match=r"changing\.tif: changed while it was read") as caught:
        asset.read(9, 18)
    assert isinstance(caught.value, AssetChangedError)
    assert caught.value.attempts == 1
    assert asset.read(9, 18) == CONTENT[::-1][9:18]


def test_an_asset_that_shrank_below_what_is_asked_for_has_changed(
    folder: Path, server: FaultServer, transport: Transport
) -> None:
    path = folder / "shrinking.tif"
    path.write_bytes(CONTENT)
    asset = transport.at(f"{server.address}/shrinking.tif")
    asset.read(0, 9)
    path.write_bytes(CONTENT[:50])
    with pytest.raises(AssetChangedError, match="50 bytes instead of 100000"):
        asset.read(60, 70)


@pytest.mark.parametrize(
    ("later", "change"),
    [
        (Version(9, "a", "m"), ""),
        (Version(None, "", ""), ""),
        (Version(8, "a", "m"), "8 bytes instead of 9"),
        (Version(9, "b", "m"), "another ETag"),
        (Version(9, "a", "n"), "another Last-Modified"),
    ],
)
def test_a_version_is_told_from_another_by_all_that_was_said_of_both(later: Version, change: str) -> None:
    memory = Memory()
    memory.compare(Version(9, "a", "m"))
    if not change:
        memory.compare(later)
        assert memory.total == 9
        return
    with pytest.raises(RejectedError, match=change) as caught:
        memory.compare(later)
    assert caught.value.failure.fate is Fate.CHANGED
    assert memory.total is None


# --- answers that no file server gives


@dataclass
class Canned:
    """A server that sends prepared bytes, one answer for each connection."""

    address: str
    answers: deque[bytes]
    asked: list[str] = field(default_factory=list)


@contextmanager
def canned(*answers: bytes, pause_s: float = 0.0) -> Iterator[Canned]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Canned(f"http://127.0.0.1:{listener.getsockname()[1]}", deque(answers))

        def run() -> None:
            while server.answers:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, connection.makefile("rb") as lines:
                    asked = iter(lambda: lines.readline().strip(), b"")
                    server.asked.append(b"\n".join(asked).decode())
                    send(connection, server.answers.popleft())

        def send(connection: socket.socket, answer: bytes) -> None:
            pieces = [answer] if not pause_s else [answer[at : at + 1] for at in range(len(answer))]
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except OSError:
                    return
                time.sleep(pause_s)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        assert not thread.is_alive()


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        "Connection: close",
        *(f"{name.replace('_', '-')}: {said}" for name, said in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


OK = http(206, b"0123", Content_Range="bytes 0-3/10", Content_Length="4")


def test_a_request_asks_for_its_range_unencoded() -> None:
    with canned(OK) as server:
        assert Transport().at(f"{server.address}/a").read(0, 4) == b"0123"
    lines = server.asked[0].lower().splitlines()
    assert {"range: bytes=0-3", "accept-encoding: identity"} <= set(lines)


def test_a_small_whole_asset_is_an_answer_to_a_range_that_holds_it() -> None:
    with canned(http(200, b"abc", Content_Length="3")) as server:
        assert Transport().at(f"{server.address}/a").read(0, 4) == b"abc"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (http(200, b"abcdef", Content_Length="6"), "whole asset instead of a range"),
        (http(200, b"abc"), "whole asset instead of a range"),
        (http(206, OK[-4:], Content_Range="bytes 0-3/10", Content_Encoding="gzip"), "encoded body"),
        (http(204), "answered 204"),
        (http(300), "answered 300"),
        (http(400), "answered 400"),
        (http(410), r"answered 410 \(gone\)"),
        (http(451), "answered 451"),
        (http(301, Location="ftp://h/x"), "redirected to ftp addresses"),
        (http(302, Location="http://me:hush@h/x"), "redirected to an address with credentials"),
        (http(302), "redirected to an empty"),
    ],
)
def test_an_answer_that_no_attempt_would_better_is_refused_at_once(answer: bytes, said: str) -> None:
    with canned(answer, OK) as server, pytest.raises(PixelReadError, match=said) as caught:
        Transport().at(f"{server.address}/a").read(0, 4)
    assert "hush" not in everything_of(caught.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(http(status) for status in (408, 425, 429, 500, 502, 503, 504)),
        b"",
        b"rubbish\r\n\r\n",
        http(206, b"0123"),
        http(206, b"0123", Content_Range="bytes 0-3"),
        http(206, b"0123", Content_Range="bytes 1-4/10"),
        http(206, b"0123", Content_Range="bytes 0-3/2"),
        http(206, b"01", Content_Range="bytes 0-1/10"),
        http(206, b"01", Content_Range="bytes 0-1/*"),
        http(206, b"0123", Content_Range=f"bytes 0-3/{'9' * 30}"),
        http(206, b"01234", Content_Range="bytes 0-3/10"),
        http(206, b"012", Content_Range="bytes 0-3/10"),
        http(206, b"01234", Content_Range="bytes 0-3/10", Content_Length="5"),
        http(206, b"4\r\n0123\r\n1\r\n4", Content_Range="bytes 0-3/10", Transfer_Encoding="chunked"),
        http(206, b"zz\r\n", Content_Range="bytes 0-3/10", Transfer_Encoding="chunked"),
        *(http(503, Retry_After=said) for said in ("0", "x", "-1", "9" * 999)),
    ],
)
def test_an_answer_that_may_be_better_next_time_is_asked_for_again(slept: Slept, answer: bytes) -> None:
    transport = Transport(sleep=slept.sleep, clock=slept.clock, seed=0)
    with canned(answer, OK) as server:
        assert transport.at(f"{server.address}/a").read(0, 4) == b"0123"
    assert len(server.asked) == 2
    assert transport.traffic.total().retried == 1


def test_a_chunked_range_is_read() -> None:
    body = b"2\r\n01\r\n2\r\n23\r\n0\r\n\r\n"
    with canned(http(206, body, Content_Range="bytes 0-3/10", Transfer_Encoding="chunked")) as server:
        assert Transport().at(f"{server.address}/a").read(0, 4) == b"0123"


def test_headers_that_only_drip_end_too(slept: Slept) -> None:
    patience = Patience(attempts=1, answer_s=5, whole_s=0.3)
    transport = Transport(patience=patience, sleep=slept.sleep, clock=slept.clock)
    drip, said = http(206, X="y" * 10_000), r"no whole answer within 0\.3 s"
    with canned(drip, pause_s=0.02) as server, pytest.raises(UnreachableError, match=said):
        transport.at(f"{server.address}/a").read(0, 4)


def test_redirects_are_followed_three_times_and_no_more() -> None:
    again = http(302, Location="/again?sig=hush")
    with canned(again, again, again, OK) as server:
        assert Transport().at(f"{server.address}/a").read(0, 4) == b"0123"
    assert [line.split()[1] for line in server.asked] == ["/a", *["/again?sig=hush"] * 3]
    with canned(*[again] * 4, OK) as server, pytest.raises(PixelReadError, match="more than 3") as caught:
        Transport().at(f"{server.address}/a").read(0, 4)
    assert "hush" not in everything_of(caught.value)


def test_a_signature_is_not_sent_on_to_where_a_redirect_leads(slept: Slept) -> None:
    with canned(OK) as other, canned(http(307, Location=f"{other.address}/b")) as server:
        assert signing(slept).at(f"{server.address}/a").read(0, 4) == b"0123"
    assert "hush" in server.asked[0]
    assert "hush" not in other.asked[0]


def test_a_redirect_never_leaves_https() -> None:
    assert followed("https://h/a?sig=1", "/b") == "https://h/b"
    assert followed("http://h/a", "https://g/b") == "https://g/b"
    with pytest.raises(RejectedError, match="from https to http"):
        followed("https://h/a", "http://h/a")


@pytest.mark.parametrize("total", [b"", b"\r\nContent-Length: 99999999999"])
def test_a_document_is_never_read_beyond_its_limit(total: bytes) -> None:
    answer = http(200).replace(b" X", b" X" + total) + b"x" * 5_000_000
    transport = Transport()
    with canned(answer) as server, pytest.raises(PixelReadError, match="larger than 1000 bytes"):
        transport.whole(f"{server.address}/a", 1000)
    assert transport.traffic.total().bytes_received <= 1001


def test_the_length_of_an_asset_is_what_its_server_says_of_a_range() -> None:
    with canned(http(206, b"a", Content_Range="bytes 0-0/77")) as server:
        asset = Transport().at(f"{server.address}/a")
        assert (asset.size(), asset.size()) == (77, 77)
    with canned(http(206, b"a", Content_Range="bytes 0-0/*")) as server:
        asset = Transport().at(f"{server.address}/a")
        with pytest.raises(PixelReadError, match="does not say how long it is"):
            asset.size()


def test_a_document_shorter_than_announced_is_asked_for_again(slept: Slept) -> None:
    short, good = http(200, b"{", Content_Length="2"), http(200, b"{}", Content_Length="2")
    with canned(short, good) as server:
        assert Transport(sleep=slept.sleep, clock=slept.clock).whole(f"{server.address}/a", 10) == b"{}"


@given(
    st.text(max_size=40) | st.from_regex(r"bytes [0-9]{1,20}-[0-9]{1,20}/([0-9]{1,20}|\*)", fullmatch=True)
)
def test_a_content_range_is_possible_or_rejected(text: str) -> None:
    with suppress(RejectedError):
        said = content_range({"Content-Range": text})
        assert 0 <= said.start < said.stop <= (said.total or said.stop)


# --- bounds of the reader itself


@pytest.mark.parametrize(
    "bounds",
    [
        {"attempts": 0},
        {"attempts": 101},
        {"first_wait_s": -1.0},
        {"longest_wait_s": float("inf")},
        {"answer_s": 0.0},
        {"whole_s": float("nan")},
    ],
)
def test_patience_without_bounds_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"patience: {next(iter(bounds))} is"):
        Patience(**bounds)  # type: ignore[arg-type]


def test_a_limit_of_no_requests_is_refused() -> None:
    with pytest.raises(SettingsError, match="in flight per host: 0"):
        Transport(per_host=0)
