"""Targets: those built in, beside this file, or a TOML file of one's own."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from pathlib import Path
from typing import Any

from monitoring.errors import SettingsError
from monitoring.targets import Target

BUILT_IN_TARGETS = Path(__file__).parent
#: A target file has 30 lines.
MAX_FILE_BYTES = 64 * 1024


def read_target(name_or_path: str | Path, folder: Path | None = None) -> Target:
    """Return a target by its name or by the path of its TOML file.

    folder: where files of one's own lie, named by their target; they go before those built in.
    SettingsError for an unknown name, unknown keys, wrong types and what `Target` refuses.
    """
    path = Path(name_or_path)
    if path.suffix.lower() == ".toml":
        return _read(path)
    known = _known(folder)
    if str(name_or_path) not in known:
        listed = ", ".join(sorted(known))
        raise SettingsError(f"target {str(name_or_path)!r}: known are {listed}, or the path of a .toml file")
    return _named(known[str(name_or_path)])


def _known(folder: Path | None) -> dict[str, Path]:
    folders = [BUILT_IN_TARGETS, *([folder] if folder else [])]
    return {path.stem: path for each in folders for path in sorted(each.glob("*.toml"))}


def _named(path: Path) -> Target:
    """Return the target of a file that is named by it, so that a name means one thing."""
    target = _read(path)
    if target.name != path.stem:
        raise SettingsError(f"target file {path}: name {target.name!r}, the file says {path.stem!r}")
    return target


def _read(path: Path) -> Target:
    try:
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise SettingsError(f"target file {path}: {size} bytes, at most {MAX_FILE_BYTES} are read")
        content = tomllib.loads(path.read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise SettingsError(f"target file {path}: {cause}") from error
    try:
        target: Target = _build(Target, content, "")
    except SettingsError as error:
        raise SettingsError(f"target file {path}: {error}") from error
    for bound in ("low", "high"):
        if not math.isfinite(getattr(target, bound)):
            raise SettingsError(f"target file {path}: {bound} must be a finite number")
    return target


def _build(kind: Any, content: Any, where: str) -> Any:
    """Return a TOML table as an instance of the dataclass `kind`."""
    if not isinstance(content, dict):
        raise SettingsError(f"{where.rstrip('.')}: expected a table, got {content!r}")
    types_of = typing.get_type_hints(kind)
    required = {each.name for each in dataclasses.fields(kind) if each.default is dataclasses.MISSING}
    if unknown := sorted(set(content) - set(types_of)):
        raise SettingsError(f"unknown key {where + unknown[0]!r}; known are {', '.join(types_of)}")
    if missing := sorted(required - set(content)):
        raise SettingsError(f"key {where + missing[0]!r} is missing")
    return kind(**{key: _value(types_of[key], value, where + key) for key, value in content.items()})


def _value(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, types.UnionType):
        # Every optional key is a number; what is left out is None.
        return _value(typing.get_args(kind)[0], value, where)
    if typing.get_origin(kind) is tuple:
        return _tuple(typing.get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f"{where}.")
    accepted = (int, float) if kind is float else (kind,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise SettingsError(f"{where}: expected {_NAMES[kind]}, got {value!r}")
    return kind(value)


def _tuple(kind: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{where}: expected a list, got {value!r}")
    return tuple(_value(kind, item, f"{where}[{i}]") for i, item in enumerate(value))


_NAMES = {float: "a number", str: "text", bool: "true or false"}
