"""The heads of an installation: every one that was fitted is kept, one of each target is promoted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from flows.files import write_json
from monitoring.errors import ModelError, WeightsError

if TYPE_CHECKING:  # torch and scikit-learn are slow to import, and most commands need no head
    from models.heads.card import HeadCard
    from models.heads.head import Head

#: Beside the heads of a target: which of them speaks for it.
PROMOTED = "promoted.json"
#: What a folder of a head may hold, and what its replacement may therefore take away.
OF_A_HEAD = {"card.json", "head.safetensors", "evaluation.safetensors", "promotion.json", "promotion.csv"}


@dataclass(frozen=True)
class Kept:
    """One head as it was found on a shelf."""

    id: str
    card: HeadCard | None
    """None where it cannot be read."""
    failure: str
    """Why it cannot; empty where it can."""
    is_promoted: bool


@dataclass(frozen=True)
class Shelf:
    """The folder of the heads of one target."""

    folder: Path

    def keep(self, head: Head) -> Path:
        """Return the folder that now holds the head; one that is there and sound is left as it is."""
        from models.heads.head import load_head, save_head

        path = self.path(head.card.id)
        try:
            load_head(path)
        except ModelError:
            save_head(head, path)
        return path

    def path(self, head_id: str) -> Path:
        """Return where the head of an id lies; ModelError for a name that is no id."""
        if not head_id or Path(head_id).name != head_id or head_id.startswith("."):
            raise ModelError(f"head {head_id!r}: not an id")
        return self.folder / head_id

    def find(self, head_id: str) -> Path:
        """Return where a kept head lies; ModelError that names the kept ones where it is none of them."""
        path = self.path(head_id)
        if not path.is_dir():
            kept = ", ".join(self.ids()) or "none"
            raise ModelError(f"head {head_id!r}: not among the heads of {self.folder.name}; kept are {kept}")
        return path

    @property
    def promoted(self) -> str:
        """Id of the head that speaks for the target; empty where none was promoted."""
        try:
            content = json.loads((self.folder / PROMOTED).read_text("utf-8"))
            return str(content["head"])
        except FileNotFoundError:
            return ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WeightsError(f"heads {self.folder / PROMOTED}: damaged ({error})") from error

    def promote(self, head_id: str, now: datetime) -> None:
        """Let a kept head speak for the target from now on."""
        from models.heads.card import read_head_card

        read_head_card(self.find(head_id))
        write_json(self.folder / PROMOTED, {"head": head_id, "promoted_at": now.isoformat()})

    @property
    def in_use(self) -> Path:
        """Folder of the promoted head; WeightsError where there is none."""
        if self.promoted:
            return self.path(self.promoted)
        if self.is_of_earlier_version:
            raise WeightsError(self.earlier_version)
        raise WeightsError(f"heads {self.folder}: none is promoted; `underwood train` fits the first")

    @property
    def is_of_earlier_version(self) -> bool:
        """True where a head lies in the folder itself, as 0.1.0 kept the only one."""
        return (self.folder / "card.json").is_file()

    @property
    def earlier_version(self) -> str:
        """What to say of that head."""
        return (
            f"heads {self.folder}: holds a head of an earlier version, which this one cannot read; "
            "`underwood train` fits it anew"
        )

    def ids(self) -> list[str]:
        """Return the names of the kept heads, in their order."""
        found = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        return [path.name for path in found if path.is_dir() and not path.name.startswith(".")]

    def kept(self) -> Iterator[Kept]:
        """Yield the kept heads in the order of their ids, unreadable ones with the reason."""
        if self.is_of_earlier_version and not self.promoted:
            yield Kept("", None, self.earlier_version, is_promoted=False)
        for head_id in self.ids():
            yield self._kept(head_id)

    def _kept(self, head_id: str) -> Kept:
        from models.heads.card import read_head_card

        is_promoted = head_id == self.promoted
        try:
            return Kept(head_id, read_head_card(self.path(head_id)), "", is_promoted)
        except WeightsError as error:
            return Kept(head_id, None, str(error), is_promoted)


def shelves(folder: Path) -> list[Shelf]:
    """Return the shelf of every target that has one, in the order of their names."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [Shelf(path) for path in found if path.is_dir() and not path.name.startswith(".")]


def refuse_foreign(folder: Path) -> None:
    """ModelError where a head cannot be put: on a file, on foreign files, where nothing may be written.

    To be asked before hours of fitting; a folder that holds a head is replaced.
    """
    if folder.is_file():
        raise ModelError(f"--out {folder}: is a file, not a folder for a head")
    if folder.is_dir() and (foreign := sorted({path.name for path in folder.iterdir()} - OF_A_HEAD)):
        raise ModelError(
            f"--out {folder}: holds {foreign[0]!r}, which is no part of a head; name another folder"
        )
    place = next(each for each in folder.absolute().parents if each.exists())
    if not place.is_dir() or not os.access(place, os.W_OK):
        raise ModelError(f"--out {folder}: nothing can be written to {place}")
