"""Intervals of scores: whole blocks are drawn, and few blocks say little."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from models.cards import card_text, read_card
from models.heads.bootstrap import INTERVAL, SCORES, ScoreIntervals, score_intervals
from models.heads.metrics import score
from monitoring.errors import ModelError


@dataclass(frozen=True)
class Blocked:
    """Predictions at 12 uneven blocks."""

    observed: np.ndarray
    predicted: np.ndarray
    inside: np.ndarray
    blocks: np.ndarray


def blocked(seed: int = 1, n: int = 90, n_blocks: int = 12) -> Blocked:
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, n_blocks, n) ** 2 * 3 - 5
    observed = generator.gamma(2, 20, n).round()
    predicted = 0.6 * observed + 10 + generator.normal(0, 8, n) + blocks * 0.05
    return Blocked(observed, predicted, generator.random(n) < 0.9, blocks)


def written_out(given: Blocked, seed: int, repeats: int) -> dict[str, np.ndarray]:
    """Each score of each repeat, every drawn sample written out as often as it was drawn."""
    numbers = np.unique(given.blocks)
    even = np.full(len(numbers), 1 / len(numbers))
    drawn = np.random.default_rng(seed).multinomial(len(numbers), even, size=repeats)
    found = []
    for counts in drawn:
        copies = counts[np.searchsorted(numbers, given.blocks)]
        found.append(
            score(
                np.repeat(given.observed, copies),
                np.repeat(given.predicted, copies),
                np.repeat(given.inside, copies),
            )
        )
    return {name: np.array([getattr(each, name) for each in found]) for name in SCORES}


def intervals(given: Blocked, seed: int = 3, repeats: int = 1000) -> ScoreIntervals:
    return score_intervals(given.observed, given.predicted, given.inside, given.blocks, seed, repeats)


@pytest.mark.parametrize("name", SCORES)
def test_intervals_equal_those_of_the_drawn_samples_written_out(name: str) -> None:
    given = blocked()
    repeats = written_out(given, seed=3, repeats=100)[name]
    expected = np.quantile(repeats, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2])
    found = getattr(intervals(given, seed=3, repeats=100), name)
    assert [found.low, found.high] == pytest.approx(list(expected), rel=1e-9)
    assert found.estimate == getattr(score(given.observed, given.predicted, given.inside), name)
    assert found.low < found.estimate < found.high


def test_copies_of_a_sample_in_its_block_do_not_narrow_the_interval() -> None:
    given = blocked()
    tenfold = Blocked(*(np.repeat(each, 10) for each in vars(given).values()))
    once, often = intervals(given).rmse, intervals(tenfold).rmse
    assert (often.low, often.high) == pytest.approx((once.low, once.high), rel=1e-9)


def test_intervals_over_samples_would_be_narrower_than_over_blocks_that_err_alike() -> None:
    generator = np.random.default_rng(2)
    block = np.repeat(np.arange(30), 20)
    observed = generator.normal(0, 1, 600)
    predicted = observed + generator.normal(0, 1, 30)[block]
    by_block = score_intervals(observed, predicted, None, block, 1).me
    by_sample = score_intervals(observed, predicted, None, np.arange(600), 1).me
    assert by_block.high - by_block.low > 3 * (by_sample.high - by_sample.low)


def test_the_mean_error_of_independent_blocks_has_its_textbook_interval() -> None:
    error = np.random.default_rng(8).normal(0.5, 2, 400)
    found = score_intervals(np.arange(400.0), np.arange(400.0) + error, None, np.arange(400), 1, 4000).me
    half_width = 1.96 * error.std() / np.sqrt(400)
    assert [found.low, found.high] == pytest.approx(
        [error.mean() - half_width, error.mean() + half_width], abs=0.05 * half_width * 2
    )


def test_four_blocks_give_scores_without_intervals_and_say_so() -> None:
    found = intervals(blocked(n_blocks=4))
    assert found.r2.estimate is not None
    assert (found.r2.low, found.r2.high, found.coverage_90.low) == (None, None, None)
    assert found.caution == "4 blocks, fewer than the 5 that an interval needs"


def test_coverage_that_was_not_asked_for_is_undefined() -> None:
    given = blocked()
    found = score_intervals(given.observed, given.predicted, None, given.blocks, 1).coverage_90
    assert (found.estimate, found.low, found.high) == (None, None, None)


def test_r2_of_constant_observations_has_no_interval() -> None:
    found = score_intervals(np.full(60, 0.1), np.arange(60.0), None, np.arange(60), 1)
    assert (found.r2.estimate, found.r2.low) == (None, None)
    assert found.rmse.low is not None


def test_repeats_without_spread_are_left_out_of_r2() -> None:
    observed, block = np.repeat(np.arange(5.0), 10), np.repeat(np.arange(5), 10)
    found = score_intervals(observed, observed + np.tile([1.0, -1.0], 25), None, block, 1, 3000).r2
    assert found.low is not None
    assert np.isfinite(found.low)


def test_the_same_seed_gives_the_same_interval_and_another_another() -> None:
    given = blocked()
    assert intervals(given, seed=1) == intervals(given, seed=1)
    assert intervals(given, seed=1) != intervals(given, seed=2)


def test_intervals_are_kept_on_a_card(tmp_path: Path) -> None:
    for given in (blocked(), blocked(n_blocks=3)):
        found = intervals(given)
        path = tmp_path / "card.json"
        path.write_text(card_text(found))
        assert read_card(ScoreIntervals, path) == found


def test_blocks_of_other_samples_are_refused() -> None:
    with pytest.raises(ModelError, match="one block per sample"):
        score_intervals(np.arange(9.0), np.arange(9.0), None, np.arange(8), 1)
