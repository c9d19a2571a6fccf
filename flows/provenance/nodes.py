"""Nodes of the graph: what is told of each report, alert, trend, estimate, run, card and scene."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from flows.provenance.graph import Node
from flows.provenance.scenes import Behind
from flows.sources.addresses import shown
from flows.workspace import BUILT_IN_SCIENCE
from monitoring.identities import estimate_id, report_id, trend_id
from monitoring.science import read_science
from warehouse.reader import Record

_MODEL = ("season", "target", "encoder", "head", "config_hash")
_ALERT = (
    "id", "woodland_id", "woodland", "park", "season", "target", "kind", "level", "state", "reason", "slope",
    "q", "decline_fraction", "severity", "confidence", "course", "held_by", "cause", "series_hash",
    "recorded_at",
)  # fmt: skip
#: Without who did it and what they wrote: people are no part of the chain.
_EVENT = ("number", "kind", "level", "season", "happened_at")
_ESTIMATE = (
    "woodland_id", *_MODEL, "inputs_hash", "boundary", "block_id", "mean", "sd", "sd_place", "sd_year",
    "coverage", "applicable_share", "n_pixels", "n_s2", "n_s1_ascending", "n_s1_descending", "recorded_at",
)  # fmt: skip
_STANDING = ("expected", "found", "missing_share", "is_complete", "is_frozen", "n_scenes", "reason")
_SCENE = (
    "source", "id", "collection", "sensor", "platform", "acquired_at", "acquisition", "baseline", "offset_dn",
    "offset_rule", "epsg", "relative_orbit", "tile", "cloud_fraction",
)  # fmt: skip
_BOUNDARY = (
    "woodland_id", "boundary", "version", "release", "release_file", "release_sha256", "name", "status",
    "area_ha", "valid_from", "repaired",
)  # fmt: skip
#: What a card says that a reader of a figure asks first; a card has some of them.
_CARD = (
    "licence", "training_domain", "repository", "revision", "architecture", "encoder_id", "candidate",
    "primary", "n_samples", "seed", "created_for", "dims",
)  # fmt: skip


def report_node(row: Record) -> Node:
    """Return the node of a report."""
    name = report_id(season=row["season"], park=row["park"], sha256=row["sha256"])
    facts = _facts(row, ("season", "park", "path", "sha256", "generated_at", "recorded_at"))
    where = row["park"] or "all parks"
    line = f"report of {row['season']}, {where}: {row['path']}, sha256 {row['sha256']}"
    return Node(f"report:{name}", "report", line, {"id": name, **facts})


def alert_node(row: Record, events: Sequence[Record]) -> Node:
    """Return the node of an alert as it was raised; with `state` where a report told of it."""
    facts = _facts(row, _ALERT) | {"events": [_facts(event, _EVENT) for event in events]}
    stood = f", {row['state']}" if row.get("state") else ""
    line = (
        f"alert {row['id']}: {row['level']}{stood}, {row['woodland'] or row['woodland_id']}: {row['reason']}"
    )
    return Node(f"alert:{row['id']}", "alert", line, facts)


def trend_node(row: Record, gates: Sequence[Record], look: int | None) -> Node:
    """Return the node of a trend, with every figure of its row and what the gates found."""
    names = ("woodland_id", *_MODEL, "series_hash")
    name = trend_id(**{part: row[part] for part in names})
    judged = [{**each, "figures": json.loads(each["figures"])} for each in gates]
    facts = {"id": name, **_facts(row, tuple(row)), "yearly_look": look, "gates": judged}
    told = f"slope {_number(row['slope'])} a year over {row['n']} years, q {_number(row['q'])}"
    seen = f"; look {look}" if look else ""
    line = f"trend at {row['season']}: {told}; series {row['series_hash']}{seen}; gates {_gates(gates)}"
    return Node(f"trend:{name}", "trend", line, facts)


def _gates(gates: Sequence[Record]) -> str:
    states: dict[str, set[str]] = {}
    for each in gates:
        states.setdefault(each["gate"], set()).add(each["state"])
    worst = {gate: _worst(found) for gate, found in states.items()}
    return ", ".join(f"{gate} {state}" for gate, state in sorted(worst.items())) or "not recorded"


def _worst(states: set[str]) -> str:
    return next(state for state in ("red", "not judged", "passed") if state in states)


def estimate_node(row: Record) -> Node:
    """Return the node of an estimate."""
    name = estimate_name(row)
    figures = f"{_number(row['mean'])} sd {_number(row['sd'])}, coverage {_number(row['coverage'])}"
    line = f"estimate {row['woodland_id']}/{row['season']}/{row['target']}: {figures}; id {name}"
    return Node(f"estimate:{name}", "estimate", line, {"id": name, **_facts(row, _ESTIMATE)})


def estimate_name(row: Record) -> str:
    """Return the id of an estimate's row."""
    names = ("woodland_id", *_MODEL, "inputs_hash", "boundary")
    return estimate_id(**{part: row[part] for part in names})


def run_node(row: Record) -> Node:
    """Return the node of a run: when, by which code, and how its choices differ from the built-in ones."""
    changed = science_changes(row["science"])
    facts = _facts(row, ("run_id", "season", "started_at", "finished_at", "status", "code_version"))
    facts |= {"config_hash": row["config_hash"], "choices_that_differ": changed}
    said = "; ".join(f"{key} {now} (built in: {built})" for key, (now, built) in changed.items())
    line = (
        f"run {row['run_id']}: {row['season']}, started {_when(row['started_at'])}, "
        f"code {row['code_version']}, choices {row['config_hash']} ({said or 'the built-in ones'})"
    )
    return Node(f"run:{row['run_id']}", "run", line, facts)


def science_changes(science: str) -> dict[str, tuple[Any, Any]]:
    """Return the choices of a run that differ from the built-in ones of this version: (then, built in).

    One that the run did not have, or that is no more, is None.
    """
    then, built = dict(_leaves(json.loads(science))), _built_in()
    keys = sorted(then.keys() | built.keys())
    return {key: (then.get(key), built.get(key)) for key in keys if then.get(key) != built.get(key)}


@cache
def _built_in() -> dict[str, Any]:
    plain = json.loads(json.dumps(dataclasses.asdict(read_science(BUILT_IN_SCIENCE))))
    return dict(_leaves(plain))


def _leaves(choices: Mapping[str, Any], under: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in choices.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{under}{key}.")
        else:
            yield under + key, value


def card_node(row: Record) -> Node:
    """Return the node of a model card: its training, its licence, the hash of its weights."""
    card = json.loads(row["card"])
    facts: dict[str, Any] = {"id": row["id"], "weights_sha256": row["sha256"] or None}
    facts |= {name: card[name] for name in _CARD if name in card}
    said = [f"weights {row['sha256'] or 'not stated by the publisher'}"]
    said += [f"licence {card['licence']}"] if card.get("licence") else []
    said += [f"{card['n_samples']} training samples"] if "n_samples" in card else []
    said += [f"trained on {card['training_domain']}"] if card.get("training_domain") else []
    return Node(
        f"{row['kind']}:{row['id']}", row["kind"], f"{row['kind']} {row['id']}: {', '.join(said)}", facts
    )


def boundary_node(row: Record) -> Node:
    """Return the node of the polygon an estimate was made for, and the release it came with."""
    file = f" ({row['release_file']})" if row["release_file"] else ""
    line = f"boundary {row['boundary']}: {_number(row['area_ha'])} ha, release {row['release']}{file}"
    return Node(f"boundary:{row['woodland_id']}/{row['boundary']}", "boundary", line, _facts(row, _BOUNDARY))


def block_season_node(name: str, estimate: Record, standing: Record | None, behind: Behind) -> Node:
    """Return the node of what was observed of a block in a season, named by its inputs."""
    facts = _facts(estimate, ("season", "block_id", "inputs_hash"))
    facts |= _facts(standing, _STANDING) if standing else {}
    facts |= {"n_scenes_told": len(behind.scenes), "are_scenes_certain": behind.is_certain}
    line = f"block-season {estimate['season']} {estimate['block_id']}: inputs {estimate['inputs_hash']}, "
    return Node(name, "block-season", line + _told(standing, behind), facts)


def _told(standing: Record | None, behind: Behind) -> str:
    n = len(behind.scenes)
    if standing is not None and not standing["n_scenes"]:
        return str(standing["reason"] or "no scenes")
    if behind.is_certain or standing is None:
        return f"{n} scenes"
    return f"{standing['n_scenes']} of these {n} scenes (some were replaced or withdrawn)"


def scene_node(row: Record) -> Node:
    """Return the node of a scene: its offset and why, its addresses without secrets, its checksums."""
    addresses = {band: shown(href) for band, href in json.loads(row["hrefs"]).items()}
    checksums = json.loads(row["checksums"] or "{}")
    facts = _facts(row, _SCENE) | {"addresses": addresses, "checksums": checksums}
    baseline = f", baseline {row['baseline']}, offset {row['offset_dn']} ({row['offset_rule']})"
    kept = f", {len(checksums)} checksums" if checksums else ", no checksum stated"
    line = f"scene {row['id']}: {row['platform']}, {_when(row['acquired_at'])}"
    line += f"{baseline if row['baseline'] else ''}, {row['source']}{kept}"
    return Node(f"scene:{row['source']}/{row['id']}", "scene", line, facts)


def _facts(row: Record, names: Sequence[str]) -> dict[str, Any]:
    return {name: _plain(row[name]) for name in names if name in row}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if hasattr(value, "isoformat") else value


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4g}"


def _when(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
