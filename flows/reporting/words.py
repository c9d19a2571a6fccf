"""Words: what a target is called, and the model that speaks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from monitoring.errors import ReportError
from reports.content import Target
from warehouse.reader import Reader, Record

#: The target whose words the report knows; any other goes by its own name and unit.
RICHNESS = "richness"


def target_words(reader: Reader, target: str) -> Target:
    """Return what a target is called: one other than richness by its name, in the unit its head states."""
    if target == RICHNESS:
        return Target()
    name, unit = target.replace("_", " "), _unit(_head_card(reader, target))
    return Target(
        name=name,
        unit=unit,
        slope_unit=f"{unit} per year",
        short_name=name,
        short_unit=unit,
        meaning=f"Expected {name} in one standard sample, {unit}",
    )


def _unit(card: Mapping[str, Any]) -> str:
    """Return the unit on a head's card; cards of earlier versions name their target only."""
    stated = card["target"]
    return str(stated["unit"]) if isinstance(stated, dict) else "unit not stated"


def _head_card(reader: Reader, target: str) -> Mapping[str, Any]:
    """Return the card of the head that speaks for a target; ReportError where none does."""
    model = current_model(reader, target)
    card: Mapping[str, Any] = next(
        json.loads(row["card"]) for row in reader.models() if row["id"] == model["head"]
    )
    return card


def current_model(reader: Reader, target: str) -> Record:
    """Return the model that speaks for a target; ReportError where none does."""
    model = next((row for row in reader.current_models() if row["target"] == target), None)
    if model is None:
        raise ReportError(f"target {target!r}: the warehouse holds no estimate of it")
    return model
