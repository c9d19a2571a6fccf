"""Signing: whose assets get a token or a signature, and who never sees one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stac_world import HASTE, at, serving_app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from flows.sources.addresses import AddressRefusedError, place_of, resolve, shown
from flows.sources.catalogues.signing import Secrets, presigned, signer
from monitoring.errors import PixelReadError, UnreachableError

ASSET = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/35/X/QA/2015/07/04/B04.tif"
RADAR = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/GRD/2024/iw-vv.rtc.tiff"
EODATA = "https://eodata.dataspace.copernicus.eu/eodata/Sentinel-2/MSI/L2A/T36NYH_B04_10m.jp2"
NOW = at("2026-05-27T12:00:00")
KEYS = Secrets(cdse_key="AKEY", cdse_secret="hush-hush", planetary_computer_key="hush-key")


@dataclass
class TokenDesk:
    """Hands out tokens, as the Planetary Computer does."""

    good_for: timedelta = timedelta(hours=1)
    clock: datetime = NOW
    answers: list[Response] = field(default_factory=list)
    """Given before any token."""
    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    address: str = ""

    async def token(self, request: Request) -> Response:
        self.asked.append(request.url.path.removeprefix("/token/"))
        self.keys.append(request.headers.get("Ocp-Apim-Subscription-Key"))
        if self.answers:
            return self.answers.pop(0)
        expiry = (self.clock + self.good_for).strftime("%Y-%m-%dT%H:%M:%SZ")
        token = f"se={expiry.replace(':', '%3A')}&sp=rl&sig=hush{len(self.asked)}%3D"
        return JSONResponse({"msft:expiry": expiry, "token": token})

    def now(self) -> datetime:
        return self.clock


@contextmanager
def desk_open() -> Iterator[TokenDesk]:
    desk = TokenDesk()
    app = Starlette(routes=[Route("/token/{account}/{container}", desk.token)])
    with serving_app(app) as port:
        desk.address = f"http://127.0.0.1:{port}/token"
        yield desk


@pytest.fixture
def desk() -> Iterator[TokenDesk]:
    with desk_open() as found:
        yield found


def signing(desk: TokenDesk, secrets: Secrets = Secrets()) -> Callable[[str], str]:
    return signer(secrets, tokens_at=desk.address, now=desk.now, patience=HASTE)


def test_an_asset_of_the_planetary_computer_gets_the_token_of_its_container(desk: TokenDesk) -> None:
    sign = signing(desk)
    signed = sign(ASSET)
    assert signed.startswith(ASSET + "?")
    assert parse_qs(urlsplit(signed).query)["sig"] == ["hush1="]
    assert parse_qs(urlsplit(sign(RADAR)).query)["sig"] == ["hush2="]
    assert desk.asked == ["sentinel2l2a01/sentinel2-l2", "sentinel1euwestrtc/sentinel1-grd-rtc"]


def test_a_token_is_asked_for_once_and_again_five_minutes_before_it_ends(desk: TokenDesk) -> None:
    sign = signing(desk)
    first = sign(ASSET)
    desk.clock += timedelta(minutes=54, seconds=59)
    assert sign(ASSET.replace("B04", "B08")).partition("?")[2] == first.partition("?")[2]
    assert len(desk.asked) == 1
    desk.clock += timedelta(seconds=1)
    assert sign(ASSET) != first
    assert len(desk.asked) == 2


def test_many_readers_ask_for_one_token(desk: TokenDesk) -> None:
    sign = signing(desk)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(sign(ASSET))) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 24
    assert len(desk.asked) == 1


def test_a_token_that_seems_to_be_over_is_used_for_half_a_minute(desk: TokenDesk) -> None:
    desk.good_for = timedelta(hours=-1)  # one of the two clocks is wrong
    sign = signing(desk)
    assert sign(ASSET) == sign(ASSET)
    assert len(desk.asked) == 1
    desk.clock += timedelta(seconds=31)
    sign(ASSET)
    assert len(desk.asked) == 2


def test_a_container_that_needs_no_token_stays_as_it_is(desk: TokenDesk) -> None:
    desk.answers = [Response("", 404)]
    sign = signing(desk)
    assert (sign(ASSET), sign(ASSET)) == (ASSET, ASSET)
    assert len(desk.asked) == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://sentinel-cogs.s3.us-west-2.amazonaws.com/sentinel-s2-l2a-cogs/29/R/KH/B04.tif",
        "/data/archive/B04.tif",
        ASSET + "?se=2026&sig=theirs",
        ASSET.replace("https:", "http:"),
        ASSET.replace(".windows.net", ".windows.net.evil.example"),
        ASSET.replace("https://", "https://evil.example/"),
        ASSET.replace("https://", "https://me@"),
        ASSET.replace("https://", "https://evil.example\\@"),
        ASSET.replace("/sentinel2-l2/", "/../"),
        ASSET.replace(".net/", ".net:8443/"),
        "https://sentinel2l2a01.blob.core.windows.net/",
        EODATA.replace("copernicus.eu", "copernicus.eu.evil.example"),
        EODATA.replace("https:", "http:"),
        "https://[::1",
    ],
)
def test_an_address_of_anybody_else_gets_nothing(desk: TokenDesk, address: str) -> None:
    assert signing(desk, KEYS)(address) == address
    assert desk.asked == []


@given(
    st.from_regex(r"https?://[a-z0-9.@:\\/%-]{0,40}(blob\.core\.windows\.net|eodata)[a-z0-9.@:\\/%?#-]{0,20}")
)
def test_no_key_goes_to_an_address_that_can_be_read_in_two_ways(address: str) -> None:
    sign = signer(KEYS, tokens_at="http://127.0.0.1:9", now=lambda: NOW, patience=HASTE)
    try:
        signed = sign(address)
    except UnreachableError:  # a token was wanted: only for a host of blob storage
        assert urlsplit(address).netloc.removesuffix(":443").endswith(".blob.core.windows.net")
        return
    assert signed == address


def test_a_subscription_key_goes_to_the_token_desk_alone(desk: TokenDesk) -> None:
    signing(desk, KEYS)(ASSET)
    signing(desk)(ASSET)
    assert desk.keys == ["hush-key", None]


def test_a_desk_that_sends_elsewhere_is_not_followed_with_the_key(desk: TokenDesk) -> None:
    with desk_open() as other:
        desk.answers = [RedirectResponse(f"{other.address}/sentinel2l2a01/sentinel2-l2")]
        with pytest.raises(UnreachableError, match="307"):
            signing(desk, KEYS)(ASSET)
        assert other.asked == []


def test_a_busy_desk_is_asked_again(desk: TokenDesk) -> None:
    desk.answers = [Response("", 429, {"Retry-After": "0"}), Response("", 503)]
    assert "sig=hush3" in signing(desk)(ASSET)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"token": "sig=x"},
        {"token": "sig=x", "msft:expiry": "soon"},
        {"token": "a b", "msft:expiry": "2027-01-01T00:00:00Z"},
        {"token": "sig=x\r\nHost: evil", "msft:expiry": "2027-01-01T00:00:00Z"},
        {"token": "x" * 5000, "msft:expiry": "2027-01-01T00:00:00Z"},
        {"token": "sig=x", "msft:expiry": "0001-01-01T00:00:00Z"},
        {"token": "sig=x#", "msft:expiry": "2027-01-01T00:00:00Z"},
    ],
)
def test_an_answer_that_is_no_token_is_one_line_without_it(desk: TokenDesk, content: Any) -> None:
    desk.answers = [JSONResponse(content)]
    with pytest.raises(UnreachableError, match=r"token http.*: the answer is no token") as caught:
        signing(desk)(ASSET)
    assert "\n" not in str(caught.value)
    assert "sig=" not in str(caught.value)


def test_a_desk_that_fails_is_left_alone_for_half_a_minute(desk: TokenDesk) -> None:
    desk.answers = [Response("", 401), Response("", 401)]
    sign = signing(desk, KEYS)
    for _ in range(3):
        with pytest.raises(UnreachableError, match="401") as caught:
            sign(ASSET)
        assert "hush" not in str(caught.value)
    assert len(desk.asked) == 1
    desk.clock += timedelta(seconds=31)
    with pytest.raises(UnreachableError):
        sign(ASSET)
    assert len(desk.asked) == 2


def test_a_published_signature_is_reproduced() -> None:
    """The example of AWS, "Authenticating requests: using query parameters (Signature Version 4)"."""
    signed = presigned(
        "https://examplebucket.s3.amazonaws.com/test.txt",
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "us-east-1",
        datetime(2013, 5, 24, tzinfo=UTC),
        86400,
    )
    assert parse_qs(urlsplit(signed).query)["X-Amz-Signature"] == [
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    ]


def test_an_asset_of_copernicus_is_signed_for_an_hour_and_no_secret_is_in_it(desk: TokenDesk) -> None:
    signed = signing(desk, KEYS)(EODATA)
    query = parse_qs(urlsplit(signed).query)
    assert signed.startswith(EODATA + "?")
    assert query["X-Amz-Credential"] == ["AKEY/20260527/default/s3/aws4_request"]
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == (["20260527T120000Z"], ["3600"])
    assert "hush" not in signed
    assert shown(signed) == EODATA
    desk.clock += timedelta(hours=2)
    assert signing(desk, KEYS)(EODATA) != signed


@pytest.mark.parametrize(
    ("secrets", "missing"),
    [(Secrets(), "access.cdse_key"), (Secrets(cdse_key="AKEY"), "access.cdse_secret")],
)
def test_a_missing_key_of_copernicus_is_named(desk: TokenDesk, secrets: Secrets, missing: str) -> None:
    with pytest.raises(PixelReadError) as caught:
        signing(desk, secrets)(EODATA)
    assert str(caught.value) == f"asset {EODATA}: setting {missing} is missing"


def test_nothing_that_signs_shows_its_secrets(desk: TokenDesk) -> None:
    sign = signing(desk, KEYS)
    sign(ASSET)
    assert "hush" not in repr(sign) + str(sign) + repr(KEYS)
    assert "AKEY" not in repr(KEYS)


def test_the_bucket_of_copernicus_is_the_only_one_that_is_followed() -> None:
    for root in ("https://stac.example/v1/", "/tmp/catalog.json"):
        place = place_of(root)
        assert resolve("s3://eodata/Sentinel-2/MSI/L2A/T36NYH_B04_10m.jp2", place) == EODATA
        assert resolve("s3://eodata/a b?c#d.jp2", place).endswith("/eodata/a%20b%3Fc%23d.jp2")
        for href in (
            "s3://eodata",
            "s3://eodata/",
            "s3://eodata/../other/x.jp2",
            "s3://eodata/a//b",
            "s3://eodata.evil/x.jp2",
            "s3://sentinel-s2-l2a/x.jp2",
            "S3://other/eodata/x.jp2",
            "gs://eodata/x.jp2",
        ):
            with pytest.raises(AddressRefusedError):
                resolve(href, place)


def test_a_desk_that_speaks_no_json_is_one_line(desk: TokenDesk) -> None:
    desk.answers = [Response(json.dumps({})[:1])]
    with pytest.raises(UnreachableError, match="no token"):
        signing(desk)(ASSET)
