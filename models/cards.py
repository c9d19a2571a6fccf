"""Cards: the record that identifies a model, read from JSON and checked field by field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from monitoring.errors import ModelError

Card = TypeVar("Card")


def read_card(kind: type[Card], path: Path) -> Card:
    """Return the card in a JSON file as `kind`; ModelError for unknown, missing or mistyped fields."""
    try:
        text = path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ModelError(f"card {path}: {error}") from error
    return parse_card(kind, text, f"card {path}")


def parse_card(kind: type[Card], text: str, where: str) -> Card:
    """Return the card in a JSON text as `kind`, every number of the type its field states."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from error
    card: Card = _build(kind, content, where)
    return card


def card_text(card: Any) -> str:
    """Return the JSON text of a card; the same card gives the same bytes."""
    return json.dumps(dataclasses.asdict(card), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def card_digest(card: Any) -> str:
    """Return twelve hex digits that name this very card."""
    return hashlib.sha256(card_text(card).encode()).hexdigest()[:12]


def _build(kind: Any, content: Any, where: str) -> Any:
    """Return `content` as an instance of the dataclass `kind`."""
    if not isinstance(content, dict):
        raise ModelError(f"{where}: expected an object, got {content!r}")
    expected = typing.get_type_hints(kind)
    required = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    unknown, missing = sorted(set(content) - set(expected)), sorted(required - set(content))
    if unknown or missing:
        raise ModelError(f"{where}: unknown fields {unknown}, missing fields {missing}")
    return kind(**{key: _value(expected[key], value, f"{where}: {key}") for key, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        return _one_of(typing.get_args(kind), value, where)
    if typing.get_origin(kind) is tuple:
        return _tuple(typing.get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, where)
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise ModelError(f"{where}: expected {kind.__name__}, got {value!r}")
    return kind(value)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    """Return `value` as the member of a union it fits: None, or the dataclass that has its fields."""
    if value is None and types.NoneType in kinds:
        return None
    stated = set(value) if isinstance(value, dict) else set()
    members = [kind for kind in kinds if kind is not types.NoneType]
    fitting = [kind for kind in members if dataclasses.is_dataclass(kind) and stated == _field_names(kind)]
    return _value((fitting or members)[0], value, where)


def _field_names(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def _tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ModelError(f"{where}: expected a list, got {value!r}")
    return tuple(_value(kind, item, f"{where}[{i}]") for i, item in enumerate(value))
