"""Documents: the JSON of a catalogue, read from disk or the web within bounds."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pystac
from pystac_client.exceptions import APIError

from flows.sources.addresses import Place, is_web, shown, without_secrets
from flows.sources.assets.patience import Patience
from flows.sources.catalogues.asking import MAX_DOCUMENT_BYTES, PATIENCE, Asker
from monitoring.errors import CatalogueError

_SYSTEM_REASON = re.compile(r"\[Errno -?\d+\] ([\w ]+)")


@dataclass(frozen=True)
class Document:
    """One JSON document: its content or why it could not be read, where it lies and what it belongs to."""

    content: Any
    place: Place
    collection: str
    """Id of the nearest collection above it; empty where there is none."""
    problem: str = ""
    is_unheard: bool = False
    """True where its server did not give it, and may do so later."""


def read_document(address: str, patience: Patience = PATIENCE) -> Any:
    """Return the JSON at a path or web address; CatalogueError when it cannot be had."""
    try:
        return json.loads(_text_at(address, patience))
    except (OSError, APIError, ValueError, RecursionError) as error:
        raise unusable(address, error) from None


def _text_at(address: str, patience: Patience) -> str:
    if is_web(address):
        return Asker(patience).request(address)
    path = Path(address)
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"larger than {MAX_DOCUMENT_BYTES} bytes")
    return path.read_text("utf-8")


def unusable(address: str, error: Exception) -> CatalogueError:
    """Return the error that says, on one line and without secrets, why an address gave no catalogue."""
    return CatalogueError(f"catalogue {shown(address)}: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"not JSON: {error}"
    line = without_secrets(str(error))
    system = _SYSTEM_REASON.search(line)
    if system:
        return f"cannot be read: {system[1].strip()}"
    return line[:200] or type(error).__name__


def kind_of(content: Any) -> pystac.STACObjectType | None:
    """Return what a JSON document is in STAC, None where it is nothing of it."""
    if not isinstance(content, dict) or not isinstance(content.get("stac_version"), str):
        return None
    try:
        return pystac.serialization.identify_stac_object_type(content)
    except (ValueError, TypeError):
        return None
