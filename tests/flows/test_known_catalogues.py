"""Known catalogues, folders of products, and servers that are busy, slow, endless or broken."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pystac_client.exceptions import APIError
from stac_world import BOX, HASTE, Api, at, s2_item, serving

from flows.sources.assets.patience import Patience
from flows.sources.catalogues import api as api_module
from flows.sources.catalogues.asking import Asker
from flows.sources.catalogues.catalogue import open_catalogue
from flows.sources.catalogues.documents import read_document
from flows.sources.catalogues.known import KNOWN, by_name
from flows.sources.catalogues.products import products_below
from flows.sources.catalogues.provenance import source_of
from flows.sources.catalogues.searches import Search
from monitoring.errors import CatalogueError

YEAR = (at("2023-01-01"), at("2024-01-01"))
DAYS = [f"2023-04-{day:02d}" for day in range(1, 10)]


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(Api([s2_item(day, updated=f"{day}T20:00:00Z") for day in DAYS])) as found:
        yield found


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_catalogue_is_recognised_by_its_own_address(name: str) -> None:
    address, source = by_name(name)
    assert by_name(name, source) == (address, source)
    assert source_of({}, {"links": [{"href": address}]}) == source


def test_a_known_catalogue_with_the_source_of_another_is_refused() -> None:
    with pytest.raises(CatalogueError, match="source 'cdse' is not that of catalogue 'earth-search'"):
        open_catalogue("earth-search", "cdse")


def test_any_other_catalogue_stays_as_it_was_given() -> None:
    assert by_name("https://stac.example/v1") == ("https://stac.example/v1", None)
    assert by_name("planetary-computer/", "cdse") == ("planetary-computer/", "cdse")


# --- servers


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again(api: Api, status: int) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.troubles = [(status, {})] * 5
    assert len(catalogue.scenes(BOX, *YEAR)) == 9


def test_a_server_that_stays_busy_is_asked_six_times_and_no_more(api: Api) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.forget()
    api.troubles = [(429, {"Retry-After": "0"})] * 50
    with pytest.raises(CatalogueError, match="the server answers 429") as caught:
        catalogue.scenes(BOX, *YEAR)
    assert api.asked == ["/search"] * 6
    assert "hush" not in str(caught.value)


def test_a_server_is_given_the_time_it_asks_for(api: Api) -> None:
    patient = replace(HASTE, longest_wait_s=5.0)
    catalogue = open_catalogue(api.address, "planetary-computer", patience=patient)
    api.troubles = [(503, {"Retry-After": "1"})]
    before = time.monotonic()
    assert len(catalogue.scenes(BOX, *YEAR)) == 9
    assert 1.0 <= time.monotonic() - before < 4.0


def test_a_server_that_asks_for_a_year_does_not_get_it(api: Api) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.troubles = [
        (429, {"Retry-After": "31536000"}),
        (429, {"Retry-After": "Sat, 01 Jan 2400 00:00:00 GMT"}),
    ]
    before = time.monotonic()
    assert len(catalogue.scenes(BOX, *YEAR)) == 9
    assert time.monotonic() - before < 4.0


def test_an_answer_that_breaks_off_is_asked_for_again(api: Api) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.forget()
    api.troubles = [(-1, {}), (-1, {})]
    assert len(catalogue.scenes(BOX, *YEAR)) == 9
    assert api.asked == ["/search"] * 3


def test_an_answer_that_always_breaks_off_is_one_line(api: Api) -> None:
    api.troubles = [(-1, {})] * 50
    with pytest.raises(CatalogueError, match="breaks off") as caught:
        open_catalogue(api.address, "planetary-computer", patience=HASTE)
    assert "\n" not in str(caught.value)
    assert api.asked == ["/"] * 6


def test_what_the_server_will_not_have_is_not_asked_again(api: Api) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    api.forget()
    api.troubles = [(403, {})]
    with pytest.raises(CatalogueError, match="403"):
        catalogue.scenes(BOX, *YEAR)
    assert api.asked == ["/search"]


@contextmanager
def dripping(content: bytes, pause_s: float) -> Iterator[str]:
    """Answer each request with a body that never ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                try:
                    while not over.wait(pause_s):
                        connection.sendall(content)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        thread.join(10)
        listener.close()


def test_an_answer_that_only_drips_comes_to_an_end() -> None:
    before = time.monotonic()
    with (
        dripping(b" ", 0.02) as address,
        pytest.raises(CatalogueError, match="not there after 0 s"),
    ):
        read_document(address, replace(HASTE, whole_s=0.3))
    assert time.monotonic() - before < 5


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.sources.catalogues.asking.MAX_DOCUMENT_BYTES", 1_000_000)
    with dripping(b" " * 65536, 0.0) as address, pytest.raises(CatalogueError, match="larger than 1000000"):
        read_document(address, HASTE)


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/?token=hush"
        with pytest.raises(CatalogueError, match="timed out") as caught:
            read_document(address, Patience(attempts=2, first_wait_s=0.0, answer_s=0.2))
    assert "hush" not in str(caught.value)


def test_pages_are_read_to_the_last(api: Api) -> None:
    api.page_size = 2
    for posts in (True, False):
        api.posts = posts
        catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
        api.forget()
        assert len(catalogue.scenes(BOX, *YEAR)) == 9
        assert [len(page) for page in api.told] == [2, 2, 2, 2, 1]


def test_more_items_than_a_place_can_have_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "MAX_ITEMS", 7)
    api.page_size = 2
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    with pytest.raises(CatalogueError, match="more than 7 items"):
        catalogue.scenes(BOX, *YEAR)
    assert len(api.told) == 4


def test_a_server_cannot_name_a_file_to_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}", "utf-8")
    for href in (str(tmp_path / "x.json"), (tmp_path / "x.json").as_uri()):
        with pytest.raises(APIError, match="not a web address"):
            Asker(HASTE).read_text(href)


def test_only_what_was_updated_since_is_offered(api: Api) -> None:
    catalogue = open_catalogue(api.address, "planetary-computer", patience=HASTE)
    answer = catalogue.ask(Search(BOX, *YEAR, changed_since=at("2023-04-08")))
    assert [offer.scene.acquired_at.day for offer in answer.offers] == [8, 9]
    assert answer.rejected == ()
    assert len(catalogue.ask(Search(BOX, *YEAR)).offers) == 9


# --- folders of products


def test_products_are_found_four_levels_down_and_not_inside_products(tmp_path: Path) -> None:
    for path in ("B.SAFE", "x/A.SAFE", "x/y/z/C.SAFE", "x/y/z/w/TOO_DEEP.SAFE", "B.SAFE/GRANULE/IN.SAFE"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "file.SAFE").write_text("", "utf-8")
    assert [path.name for path in products_below(tmp_path)] == ["B.SAFE", "A.SAFE", "C.SAFE"]


def test_a_folder_without_products_is_no_catalogue(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(CatalogueError, match=r"no catalog\.json .* and no \*\.SAFE product"):
        open_catalogue(str(tmp_path))


def test_a_folder_that_leads_round_in_a_circle_is_left_again(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "round").symlink_to(tmp_path)
    (tmp_path / "x" / "A.SAFE").mkdir()
    assert [path.name for path in products_below(tmp_path)] == ["A.SAFE"]


def test_rubbish_and_links_among_products_are_named(tmp_path: Path) -> None:
    (tmp_path / "folder" / "EMPTY.SAFE").mkdir(parents=True)
    (tmp_path / "folder" / "LINK.SAFE").symlink_to(tmp_path)
    catalogue = open_catalogue(str(tmp_path / "folder"))
    kept, rejected = catalogue.scenes_and_rejects((-180.0, -90.0, 180.0, 90.0), *YEAR)
    assert kept == ()
    assert [one.item_id.removesuffix(".SAFE") for one in rejected] == ["EMPTY", "LINK"]
    assert all(one.reason and "\n" not in one.reason for one in rejected)


def test_real_products_in_a_folder_are_a_catalogue(shared: Path, tmp_path: Path) -> None:
    products = shared / "data" / "s2_product_metadata"
    for folder in sorted(path for path in products.iterdir() if path.is_dir()):
        shutil.copytree(folder, tmp_path / "2022" / f"{folder.name}.SAFE")
    catalogue = open_catalogue(str(tmp_path))
    window = (at("2015-01-01"), at("2030-01-01"))
    kept, rejected = catalogue.scenes_and_rejects((-180.0, -90.0, 180.0, 90.0), *window)
    assert len(kept) + len(rejected) == 3
    assert catalogue.source == "esa"
    assert {scene.source for scene in kept} <= {"esa"}
    assert [scene.acquired_at for scene in kept] == sorted(scene.acquired_at for scene in kept)
