"""Site attributes: what a table knows of woodlands that their boundary file does not."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from monitoring.errors import BoundaryError

COLUMNS = ("woodland", "leaf_type", "elevation_m")
#: Largest table that is read, bytes: some 400,000 woodlands.
MOST_BYTES = 32_000_000
#: Lowest and highest ground that is believed, metres.
LOWEST_M, HIGHEST_M = -500.0, 9_000.0


@dataclass(frozen=True)
class SiteAttributes:
    """What is known of one woodland; empty or NaN where the table does not say."""

    leaf_type: str = ""
    elevation_m: float = math.nan


def read_site_attributes(path: Path) -> dict[str, SiteAttributes]:
    """Return the attributes by woodland id from a CSV table of woodland, leaf_type and elevation_m.

    The last two columns may be missing or empty. BoundaryError, naming the line, for a table without the
    first column, a woodland given twice, or an elevation that is no elevation in metres.
    """
    if not path.is_file():
        raise BoundaryError(f"site attributes {path}: no such file")
    if path.stat().st_size > MOST_BYTES:
        raise BoundaryError(f"site attributes {path}: larger than {MOST_BYTES} bytes")
    found: dict[str, SiteAttributes] = {}
    for line, row in _rows(path):
        name = (row.get("woodland") or "").strip()
        if not name or name in found:
            trouble = f"woodland {name!r} given twice" if name else "no woodland"
            raise BoundaryError(f"site attributes {path}: line {line}: {trouble}")
        elevation = _elevation(row.get("elevation_m") or "", f"site attributes {path}: line {line}")
        found[name] = SiteAttributes((row.get("leaf_type") or "").strip(), elevation)
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            if "woodland" not in (table.fieldnames or ()):
                raise BoundaryError(f"site attributes {path}: no column 'woodland'")
            for row in table:
                yield table.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BoundaryError(f"site attributes {path}: {error}") from error


def _elevation(text: str, where: str) -> float:
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not LOWEST_M <= value <= HIGHEST_M:
        bounds = f"must be a number of metres from {LOWEST_M:g} to {HIGHEST_M:g}"
        raise BoundaryError(f"{where}: elevation_m {text!r}: {bounds}")
    return value
