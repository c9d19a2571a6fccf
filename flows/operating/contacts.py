"""The people who are told of alerts: one file apart from the warehouse, so that they can be forgotten."""

from __future__ import annotations

import dataclasses
import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monitoring.alerts.events import SERVICE
from monitoring.errors import ContactError
from warehouse.drafts import draft_of, settle, unfinished
from warehouse.lease import lease

#: The file of contacts, under `home`.
FILE_NAME = "contacts.json"
#: How an id is made: it says nothing of the person, and none is given twice.
ID_PREFIX, ID_BYTES = "c-", 4
ID_FORM = re.compile(r"c-[0-9a-f]{8}")
#: Most characters of a name, of a park and of an address (RFC 5321 has room for 254).
MOST_CHARACTERS = 254
#: How long a change waits for another one, seconds.
LOCK_WAIT_S = 10.0
#: Only the service's own account may read the file.
PRIVATE = 0o600

_MAIL = re.compile(r"[^@\s,;<>\"]+@[^@\s,;<>\"]+\.[^@\s,;<>\".]+")
_MAIL_IN_TEXT = re.compile(r"[\w.+%-]+\s*(?:@|\(at\)|\[at\])\s*[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_DAY_IN_TEXT = re.compile(r"\b(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))\b")
_PHONE_IN_TEXT = re.compile(r"(?<![\w.])(?!0\.\d+(?!\d))(?:\+|\(?0)[\d ()/.-]+\d|\b\d{3}-\d{3}-\d{4}\b")
#: Digits of a telephone number, from the shortest with its area code to the longest there is (E.164).
_PHONE_DIGITS = range(9, 16)


@dataclass(frozen=True)
class Contact:
    """One person; ContactError for one who cannot be written to or told apart from the service."""

    id: str
    name: str
    mail: str = ""
    """Address, or empty."""
    park: str = ""
    """The park whose alerts are theirs; empty: all."""

    def __post_init__(self) -> None:
        for trouble, is_so in (
            ("an id is c- and eight hexadecimal digits", not ID_FORM.fullmatch(self.id)),
            ("a name is needed", not self.name.strip() or self.name != self.name.strip()),
            (f"the name {SERVICE!r} is the service's own", self.name.casefold() == SERVICE),
            ("a name may not look like an id", bool(ID_FORM.fullmatch(self.name))),
            ("the name looks like an address or a telephone number", bool(_personal(self.name))),
            (
                "the address is not one for mail",
                bool(self.mail) and not _MAIL.fullmatch(self.mail),
            ),
            (f"at most {MOST_CHARACTERS} characters each", self._longest > MOST_CHARACTERS),
            ("each must be printable on one line", not f"{self.name}{self.mail}{self.park}".isprintable()),
        ):
            if is_so:
                raise ContactError(f"contact: {trouble}")

    @property
    def _longest(self) -> int:
        return max(map(len, (self.name, self.mail, self.park)))


def read_contacts(path: Path) -> tuple[Contact, ...]:
    """Return the contacts by id; none where there is no file. ContactError for a damaged one."""
    try:
        rows = json.loads(path.read_text("utf-8"))
        return tuple(Contact(**row) for row in rows)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError) as error:
        raise ContactError(f"contacts {path}: unreadable: {type(error).__name__}") from error


def add_contact(
    path: Path, name: str, *, mail: str = "", park: str = "", draw: Callable[[int], str] = secrets.token_hex
) -> Contact:
    """Keep a person under a new random id; ContactError where name and park are known already."""
    with _changing(path):
        known = read_contacts(path)
        if any((each.name, each.park) == (name, park) for each in known):
            raise ContactError(f"contact {name!r}: known already; erase that one first")
        added = Contact(_unused_id(known, draw), name, mail, park)
        _write(path, (*known, added))
    return added


def erase_contact(path: Path, contact_id: str) -> None:
    """Forget a person: gone from the file, and from drafts that killed commands left of it."""
    with _changing(path):
        known = read_contacts(path)
        if contact_id not in {each.id for each in known}:
            raise ContactError(f"contact {contact_id!r}: no contact has that id")
        _write(path, [each for each in known if each.id != contact_id])


def find_contact(known: Sequence[Contact], asked: str) -> Contact:
    """Return the one contact of that id or name; ContactError, which repeats no address, without one."""
    found = [each for each in known if asked == each.id or asked.casefold() == each.name.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ContactError(f"contact {asked!r}: {len(found)} have that name; give an id: {_ids(found)}")
    shown = "" if _personal(asked) else f" {asked!r}"
    raise ContactError(f"contact{shown}: not known; `underwood contacts add NAME` gives a person an id")


def names_of(known: Sequence[Contact]) -> Mapping[str, str]:
    """Return the name of each contact by id, for people to read; an erased one is not in it."""
    return {each.id: each.name for each in known}


def refuse_personal(text: str, what: str) -> str:
    """Return the text; ContactError where it seems to hold an address or a telephone number.

    What people write stays in the log for good, and so must not say how a person is reached.
    """
    found = _personal(text)
    if found:
        raise ContactError(f"{what}: seems to hold {found}; what is recorded is never removed: leave it out")
    return text


def _personal(text: str) -> str:
    """Return which kind of personal detail a text seems to hold; empty for none."""
    if _MAIL_IN_TEXT.search(text):
        return "a mail address"
    without_days = _DAY_IN_TEXT.sub("|", text)
    digits = (sum(map(str.isdigit, found[0])) for found in _PHONE_IN_TEXT.finditer(without_days))
    return "a telephone number" if any(n in _PHONE_DIGITS for n in digits) else ""


def _unused_id(known: Sequence[Contact], draw: Callable[[int], str]) -> str:
    taken = {each.id for each in known}
    return next(made for made in iter(lambda: ID_PREFIX + draw(ID_BYTES), "") if made not in taken)


def _ids(contacts: Sequence[Contact]) -> str:
    return ", ".join(each.id for each in contacts)


@contextmanager
def _changing(path: Path) -> Iterator[None]:
    """Keep other changes away, and leave no draft behind: neither of this change nor of a killed one."""
    with lease(path.with_name(f"{path.name}.lease"), wait_s=LOCK_WAIT_S):
        try:
            _discard_drafts(path)
            yield
        finally:
            _discard_drafts(path)


def _discard_drafts(path: Path) -> None:
    for draft in unfinished(path):
        draft.unlink(missing_ok=True)


def _write(path: Path, contacts: Sequence[Contact]) -> None:
    """Write the file whole, readable by its owner alone from its first byte on."""
    rows = [dataclasses.asdict(each) for each in sorted(contacts, key=lambda each: each.id)]
    draft = draft_of(path)
    try:
        draft.touch(PRIVATE, exist_ok=False)
        draft.write_text(json.dumps(rows, indent=1), "utf-8")
        settle(draft, path)
    except OSError as error:
        raise ContactError(f"contacts {path}: cannot be written: {error.strerror or error}") from error
