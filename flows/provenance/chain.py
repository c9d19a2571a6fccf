"""The chain: from a report, an alert or an estimate down to the scenes, as a graph."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flows.progress import advance
from flows.provenance.asking import Subject
from flows.provenance.graph import Graph, Relation
from flows.provenance.nodes import (
    alert_node,
    block_season_node,
    boundary_node,
    card_node,
    estimate_node,
    report_node,
    run_node,
    scene_node,
    trend_node,
)
from flows.provenance.scenes import scenes_behind
from warehouse.answering.provenance import Chain
from warehouse.reader import Record


def follow(chain: Chain, subject: Subject, as_of: datetime | None = None) -> Graph:
    """Return all that a report, an alert or an estimate comes from.

    What a report told is followed as it was known when the report was recorded.
    """
    graph = Graph()
    if subject.kind == "report":
        _follow_report(chain, graph, subject.row)
    elif subject.kind == "alert":
        _follow_alert(chain, graph, subject.row, as_of)
    else:
        _follow_estimate(chain, graph, subject.row)
    return graph


def _follow_report(chain: Chain, graph: Graph, row: Record) -> None:
    node = report_node(row)
    graph.add(node)
    alerts = chain.report_alerts(row["sha256"])
    for told in alerts:
        alert = chain.alert(told["alert_id"], row["recorded_at"])
        if alert is not None:
            _follow_alert(chain, graph, alert | told, row["recorded_at"], node.id)
        advance("follow alerts", 1, len(alerts))
    _follow_run(chain, graph, row["run_id"], node.id)


def _follow_alert(chain: Chain, graph: Graph, row: Record, as_of: datetime | None, above: str = "") -> None:
    node = alert_node(row, chain.events(row["id"], as_of))
    if not graph.add(node, above):
        return
    trend = chain.trend(row["woodland_id"], row)
    if trend is None:
        _follow_series(chain, graph, chain.series(row), node.id)
        _follow_run(chain, graph, row["run_id"], node.id)
    else:
        _follow_trend(chain, graph, trend, row["park"], node.id)


def _follow_trend(chain: Chain, graph: Graph, row: Record, park: str, above: str) -> None:
    series = chain.series(row)
    block_id = series[-1]["block_id"] if series else ""
    gates = chain.gates(row, row["woodland_id"], park, block_id)
    node = trend_node(row, gates, chain.look(row["target"], row["season"]))
    if graph.add(node, above):
        _follow_series(chain, graph, series, node.id)
        _follow_run(chain, graph, row["run_id"], node.id)


def _follow_series(chain: Chain, graph: Graph, series: Sequence[Record], above: str) -> None:
    for estimate in series:
        _follow_estimate(chain, graph, estimate, above)


def _follow_estimate(chain: Chain, graph: Graph, row: Record, above: str = "") -> None:
    node = estimate_node(row)
    if not graph.add(node, above):
        return
    _follow_run(chain, graph, row["run_id"], node.id)
    for card_id in (row["encoder"], row["head"]):
        card = chain.card(card_id)
        if card is not None:
            graph.add(card_node(card), f"run:{row['run_id']}", Relation.USED)
    boundary = chain.boundary(row["woodland_id"], row["boundary"])
    if boundary is not None:
        graph.add(boundary_node(boundary), node.id)
    _follow_block_season(chain, graph, row, node.id)


def _follow_block_season(chain: Chain, graph: Graph, estimate: Record, above: str) -> None:
    """Hang the block-season on an estimate: its scenes are those known when the estimate was recorded."""
    name = f"block-season:{estimate['season']}/{estimate['block_id']}/{estimate['inputs_hash']}"
    if name in graph.nodes:
        graph.add(graph.nodes[name], above)
        return
    standing = chain.block_season(estimate)
    used = chain.scenes(estimate["season"], estimate["block_id"], estimate["recorded_at"])
    behind = scenes_behind(used, standing["n_scenes"] if standing else None)
    graph.add(block_season_node(name, estimate, standing, behind), above)
    for scene in behind.scenes:
        graph.add(scene_node(scene), name, Relation.MEMBER)


def _follow_run(chain: Chain, graph: Graph, run_id: str, above: str) -> None:
    run = chain.run(run_id)
    if run is not None:
        graph.add(run_node(run), above, Relation.GENERATED)
