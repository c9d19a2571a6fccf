"""A real STAC API and a real web server on loopback give what the files on disk give."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import uvicorn
from rasterio.transform import Affine
from stac_world import HASTE
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flows.sources.assets.pixels import read_scene
from flows.sources.assets.transport import Transport
from flows.sources.boundaries.woodlands import read_woodlands
from flows.sources.catalogues.catalogue import Catalogue, open_catalogue
from monitoring.errors import CatalogueError, PixelReadError
from monitoring.grid import PixelSet, make_blocks
from monitoring.scenes import S2_BANDS, Scene
from warehouse.reader import read

Underwood = Callable[..., "subprocess.CompletedProcess[str]"]
WriteSettings = Callable[..., Path]

WEST, NORTH, EPSG = 500_000.0, 5_700_000.0, 32630
BOX = (-3.1, 51.3, -2.9, 51.6)
START = datetime(2023, 1, 1, tzinfo=UTC)
END = datetime(2024, 1, 1, tzinfo=UTC)
EXTENT = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}


def write_band(path: Path, size: int, cell_m: float, dtype: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.random((size, size)) if dtype == "float32" else rng.integers(0, 12, (size, size)) * 300
    profile = {"driver": "COG", "blocksize": 128, "compress": "deflate", "crs": f"EPSG:{EPSG}"}
    place = Affine(cell_m, 0, WEST, 0, -cell_m, NORTH)
    with rasterio.open(
        path, "w", dtype=dtype, count=1, width=size, height=size, transform=place, **profile
    ) as file:
        file.write((values % 12 if dtype == "uint8" else values).astype(dtype), 1)


def write_pixels(folder: Path) -> None:
    folder.mkdir(parents=True)
    for seed, band in enumerate(S2_BANDS):
        fine = band in ("B02", "B03", "B04", "B08")
        write_band(folder / f"{band}.tif", 256 if fine else 128, 10 if fine else 20, "uint16", seed)
    write_band(folder / "SCL.tif", 128, 20, "uint8", 20)
    for seed, band in enumerate(("vv", "vh"), 30):
        write_band(folder / f"{band}.tif", 256, 10, "float32", seed)


def item(number: int, collection: str, base: str) -> dict[str, Any]:
    at = START + timedelta(days=10 * number, hours=11)
    optical = collection == "sentinel-2-l2a"
    bands = [*S2_BANDS, "SCL"] if optical else ["vv", "vh"]
    orbit = "ascending" if number % 2 else "descending"
    own = {"s2:mgrs_tile": "30UVC", "s2:processing_baseline": "05.09"} if optical else {}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"{collection}-{number:03d}",
        "collection": collection,
        "bbox": [-3.0, 51.40, -2.96, 51.45],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[-3.0, 51.4], [-2.96, 51.4], [-2.96, 51.45], [-3.0, 51.45], [-3.0, 51.4]]],
        },
        "properties": {
            "datetime": at.isoformat().replace("+00:00", "Z"),
            "platform": "sentinel-2a" if optical else "sentinel-1a",
            "proj:epsg": EPSG,
            "sat:orbit_state": orbit,
            "sat:absolute_orbit": number,
            "underwood:source": "simulated",
            **own,
        },
        "links": [],
        "assets": {band: {"href": f"{base}/{band}.tif", "type": "image/tiff"} for band in bands},
    }


def write_catalogue(folder: Path, base: str, *, linked: bool = True) -> list[Path]:
    """Write a static catalogue of 37 items of each collection; return its documents, collections first.

    rustac is given items and collections one by one, and would follow the links from where it was started.
    """
    collections, items = [], []
    for collection in ("sentinel-2-l2a", "sentinel-1-rtc"):
        links = []
        for number in range(37):
            path = folder / f"{collection}-{number:03d}.json"
            path.write_text(json.dumps(item(number, collection, base)), "utf-8")
            links += [{"rel": "item", "href": f"./{path.name}"}] if linked else []
            items.append(path)
        path = folder / f"{collection}.json"
        content = {"type": "Collection", "stac_version": "1.0.0", "id": collection, "license": "other"}
        path.write_text(json.dumps(content | {"description": "x", "extent": EXTENT, "links": links}), "utf-8")
        collections.append(path)
    links = [{"rel": "child", "href": f"./{path.name}"} for path in collections]
    root = {"type": "Catalog", "stac_version": "1.0.0", "id": "world", "description": "x", "links": links}
    (folder / "catalog.json").write_text(json.dumps(root), "utf-8")
    return [*collections, *items]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def file_server(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder with byte ranges; yields its address and the requests it gets."""
    asked: list[str] = []
    files = Starlette(routes=[Mount("/", StaticFiles(directory=folder))])

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(f"{scope['method']} {scope['path']}")
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


@contextmanager
def stac_api(documents: list[Path]) -> Iterator[str]:
    """Serve STAC documents by rustac, a real STAC API server."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "rustac"), "serve", "--addr", f"127.0.0.1:{port}"]
    server = subprocess.Popen(
        [*command, *map(str, documents)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert server.poll() is None, "rustac did not start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("rustac does not answer")


@dataclass(frozen=True)
class World:
    """The same scenes three times: on disk, as a static catalogue on the web, behind an API."""

    disk: Catalogue
    web: str
    api: str
    asked: list[str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    write_pixels(folder / "pixels")
    write_catalogue(folder, "./pixels")
    with file_server(folder) as (web, asked):
        (folder / "api").mkdir()
        documents = write_catalogue(folder / "api", f"{web}/pixels", linked=False)
        with stac_api(documents) as api:
            yield World(open_catalogue(str(folder)), web, api, asked)


def without_hrefs(scenes: tuple[Scene, ...]) -> list[Scene]:
    return [replace(scene, hrefs=()) for scene in scenes]


def test_an_api_and_a_static_catalogue_give_the_same_scenes(world: World) -> None:
    on_disk = world.disk.scenes(BOX, START, END)
    by_api = open_catalogue(world.api).scenes(BOX, START, END)
    assert len(on_disk) == 74
    assert without_hrefs(by_api) == without_hrefs(on_disk)
    assert all(href.startswith(world.web) for scene in by_api for _, href in scene.hrefs)


def test_a_static_catalogue_on_the_web_gives_them_too(world: World) -> None:
    on_web = open_catalogue(f"{world.web}/catalog.json").scenes(BOX, START, END)
    assert without_hrefs(on_web) == without_hrefs(world.disk.scenes(BOX, START, END))


def test_box_and_time_are_filtered_the_same_way(world: World) -> None:
    first, last = START + timedelta(days=100, hours=11), START + timedelta(days=200, hours=11)
    api = open_catalogue(world.api)
    assert without_hrefs(api.scenes(BOX, first, last)) == without_hrefs(world.disk.scenes(BOX, first, last))
    assert len(api.scenes(BOX, first, last)) == 20
    assert api.scenes((-3.1, 51.46, -2.9, 51.6), first, last) == ()


def test_pages_are_followed_to_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.sources.catalogues.api.PAGE_SIZE", 7)
    assert len(open_catalogue(world.api).scenes(BOX, START, END)) == 74


def test_pixels_over_the_web_are_those_on_disk_and_only_ranges_are_fetched(world: World) -> None:
    rows, columns = np.array([(3, 5), (3, 6), (40, 100), (200, 250)]).T
    pixels = PixelSet(EPSG, (columns + 50_000).astype(np.int32), (569_999 - rows).astype(np.int32))
    for sensor in ("s2", "s1_ascending", "s1_descending"):
        (disk, *_), (web, *_) = (
            [scene for scene in catalogue.scenes(BOX, START, END) if scene.sensor == sensor]
            for catalogue in (world.disk, open_catalogue(world.api))
        )
        here, there = read_scene(disk, pixels), read_scene(web, pixels, Transport().at)
        np.testing.assert_array_equal(here.values, there.values)
        np.testing.assert_array_equal(here.scl, there.scl)
        assert here.tiles_read == there.tiles_read
    assert not [line for line in world.asked if line.endswith((".aux.xml", ".ovr", "/", ".msk"))]


def test_a_signed_address_is_read_and_its_signature_kept_out_of_errors(world: World) -> None:
    pixels = PixelSet(EPSG, np.array([50_000], np.int32), np.array([569_999], np.int32))
    scene = next(s for s in open_catalogue(world.api).scenes(BOX, START, END) if s.sensor == "s2")
    signed = replace(scene, hrefs=tuple((band, f"{href}?sv=1&sig=hush") for band, href in scene.hrefs))
    ranges_of = Transport(patience=HASTE).at
    one, other = read_scene(signed, pixels, ranges_of), read_scene(scene, pixels, ranges_of)
    np.testing.assert_array_equal(one.values, other.values)
    gone = tuple((band, href.replace("B8A.tif", "B8X.tif")) for band, href in signed.hrefs)
    with pytest.raises(PixelReadError, match="band B8A") as caught:
        read_scene(replace(scene, hrefs=gone), pixels, ranges_of)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_that_could_not_be_read_once_can_be_read_later(tmp_path: Path) -> None:
    pixels = PixelSet(EPSG, np.array([50_000], np.int32), np.array([569_999], np.int32))
    write_pixels(tmp_path / "pixels")
    one = item(1, "sentinel-1-rtc", "https://h.example")
    with file_server(tmp_path / "pixels") as (web, _):
        for asset in one["assets"].values():
            asset["href"] = asset["href"].replace("https://h.example", web)
        (tmp_path / "item.json").write_text(json.dumps(one), "utf-8")
        (scene,) = open_catalogue(str(tmp_path / "item.json")).scenes(BOX, START, END)
        (tmp_path / "pixels" / "vv.tif").rename(tmp_path / "vv.tif")
        with pytest.raises(PixelReadError, match="band VV"):
            read_scene(scene, pixels, Transport(patience=HASTE).at)
        (tmp_path / "vv.tif").rename(tmp_path / "pixels" / "vv.tif")
        assert np.isfinite(read_scene(scene, pixels, Transport(patience=HASTE).at).values).all()


# --- servers that misbehave


def answering(answers: dict[str, Any]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer()

        def _answer(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler


@contextmanager
def bad_server(answers: dict[str, Any]) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), answering(answers))
    address = f"http://127.0.0.1:{server.server_port}"
    for answer in answers.values():
        for link in answer.get("links", []) if isinstance(answer, dict) else []:
            link["href"] = address + link["href"]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def landing() -> dict[str, Any]:
    rels = {"search": "/search", "data": "/collections", "self": "/"}
    core = "https://api.stacspec.org/v1.0.0/"
    conforms = [core + name for name in ("core", "item-search", "collections", "ogcapi-features")]
    links = [{"rel": rel, "href": href, "type": "application/geo+json"} for rel, href in rels.items()]
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "bad",
        "description": "x",
        "conformsTo": conforms,
        "links": links,
    }


def collections(*ids: str) -> dict[str, Any]:
    bare = {
        "type": "Collection",
        "stac_version": "1.0.0",
        "description": "x",
        "license": "other",
        "links": [],
    }
    return {"collections": [{"id": name, "extent": EXTENT, **bare} for name in ids], "links": []}


def page(*items: Any, again: bool = False) -> dict[str, Any]:
    links = [{"rel": "next", "href": "/search", "method": "GET"}] if again else []
    return {"type": "FeatureCollection", "features": list(items), "links": links}


GOOD = item(1, "sentinel-2-l2a", "http://h.example")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"/": b"<html>no json"}, "not JSON"),
        ({}, "404|not JSON|null"),
        ({"/": {"conformsTo": [], "links": []}}, "catalogue"),
        ({"/": landing()}, "catalogue"),
        ({"/": landing(), "/collections": collections()}, "no collections"),
        ({"/": landing(), "/collections": {"collections": [{"id": 3}]}}, "catalogue"),
    ],
)
def test_a_server_that_is_no_api_is_one_clear_line(answers: dict[str, Any], said: str) -> None:
    with bad_server(answers) as address, pytest.raises(CatalogueError, match=said) as caught:
        open_catalogue(address + "/")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [None, b"{", {"features": 3}, page(GOOD, again=True), {"type": "FeatureCollection", "features": [1]}],
)
def test_a_search_that_goes_wrong_is_one_clear_line(answer: Any) -> None:
    answers = {"/": landing(), "/collections": collections("sentinel-2-l2a"), "/search": answer}
    with bad_server(answers) as address:
        catalogue = open_catalogue(address + "/")
        with pytest.raises(CatalogueError) as caught:
            catalogue.scenes(BOX, START, END)
    assert "\n" not in str(caught.value)


def test_a_server_that_ignores_the_question_is_filtered_here() -> None:
    elsewhere = GOOD | {"id": "elsewhere", "bbox": [10, 10, 11, 11], "geometry": None}
    late = json.loads(json.dumps(GOOD))
    late["properties"]["datetime"] = "2031-01-01T00:00:00Z"
    grd = GOOD | {"id": "grd", "collection": "sentinel-1-grd"}
    found = page(GOOD, elsewhere, late | {"id": "late"}, grd, GOOD, "rubbish")
    answers = {
        "/": landing(),
        "/collections": collections("sentinel-2-l2a", "sentinel-1-grd"),
        "/search": found,
    }
    with bad_server(answers) as address:
        kept, rejected = open_catalogue(address + "/").scenes_and_rejects(BOX, START, END)
    assert [scene.id for scene in kept] == [GOOD["id"]]
    reasons = [one.reason for one in rejected]
    assert (
        len([r for r in reasons if "radiometric terrain correction is needed" in r]) == 2
    )  # product and item


def test_nothing_found_is_an_empty_answer() -> None:
    answers = {"/": landing(), "/collections": collections("sentinel-2-l2a"), "/search": page()}
    with bad_server(answers) as address:
        assert open_catalogue(address + "/").scenes(BOX, START, END) == ()


# --- the whole simulated archive


def absolute_items(folder: Path, web: str) -> dict[str, Any]:
    """Return every item of a static catalogue as one item collection whose assets are on the web."""
    items = []
    for path in sorted(folder.glob("sentinel-*/**/*.json")):
        one = json.loads(path.read_text("utf-8"))
        if one.get("type") == "Feature":
            beside = path.parent.relative_to(folder).as_posix()
            for asset in one["assets"].values():
                asset["href"] = f"{web}/{beside}/{asset['href'].removeprefix('./')}"
            items.append(one | {"links": []})
    return {"type": "FeatureCollection", "features": items}


@pytest.mark.slow
def test_the_simulated_archive_is_the_same_behind_an_api(archive: Path, tmp_path: Path) -> None:
    everywhere = (
        (-10.0, 45.0, 5.0, 60.0),
        datetime(2017, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    )
    (block, *_) = make_blocks(read_woodlands(archive / "woodlands.gpkg").woodlands, 10_000)
    with file_server(archive) as (web, _), stac_api(archive_documents(archive, web, tmp_path)) as address:
        here = open_catalogue(str(archive)).scenes_and_rejects(*everywhere)
        there = open_catalogue(address, "simulated").scenes_and_rejects(*everywhere)
        assert len(here[0]) > 600
        assert without_hrefs(there[0]) == without_hrefs(here[0])
        assert there[1] == here[1]
        pairs = [pair for pair in zip(here[0], there[0], strict=True) if pair[0].epsg == block.pixels.epsg]
        for on_disk, on_web in pairs[::20]:
            one = read_scene(on_disk, block.pixels)
            other = read_scene(on_web, block.pixels, Transport().at)
            np.testing.assert_array_equal(one.values, other.values)
            np.testing.assert_array_equal(one.scl, other.scl)


def archive_documents(archive: Path, web: str, folder: Path) -> list[Path]:
    """Write what rustac needs to serve an archive whose files are at `web`."""
    contents = collections("sentinel-2-l2a", "sentinel-1-rtc")["collections"]
    contents.append(absolute_items(archive, web))
    paths = [folder / f"document-{number}.json" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(json.dumps(content), "utf-8")
    return paths


@pytest.mark.slow
def test_a_season_run_from_an_api_gives_the_same_estimates(
    archive: Path,
    trained: Path,
    underwood: Underwood,
    write_settings: WriteSettings,
    prefect_api: str,
    tmp_path: Path,
) -> None:
    found = []
    with file_server(archive) as (web, _), stac_api(archive_documents(archive, web, tmp_path)) as address:
        for name, more in (("disk", {}), ("web", {"catalogue": address, "source": "simulated"})):
            folder = tmp_path / name
            folder.mkdir()
            settings = write_settings(folder, archive, **more)
            shutil.copytree(trained.parent / "service", folder / "service")
            season = ("--config", str(settings), "run", "--season", "2025-Q4")
            done = underwood(*season, cwd=folder, PREFECT_API_URL=prefect_api)
            assert done.returncode == 0, done.stderr
            with read(folder / "service" / "published" / "underwood.duckdb") as reader:
                rows = reader.history(season="2025-Q4")
            found.append([{k: v for k, v in row.items() if k != "recorded_at"} for row in rows])
    assert len(found[0]) > 60
    assert found[0] == found[1]
