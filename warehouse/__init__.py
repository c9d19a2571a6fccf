"""All that is kept: the pixel cube and the DuckDB warehouse.

import warehouse

with warehouse.read("published/underwood.duckdb") as reader:
    frame = reader.tables.history(park="New Forest").pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from warehouse.answering.answers import Answer as Answer
    from warehouse.answering.tables import Tables as Tables
    from warehouse.reader import Reader as Reader
    from warehouse.reader import read as read

#: What stands in this package itself, and the module each comes from when it is first asked for.
_HOMES = {"read": "reader", "Reader": "reader", "Tables": "answering.tables", "Answer": "answering.answers"}

__all__ = ["Answer", "Reader", "Tables", "read"]


def __getattr__(name: str) -> Any:
    """Return a public name, loading its module: who wants the cube does not wait for DuckDB."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
