"""The Zarr v3 stores of published embeddings: one group per UTM zone, read chunk by chunk.

Two layouts are read: groups utm01..utm60 with axes (time, band, y, x), the southern hemisphere as negative
northings of the northern zone; and groups 01N..60S with axes (time, northing, easting, band).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.abc.store import ByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype
from zarr.errors import BaseZarrError
from zarr.storage import LocalStore, WrapperStore

from flows.sources.addresses import is_web, shown
from flows.sources.published.chunks import Places, axis_of, gather
from flows.sources.published.identities import Publication, publication
from flows.sources.published.pixels import PublishedPixels, not_counted, nothing_at, reason_of_scales
from flows.sources.published.web_store import WebStore
from flows.sources.published.zones import Zone, group_names, read_zone
from models.encoders.card import EncoderCard
from models.encoders.embeddings import Progress, Reason
from monitoring.errors import PixelReadError
from monitoring.grid import PixelSet
from monitoring.scenes import Sensor

#: Shard indices kept; each is a quarter of a megabyte, and without it every chunk costs reading it again.
KEPT_INDICES = 64
#: Arrays of observation counts, where a store has them.
COUNTS = {
    Sensor.S2: "s2_obs_count",
    Sensor.S1_ASCENDING: "s1_asc_obs_count",
    Sensor.S1_DESCENDING: "s1_desc_obs_count",
}
#: What zarr and its codecs raise for content they cannot read.
_DAMAGE = (BaseZarrError, OSError, ValueError, RuntimeError, KeyError, TypeError)


class IndexKeeper(WrapperStore[Store]):
    """A store that remembers the ends of files: where a sharded array keeps the index of its chunks."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._ends: dict[tuple[str, int], Buffer | None] = {}

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Return the bytes of a key; None where there is none."""
        if not isinstance(byte_range, SuffixByteRequest):
            return await self._store.get(key, prototype, byte_range)
        end = key, byte_range.suffix
        if end not in self._ends:
            found = await self._store.get(key, prototype, byte_range)
            if len(self._ends) >= KEPT_INDICES:
                self._ends.pop(next(iter(self._ends)))
            self._ends[end] = found
            return found
        return self._ends[end]


@dataclass(frozen=True)
class ZarrSource:
    """An open Zarr store of published embeddings that is what its card says."""

    publication: Publication
    root: Any
    """Its zarr group."""
    embeddings: str
    """Name of the array that holds the card's dims."""
    dims: int
    nan_is: Reason
    """What a scale of NaN means here."""

    def read(self, pixels: PixelSet, year: int, progress: Progress | None = None) -> PublishedPixels:
        """Return what is published for N pixels in a calendar year, reading their chunks only.

        A pixel has its own embedding or none, never a neighbour's. PixelReadError for a store that is damaged
        or whose grid is not what it says.
        """
        with _readable(self.publication.address):
            zone = self._zone(pixels.epsg)
            if zone is None:
                return nothing_at(len(pixels), self.dims, Reason.OUTSIDE)
            if year not in zone.years:
                return nothing_at(len(pixels), self.dims, Reason.NOT_PUBLISHED)
            places = Places(zone.axes, zone.years.index(year), *zone.grid.positions(pixels))
            return self._read_zone(zone, places, progress)

    def _zone(self, epsg: int) -> Zone | None:
        """Return the zone that holds the pixels of an EPSG code, None where the store has none."""
        for name in group_names(epsg):
            group = self.root.get(name)
            if isinstance(group, zarr.Group):
                return read_zone(group, f"{self.publication.address} {name}", epsg)
        return None

    def _read_zone(self, zone: Zone, places: Places, progress: Progress | None) -> PublishedPixels:
        """Read the scales, then the codes of those pixels only whose scale says that there are any."""
        found = nothing_at(len(places.rows), self.dims, Reason.OUTSIDE)
        inside = np.flatnonzero(places.rows >= 0)
        found.scales[inside, 0] = gather(zone.array("scales", np.float32, 3), places.some(inside))
        found.reason[inside] = reason_of_scales(found.scales[inside], self.nan_is)
        known = np.flatnonzero(found.reason == Reason.EMBEDDED)
        found.codes[known] = gather(self._codes(zone), places.some(known), progress)
        counts = _counts(zone, places, known)
        return PublishedPixels.of(found.codes, found.scales, found.reason, counts)

    def _codes(self, zone: Zone) -> zarr.Array[Any]:
        array = zone.array(self.embeddings, np.int8, 4)
        bands = array.shape[axis_of(array, "band")]
        if bands != self.dims:
            raise ValueError(f"{zone.where}: {self.embeddings} has {bands} bands, needed are {self.dims}")
        return array


def _counts(zone: Zone, places: Places, known: NDArray[np.int64]) -> dict[Sensor, NDArray[np.float64]]:
    """Return the observations behind each known embedding, where the store counts them."""
    counts = not_counted(len(places.rows))
    for sensor, name in COUNTS.items():
        if name in zone.group:
            counts[sensor][known] = gather(zone.group[name], places.some(known))
    return counts


@contextmanager
def open_zarr(address: str, card: EncoderCard, store: Store | None = None) -> Iterator[ZarrSource]:
    """Open the store at a path or web address for the length of the `with`, once it is what the card says.

    `store`: where its bytes come from, if not from the address. CardMismatchError for another version or
    variant than the card's; PixelReadError or UnreachableError for a store that cannot be read.
    """
    where = shown(address)
    opened = store or (WebStore(address) if is_web(address) else LocalStore(Path(address), read_only=True))
    try:
        with _readable(where):
            root = zarr.open_group(IndexKeeper(opened), mode="r", zarr_format=3)
            attributes = dict(root.attrs)
            named = publication(attributes, address, where, card)
            array, nan_is = _array_of_dims(attributes, card.dims), _meaning_of_nan(attributes)
        yield ZarrSource(named, root, array, card.dims, nan_is)
    finally:
        opened.close()


def _array_of_dims(attributes: Mapping[str, Any], dims: int) -> str:
    """Return the name of the array that holds the first `dims` numbers."""
    listed: Any = attributes.get("geoemb:depths") or [{"dimensions": 128, "array": "embeddings"}]
    arrays = {int(each["dimensions"]): str(each["array"]) for each in listed}
    if dims not in arrays:
        raise ValueError(f"geoemb:depths are {', '.join(map(str, sorted(arrays)))}, needed is {dims}")
    return arrays[dims]


def _meaning_of_nan(attributes: Mapping[str, Any]) -> Reason:
    """Return water, unless the store says that nobody masked water or that NaN stands for missing."""
    quantisation: Any = attributes.get("geoemb:quantization")
    scale = quantisation.get("scale") if isinstance(quantisation, dict) else None
    stated = str(scale.get("nodata", "")) if isinstance(scale, dict) else ""
    unmasked = attributes.get("geoemb:landmask") is False
    return Reason.NOT_PUBLISHED if unmasked or stated.lower() == "nan" else Reason.WATER


@contextmanager
def _readable(where: str) -> Iterator[None]:
    """Turn whatever zarr raises for a store that it cannot read into one line that names the store."""
    try:
        yield
    except _DAMAGE as error:
        line = " ".join(str(error).split())[:300] or type(error).__name__
        named = line if where in line else f"{where}: {line}"
        raise PixelReadError(f"published embeddings {named}") from error
