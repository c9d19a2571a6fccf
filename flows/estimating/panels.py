"""Panels on disk: one file per encoder and block, and beside it what its last comparison found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flows.files import write_json, write_whole
from flows.workspace import Workspace
from models.encoders.card import D_PIXELS
from models.encoders.panel import Panel, panel_bytes, panel_from_bytes, panel_sha256
from monitoring.errors import PanelError

#: Ending of a panel file.
SUFFIX = ".panel"
#: Folder, beside the panels, of those that were replaced.
REPLACED = "replaced"
#: Digits of a hash that tell two files apart.
HASH_DIGITS = 12
#: What `Looked.inputs` says where nothing changed.
AS_FROZEN = "as frozen"


@dataclass(frozen=True)
class StoredPanel:
    """A panel as it lies on disk."""

    path: Path
    sha256: str
    panel: Panel

    @property
    def block_id(self) -> str:
        """The block whose pixels it holds."""
        return self.panel.record.block_id


@dataclass(frozen=True)
class Compared:
    """What the last comparison of a panel found."""

    panel: str
    """sha256 of the panel compared: of another one it says nothing."""
    compared_at: str
    agrees: bool
    difference: float
    cosine: float
    within_one_level: float
    bitwise: bool
    deviates_at: str
    changed: Sequence[str]
    """What of the environment changed since the panel was accepted."""
    said: str
    """The outcome in words."""


@dataclass(frozen=True)
class Looked:
    """What the last look at the cube found of a panel's inputs."""

    panel: str
    looked_at: str
    inputs: str
    """AS_FROZEN, or what is not."""


def has_panels(workspace: Workspace) -> bool:
    """Return False where embeddings are not computed here, such as published ones: no encoder can drift."""
    return workspace.encoder_card.input == D_PIXELS


def panel_folder(workspace: Workspace) -> Path:
    """Return the folder of the panels of the encoder in use: its card and its weights name it."""
    card = workspace.encoder_card
    return workspace.panels / f"{card.id}-{card.weights_sha256[:HASH_DIGITS]}"


def panel_path(workspace: Workspace, block_id: str) -> Path:
    """Return where the panel of a block lies, or will."""
    return panel_folder(workspace) / f"{block_id}{SUFFIX}"


def panel_paths(folder: Path) -> tuple[Path, ...]:
    """Return the panel files of a folder in the order of their blocks; none where there is no folder."""
    return tuple(sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")))


def read_panel(path: Path) -> StoredPanel:
    """Return a stored panel; PanelError when it is missing, damaged, or not the one its name says."""
    advice = "restore it from a backup, or move it away and the next season freezes a new one"
    try:
        content = path.read_bytes()
        stored = StoredPanel(path, panel_sha256(content, str(path)), panel_from_bytes(content, str(path)))
    except OSError as error:
        raise PanelError(f"panel {path}: cannot be read: {error.strerror}") from error
    except PanelError as error:
        raise PanelError(f"{error}; {advice}") from error
    record = stored.panel.record
    if path.stem != stored.block_id or not path.parent.name.endswith(record.weights_sha256[:HASH_DIGITS]):
        raise PanelError(
            f"panel {path}: is of block {stored.block_id} and encoder {record.encoder}; {advice}"
        )
    return stored


def write_panel(path: Path, panel: Panel) -> StoredPanel:
    """Write a panel, whole or not at all; one that lies there is first kept among the replaced ones."""
    content = panel_bytes(panel)
    if path.exists():
        write_whole(kept_path(read_panel(path)), path.read_bytes())
    write_whole(path, content)
    return StoredPanel(path, panel_sha256(content, str(path)), panel)


def kept_path(old: StoredPanel) -> Path:
    """Return where a panel is kept once it is replaced: its name tells when it was accepted."""
    stamp = datetime.fromisoformat(old.panel.record.accepted_at).strftime("%Y%m%dT%H%M%SZ")
    return old.path.parent / REPLACED / f"{old.block_id}-{stamp}-{old.sha256[:HASH_DIGITS]}{SUFFIX}"


def write_compared(stored: StoredPanel, compared: Compared) -> None:
    """Write down what a comparison found, beside the panel."""
    write_json(stored.path.with_suffix(".compared.json"), dataclasses.asdict(compared))


def last_compared(stored: StoredPanel) -> Compared | None:
    """Return what the last comparison of this very panel found; None where there was none."""
    found = _beside(stored, ".compared.json", Compared)
    return found if isinstance(found, Compared) else None


def write_looked(stored: StoredPanel, looked: Looked) -> None:
    """Write down what a look at the cube found, beside the panel."""
    write_json(stored.path.with_suffix(".inputs.json"), dataclasses.asdict(looked))


def last_looked(stored: StoredPanel) -> Looked | None:
    """Return what the last look at this very panel's inputs found; None where there was none."""
    found = _beside(stored, ".inputs.json", Looked)
    return found if isinstance(found, Looked) else None


def _beside(
    stored: StoredPanel, suffix: str, kind: type[Compared] | type[Looked]
) -> Compared | Looked | None:
    """Return a note about a panel; None when it is missing, unreadable, or about another panel."""
    try:
        note = kind(**json.loads(stored.path.with_suffix(suffix).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return note if note.panel == stored.sha256 else None


def every_folder(workspace: Workspace) -> Iterator[Path]:
    """Yield the folders of all encoders that have panels, sorted."""
    yield from sorted(path for path in workspace.panels.glob("*") if path.is_dir())


def instant(now: datetime | None = None) -> str:
    """Return a moment (this one, where none is given) as ISO text, UTC, whole seconds."""
    return (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
