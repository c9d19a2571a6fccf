"""The doctor: everything a season needs, looked at before it is needed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from flows.estimating.seats import choose_device
from flows.sources.addresses import shown
from flows.sources.catalogues.keeping import read_kept
from flows.sources.catalogues.provenance import CDSE
from flows.sources.scenes.offsets import AS_PUBLISHED, CORRECTED, LAST_DAY_UNTOUCHED, OFFSET_DN
from flows.sources.site_attributes import read_site_attributes
from flows.workspace import Workspace, open_workspace
from monitoring.errors import SettingsError, UnderwoodError

#: Free disk below which a season may not fit, bytes.
MIN_FREE_BYTES = 2 * 2**30
#: How the card of an encoder that was trained with the published offset rule begins to state it.
TRAINED_AS_PUBLISHED = "trained on Planetary Computer files: "


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    what: str
    ok: bool
    found: str


def examine(config: Path, now: datetime | None = None) -> list[Finding]:
    """Return a finding for each thing a season needs; nothing is changed.

    now: aware, what the age of the last look is counted to; the clock's time without.
    """
    try:
        workspace = open_workspace(str(config))
    except UnderwoodError as error:
        return [Finding("settings", False, str(error))]
    return [
        Finding("settings", True, str(config)),
        *(_look(what, look, workspace) for what, look in _looks(now or datetime.now(UTC))),
    ]


def _looks(now: datetime) -> Iterator[tuple[str, Callable[[Workspace], str]]]:
    yield "versions", _versions
    yield "disk", _disk
    yield "device", _device
    yield "woodlands", _woodlands
    yield "catalogue", _catalogue
    yield "second catalogue", _second_catalogue
    yield "access keys", _access_keys
    yield "last look", lambda workspace: _last_look(workspace, now)
    yield "offset rule", _offset_rule
    yield "encoder", _encoder
    yield "panels", _panels
    yield "head", _head
    yield "reference sites", _reference_sites
    yield "site attributes", _site_attributes
    yield "weather", _weather
    yield "disturbances", _disturbances
    yield "snapshot", _snapshot


def _look(what: str, look: Callable[[Workspace], str], workspace: Workspace) -> Finding:
    try:
        return Finding(what, True, look(workspace))
    except UnderwoodError as error:
        return Finding(what, False, str(error))


def _versions(_workspace: Workspace) -> str:
    names = ("underwood", "prefect", "sqlalchemy", "torch", "duckdb", "rasterio")
    found = {name: version(name) for name in names}
    if tuple(map(int, found["sqlalchemy"].split(".")[:2])) >= (2, 1):
        raise SettingsError(
            f"sqlalchemy {found['sqlalchemy']}: from 2.1 on no scheduled run is created; see constraints.txt"
        )
    return ", ".join(f"{name} {number}" for name, number in found.items())


def _disk(workspace: Workspace) -> str:
    home = workspace.settings.home
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < MIN_FREE_BYTES:
        raise SettingsError(
            f"disk of {home}: {free / 2**30:.1f} GiB free, at least {MIN_FREE_BYTES / 2**30:.0f} needed"
        )
    return f"{free / 2**30:.0f} GiB free"


def _device(workspace: Workspace) -> str:
    import torch

    device = choose_device(workspace.settings.device)
    if device == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    free, total = torch.cuda.mem_get_info()
    busy = f", {torch.cuda.utilization()} % busy" if find_spec("pynvml") else ""
    return f"{torch.cuda.get_device_name()}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free{busy}"


def _woodlands(workspace: Workspace) -> str:
    refused = len(workspace.boundaries.refused)
    return (
        f"{len(workspace.woodlands)} woodlands in {len(workspace.blocks)} blocks, {refused} features refused"
    )


def _catalogue(workspace: Workspace) -> str:
    if not workspace.reads_published:
        return f"{workspace.catalogue.address}, source {workspace.catalogue.source}"
    from flows.sources.published.places import open_published

    with open_published(workspace.settings.catalogue, workspace.encoder_card) as source:
        return f"published embeddings: {source.publication}"


def _second_catalogue(workspace: Workspace) -> str:
    """Return what is asked which passes there should be; CatalogueError where it cannot be asked."""
    second = workspace.second_catalogue
    if second is None:
        return "none named"
    if second.address == shown(workspace.settings.catalogue):
        return f"{second.address}; warning: it is the first one, and can tell nothing more"
    return f"{second.address}, source {second.source}"


def _access_keys(workspace: Workspace) -> str:
    """Return which keys are set, never what they are; SettingsError where one is needed and is not."""
    access, settings = workspace.settings.access, workspace.settings
    if settings.source == CDSE and access.cdse_key is None:
        raise SettingsError(
            f"access.cdse_key and access.cdse_secret: not set; the files of {settings.catalogue} need them"
        )
    is_set = {name: getattr(access, name) is not None for name in type(access).model_fields}
    return ", ".join(f"{name} {'yes' if found else 'no'}" for name, found in is_set.items())


def _last_look(workspace: Workspace, now: datetime) -> str:
    """Return which block-season was looked for last, and how long ago."""
    if workspace.reads_published:
        return "none: no scene is read"
    written = {path: path.stat().st_mtime_ns for path in workspace.looks.glob("*/*.json")}
    if not written:
        return "none yet"
    path = max(written, key=lambda each: (written[each], each))
    where = f"season {path.parent.name} of block {path.stem}"
    try:
        looked_at = read_kept(path).looked_at
    except (OSError, ValueError):
        return f"{where}; warning: {path} is damaged, all will be asked for again"
    ago = f"{(now - looked_at).days} days ago" if now >= looked_at else "warning: that is not over yet"
    return f"{where} on {looked_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {ago}"


def _offset_rule(workspace: Workspace) -> str:
    """Return the rule in use, with a warning where the encoder was trained with the other one."""
    if workspace.reads_published:
        return "none: no scene is read"
    rule, card = workspace.settings.offset_rule, workspace.encoder_card
    if (rule != CORRECTED) == card.offset_rule.startswith(TRAINED_AS_PUBLISHED):
        return rule
    if rule != CORRECTED:
        return f"{rule}; warning: encoder {card.id} does not state that rule, but: {card.offset_rule}"
    return (
        f"{rule}; warning: encoder {card.id} was trained with the other rule, {AS_PUBLISHED}: dark pixels "
        f"of scenes after {LAST_DAY_UNTOUCHED} differ (digital numbers below {OFFSET_DN} were left as they "
        "were) and so do older scenes processed anew (nothing was subtracted)"
    )


def _encoder(workspace: Workspace) -> str:
    if workspace.reads_published:
        return f"{workspace.encoder_card.id}, read as published"
    return f"{workspace.encoder.card.id}, weights match the card"


def _panels(workspace: Workspace) -> str:
    from flows.estimating.drift import standing_of_panels

    return standing_of_panels(workspace)


def _head(workspace: Workspace) -> str:
    """Return which head speaks for the target, loaded and held to the encoder in use, and how good it is."""
    card = workspace.head.card
    r2 = card.scores.r2.estimate
    score = f"R2 {r2:.2f}" if r2 is not None else "R2 undefined"
    said = f"{card.id} of {card.encoder_id}, {card.candidate}, {score} held out by {card.primary}"
    if card.target != workspace.target:
        return f"{said}; warning: {card.target.name} was defined otherwise when it was fitted; train anew"
    return said


def _reference_sites(workspace: Workspace) -> str:
    """Return how many sites gate G1 has, with a warning where it will not judge by so few."""
    if workspace.settings.reference_sites is None:
        return "none named; gate G1 is not judged"
    n, least = len(workspace.references.outlines), workspace.science.gates.min_reference_sites
    return f"{n} sites" if n >= least else f"{n} sites; warning: gate G1 is not judged below {least}"


def _site_attributes(workspace: Workspace) -> str:
    """Return how many woodlands the table knows; BoundaryError for a table that cannot be read."""
    table = workspace.settings.site_attributes
    if table is None:
        return "none named; woodland is held against any other woodland of its park"
    known = read_site_attributes(table).keys() & {woodland.id for woodland in workspace.woodlands}
    return f"{len(known)} of {len(workspace.woodlands)} woodlands in {table}"


def _weather(workspace: Workspace) -> str:
    table = workspace.settings.weather
    if table is None:
        return "none named; no decline is told from a drought"
    if not table.exists():
        raise SettingsError(f"weather {table}: no such file")
    return str(table)


def _disturbances(workspace: Workspace) -> str:
    layers = workspace.settings.disturbances
    for layer in layers:
        if not layer.path.exists():
            raise SettingsError(f"disturbances {layer.path}: no such file")
    return ", ".join(str(layer.path) for layer in layers) or "none named; no felling is known"


def _snapshot(workspace: Workspace) -> str:
    from warehouse.reader import read

    if not workspace.published.exists():
        return "none published yet"
    with read(workspace.published) as reader:
        return f"{workspace.published}, {len(reader.runs())} runs"
