"""Which red findings reach a woodland, and the words for them in an alert's sentence."""

from __future__ import annotations

from collections.abc import Iterable

from monitoring.gates.finding import GateFinding, Scope, State

#: From the narrowest, which says most about one woodland, to the widest.
_NARROWEST_FIRST = (Scope.WOODLAND, Scope.BLOCK, Scope.PARK, Scope.ALL)


def holding(
    findings: Iterable[GateFinding], woodland_id: str, park: str, block: str
) -> tuple[GateFinding, ...]:
    """Return the red findings that reach a woodland, by gate and then from the narrowest scope to the widest.

    An empty park or block is none: no finding of a park or block reaches such a woodland.
    """
    place = {Scope.ALL: "", Scope.PARK: park, Scope.BLOCK: block, Scope.WOODLAND: woodland_id}
    reached = [one for one in findings if one.state is State.RED and _reaches(one, place[one.scope])]
    return tuple(sorted(reached, key=lambda one: (one.gate, _NARROWEST_FIRST.index(one.scope), one.name)))


def _reaches(finding: GateFinding, place: str) -> bool:
    return finding.scope is Scope.ALL or (bool(place) and finding.of == place)


def gates_words(findings: Iterable[GateFinding]) -> str:
    """Return `held back: G2 observation counts explain 60 % ...`, one clause per gate; empty for no red one.

    Of several findings of one gate the first is told: `holding` puts the narrowest scope first.
    """
    told: dict[str, str] = {}
    for one in findings:
        if one.state is State.RED:
            told.setdefault(one.gate, one.reason)
    return "held back: " + "; ".join(f"{gate} {reason}" for gate, reason in told.items()) if told else ""


def held_by(findings: Iterable[GateFinding]) -> str:
    """Return the gates among the red findings, such as `G2, G4`; empty for none."""
    return ", ".join(sorted({one.gate for one in findings if one.state is State.RED}))
