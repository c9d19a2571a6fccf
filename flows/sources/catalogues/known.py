"""Known catalogues: public ones that settings may call by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flows.sources.catalogues.provenance import CDSE, EARTH_SEARCH, PLANETARY_COMPUTER


@dataclass(frozen=True)
class KnownCatalogue:
    """A public STAC API; how its assets are signed follows from where each lies (see `signing`)."""

    address: str
    source: str
    """Where its pixels come from."""


KNOWN: Mapping[str, KnownCatalogue] = {
    "planetary-computer": KnownCatalogue(
        "https://planetarycomputer.microsoft.com/api/stac/v1", PLANETARY_COMPUTER
    ),
    "earth-search": KnownCatalogue("https://earth-search.aws.element84.com/v1", EARTH_SEARCH),
    "cdse": KnownCatalogue("https://stac.dataspace.copernicus.eu/v1", CDSE),
}


def by_name(catalogue: str, source: str | None = None) -> tuple[str, str | None]:
    """Return the address and the source of a catalogue: of a known name, else both as they were given.

    ValueError when the name of a known catalogue comes with the source of another one.
    """
    known = KNOWN.get(catalogue)
    if known is None:
        return catalogue, source
    if source not in (None, known.source):
        raise ValueError(f"source {source!r} is not that of catalogue {catalogue!r} ({known.source})")
    return known.address, known.source
