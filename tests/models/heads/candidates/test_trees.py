"""Trees as tensors say what scikit-learn says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor

from models.heads.candidates.trees import (
    PAIRS_ON_PROCESSOR,
    Tree,
    Trees,
    baseline_of,
    joined,
    restore_trees,
    rounded_down,
    tree_of_forest,
    trees_of_boosting,
)


def stump(threshold=1.0):
    """Return a tree that says 10 where the second feature is at most the threshold, else 20."""
    return Tree(
        feature=np.array([1, -2, -2]),
        threshold=np.array([threshold, -2.0, -2.0]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        is_leaf=np.array([False, True, True]),
        value=np.array([[99.0], [10.0], [20.0]]),
    )


def rows(n=300, d=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)).astype(np.float32)
    return x, np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + rng.normal(0, 0.1, n)


def test_a_row_on_the_threshold_goes_left():
    x = torch.tensor([[0.0, 0.5], [0.0, 1.0], [0.0, 1.5]])
    assert joined([stump()])(x).squeeze(1).tolist() == [10.0, 10.0, 20.0]


def test_leaves_of_several_trees_are_added():
    x = torch.tensor([[0.0, 1.5]])
    assert joined([stump(1.0), stump(2.0), stump(1.0)])(x).item() == 50.0


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_a_forest_says_what_scikit_learn_says(kind):
    x, y = rows()
    model = kind(20, random_state=0).fit(x, y)
    trees = joined([tree_of_forest(each.tree_) for each in model.estimators_])
    fresh = np.random.default_rng(1).normal(size=(1000, 6))
    said = trees(torch.from_numpy(fresh)).squeeze(1).numpy() / 20
    np.testing.assert_allclose(said, model.predict(fresh), rtol=0, atol=1e-10)
    leaves = trees.leaves(torch.from_numpy(x)).numpy()
    assert [len(set(column)) for column in leaves.T] == [len(set(column)) for column in model.apply(x).T]


def test_boosting_says_what_scikit_learn_says():
    x, y = rows()
    model = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=9, random_state=0).fit(x, y)
    trees = joined(trees_of_boosting(model))
    fresh = np.concatenate([x, rows(seed=1)[0]])
    said = baseline_of(model) + trees(torch.from_numpy(fresh)).squeeze(1).numpy()
    np.testing.assert_allclose(said, model.predict(fresh.astype(np.float64)), rtol=0, atol=1e-10)


def test_float32_takes_the_same_way_even_on_the_thresholds():
    x, y = rows()
    model = ExtraTreesRegressor(20, random_state=0).fit(x, y)
    trees = joined([tree_of_forest(each.tree_) for each in model.estimators_])
    thresholds = np.concatenate([each.tree_.threshold for each in model.estimators_]).astype(np.float32)
    near = np.concatenate([np.nextafter(thresholds, np.float32(way)) for way in (-np.inf, np.inf)])
    hard = np.repeat(np.concatenate([thresholds, near])[:2000, None], 6, axis=1)
    wide = trees.leaves(torch.from_numpy(hard))
    np.testing.assert_array_equal(wide, trees.float().leaves(torch.from_numpy(hard)))
    said = trees(torch.from_numpy(hard)).squeeze(1).numpy() / 20
    np.testing.assert_allclose(said, model.predict(hard), rtol=1e-5, atol=1e-5)


def test_a_row_says_the_same_alone_and_among_many():
    x, y = rows(n=2 * PAIRS_ON_PROCESSOR // 20 + 7)
    model = ExtraTreesRegressor(20, max_depth=4, random_state=0).fit(x, y)
    trees = joined([tree_of_forest(each.tree_) for each in model.estimators_]).float()
    many = trees(torch.from_numpy(x))
    for number in (0, len(x) // 2, len(x) - 1):
        torch.testing.assert_close(trees(torch.from_numpy(x[[number]])), many[[number]], rtol=0, atol=0)


def test_no_row_gives_no_row():
    assert joined([stump()])(torch.zeros(0, 2)).shape == (0, 1)


def test_trees_come_back_from_what_is_stored():
    trees = joined([stump(1.0), stump(2.0)])
    kept = {f"trees.{name}": value for name, value in trees.state_dict().items()}
    x = torch.tensor([[0.0, 1.5]])
    assert restore_trees(kept, "trees")(x).item() == trees(x).item() == 30.0


def test_a_missing_tensor_is_named():
    with pytest.raises(KeyError, match=r"trees\.feature"):
        restore_trees({}, "trees")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("child", torch.tensor([[0, 0], [1, 1], [2, 2]], dtype=torch.int32), "comes back"),
        ("child", torch.tensor([[1, 7], [1, 1], [2, 2]], dtype=torch.int32), "outside"),
        ("root", torch.tensor([-1], dtype=torch.int32), "outside"),
        ("root", torch.tensor([0.0]), "int32"),
        ("threshold", torch.zeros(2, dtype=torch.float64), "do not match"),
    ],
)
def test_tensors_that_are_no_trees_are_refused(name, value, words):
    tensors = dict(joined([stump()]).state_dict()) | {name: value}
    with pytest.raises(ValueError, match=words):
        Trees(tensors)


@given(st.floats(-(2.0**99), 2.0**99))
def test_a_threshold_rounded_down_parts_float32_numbers_as_before(threshold):
    rounded = rounded_down(np.array([threshold]))[0]
    nearest = np.float32(threshold)
    assert float(np.float32(rounded)) == rounded
    for x in (np.nextafter(nearest, np.float32(-np.inf)), nearest, np.nextafter(nearest, np.float32(np.inf))):
        assert (float(x) <= threshold) == (float(x) <= rounded)
