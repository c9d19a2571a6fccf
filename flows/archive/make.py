"""`make_archive`: the whole simulated world on disk, or nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.archive.crew import each_done
from flows.archive.parks import YEARS
from flows.archive.readme import readme
from flows.archive.samples import draw_samples
from flows.archive.scenes import make_scene, scene_orders
from flows.archive.stac import write_catalogue, write_json
from flows.archive.tables import write_samples, write_truth, write_woodlands
from flows.archive.world import build_world
from monitoring.errors import SourceError
from warehouse.drafts import draft_of, is_left_over, unfinished

#: Raised whenever the same seed gives other bytes. 2: granule metadata with angle grids.
ARCHIVE_VERSION = 2
DEFAULT_SEED = 20170401
#: Written last: a directory without it is no archive.
RECORD = "archive.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Archive:
    """A complete simulated archive on disk."""

    directory: Path
    seed: int
    version: int
    years: tuple[int, ...]
    """Years that have scenes."""
    items: int
    """STAC items in the catalogue."""
    bytes: int
    """Size of the scenes' files."""

    @property
    def catalogue(self) -> Path:
        """Root of the static STAC catalogue."""
        return self.directory / "catalog.json"

    @property
    def woodlands(self) -> Path:
        """Boundaries, layer `woodlands`, British National Grid."""
        return self.directory / "woodlands.gpkg"

    @property
    def samples(self) -> Path:
        """Field samples."""
        return self.directory / "samples.csv"

    @property
    def truth(self) -> Path:
        """Folder of the planted truth."""
        return self.directory / "truth"


def make_archive(
    directory: Path,
    *,
    seed: int = DEFAULT_SEED,
    years: Collection[int] = YEARS,
    processes: int | None = None,
    progress: Progress | None = None,
) -> Archive:
    """Return the archive of a seed at `directory`, made if it is not there yet.

    The bytes depend on seed and years alone, not on `processes` (default: one per core). All is written
    beside `directory` and renamed at the end; `progress(done, total)` counts scenes. `years` limits the
    scenes; the tables cover every year. SourceError when the directory holds anything else than this very
    archive, or cannot be written; then nothing is changed.
    """
    target = Path(directory).absolute()
    wanted = _years(years)
    present = _present(target, seed, wanted)
    if present is not None:
        return present
    _sweep(target)
    draft = draft_of(target)
    try:
        draft.mkdir(parents=True)
        _fill(draft, seed, wanted, processes or os.cpu_count() or 1, progress or _silent)
        return _publish(draft, target, seed, wanted)
    except OSError as error:
        raise SourceError(f"archive {target}: {error.strerror or error}") from error
    except BrokenProcessPool as error:
        raise SourceError(f"archive {target}: a worker process was killed, perhaps for memory") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_archive(directory: Path) -> Archive | None:
    """Return the complete archive at a directory, or None where there is none."""
    try:
        record: dict[str, Any] = json.loads((directory / RECORD).read_text("utf-8"))
        years = tuple(record["years"])
        return Archive(directory, record["seed"], record["version"], years, record["items"], record["bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _years(years: Collection[int]) -> tuple[int, ...]:
    unknown = sorted(set(years) - set(YEARS))
    if unknown or not years:
        raise SourceError(f"archive years {sorted(years)}: must be among {YEARS[0]}-{YEARS[-1]}")
    return tuple(sorted(set(years)))


def _present(target: Path, seed: int, years: tuple[int, ...]) -> Archive | None:
    """The archive asked for when it is there; SourceError when something else is."""
    archive = read_archive(target)
    if archive is None and target.exists() and not _is_empty(target):
        raise SourceError(f"archive {target}: exists and is no simulated archive; name another directory")
    wanted = (seed, ARCHIVE_VERSION, years)
    if archive is not None and (archive.seed, archive.version, archive.years) != wanted:
        raise SourceError(
            f"archive {target}: holds seed {archive.seed} version {archive.version} of {len(archive.years)} "
            f"years, not seed {seed} version {ARCHIVE_VERSION} of {len(years)}; remove it or name another"
        )
    return archive


def _is_empty(target: Path) -> bool:
    return target.is_dir() and not any(target.iterdir())


def _sweep(target: Path) -> None:
    """Remove the drafts of makers that were killed."""
    for draft in filter(is_left_over, unfinished(target)):
        shutil.rmtree(draft, ignore_errors=True)


def _fill(draft: Path, seed: int, years: tuple[int, ...], processes: int, progress: Progress) -> None:
    orders = scene_orders(draft, seed, years)
    listed = []
    for done, listing in enumerate(each_done(make_scene, orders, processes), start=1):
        listed.append(listing)
        progress(done, len(orders))
    write_catalogue(draft, listed)
    world = build_world(seed)
    write_woodlands(draft / "woodlands.gpkg", world)
    write_samples(draft / "samples.csv", draw_samples(world, seed))
    write_truth(draft / "truth", world)
    (draft / "README.md").write_text(readme(world, seed), "utf-8")


def _publish(draft: Path, target: Path, seed: int, years: tuple[int, ...]) -> Archive:
    files = list(draft.glob("*/*/*/*"))
    items = sum(file.suffix == ".json" for file in files)
    size = sum(file.stat().st_size for file in files)
    record = {"seed": seed, "version": ARCHIVE_VERSION, "years": years, "items": items, "bytes": size}
    write_json(draft / RECORD, {"simulated": True, **record})
    draft.replace(target)
    return Archive(target, seed, ARCHIVE_VERSION, years, items, size)


def _silent(done: int, total: int) -> None:
    return None
