"""Places: what published embeddings an address of the settings holds, opened as what it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.sources.addresses import AddressRefusedError, is_web, place_of, shown
from flows.sources.published.tiles import TileSource, open_tiles
from flows.sources.published.zarr_store import ZarrSource, open_zarr
from models.encoders.card import EncoderCard
from monitoring.errors import SettingsError


@contextmanager
def open_published(address: str, card: EncoderCard) -> Iterator[ZarrSource | TileSource]:
    """Open a Zarr store (path, `file://`, http or https) or a folder of tiles for the length of the `with`.

    SettingsError for an address that is not followed; CardMismatchError where another version or variant than
    the card's lies there.
    """
    document = _checked(address)
    if is_web(document) or (Path(document) / "zarr.json").is_file():
        with open_zarr(document, card) as source:
            yield source
    else:
        yield open_tiles(document, card)


def _checked(address: str) -> str:
    if address.lower().startswith("s3://"):
        bucket = address[len("s3://") :].partition("/")[0]
        raise SettingsError(
            f"published embeddings {address}: s3 addresses are not read; a public bucket answers at "
            f"https://s3.<region>.amazonaws.com/{bucket}/..."
        )
    try:
        return place_of(address).document
    except AddressRefusedError as error:
        raise SettingsError(f"published embeddings {shown(address)}: {error}") from error
