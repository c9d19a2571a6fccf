"""Field samples: what cannot carry a head is refused in one line, what is left is weighed by its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.heads.samples import (
    MIN_SAMPLES,
    Labels,
    intraclass_correlation,
    place_weights,
    refuse_other_dims,
    usable_samples,
)
from monitoring.errors import ModelError
from monitoring.targets import Effort, Target

N = 60
SOIL = Target("carbon", "g/kg", "log1p", high=600.0, effort=(Effort("reads"), Effort("depth", scale="none")))
PLAIN = replace(SOIL, effort=())


def labels(**changes: object) -> Labels:
    """Sixty samples, all of which state the reads and none the depth."""
    random = np.random.default_rng(3)
    whole: dict[str, object] = {
        "ids": tuple(f"s{number}" for number in range(N)),
        "value": np.linspace(5, 90, N),
        "coordinates": random.uniform((-3, 50), (1, 54), (N, 2)),
        "effort": np.column_stack([np.linspace(1000, 9000, N), np.full(N, np.nan)]),
        "year": np.full(N, 2021),
    }
    return Labels(**(whole | changes))  # type: ignore[arg-type]


def embeddings() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(N, 3)).astype(np.float32)


def put(values: np.ndarray, where: object, value: float) -> np.ndarray:
    other = values.copy()
    other[where] = value
    return other


def test_effort_that_no_sample_states_is_left_out() -> None:
    found = usable_samples(embeddings(), labels(), SOIL)
    assert [each.name for each in found.effort] == ["reads"]
    np.testing.assert_allclose(found.latent_effort, np.log(labels().effort[:, :1]))


def test_samples_that_do_not_state_what_others_do_are_left_out() -> None:
    effort = put(labels().effort, (slice(0, 4), 0), np.nan)
    found = usable_samples(embeddings(), labels(effort=effort), SOIL)
    assert found.labels.ids == labels().ids[4:]
    assert len(found.embeddings) == len(found.value) == len(found.weight) == N - 4


def test_the_standard_effort_is_the_targets_or_else_the_median() -> None:
    effort = np.column_stack([np.linspace(1000, 9000, N), np.linspace(-10, 10, N)])
    reads, depth = usable_samples(embeddings(), labels(effort=effort), SOIL).effort
    assert (reads.standard, reads.low, reads.high) == (5000, 1000, 9000)
    assert reads.latent == np.log(5000)
    assert depth.latent == depth.standard == pytest.approx(0)
    stated = replace(SOIL, effort=(Effort("reads", standard=2000.0), SOIL.effort[1]))
    assert usable_samples(embeddings(), labels(), stated).effort[0].standard == 2000


def test_a_target_without_effort_takes_samples_without_any() -> None:
    found = usable_samples(embeddings(), labels(effort=np.empty((N, 0))), PLAIN)
    assert found.effort == ()
    assert found.latent_effort.shape == (N, 0)


def test_samples_without_an_embedding_are_left_out() -> None:
    spoilt = put(put(embeddings(), (2, 1), np.nan), (5, 0), np.inf)
    found = usable_samples(spoilt, labels(), SOIL)
    assert set(labels().ids) - set(found.labels.ids) == {"s2", "s5"}


def test_the_domain_is_the_box_around_the_samples() -> None:
    years = np.where(np.arange(N) == 0, -1, 2020 + np.arange(N) % 2)
    domain = usable_samples(embeddings(), labels(year=years), SOIL).domain
    assert domain.west == labels().coordinates[:, 0].min()
    assert domain.north == labels().coordinates[:, 1].max()
    assert (domain.target_low, domain.target_high, domain.years) == (5, 90, (2020, 2021))


def test_samples_without_a_place_have_no_box() -> None:
    found = usable_samples(embeddings(), labels(coordinates=np.full((N, 2), np.nan)), SOIL)
    assert not found.has_coordinates
    assert found.domain.west is found.domain.south is found.domain.east is found.domain.north is None


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: {"value": put(s.value, 2, np.nan)}, "1 of 60 values are missing or infinite"),
        (lambda s: {"value": put(s.value, 2, -3)}, "value -3 is outside 0 to 600"),
        (lambda s: {"value": put(s.value, 2, 700)}, "value 700 is outside 0 to 600"),
        (lambda s: {"value": np.full(N, 4.0)}, "all samples have the value 4, nothing to learn"),
        (lambda s: {"value": s.value[:-1]}, "lengths of embeddings and labels differ"),
        (lambda s: {"ids": ("s1", *s.ids[1:])}, "sample id 's1' occurs 2 times, not once"),
        (lambda s: {"ids": ("s1", "s1", "s3", *s.ids[3:])}, "'s1' occurs 2 times, and 1 more, not once"),
        (lambda s: {"ids": ("a\nb", *s.ids[1:])}, r"sample id 'a\\nb' holds characters"),
        (lambda s: {"effort": put(s.effort, (2, 0), 0)}, "sampling effort reads 0: must be positive"),
        (lambda s: {"effort": put(s.effort, (2, 0), np.inf)}, "sampling effort reads inf: must be"),
        (lambda s: {"effort": put(s.effort, (2, 1), -np.inf)}, "sampling effort depth -inf: must be"),
        (lambda s: {"effort": s.effort[:, :1]}, "1 columns of sampling effort, the target has 2"),
        (lambda s: {"effort": put(s.effort, (slice(11), 0), np.nan)}, "49 usable samples of 60, needs 50"),
    ],
)
def test_samples_that_cannot_carry_a_head_are_refused_in_one_line(
    spoil: Callable[[Labels], dict[str, object]], message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        usable_samples(embeddings(), labels(**spoil(labels())), SOIL)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("head carbon: ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((N, 3), np.nan), "none of 60 samples has an embedding"),
        (np.zeros(N), r"embeddings must be \(n, D\), got \(60,\)"),
        (np.zeros((N, 0)), r"embeddings must be \(n, D\), got \(60, 0\)"),
        (np.zeros((N - 1, 3)), r"differ: \[59, 60"),
    ],
)
def test_embeddings_that_carry_no_head_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        usable_samples(values, labels(), SOIL)


def test_ten_samples_are_too_few() -> None:
    ten = Labels(**{name: each if each is None else each[:10] for name, each in vars(labels()).items()})
    with pytest.raises(ModelError, match=f"10 usable samples of 10, needs {MIN_SAMPLES}"):
        usable_samples(embeddings()[:10], ten, SOIL)


def test_embeddings_of_another_length_are_refused() -> None:
    with pytest.raises(ModelError, match=r"head carbon-1: takes \(N, 4\), got \(2, 3\)"):
        refuse_other_dims("carbon-1", np.zeros((2, 3)), 4)


def test_intraclass_correlation_is_that_of_the_analysis_of_variance() -> None:
    # Places {1, 3}, {5, 7}, {9, 11}: mean squares 64 / 2 between and 6 / 3 within, two to a place.
    value, place = np.array([1.0, 3, 5, 7, 9, 11]), np.array([0, 0, 1, 1, 2, 2])
    assert intraclass_correlation(value, place) == pytest.approx((32 - 2) / (32 + 2))


def test_intraclass_correlation_of_places_of_unequal_size() -> None:
    # {0, 2}, {4}, {8, 9, 10}: mean 5.5; 2 x 4.5^2 + 1.5^2 + 3 x 3.5^2 = 79.5 over 2; 4 over 3 within;
    # size (6 - 14 / 6) / 2 = 11 / 6.
    value, place = np.array([0.0, 2, 4, 8, 9, 10]), np.array([0, 0, 1, 2, 2, 2])
    between = (79.5 / 2 - 4 / 3) / (11 / 6)
    assert intraclass_correlation(value, place) == pytest.approx(between / (between + 4 / 3))


def test_intraclass_correlation_lies_between_0_and_1() -> None:
    apart, together = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    assert intraclass_correlation(np.array([1.0, 9, 1, 9]), apart) == 0
    assert intraclass_correlation(np.array([1.0, 1, 9, 9]), apart) == 1
    assert intraclass_correlation(np.array([1.0, 9, 1, 9]), together) == 1
    assert intraclass_correlation(np.full(4, 0.1), apart) == 1


def test_replicates_that_agree_share_the_weight_of_one_place() -> None:
    points = np.array([[0.0], [0], [0], [1], [2], [2]])
    weight = place_weights(points, np.array([4.0, 4, 4, 7, 9, 9]))
    np.testing.assert_allclose(weight / weight[3], [1 / 3, 1 / 3, 1 / 3, 1, 1 / 2, 1 / 2])


def test_replicates_that_say_nothing_of_each_other_count_in_full() -> None:
    points = np.array([[0.0], [0], [1], [1]])
    np.testing.assert_allclose(place_weights(points, np.array([1.0, 9, 1, 9])), 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-50, 50)), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_weights_are_positive_with_mean_1_and_never_grow_with_the_crowd(
    rows: list[tuple[int, float]],
) -> None:
    point, value = np.array([[row[0]] for row in rows], float), np.array([row[1] for row in rows])
    weight = place_weights(point, value)
    assert weight.mean() == pytest.approx(1)
    assert (weight > 0).all()
    crowd = (point == point.T).sum(axis=1)
    assert (np.diff(weight[np.argsort(crowd)]) <= 1e-12).all()
