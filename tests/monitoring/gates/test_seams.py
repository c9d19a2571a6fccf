import numpy as np
import pytest

from monitoring.errors import TrendError
from monitoring.gates.finding import State
from monitoring.gates.reference_sites import ReferenceSite
from monitoring.gates.seams import seam_gate, steps_at, strongest_splits
from monitoring.science import GateRule
from monitoring.statistics.change_points import strongest_fall
from monitoring.trends.histories import RichnessSeries
from monitoring.trends.sites import Site

YEARS = np.arange(2017, 2026)
LATER = np.where(YEARS >= 2022, 1.0, 0.0)
RULE = GateRule()
LOSS = 3.0


def world(rng, seam=0.0, own=0.0, blocks=5, woods=30, noise=0.6):
    """Block 0 steps by `seam`, and its first woodland by `own` besides."""
    block = np.repeat(np.arange(blocks), woods)
    tested = rng.normal(0, 0.05, (blocks, 9))[block] + rng.normal(0, noise, (len(block), 9))
    tested[block == 0] += seam * LATER
    tested[0] += own * LATER
    return [Site(f"w{i}", park="p", block=f"b{b}") for i, b in enumerate(block)], YEARS, tested


def references(rng, seam=0.0, blocks=5, n=10):
    return [
        ReferenceSite("heath", "p", RichnessSeries(f"s{b}-{i}", YEARS, values, np.ones(9)), block=f"b{b}")
        for b in range(blocks)
        for i, values in enumerate(rng.normal(30, 0.3, (n, 9)) + (seam * LATER if b == 0 else 0.0))
    ]


def share_red(n, sites_seam=None, **kwargs):
    rng = np.random.default_rng(7)
    red = 0
    for _ in range(n):
        known = [] if sites_seam is None else references(rng, sites_seam)
        (finding,) = seam_gate(*world(rng, **kwargs), ["w0"], LOSS, RULE, known)
        red += finding.state is State.RED
    return red / n


def test_the_strongest_fall_of_many_series_is_that_of_each():
    values = np.random.default_rng(0).normal(0, 1, (50, 9))
    falls = [strongest_fall(YEARS, one) for one in values]
    splits = strongest_splits(values)
    assert YEARS[splits].tolist() == [one.year for one in falls]
    assert steps_at(values, splits).change == pytest.approx([one.change for one in falls])


def test_a_step_has_the_error_of_two_levels():
    values = np.array([[5.0, 6.0, 7.0, 1.0, 3.0, np.nan]])
    steps = steps_at(values, np.array([3]))
    assert steps.change[0] == pytest.approx(2 - 6)
    assert steps.error[0] == pytest.approx(np.sqrt((2 + 2) / 3 * (1 / 3 + 1 / 2)))


def test_a_woodland_that_steps_with_its_block_is_held_back():
    (finding,) = seam_gate(*world(np.random.default_rng(1), seam=-1.5), ["w0"], LOSS, RULE)
    assert (finding.gate, finding.of, finding.state) == ("G5", "b0", State.RED)
    assert "29 other woodlands" in finding.reason


def test_a_woodland_that_steps_alone_is_not():
    (finding,) = seam_gate(*world(np.random.default_rng(1), own=-3.0), ["w0"], LOSS, RULE)
    assert finding.state is State.PASSED


def test_a_loss_far_beyond_the_seam_is_the_woodlands_own():
    (finding,) = seam_gate(*world(np.random.default_rng(1), seam=-1.0, own=-9.0), ["w0"], LOSS, RULE)
    assert finding.state is State.PASSED


def test_reference_sites_of_the_block_speak_before_its_woodlands():
    rng = np.random.default_rng(2)
    (finding,) = seam_gate(*world(rng, seam=-1.5), ["w0"], LOSS, RULE, references(rng))
    assert finding.state is State.PASSED
    assert "10 reference sites" in finding.reason


def test_a_block_without_neighbours_is_not_judged_and_no_candidate_has_no_finding():
    sites, years, tested = world(np.random.default_rng(3), blocks=2, woods=3)
    (finding,) = seam_gate(sites, years, tested, ["w0"], LOSS, RULE)
    assert finding.state is State.NOT_JUDGED
    assert seam_gate(sites, years, tested, [], LOSS, RULE) == ()


def test_series_of_one_level_and_empty_series_are_answered():
    sites, years, tested = world(np.random.default_rng(4))
    assert seam_gate(sites, years, tested * 0, ["w0"], LOSS, RULE)[0].state is State.PASSED
    assert seam_gate(sites, years, tested * np.nan, ["w0"], LOSS, RULE)[0].state is State.NOT_JUDGED


def test_series_that_do_not_fit_the_woodlands_are_refused():
    with pytest.raises(TrendError, match="seam gate: series"):
        seam_gate([Site("a")], YEARS, np.zeros((2, 9)), ["a"], LOSS, RULE)


@pytest.mark.parametrize("own", [0.0, pytest.param(-3.0, marks=pytest.mark.slow)])
def test_clean_blocks_are_rarely_red_whatever_the_woodland_itself_does(own):
    assert share_red(150, own=own) <= 0.03


@pytest.mark.parametrize("sites_seam", [None, pytest.param(-0.9, marks=pytest.mark.slow)])
def test_seams_of_three_per_cent_are_found(sites_seam):
    assert share_red(60, sites_seam=sites_seam, seam=-0.9, noise=0.3) >= 0.8
