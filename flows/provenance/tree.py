"""The tree: a graph of provenance as lines for a person, each thing told once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from flows.provenance.graph import Graph, Node

#: Scenes are listed one by one where no more things than these are told of; else they are counted.
MOST_SEASONS = 1


def tree_lines(graph: Graph) -> Iterator[str]:
    """Yield the graph from its root down; what was told before is named again in a few words.

    The scenes are listed where one season is told of; of several seasons they are counted.
    """
    tree = _Tree(graph)
    yield clean(graph.nodes[graph.root].line)
    yield from tree.below(graph.root, "")


class _Tree:
    def __init__(self, graph: Graph) -> None:
        self._nodes = graph.nodes
        self._children: dict[str, list[str]] = defaultdict(list)
        for link in graph.links:
            self._children[link.of].append(link.to)
        seasons = sum(node.kind == "block-season" for node in graph.nodes.values())
        self._lists_scenes = seasons <= MOST_SEASONS
        self._told = {graph.root}

    def below(self, node_id: str, margin: str) -> Iterator[str]:
        shown, left_out = self._shown(node_id)
        for place, child in enumerate(shown):
            is_last = place == len(shown) - 1 and not left_out
            yield f"{margin}{'└─' if is_last else '├─'} {self._line(child)}"
            if child.id not in self._told:
                self._told.add(child.id)
                yield from self.below(child.id, margin + ("   " if is_last else "│  "))
        if left_out:
            yield f"{margin}└─ {left_out}"

    def _shown(self, node_id: str) -> tuple[Sequence[Node], str]:
        """Return the children to be listed, and what is said of those that are not."""
        children = [self._nodes[name] for name in self._children[node_id]]
        scenes = [child for child in children if child.kind == "scene"]
        if self._lists_scenes or not scenes:
            return children, ""
        others = [child for child in children if child.kind != "scene"]
        first, last = scenes[0].facts["acquired_at"], scenes[-1].facts["acquired_at"]
        return others, f"{len(scenes)} scenes from {first[:10]} to {last[:10]} (--format json lists them)"

    def _line(self, node: Node) -> str:
        return clean(node.line if node.id not in self._told else f"{_short(node)} (above)")


def _short(node: Node) -> str:
    return node.line.partition(":")[0]


def clean(text: str) -> str:
    """Return text that cannot steer a terminal, on one line."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)
