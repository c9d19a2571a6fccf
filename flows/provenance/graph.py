"""The graph of provenance: things, executions and what ties them, in the words of W3C PROV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Relation(StrEnum):
    """How one node hangs on another, in the words of PROV."""

    DERIVED = "wasDerivedFrom"
    """A thing made from another thing."""
    GENERATED = "wasGeneratedBy"
    """A thing made by an execution."""
    USED = "used"
    """A thing that an execution went by."""
    MEMBER = "hadMember"
    """A thing in a set of things."""


#: Names that PROV gives the two ends of each relation.
ENDS = {
    Relation.DERIVED: ("generatedEntity", "usedEntity"),
    Relation.GENERATED: ("entity", "activity"),
    Relation.USED: ("activity", "entity"),
    Relation.MEMBER: ("collection", "entity"),
}


@dataclass(frozen=True)
class Node:
    """One thing, or one execution."""

    id: str
    """`kind:name`, such as `run:5f0c...`."""
    kind: str
    """report, alert, trend, estimate, run, encoder, head, boundary, block-season or scene."""
    line: str
    """What a person reads of it first."""
    facts: Mapping[str, Any]
    """All that is stated of it; None where it is not known."""

    @property
    def is_activity(self) -> bool:
        """True for an execution, false for a thing."""
        return self.kind == "run"


@dataclass(frozen=True)
class Link:
    """One node hanging on another."""

    relation: Relation
    of: str
    to: str


@dataclass
class Graph:
    """Nodes by id in the order they were met, and what ties them; it grows while a chain is followed."""

    root: str = ""
    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[Link, None] = field(default_factory=dict)
    """An ordered set."""

    def add(self, node: Node, above: str = "", relation: Relation = Relation.DERIVED) -> bool:
        """Hang a node on the one above it (or make it the root); return whether it is new."""
        is_new = node.id not in self.nodes
        self.nodes.setdefault(node.id, node)
        self.root = self.root or node.id
        if above:
            self.links.setdefault(Link(relation, above, node.id))
        return is_new

    def below(self, node_id: str) -> list[Node]:
        """The nodes that hang on one, in the order they were added."""
        return [self.nodes[link.to] for link in self.links if link.of == node_id]

    def as_prov(self) -> dict[str, Any]:
        """Return the graph as plain JSON, with the names of PROV-JSON."""
        kinds = {"entity": False, "activity": True}
        nodes = {
            name: {
                each.id: {"prov:type": each.kind, **each.facts}
                for each in self.nodes.values()
                if each.is_activity is is_activity
            }
            for name, is_activity in kinds.items()
        }
        ties = {
            relation.value: [
                dict(zip(ENDS[relation], (link.of, link.to), strict=True))
                for link in self.links
                if link.relation is relation
            ]
            for relation in Relation
        }
        return {"root": self.root, **nodes, **ties}
