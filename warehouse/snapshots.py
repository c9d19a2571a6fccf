"""The published snapshot and those kept from before it: what each is, which a day saw, which are kept."""

from __future__ import annotations

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from monitoring.errors import MigrationError, WarehouseError
from warehouse.database import connect, copy_apart, query, refusals
from warehouse.drafts import discard, draft_of, settle, unfinished
from warehouse.migrate import refuse_other_schema

#: Folder of the snapshots before the published one, beside it.
EARLIER = "earlier"
#: DuckDB's headers: they count every change of the file and are unlike those of any other.
_HEADER_BYTES = 3 * 4096
_MOMENT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class SnapshotPolicy:
    """Which of the earlier snapshots are kept."""

    newest: int = 8
    """How many of the newest."""
    yearly: bool = True
    """Also the last one of each calendar year (UTC)."""

    def __post_init__(self) -> None:
        if self.newest < 0:
            raise WarehouseError(f"snapshots: {self.newest} of the newest to keep; at least 0")

    def to_remove(self, earlier: Iterable[Snapshot]) -> tuple[Snapshot, ...]:
        """Return those of the earlier snapshots that are not kept, oldest first."""
        ordered = sorted(earlier, key=_age)
        last_of_year = {each.published_at.year: each for each in ordered} if self.yearly else {}
        kept = {
            each.path for each in (*last_of_year.values(), *ordered[max(0, len(ordered) - self.newest) :])
        }
        return tuple(each for each in ordered if each.path not in kept)


@dataclass(frozen=True)
class Snapshot:
    """One snapshot of the warehouse, published or earlier."""

    path: Path
    published_at: datetime
    """UTC, to the second."""
    token: int
    """Of the lease it was published under; 0: not known."""
    size_bytes: int
    sha256: str = ""
    """Of the file, as it was published; empty: not known."""
    schema: int = 0
    """Number of its last migration; 0: not known."""
    seasons: tuple[str, ...] = ()
    """Seasons with an estimate."""

    @property
    def problem(self) -> str:
        """Why it cannot be opened by this version, in one line; empty: it can."""
        return problem_of(self.path)

    @property
    def is_readable(self) -> bool:
        """True where it opens and has the schema of this version."""
        return not self.problem

    @property
    def damage(self) -> str:
        """How the whole file differs from what was published, in one line; empty: not at all.

        Reads all of it: about 1.5 s for each GB. A file of unknown digest is only opened.
        """
        with refusals(f"snapshot {self.path}"):
            found = digest_of(self.path) if self.sha256 else ""
        if found == self.sha256:
            return self.problem
        return f"snapshot {self.path}: sha256 {found[:12]}; published as {self.sha256[:12]}"


def snapshots(published: Path) -> tuple[Snapshot, ...]:
    """Return the published snapshot and the earlier ones, newest first; none where there are none."""
    current = current_snapshot(published)
    return ((current,) if current else ()) + earlier_snapshots(published)


def current_snapshot(published: Path) -> Snapshot | None:
    """Return the published snapshot, whether or not it can be opened; None where there is none."""
    with refusals(f"snapshot {published}"):
        if not published.is_file():
            return None
        moment = datetime.fromtimestamp(published.stat().st_mtime, UTC).replace(microsecond=0)
        return _told(published) or Snapshot(published, moment, 0, published.stat().st_size)


def earlier_snapshots(published: Path) -> tuple[Snapshot, ...]:
    """Return the snapshots kept from before the published one, newest first."""
    with refusals(f"snapshots of {published}"):
        found = (_named(path, published) for path in (published.parent / EARLIER).glob("*"))
        return tuple(sorted((each for each in found if each), key=_age, reverse=True))


def snapshot_at(published: Path, moment: datetime) -> Snapshot:
    """Return the snapshot that was the published one at a moment, of those that are kept.

    WarehouseError where nothing that is kept was published by then. Of a time for which none is kept this is
    the last one before; ask `site_history_as_of` for the very moment.
    """
    found = snapshots(published)
    by_then = [each for each in found if each.published_at <= moment]
    if not by_then:
        oldest = f"the oldest is of {found[-1].published_at.isoformat()}" if found else "there are none"
        raise WarehouseError(f"snapshots of {published}: none kept is of {moment.isoformat()}; {oldest}")
    return max(by_then, key=_age)


def remove_by_policy(published: Path, policy: SnapshotPolicy) -> tuple[Snapshot, ...]:
    """Remove the earlier snapshots that the policy does not keep; return them. Under the lease."""
    surplus = policy.to_remove(earlier_snapshots(published))
    for each in surplus:
        with refusals(f"snapshot {each.path}"):
            each.path.unlink(missing_ok=True)
            _paper_of(each.path).unlink(missing_ok=True)
    return surplus


@contextmanager
def advised(path: Path) -> Iterator[None]:
    """Where DuckDB stumbles on a damaged file, say what to do and which earlier snapshot can be read.

    Put it around opening and querying a snapshot: damage may show only when its block is read.
    """
    try:
        yield
    except WarehouseError as error:
        if not _tells_damage(error):
            raise
        raise WarehouseError(f"{error}; {_advice(path)}") from error


def problem_of(path: Path) -> str:
    """Return why a snapshot cannot be opened, in one line; empty where it opens. Reads a few blocks of it."""
    try:
        if not path.is_file():
            return f"snapshot {path}: no such file"
        with connect(path, read_only=True) as connection:
            refuse_other_schema(connection)
    except MigrationError as error:
        return f"snapshot {path}: {error}"
    except WarehouseError as error:
        return str(error)
    return ""


def describe(draft: Path, published: Path, moment: datetime, token: int) -> Snapshot:
    """Return what a finished copy of the warehouse will be once published; WarehouseError where damaged."""
    with connect(draft, read_only=True) as connection, refusals(f"snapshot {published}"):
        schema = len(connection.execute(query("applied_migrations")).fetchall())
        seasons = connection.execute(query("estimated_seasons"), {"target": None}).fetchall()
    named = tuple(season for (season,) in seasons)
    moment = moment.astimezone(UTC).replace(microsecond=0)
    return Snapshot(published, moment, token, draft.stat().st_size, digest_of(draft), schema, named)


def keep(current: Snapshot) -> None:
    """Give the published snapshot its name among the earlier ones too: no second copy of its content."""
    kept = earlier_path(current)
    kept.parent.mkdir(exist_ok=True)
    if not (kept.exists() and kept.samefile(current.path)):
        _link(current.path, kept)
    write_paper(kept, current)


def write_paper(path: Path, snapshot: Snapshot) -> None:
    """Write what a snapshot is beside its file, as JSON; whole or not at all."""
    told = {
        "published_at": snapshot.published_at.isoformat(),
        "token": snapshot.token,
        "size_bytes": snapshot.size_bytes,
        "sha256": snapshot.sha256,
        "schema": snapshot.schema,
        "seasons": snapshot.seasons,
        "headers_sha256": _digest_of_headers(path),
    }
    paper = _paper_of(path)
    draft = draft_of(paper)
    try:
        draft.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        settle(draft, paper)
    finally:
        discard(draft)


def earlier_path(snapshot: Snapshot) -> Path:
    """Return the name of a published snapshot once it is an earlier one."""
    name, moment = snapshot.path, snapshot.published_at.strftime(_MOMENT)
    return name.parent / EARLIER / f"{name.stem}-{moment}-{snapshot.token}{name.suffix}"


def remove_unfinished(published: Path) -> None:
    """Remove what a killed publish left. Under the lease."""
    kept = published.parent / EARLIER / published.name
    for path in (published, _paper_of(published), kept):
        for draft in unfinished(path):
            discard(draft)
    for draft in kept.parent.glob(f".{glob.escape(published.stem)}-*.draft"):
        discard(draft)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _named(path: Path, published: Path) -> Snapshot | None:
    """What a file is by its name and the paper beside it; None where it is no snapshot."""
    pattern = rf"{re.escape(published.stem)}-(\d{{8}}T\d{{6}}Z)-(\d+){re.escape(published.suffix)}"
    match = re.fullmatch(pattern, path.name)
    if not match:
        return None
    try:
        moment = datetime.strptime(match[1], _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return None
    return _told(path) or Snapshot(path, moment, int(match[2]), path.stat().st_size)


def _told(path: Path) -> Snapshot | None:
    """What the paper beside a snapshot says of it; None where there is none, or it is of another file."""
    try:
        said = json.loads(_paper_of(path).read_bytes())
        if said["headers_sha256"] != _digest_of_headers(path) or said["size_bytes"] != path.stat().st_size:
            return None
        moment = datetime.fromisoformat(said["published_at"]).astimezone(UTC)
        seasons = tuple(map(str, said["seasons"]))
        numbers = int(said["token"]), int(said["size_bytes"]), str(said["sha256"]), int(said["schema"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return Snapshot(path, moment, *numbers, seasons)


def _tells_damage(error: WarehouseError) -> bool:
    """True where DuckDB could not make sense of the file; false for what it merely refuses."""
    cause = error.__cause__
    kinds = (
        duckdb.IOException,
        duckdb.SerializationException,
        duckdb.InternalException,
        duckdb.FatalException,
    )
    is_plain = type(cause) is duckdb.Error
    return (is_plain or isinstance(cause, kinds)) and "lock on file" not in str(cause)


def _advice(path: Path) -> str:
    readable = next((each for each in earlier_snapshots(path) if each.is_readable), None)
    until_then = f"; until then read {readable.path}" if readable else ""
    return f"publish again (underwood warehouse publish){until_then}"


def _link(source: Path, kept: Path) -> None:
    """Give a file a second name; a second copy only where the file system knows no second names."""
    draft = draft_of(kept)
    try:
        try:
            draft.hardlink_to(source)
        except OSError:
            copy_apart(source, draft)
        settle(draft, kept)
    finally:
        discard(draft)


def _paper_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _digest_of_headers(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(_HEADER_BYTES)).hexdigest()


def _age(snapshot: Snapshot) -> tuple[datetime, int]:
    return snapshot.published_at, snapshot.token
