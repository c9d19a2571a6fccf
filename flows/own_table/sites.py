"""Sites of a table of histories: where each woodland lies and of which class it is, said once or often."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flows.own_table.columns import Codes, Columns, Floats
from flows.own_table.rows import Flags, Rows, first_row
from monitoring.errors import SourceError
from monitoring.trends.sites import Site
from monitoring.woodlands import Status

#: What a class may be; those of the inventory are ancient, and name the standing as well.
_STANDINGS = {status.value: status for status in Status if status.is_ancient}
#: The park of every woodland of a table that names none: they are compared with each other.
WHOLE_TABLE = "the table"
CLASSES = ("other", "ancient", *_STANDINGS)
#: Other words for the first two.
_CLASS_WORDS = {
    "false": "other",
    "no": "other",
    "0": "other",
    "true": "ancient",
    "yes": "ancient",
    "1": "ancient",
}
#: Bounds of what no woodland exceeds, metres and hectares.
_ELEVATIONS, _AREAS = (-500.0, 9000.0), (0.0, 1e7)


def sites_of(columns: Columns, rows: Rows) -> dict[str, Site]:
    """Return the site of every woodland, by its name; SourceError where two rows say different things."""
    park, leaf_type, block = (_texts(columns, rows, name) for name in ("park", "leaf_type", "block"))
    elevation = _figures(columns, rows, "elevation_m", _ELEVATIONS)
    area = _figures(columns, rows, "area_ha", _AREAS)
    classes = _classes(columns, rows)
    if "park" not in columns.cells:
        park = [WHOLE_TABLE] * len(rows.names)
    return {
        name: Site(
            woodland_id=name,
            park=park[w],
            is_ancient=classes[w] != "other",
            status=_STANDINGS.get(classes[w], Status.OTHER),
            leaf_type=leaf_type[w],
            elevation_m=elevation[w],
            area_ha=area[w],
            block=block[w],
        )
        for w, name in enumerate(rows.names)
    }


def _texts(columns: Columns, rows: Rows, name: str) -> list[str]:
    codes, texts = columns.words(name)
    stated = [*texts, ""]
    place = _one_per_woodland(columns, rows, name, codes, codes >= 0, np.array(stated, object))
    return [stated[codes[row]] if row >= 0 else "" for row in place.tolist()]


def _figures(columns: Columns, rows: Rows, name: str, bounds: tuple[float, float]) -> list[float]:
    values = columns.numbers(name, *bounds)
    place = _one_per_woodland(columns, rows, name, values, np.isfinite(values))
    return [float(value) for value in np.where(place >= 0, values[place], np.nan)]


def _one_per_woodland(
    columns: Columns,
    rows: Rows,
    name: str,
    values: Floats | Codes,
    stated: Flags,
    shown: NDArray[np.object_] | None = None,
) -> NDArray[np.int64]:
    """Return the first row of each woodland that states a value, -1 for none.

    SourceError where two rows of a woodland state different ones.
    """
    at = np.flatnonzero(stated)
    members, first = np.unique(rows.woodland[at], return_index=True)
    place = np.full(len(rows.names), -1, np.int64)
    place[members] = at[first]
    differing = at[values[at] != values[place[rows.woodland[at]]]]
    if differing.size:
        other = int(differing[0])
        one = int(place[rows.woodland[other]])
        words = [str(shown[values[row]] if shown is not None else values[row]) for row in (one, other)]
        raise SourceError(
            f"histories {columns.path}: woodland {rows.names[rows.woodland[other]]}: {name} {words[0]!r} on "
            f"{columns.where(one)} and {words[1]!r} on {columns.where(other)}; it lies in one place"
        )
    return place


def _classes(columns: Columns, rows: Rows) -> list[str]:
    """Return the class of each woodland; all are other woodland where the table states no class."""
    codes, texts = columns.words("class")
    meaning = [_class_of(columns, text, codes == code) for code, text in enumerate(texts)]
    if not meaning:
        return ["other"] * len(rows.names)
    of_row = np.array([*meaning, -1])[codes]
    place = _one_per_woodland(columns, rows, "class", of_row, of_row >= 0, np.array(CLASSES, object))
    if (place < 0).any():
        name = rows.names[first_row(place < 0)]
        raise SourceError(f"histories {columns.path}: woodland {name}: no class, where others have one")
    return [CLASSES[kind] for kind in of_row[place]]


def _class_of(columns: Columns, text: str, rows: Flags) -> int:
    word = _CLASS_WORDS.get(text.lower(), text).lower()
    for kind, name in enumerate(CLASSES):
        if word == name.lower():
            return kind
    known = f"{', '.join(CLASSES)}, true and false"
    raise columns.refusal(first_row(rows), f"class {text[:40]!r}: known are {known}")
