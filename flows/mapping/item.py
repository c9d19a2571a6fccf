"""The STAC item of a map: what its files are, where they lie and what made them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pystac
import shapely

from flows.mapping.layers import NO_NUMBER, Colours, Frame, Piece
from monitoring.grid import PIXEL_SIZE_M
from monitoring.seasons import Season
from monitoring.targets import Target

COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"
PREVIEW = "preview.png"
#: Most characters of a name that an item repeats.
_NAME_LENGTH = 100
_EXTENSIONS = (
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_CLASSES = (
    {"value": 0, "name": "outside", "description": "Outside the area of applicability"},
    {"value": 1, "name": "inside", "description": "Inside the area of applicability"},
    {"value": NO_NUMBER, "name": "unknown", "description": "Nothing known", "nodata": True},
)


@dataclass(frozen=True)
class MapTitle:
    """What a map is of."""

    name: str
    """Of the woodland or park, as its boundary file has it."""
    season: Season
    target: Target
    facts: Mapping[str, str | int]
    """What made it: encoder, head, scenes."""

    def __str__(self) -> str:
        return f"{plain(self.name)} {self.season}"


def plain(name: str) -> str:
    """Return a name on one line, without control characters, not too long: boundary files hold anything."""
    one_line = " ".join(unicodedata.normalize("NFC", name).split())
    return "".join(each for each in one_line if unicodedata.category(each)[0] != "C")[:_NAME_LENGTH]


def item_id(title: MapTitle, epsg: int) -> str:
    """Return the id of a map's item, of letters, digits and `-` that every address takes."""
    ascii_name = unicodedata.normalize("NFKD", plain(title.name)).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name.lower()).strip("-")
    target = title.target.name.replace("_", "-")
    return "-".join(filter(None, (slug, title.season.id.lower(), target, f"epsg{epsg}")))


def item_text(piece: Piece, frame: Frame, colours: Colours, title: MapTitle) -> str:
    """Return the STAC item of a map as JSON; the same map gives the same text."""
    west, south, east, north = frame.bbox
    item = pystac.Item(
        id=item_id(title, frame.epsg),
        geometry=shapely.geometry.mapping(shapely.box(west, south, east, north)),
        bbox=[west, south, east, north],
        datetime=None,
        start_datetime=title.season.start,
        end_datetime=title.season.end,
        properties=_properties(piece, title) | {"proj:code": f"EPSG:{frame.epsg}"},
        stac_extensions=list(_EXTENSIONS),
        assets=_assets(frame, colours, title.target.unit),
    )
    return json.dumps(item.to_dict(include_self_link=False), indent=1, sort_keys=True) + "\n"


def _properties(piece: Piece, title: MapTitle) -> dict[str, Any]:
    n_known = int(piece.known.sum())
    return {
        "title": str(title),
        "processing:software": {"underwood": version("underwood")},
        "processing:lineage": "; ".join(
            [f"{title.target.name} of 10 m cells", *(f"{name} {fact}" for name, fact in title.facts.items())]
        ),
        "underwood:season": title.season.id,
        "underwood:target": title.target.name,
        "underwood:unit": title.target.unit,
        "underwood:n_cells": len(piece.cells),
        "underwood:n_estimated": n_known,
        "underwood:applicable_share": int(np.sum(piece.applicable == 1)) / n_known if n_known else None,
        **{f"underwood:{name}": fact for name, fact in title.facts.items()},
    }


def _assets(frame: Frame, colours: Colours, unit: str) -> dict[str, pystac.Asset]:
    number = {"data_type": "float32", "nodata": "nan", "unit": unit}
    code = {"data_type": "uint8", "nodata": NO_NUMBER}
    scale = {"raster:offset": colours.low, "raster:scale": colours.step, "unit": unit}
    return {
        "mean": _raster("mean", "Expected value in one standard sample", "data", frame, number),
        "sd": _raster("sd", "Standard deviation of one standard sample about it", "data", frame, number),
        "mean-colours": _raster(
            "mean-colours", "Expected value as colours", "visual", frame, {**code, **scale}
        ),
        "applicability": _raster(
            "applicability",
            "Area of applicability",
            "data",
            frame,
            {**code, "classification:classes": list(_CLASSES)},
        ),
        "preview": pystac.Asset(
            f"./{PREVIEW}", "Expected value as a picture", media_type="image/png", roles=["thumbnail"]
        ),
    }


def _raster(name: str, words: str, role: str, frame: Frame, more: Mapping[str, Any]) -> pystac.Asset:
    grid = {
        "proj:shape": [frame.height, frame.width],
        "proj:transform": list(frame.transform)[:6],
        "raster:spatial_resolution": PIXEL_SIZE_M,
    }
    return pystac.Asset(
        f"./{name}.tif", words, media_type=COG_TYPE, roles=[role], extra_fields={**grid, **more}
    )
