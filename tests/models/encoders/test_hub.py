"""Pulling weights with the real client from a hub on loopback: whole and the card's, or not there."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hub_server import FILE, REPOSITORY, RESOLVE, REVISION, STORAGE, Hub, free_port, serving
from hypothesis import given
from hypothesis import strategies as st

from models.cards import card_text
from models.encoders.card import EncoderCard, card_with_dims, encoder_card
from models.encoders.weights.hub import pull
from models.encoders.weights.pins import MOST_BYTES
from models.encoders.weights.shelf import copy_in, find_weights, is_shelved, shelved
from monitoring.errors import UnreachableError, WeightsError

CONTENT = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
#: Of the client, in these tests: what it hands on at a time, so that little files can be cut in the middle.
CHUNK = 65536
TOKEN = "hf_nobodyMustEverSeeThis"


def card_of(content: bytes, **more: object) -> EncoderCard:
    pins = {"weights_sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    card = dataclasses.replace(encoder_card("tessera-v2-nano"), id="tiny", repository=REPOSITORY)
    return dataclasses.replace(card, **{"revision": REVISION, "file": FILE, **pins, **more})  # type: ignore[arg-type]


@pytest.fixture
def card() -> EncoderCard:
    return card_of(CONTENT)


@pytest.fixture(scope="module")
def server() -> Iterator[Hub]:
    with serving() as hub:
        yield hub


@pytest.fixture
def hub(server: Hub) -> Hub:
    """The one server, as new."""
    fresh = Hub(server.port, CONTENT)
    for name in vars(fresh):
        setattr(server, name, getattr(fresh, name))
    return server


@pytest.fixture(autouse=True)
def _small_and_impatient_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", CHUNK)
    monkeypatch.setattr("huggingface_hub.file_download.time", SimpleNamespace(sleep=lambda _seconds: None))
    monkeypatch.delenv("HF_TOKEN", raising=False)


def leftovers(shelf: Path) -> list[str]:
    return sorted(path.name for path in shelf.rglob("*") if path.is_file())


def error_of(card: EncoderCard, shelf: Path, hub: Hub, kind: type[Exception] = WeightsError) -> str:
    """Pull, and return the one line of the error that is expected."""
    with pytest.raises(kind) as caught:
        pull(card, shelf, endpoint=hub.endpoint)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_pull_puts_the_published_bytes_under_the_cards_name(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    seen: list[tuple[int, int]] = []
    path = pull(card, tmp_path, endpoint=hub.endpoint, progress=lambda *counts: seen.append(counts))
    assert path == tmp_path / "tiny" / "w.pt" == shelved(card, tmp_path)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["w.pt"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert is_shelved(card, tmp_path)


def test_only_the_file_is_asked_for_and_nothing_is_told_about_the_asker(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    pull(card, tmp_path, endpoint=hub.endpoint)
    assert [(asked.method, asked.path) for asked in hub.asked] == [("HEAD", RESOLVE), ("GET", RESOLVE)]
    assert all(asked.headers["user-agent"].startswith("underwood/") for asked in hub.asked)
    assert all("torch" not in asked.headers["user-agent"] for asked in hub.asked)


def test_a_broken_connection_is_continued_where_it_broke(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [150_000, 100_000]
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT
    ranges = [asked.headers.get("range") for asked in hub.gets]
    assert ranges == [None, f"bytes={2 * CHUNK}-", f"bytes={3 * CHUNK}-"]


def test_a_pull_that_gave_up_is_continued_by_the_next(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [150_000] + [0] * 10
    message = error_of(card, tmp_path, hub, UnreachableError)
    assert f"{2 * CHUNK} of 300000 bytes are here, the next pull goes on" in message
    assert find_weights(card, tmp_path.parent) is None
    assert not shelved(card, tmp_path).exists()
    hub.asked, hub.cuts = [], []
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT
    assert hub.gets[0].headers["range"] == f"bytes={2 * CHUNK}-"
    assert leftovers(tmp_path) == ["w.pt"]


PULL_ON = """
import sys
from pathlib import Path
from huggingface_hub import constants
from models.cards import read_card
from models.encoders.card import EncoderCard
from models.encoders.weights.hub import pull
constants.DOWNLOAD_CHUNK_SIZE = int(sys.argv[4])
pull(read_card(EncoderCard, Path(sys.argv[1])), Path(sys.argv[2]), endpoint=sys.argv[3])
"""


def test_a_pull_killed_with_9_leaves_no_half_file_and_is_continued(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    shelf, described = tmp_path / "shelf", tmp_path / "card.json"
    described.write_text(card_text(card), "utf-8")
    hub.held_after = 200_000
    command = [sys.executable, "-c", PULL_ON, str(described), str(shelf), hub.endpoint, str(CHUNK)]
    puller = subprocess.Popen(command)
    wait_until(lambda: any(path.stat().st_size >= 3 * CHUNK for path in shelf.glob("tiny/.w.pt.*.part")))
    puller.send_signal(signal.SIGKILL)
    puller.wait()
    assert not shelved(card, shelf).exists()
    hub.released.set()
    hub.asked = []
    assert pull(card, shelf, endpoint=hub.endpoint).read_bytes() == CONTENT
    assert hub.gets[0].headers["range"] == f"bytes={3 * CHUNK}-"
    assert leftovers(shelf) == ["w.pt"]


def wait_until(happened: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_server_without_ranges_is_asked_from_the_beginning_again(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    hub.ranges, hub.cuts = False, [150_000]
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT


@pytest.mark.parametrize("kept", [len(CONTENT), len(CONTENT) + 7])
def test_a_left_over_as_long_as_the_file_or_longer_does_no_harm(
    card: EncoderCard, hub: Hub, tmp_path: Path, kept: int
) -> None:
    part = tmp_path / "tiny" / f".w.pt.{card.weights_sha256[:12]}.part"
    part.parent.mkdir()
    part.write_bytes((CONTENT + bytes(7))[:kept])
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT


def test_a_damaged_left_over_costs_one_pull_and_is_gone(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "tiny" / f".w.pt.{card.weights_sha256[:12]}.part"
    part.parent.mkdir()
    part.write_bytes(OTHER[:1000])
    assert "expected sha256" in error_of(card, tmp_path, hub)
    assert leftovers(tmp_path) == []
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT


def test_bytes_of_another_hash_leave_nothing_behind(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    hub.content, hub.etag = OTHER, "not-a-sha256"
    message = error_of(card, tmp_path, hub)
    assert card.weights_sha256 in message
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert "third-party records" in message
    assert "or the pin is wrong" in message
    assert leftovers(tmp_path) == []


def test_a_file_published_under_another_hash_is_not_even_downloaded(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    hub.content = OTHER
    message = error_of(card, tmp_path, hub)
    assert hashlib.sha256(OTHER).hexdigest() in message
    assert f"expects sha256 {card.weights_sha256} (pinned by {card.pinned_by}): the pin is wrong" in message
    assert hub.gets == []


@pytest.mark.parametrize(("stated", "pinned"), [(299_999, 300_000), (MOST_BYTES + 1, 0), (0, 300_000)])
def test_a_file_published_with_another_size_is_not_even_downloaded(
    hub: Hub, tmp_path: Path, stated: int, pinned: int
) -> None:
    hub.size = stated
    message = error_of(card_of(CONTENT, bytes=pinned), tmp_path, hub)
    assert f"published with {stated} bytes, but card tiny expects {pinned or MOST_BYTES} bytes" in message
    assert hub.gets == []


def test_more_bytes_than_promised_are_not_written(hub: Hub, tmp_path: Path) -> None:
    hub.size = 200_000
    assert "more bytes came than the 200000 promised" in error_of(card_of(CONTENT, bytes=0), tmp_path, hub)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.part")) <= hub.size


def test_fewer_bytes_than_promised_are_no_file(hub: Hub, tmp_path: Path) -> None:
    hub.size = 400_000
    message = error_of(card_of(CONTENT, bytes=0), tmp_path, hub, UnreachableError)
    assert "the answer had another length than promised; 300000 of 400000 bytes are here" in message
    assert not shelved(card_of(CONTENT), tmp_path).exists()


def test_a_card_without_a_size_takes_the_file_of_its_hash(hub: Hub, tmp_path: Path) -> None:
    assert pull(card_of(CONTENT, bytes=0), tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (404, "RevisionNotFound", WeightsError, "has no such revision"),
        (404, "EntryNotFound", WeightsError, "has no such file at that revision"),
        (404, "RepoNotFound", WeightsError, "no such repository"),
        (403, "GatedRepo", WeightsError, "accept its terms"),
        (401, "", WeightsError, r"HTTP 401"),
        (400, "", WeightsError, r"refused \(HTTP 400\)"),
        (429, "", UnreachableError, r"HTTP 429"),
        (503, "", UnreachableError, r"HTTP 503"),
    ],
)
def test_each_refusal_is_told_apart(
    card: EncoderCard, hub: Hub, tmp_path: Path, status: int, code: str, kind: type[Exception], words: str
) -> None:
    hub.status, hub.error_code = status, code or "Something"
    with pytest.raises(kind, match=words) as caught:
        pull(card, tmp_path, endpoint=hub.endpoint)
    assert f"{REPOSITORY}@{REVISION[:12]}:{FILE}" in str(caught.value)
    assert leftovers(tmp_path) == []


def test_a_server_that_is_down_is_unreachable(card: EncoderCard, tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match=r"no answer \(connect error\)"):
        pull(card, tmp_path, endpoint=f"http://127.0.0.1:{free_port()}")


def test_offline_mode_asks_nobody(
    card: EncoderCard, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in error_of(card, tmp_path, hub, UnreachableError)
    assert hub.asked == []


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_token_that_the_server_repeats_reaches_neither_error_nor_log(
    card: EncoderCard,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    status: int,
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    caplog.set_level("DEBUG")
    hub.status = status
    with pytest.raises((WeightsError, UnreachableError)) as caught:
        pull(card, tmp_path, endpoint=hub.endpoint)
    assert hub.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    written = "".join(traceback.format_exception(caught.value)) + caplog.text + "".join(capfd.readouterr())
    assert TOKEN not in written


def test_a_token_with_impossible_characters_is_not_repeated(
    card: EncoderCard, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN + "é")
    assert TOKEN not in error_of(card, tmp_path, hub)


def test_the_token_is_not_sent_on_to_the_host_that_stores_the_bytes(
    card: EncoderCard, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.redirects, hub.cuts = True, [150_000]
    assert pull(card, tmp_path, endpoint=hub.endpoint).read_bytes() == CONTENT
    stored = [asked for asked in hub.gets if asked.path == STORAGE]
    assert [asked.headers.get("range") for asked in stored] == [None, f"bytes={2 * CHUNK}-"]
    assert all("authorization" not in asked.headers for asked in stored)
    assert all("authorization" in asked.headers for asked in hub.asked if asked.path == RESOLVE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"revision": ""}, "pins no commit of somebody/weights but revision ''"),
        ({"revision": "main"}, "pins no commit of somebody/weights but revision 'main'"),
        ({"weights_sha256": ""}, "pins no sha256"),
        ({"repository": ""}, "packaged with this version"),
        (
            {"repository": "github.com/somebody/weights"},
            "not on Hugging Face but in github.com/somebody/weights",
        ),
        ({"file": ""}, "has no weights"),
        ({"file": "../w.pt"}, "not a path inside its repository"),
    ],
)
def test_a_card_that_pins_too_little_downloads_nothing(
    hub: Hub, tmp_path: Path, change: dict[str, str], message: str
) -> None:
    assert message in error_of(card_of(CONTENT, **change), tmp_path, hub)
    assert hub.asked == []


def test_a_failed_pull_leaves_what_was_there(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    pull(card, tmp_path, endpoint=hub.endpoint)
    hub.content, hub.etag = OTHER, "not-a-sha256"
    error_of(card, tmp_path, hub)
    assert shelved(card, tmp_path).read_bytes() == CONTENT


def test_a_link_in_the_drafts_place_is_not_written_through(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / f".w.pt.{card.weights_sha256[:12]}.part").symlink_to(victim)
    assert "cannot be written" in error_of(card, tmp_path, hub)
    assert victim.read_text() == "precious"


def test_a_link_in_the_final_place_is_replaced_not_followed(
    card: EncoderCard, hub: Hub, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    shelved(card, tmp_path).parent.mkdir()
    shelved(card, tmp_path).symlink_to(victim)
    assert not pull(card, tmp_path, endpoint=hub.endpoint).is_symlink()
    assert victim.read_text() == "precious"


def test_two_pulls_of_one_card_do_not_mix(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    held = os.open(tmp_path / "tiny", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert "another process is bringing them" in error_of(card, tmp_path, hub)
    finally:
        os.close(held)
    assert hub.gets == []


def test_a_shelf_that_cannot_be_made_is_one_line(card: EncoderCard, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_text("a file where a folder should be")
    assert "cannot be written" in error_of(card, tmp_path, hub)


def test_a_file_that_somebody_brings_is_copied_through_links(card: EncoderCard, tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(CONTENT)
    (tmp_path / "w.pt").symlink_to(tmp_path / "blob")  # as in the hub's own cache
    path = copy_in(card, tmp_path / "w.pt", tmp_path / "shelf")
    assert path.read_bytes() == CONTENT
    assert not path.is_symlink()
    assert find_weights(card, tmp_path) is None
    assert find_weights(card, tmp_path / "nowhere") is None
    assert leftovers(tmp_path / "shelf") == ["w.pt"]


def test_weights_in_the_services_home_are_found(card: EncoderCard, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(CONTENT)
    path = copy_in(card, tmp_path / "w.pt", tmp_path / "home" / "weights")
    assert find_weights(card, tmp_path / "home") == path


def test_a_shorter_embedding_uses_the_weights_of_its_encoder(card: EncoderCard, tmp_path: Path) -> None:
    assert shelved(card_with_dims(card, 64), tmp_path) == shelved(card, tmp_path)


def test_packaged_weights_are_found_without_a_pull(tmp_path: Path) -> None:
    found = find_weights(encoder_card("underwood-student-1"), tmp_path)
    assert found is not None
    assert found.name == "underwood-student-1.safetensors"
    assert find_weights(encoder_card("geotessera-1.0-vultr"), tmp_path) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OTHER, "another one, or the pin is wrong"),
        (CONTENT[:-1], "in 299999 of 300000 bytes: the file is cut short"),
        (CONTENT + b"x", "300001 bytes, expected at most 300000"),
        (b"", "in 0 of 300000 bytes"),
    ],
)
def test_a_wrong_file_that_somebody_brings_leaves_nothing(
    card: EncoderCard, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        copy_in(card, tmp_path / "w.pt", tmp_path / "shelf")
    assert leftovers(tmp_path / "shelf") == []


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [Path.mkdir, make_pipe, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_not_a_file_is_not_read(
    card: EncoderCard, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "w.pt")
    with pytest.raises(WeightsError, match="not a regular file"):
        copy_in(card, tmp_path / "w.pt", tmp_path / "shelf")


def test_another_file_under_the_cards_name_is_no_weights(card: EncoderCard, tmp_path: Path) -> None:
    assert not is_shelved(card, tmp_path)
    path = shelved(card, tmp_path)
    path.parent.mkdir()
    path.write_bytes(OTHER)
    with pytest.raises(WeightsError, match="expected sha256"):
        is_shelved(card, tmp_path)


PARTS = st.lists(
    st.sampled_from(["a", "w.pt", "..", ".", "", "~", "C:", "a\\b", "\0", "-d128", "..-d128"]), max_size=4
)


@given(file=PARTS.map("/".join), name=PARTS.map("/".join))
def test_no_card_can_name_a_place_outside_the_shelf(file: str, name: str) -> None:
    shelf = Path("/home/shelf")
    try:
        path = shelved(card_of(CONTENT, file=file, id=name), shelf)
    except WeightsError:
        return
    assert Path(os.path.normpath(path)).parent.parent == shelf
    assert path.name not in ("", ".", "..")
