from monitoring.gates.finding import GateFinding, Scope, State
from monitoring.gates.gather import gates_words, held_by, holding


def finding(gate, scope, of, state=State.RED):
    return GateFinding(gate, "", scope, of, state, f"speaks of {of or 'all'}")


FINDINGS = (
    finding("G6", Scope.WOODLAND, "w"),
    finding("G2", Scope.ALL, ""),
    finding("G2", Scope.PARK, "p"),
    finding("G5", Scope.BLOCK, "b"),
    finding("G5", Scope.BLOCK, "another"),
    finding("G4", Scope.WOODLAND, "another"),
    finding("G1", Scope.ALL, "", State.PASSED),
    finding("G3", Scope.PARK, "p", State.NOT_JUDGED),
)


def test_red_findings_reach_the_woodlands_of_their_scope_alone():
    reached = holding(FINDINGS, "w", "p", "b")
    assert [(one.gate, one.of) for one in reached] == [("G2", "p"), ("G2", ""), ("G5", "b"), ("G6", "w")]
    assert held_by(reached) == "G2, G5, G6"


def test_a_woodland_in_no_park_and_no_block_is_reached_by_its_own_and_by_all():
    assert [one.gate for one in holding(FINDINGS, "w", "", "")] == ["G2", "G6"]


def test_the_words_name_each_gate_once_by_its_narrowest_finding():
    words = gates_words(holding(FINDINGS, "w", "p", "b"))
    assert words == "held back: G2 speaks of p; G5 speaks of b; G6 speaks of w"


def test_nothing_red_is_nothing_said():
    assert gates_words([finding("G1", Scope.ALL, "", State.PASSED)]) == ""
    assert held_by(()) == ""
