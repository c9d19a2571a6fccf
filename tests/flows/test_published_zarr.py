"""Published Zarr stores: a pixel has its own embedding or a reason, and nothing else is read."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from published_world import CHUNK, DIMS, INF, NAN, Field, make_field, write_native_store, write_store
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from zarr.abc.store import ByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.storage import LocalStore

from flows.sources.published.pixels import PublishedPixels, reason_of_scales
from flows.sources.published.places import open_published
from flows.sources.published.web_store import WebStore
from flows.sources.published.zarr_store import open_zarr
from models.encoders.card import encoder_card
from models.encoders.embeddings import Reason
from monitoring.errors import CardMismatchError, PixelReadError, SettingsError, UnreachableError
from monitoring.grid import PixelSet
from monitoring.scenes import Sensor

CAMBRIDGE = encoder_card("geotessera-1.1-cambridge")
DCLIMATE = encoder_card("geotessera-1.1-dclimate")
EMBEDDED, WATER, NOT_PUBLISHED = Reason.EMBEDDED, Reason.WATER, Reason.NOT_PUBLISHED

#: (row, column) of the pixels whose scales say that there is nothing, in a field of 160 by 192.
SPOILT = {
    (0, 0): NAN,
    (31, 32): INF,
    (32, 31): 0.0,
    (159, 191): -0.01,
    (5, 5): 1.0,
    (6, 6): 3.4e38,
    (7, 7): -INF,
}


#: What a store that was copied from dClimate's says.
COPIED = {"geotessera:source_store": "s3://bucket/v1.1/dclimate.icechunk"}


@pytest.fixture(scope="module")
def content() -> Field:
    content = make_field()
    for (row, column), scale in SPOILT.items():
        content.scales[0, row, column] = scale
    return content


@pytest.fixture(scope="module")
def store(content: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_store(tmp_path_factory.mktemp("stores") / "v1.1", content)


def read(address: Path | str, pixels: PixelSet, year: int = 2023, card: Any = CAMBRIDGE) -> PublishedPixels:
    with open_published(str(address), card) as source:
        return source.read(pixels, year)


def test_a_valid_pixel_is_code_times_scale_exactly(store: Path, content: Field) -> None:
    places = [(1, 1), (31, 31), (32, 32), (127, 127), (128, 128), (159, 190), (0, 191), (159, 0)]
    found = read(store, content.pixels(places)).embeddings
    assert found.values.dtype == np.float32
    assert (found.reason == EMBEDDED).all()
    np.testing.assert_array_equal(found.values, [content.value(*place) for place in places])


def test_each_year_has_its_own_embeddings(store: Path, content: Field) -> None:
    found = read(store, content.pixels([(0, 0), (40, 40)]), 2024).embeddings
    np.testing.assert_array_equal(found.values, [content.value(0, 0, 1), content.value(40, 40, 1)])


def test_a_pixel_without_a_sound_scale_is_nan_and_says_why(store: Path, content: Field) -> None:
    found = read(store, content.pixels(list(SPOILT))).embeddings
    expected = [WATER, NOT_PUBLISHED, *[Reason.CORRUPT_SCALE] * 5]
    assert found.reason.tolist() == expected
    assert np.isnan(found.values).all()


def test_the_neighbours_of_missing_pixels_keep_their_own_values(store: Path, content: Field) -> None:
    beside = [(0, 1), (31, 31), (32, 32), (159, 190), (5, 6)]
    np.testing.assert_array_equal(
        read(store, content.pixels(beside)).embeddings.values, [content.value(*place) for place in beside]
    )


def test_a_pixel_beyond_the_edge_is_outside(store: Path, content: Field) -> None:
    beyond = [(-1, 0), (0, -1), (160, 0), (0, 192), (10_000, 10_000), (80, 80)]
    found = read(store, content.pixels(beyond)).embeddings
    assert found.reason.tolist() == [Reason.OUTSIDE] * 5 + [EMBEDDED]
    assert np.isnan(found.values[:5]).all()


def test_another_zone_is_outside_and_another_year_not_published(store: Path, content: Field) -> None:
    elsewhere = read(store, content.pixels([(1, 1)], epsg=32631))
    later = read(store, content.pixels([(1, 1)]), 2031)
    assert elsewhere.reason.tolist() == [Reason.OUTSIDE]
    assert later.reason.tolist() == [NOT_PUBLISHED]


def test_codes_that_were_never_written_are_no_embedding(tmp_path: Path) -> None:
    content = make_field(64, 64)
    content.codes[:, :, :32, :32] = 0
    store = write_store(tmp_path / "v1.1", content)
    found = read(store, content.pixels([(3, 3), (40, 40)])).embeddings
    assert found.reason.tolist() == [NOT_PUBLISHED, EMBEDDED]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.tuples(st.integers(-3, 163), st.integers(-3, 195)), min_size=0, max_size=40),
    year=st.sampled_from([2023, 2024]),
)
def test_any_pixels_in_any_order_are_read_as_they_were_written(
    store: Path, content: Field, places: list[tuple[int, int]], year: int
) -> None:
    found = read(store, content.pixels(places), year).embeddings
    assert found.values.shape == (len(places), DIMS)
    for position, (row, column) in enumerate(places):
        inside = 0 <= row < 160 and 0 <= column < 192
        sound = inside and (year == 2024 or (row, column) not in SPOILT)
        assert (found.reason[position] == EMBEDDED) == sound
        if sound:
            np.testing.assert_array_equal(found.values[position], content.value(row, column, year - 2023))


@given(st.floats(width=32))
def test_every_scale_there_is_has_one_meaning(scale: float) -> None:
    (reason,) = reason_of_scales(np.array([[scale]], np.float32), WATER)
    assert (reason == EMBEDDED) == (0 < scale < 1)
    assert (reason == WATER) == (scale != scale)
    assert (reason == NOT_PUBLISHED) == (scale == np.inf)


class CountingStore(LocalStore):
    """A local store that notes which bytes of which arrays were asked for."""

    asked: list[tuple[str, ByteRequest | None]]

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        self.asked.append((key, byte_range))
        return await super().get(key, prototype, byte_range)

    def chunks(self, array: str) -> int:
        """Return how many different inner chunks of an array were read."""
        return len({a for a in self.asked if f"/{array}/c/" in a[0] and isinstance(a[1], RangeByteRequest)})


def counting(store: Path) -> CountingStore:
    opened = CountingStore(store, read_only=True)
    opened.asked = []
    return opened


def test_only_the_chunks_of_the_pixels_are_read_and_each_once(store: Path, content: Field) -> None:
    places = [(0, 1), (1, 1), (31, 31), (0, 32), (130, 140), (131, 140), (150, 170)]  # 4 chunks, 2 shards
    wanted = {(row // CHUNK, column // CHUNK) for row, column in places}
    opened = counting(store)
    with open_zarr(str(store), CAMBRIDGE, opened) as source:
        source.read(content.pixels(places), 2023)
    assert opened.chunks("embeddings") == opened.chunks("scales") == len(wanted) == 4
    bodies = [a for a in opened.asked if isinstance(a[1], RangeByteRequest)]
    assert len(bodies) == len(set(bodies)) == 8
    indices = [a for a in opened.asked if isinstance(a[1], SuffixByteRequest)]
    assert len(set(indices)) == 4
    assert all(byte_range is not None for key, byte_range in opened.asked if "/c/" in key and "embed" in key)


def test_no_code_is_read_where_no_scale_is_sound(tmp_path: Path) -> None:
    content = make_field(64, 64)
    content.scales[0, :, :32] = NAN
    store = write_store(tmp_path / "v1.1", content)
    opened = counting(store)
    with open_zarr(str(store), CAMBRIDGE, opened) as source:
        found = source.read(content.pixels([(r, c) for r in (0, 40) for c in range(32)]), 2023)
    assert (found.reason == WATER).all()
    assert opened.chunks("embeddings") == 0


def test_the_layout_of_dclimate_is_read_with_its_counts_and_its_nan(tmp_path: Path) -> None:
    content = make_field(96, 160)
    content.scales[0, 2, 3] = NAN
    counts = {"s2_obs_count": np.arange(2 * 96 * 160, dtype=np.uint16).reshape(2, 96, 160)}
    store = write_native_store(tmp_path / "dclimate.zarr", replace(content, counts=counts))
    found = read(store, content.pixels([(2, 3), (2, 4), (70, 130)]), card=DCLIMATE)
    assert found.reason.tolist() == [NOT_PUBLISHED, EMBEDDED, EMBEDDED]
    np.testing.assert_array_equal(found.embeddings.values[1:], [content.value(2, 4), content.value(70, 130)])
    np.testing.assert_array_equal(found.counts[Sensor.S2], [np.nan, 2 * 160 + 4, 70 * 160 + 130])
    assert np.isnan(found.counts[Sensor.S1_ASCENDING]).all()


def test_an_unmasked_store_never_calls_a_pixel_water(tmp_path: Path) -> None:
    content = make_field(64, 64)
    content.scales[0, 1, 1] = NAN
    root = {**COPIED, "geoemb:landmask": False}
    store = write_store(tmp_path / "v1.1-dclimate", content, root=root)
    assert read(store, content.pixels([(1, 1)]), card=DCLIMATE).reason.tolist() == [NOT_PUBLISHED]


def test_the_southern_hemisphere_is_found_in_the_northern_zone(tmp_path: Path) -> None:
    content = make_field(64, 64, north=-1_000_000)
    store = write_store(tmp_path / "v1.1", content)
    southern = replace(content, north=-1_000_000 + 10_000_000)
    found = read(store, southern.pixels([(2, 3), (70, 3)], epsg=32730)).embeddings
    assert found.reason.tolist() == [EMBEDDED, Reason.OUTSIDE]
    np.testing.assert_array_equal(found.values[0], content.value(2, 3))


@pytest.mark.parametrize("shift_m", [5.0, -5.0, 10.0, 0.5])
@pytest.mark.parametrize("write", [write_store, write_native_store])
def test_a_transform_that_does_not_agree_with_the_centres_is_refused(
    tmp_path: Path, write: Any, shift_m: float
) -> None:
    content = make_field(64, 64)
    path, card = ("v1.1", CAMBRIDGE) if write is write_store else ("dclimate", DCLIMATE)
    store = write(tmp_path / path, content, transform_shift_m=shift_m)
    with pytest.raises(
        PixelReadError, match=r"published embeddings .*(does not|is not at|puts the centre)"
    ) as raised:
        read(store, content.pixels([(1, 1)]), card=card)
    assert "\n" not in str(raised.value)


def test_a_grid_off_the_ten_metre_lines_is_refused(tmp_path: Path) -> None:
    content = make_field(64, 64, west=500_003)
    store = write_store(tmp_path / "v1.1", content)
    with pytest.raises(PixelReadError, match=r"\(500003, 5\.9e\+06\) is not at multiples of 10 m"):
        read(store, content.pixels([(1, 1)]))


def test_coordinates_of_another_zone_are_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "v1.1", make_field(64, 64), epsg=32631)
    with pytest.raises(PixelReadError, match="are EPSG:32631, needed is EPSG:32630"):
        read(store, make_field(64, 64).pixels([(1, 1)]))


def test_a_shallower_depth_is_read_from_its_own_array(tmp_path: Path) -> None:
    content = make_field(64, 64)
    store = write_store(tmp_path / "v2-2B-L~beta1", content, version="2.0", depths=(4, 16))
    card = replace(encoder_card("geotessera-2.0-2B-L~beta1"), dims=16)
    opened = counting(store)
    with open_zarr(str(store), card, opened) as source:
        found = source.read(content.pixels([(1, 1)]), 2023).embeddings
    np.testing.assert_array_equal(found.values, [content.value(1, 1)[:16]])
    assert (opened.chunks("embeddings"), opened.chunks("embeddings_d16")) == (0, 1)
    with pytest.raises(PixelReadError, match="geoemb:depths are 4, 16, 128, needed is 64"):
        read(store, content.pixels([(1, 1)]), card=replace(card, dims=64))


@pytest.mark.parametrize(
    ("folder", "version", "root", "card", "said"),
    [
        ("v1.1", "1.0", {}, "geotessera-1.1-cambridge", "says version 1.0"),
        ("v1", "1.1", {}, "geotessera-1.0-vultr", "says version 1.1"),
        ("v1.1-dclimate", "1.1", {}, "geotessera-1.1-cambridge", "say dclimate"),
        ("v1.1", "1.1", {}, "geotessera-1.1-dclimate", "say cambridge"),
        ("v1.1", "1.1", COPIED, "geotessera-1.1-cambridge", "dclimate"),
        ("copy", "1.1", COPIED, "geotessera-1.1-cambridge", "dclimate"),
        ("copy", "1.1", {}, "geotessera-1.1-cambridge", "say no variant"),
        ("v2-2B-L~beta2", "2.0", {}, "geotessera-2.0-2B-L~beta1", "say 2B-L~beta2"),
        ("v1.1", "1.1", {"geoemb:model": ""}, "geotessera-1.1-cambridge", "says version nothing"),
        ("v1.1", "1.1", {}, "tessera-v2-nano", "is computed, not published"),
    ],
)  # fmt: skip
def test_a_store_of_another_version_or_variant_is_refused(
    tmp_path: Path, folder: str, version: str, root: dict[str, str], card: str, said: str
) -> None:
    content = make_field(32, 32)
    store = write_store(tmp_path / folder, content, version=version, root=root)
    with pytest.raises(CardMismatchError, match=said) as raised:
        read(store, content.pixels([(1, 1)]), card=encoder_card(card))
    assert "\n" not in str(raised.value)


def test_the_one_variant_of_a_version_needs_no_showing(tmp_path: Path) -> None:
    content = make_field(32, 32)
    store = write_store(tmp_path / "copy", content, version="1.0")
    with open_published(str(store), encoder_card("geotessera-1.0-vultr")) as source:
        assert (source.publication.version, source.publication.variant) == ("1.0", "vultr")


def test_a_damaged_chunk_is_one_line_and_no_value(tmp_path: Path) -> None:
    content = make_field(32, 32)
    store = write_store(tmp_path / "v1.1", content)
    (shard,) = [
        path
        for path in (store / "utm30" / "embeddings" / "c").rglob("*")
        if path.is_file() and path.parts[-4] == "0"
    ]
    whole = shard.read_bytes()
    shard.write_bytes(bytes(byte ^ 0x5A for byte in whole[: len(whole) // 2]) + whole[len(whole) // 2 :])
    with pytest.raises(PixelReadError, match=r"^published embeddings .*v1\.1") as raised:
        read(store, content.pixels([(1, 1)]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "harm", ["no zarr.json", "scales gone", "embeddings of float", "years short", "no transform"]
)
def test_a_store_of_another_layout_is_one_line(tmp_path: Path, harm: str) -> None:
    content = make_field(32, 32)
    store = write_store(tmp_path / "v1.1", content)
    zone = zarr.open_group(store, mode="r+")["utm30"]
    assert isinstance(zone, zarr.Group)
    if harm == "no zarr.json":
        (store / "zarr.json").write_text("{")
    elif harm == "scales gone":
        shutil.rmtree(store / "utm30" / "scales")
    elif harm == "embeddings of float":
        zone.create_array("embeddings", data=content.codes.astype(np.float32), overwrite=True)
    elif harm == "years short":
        zone.create_array("time", data=np.array([2023], np.int32), overwrite=True)
    else:
        zone.attrs["spatial:transform"] = None
    with pytest.raises(PixelReadError, match=r"^published embeddings .*v1\.1") as raised:
        read(store, content.pixels([(1, 1)]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (
            "s3://us-west-2.opendata.source.coop/tessera/v1.1",
            "s3 addresses are not read; a public bucket answers",
        ),
        ("gs://bucket/v1.1", "gs addresses are not read"),
        ("/vsicurl/http://example.org/v1.1", "/vsi addresses are not read"),
        ("https://user:secret@example.org/v1.1", "credentials"),
    ],
)
def test_an_address_that_is_not_followed_is_refused_without_its_secrets(address: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as raised:
        read(address, make_field(1, 1).pixels([(0, 0)]))
    assert "secret" not in str(raised.value)


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve a folder with byte ranges; yields its address and the (path, range) of each request."""
    asked: list[tuple[str, str]] = []
    files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append((scope["path"], dict(scope["headers"]).get(b"range", b"").decode()))
        await files(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def test_a_store_over_http_gives_the_same_bytes_and_is_asked_for_ranges_only(
    store: Path, content: Field
) -> None:
    places = [(1, 1), (0, 0), (31, 32), (140, 150), (-5, 0)]
    here = read(store, content.pixels(places))
    with served(store.parent) as (address, asked):
        there = read(f"{address}/v1.1", content.pixels(places))
    assert there.digest == here.digest
    shards = [byte_range for path, byte_range in asked if "/embeddings/c/" in path or "/scales/c/" in path]
    assert len(shards) >= 4
    assert all(byte_range.startswith("bytes=") for byte_range in shards)


def test_a_store_that_is_not_there_is_told_from_one_that_does_not_answer(tmp_path: Path) -> None:
    pixels = make_field(1, 1).pixels([(0, 0)])
    with served(tmp_path) as (address, _), pytest.raises(PixelReadError, match="published embeddings"):
        read(f"{address}/v1.1", pixels)
    with pytest.raises(UnreachableError, match=r"published embeddings http://127\.0\.0\.1") as raised:
        read_once(f"{address}/v1.1?sig=secret")
    assert "secret" not in str(raised.value)


def read_once(address: str, waits_s: tuple[float, ...] = ()) -> PublishedPixels:
    content = make_field(1, 1)
    with open_zarr(address, CAMBRIDGE, WebStore(address, waits_s)) as source:
        return source.read(content.pixels([(0, 0)]), 2023)


@contextmanager
def answering(answer: Callable[[str], tuple[int, bytes]]) -> Iterator[str]:
    """Serve what `answer` says of a path; yields the server's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.mark.parametrize(
    ("status", "error"), [(503, UnreachableError), (429, UnreachableError), (403, PixelReadError)]
)
def test_a_busy_server_may_be_asked_again_and_a_refusing_one_not(status: int, error: type[Exception]) -> None:
    asked: list[str] = []

    def refuse(path: str) -> tuple[int, bytes]:
        asked.append(path)
        return status, b""

    with answering(refuse) as address, pytest.raises(error, match=f"the server answered {status}"):
        read_once(f"{address}/v1.1", waits_s=(0.0, 0.0))
    assert len(asked) == (3 if error is UnreachableError else 1)


def test_a_server_without_byte_ranges_is_refused_before_a_whole_shard_is_read(tmp_path: Path) -> None:
    write_store(tmp_path / "v1.1", make_field(1, 1))

    def whole(path: str) -> tuple[int, bytes]:
        file = tmp_path / path.lstrip("/")
        return (200, file.read_bytes()) if file.is_file() else (404, b"")

    with answering(whole) as address, pytest.raises(PixelReadError, match="does not answer byte ranges"):
        read_once(f"{address}/v1.1")
