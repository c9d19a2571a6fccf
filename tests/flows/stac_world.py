"""Of a STAC API what a search needs, on loopback, with the ways in which real ones misbehave."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from flows.sources.assets.patience import Patience
from monitoring.scenes import S2_BANDS

BOX = (-2.0, 51.0, -1.0, 52.0)
#: Nobody has the time to wait for a loopback server.
HASTE = Patience(attempts=6, first_wait_s=0.01, longest_wait_s=0.2, answer_s=5.0, whole_s=5.0)

CORE = "https://api.stacspec.org/v1.0.0/"
LANGUAGES = {"filter": f"{CORE}item-search#filter", "query": f"{CORE}item-search#query"}


def at(text: str) -> datetime:
    """A moment, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def s2_item(day: str, *, updated: str = "", **properties: Any) -> dict[str, Any]:
    """A Sentinel-2 item of a day; without `updated` it says nothing of when it was catalogued."""
    taken = f"{day.replace('-', '')}T110621"
    stamps = {"created": f"{day}T20:00:00Z", "updated": updated} if updated else {}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"S2A_{taken}",
        "collection": "sentinel-2-l2a",
        "bbox": [-2.0, 51.0, -1.0, 52.0],
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[-2, 51], [-1, 51], [-1.1, 52], [-1.9, 52], [-2, 51]]],
        },
        "properties": {
            "datetime": f"{day}T11:06:21Z",
            "platform": "Sentinel-2A",
            "proj:epsg": 32630,
            "s2:mgrs_tile": "30UXC",
            "s2:datatake_id": f"GS2A_{taken}_041566_N05.09",
            "s2:processing_baseline": "05.09",
            "eo:cloud_cover": 12.5,
            **stamps,
            **properties,
        },
        "links": [],
        "assets": {
            band: {"href": f"https://files.example/{day}/{band}.tif", "type": "image/tiff"}
            for band in [*S2_BANDS, "SCL"]
        },
    }


@dataclass
class Api:
    """The items a server has, and how it misbehaves."""

    items: list[dict[str, Any]] = field(default_factory=list)
    language: str = "filter"
    """`filter`, `query`, or empty for neither."""
    posts: bool = True
    page_size: int = 1000
    refuses: int = 0
    """Status by which a search with a filter is answered."""
    troubles: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """(status, headers) of the answers to come; -1 breaks off in mid-body."""
    asked: list[str] = field(default_factory=list)
    """Paths, in order."""
    searches: list[dict[str, Any]] = field(default_factory=list)
    told: list[list[str]] = field(default_factory=list)
    """Ids in each page of an answer."""
    port: int = 0

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """Forget what was asked and told."""
        self.asked.clear()
        self.searches.clear()
        self.told.clear()

    async def answer(self, request: Request) -> Response:
        """Answer one request, or misbehave."""
        self.asked.append(request.url.path)
        if self.troubles:
            status, headers = self.troubles.pop(0)
            if status > 0:
                return JSONResponse({"hush": "hush-hush"}, status, headers)
            return Response(b'{"type": "Fea', 200, {"content-length": "4000"})
        if request.url.path == "/search":
            return await self._search(request)
        return JSONResponse(self._landing() if request.url.path == "/" else self._collections())

    def _landing(self) -> dict[str, Any]:
        core = [CORE + name for name in ("core", "item-search", "collections", "ogcapi-features")]
        named = [LANGUAGES[self.language]] if self.language else []
        links = [
            {"rel": "data", "href": f"{self.address}/collections", "type": "application/json"},
            {"rel": "search", "href": f"{self.address}/search", "type": "application/geo+json"},
            {"rel": "self", "href": f"{self.address}/", "type": "application/json"},
        ]
        if self.posts:
            links.append({**links[1], "method": "POST"})
        head = {"type": "Catalog", "stac_version": "1.0.0", "id": "api", "description": "x"}
        return {**head, "conformsTo": [*core, *named], "links": links}

    def _collections(self) -> dict[str, Any]:
        extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}}
        names = sorted({one["collection"] for one in self.items} | {"sentinel-2-l2a"})
        head = {"type": "Collection", "stac_version": "1.0.0", "description": "x", "license": "other"}
        return {"collections": [{**head, "id": n, "extent": extent, "links": []} for n in names], "links": []}

    async def _search(self, request: Request) -> Response:
        question = await request.json() if request.method == "POST" else dict(request.query_params)
        self.searches.append(question)
        if self.refuses and ("filter" in question or "query" in question):
            return JSONResponse({"description": "no such filter"}, self.refuses)
        found = [one for one in self.items if self._is_meant(one, question)]
        first = int(question.get("token", 0))
        page = found[first : first + self.page_size]
        self.told.append([one["id"] for one in page])
        links = []
        if len(found) > first + self.page_size:
            links.append(self._next(request, question, first + self.page_size))
        return JSONResponse({"type": "FeatureCollection", "features": page, "links": links})

    def _next(self, request: Request, question: dict[str, Any], first: int) -> dict[str, Any]:
        if request.method == "POST":
            link = {"rel": "next", "href": f"{self.address}/search", "method": "POST"}
            return {**link, "body": {**question, "token": first}}
        return {"rel": "next", "href": str(request.url.include_query_params(token=first)), "method": "GET"}

    def _is_meant(self, one: dict[str, Any], question: dict[str, Any]) -> bool:
        since, properties = _since(question), one["properties"]
        start, end = (datetime.fromisoformat(text) for text in question["datetime"].split("/"))
        is_then = start <= datetime.fromisoformat(properties["datetime"]) <= end
        # SQL's rule: what has no value meets no condition.
        return is_then and (since is None or ("updated" in properties and _moment(properties) >= since))


def _moment(properties: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(properties["updated"])


def _since(question: dict[str, Any]) -> datetime | None:
    asked, query = question.get("filter"), question.get("query")
    if isinstance(asked, dict):
        assert question["filter-lang"] == "cql2-json"
        assert asked["op"] == ">="
        assert asked["args"][0] == {"property": "updated"}
        return datetime.fromisoformat(asked["args"][1]["timestamp"])
    if isinstance(asked, str):
        assert question["filter-lang"] == "cql2-text"
        match = re.fullmatch(r"updated >= TIMESTAMP\('(.*)'\)", asked)
        assert match
        return datetime.fromisoformat(match[1])
    if query:
        wanted = json.loads(query) if isinstance(query, str) else query
        return datetime.fromisoformat(wanted["updated"]["gte"])
    return None


@contextmanager
def serving(api: Api) -> Iterator[Api]:
    """Serve an API on a free port of this machine."""
    app = Starlette(routes=[Route("/{path:path}", api.answer, methods=["GET", "POST"])])
    with serving_app(app) as port:
        api.port = port
        yield api


@contextmanager
def serving_app(app: Any) -> Iterator[int]:
    """Serve an application; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))  # listens from now on, whoever is slow to start
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
