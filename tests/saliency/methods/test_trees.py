"""Boosted trees as arrays, against scikit-learn."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from salus.errors import SalusError
from salus.lab.saliency.regions import to_trees
from salus.saliency.methods.trees import Trees


def forest(seed, **settings):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(600, 7)).astype(np.float32)
    x[:, 3] = rng.integers(0, 3, 600)  # ties lie on thresholds' sides
    y = x[:, 0] * x[:, 1] + x[:, 3] + rng.normal(0, 0.3, 600) > 0.5
    model = HistGradientBoostingClassifier(random_state=seed, early_stopping=False, **settings).fit(x, y)
    return model, x, rng


@pytest.mark.parametrize(
    ("seed", "settings"),
    [(0, {"max_iter": 30}), (1, {"max_iter": 12, "max_leaf_nodes": 60, "min_samples_leaf": 2}), (2, {"max_depth": 1})],
)
def test_equals_scikit_learn(seed, settings):
    model, fitted_on, rng = forest(seed, **settings)
    fresh = rng.normal(size=(1500, 7)).astype(np.float32)
    trees = to_trees(model)
    for x in (fitted_on, fresh):
        p = 1 / (1 + np.exp(-trees.log_odds(x)))
        np.testing.assert_allclose(p, model.predict_proba(x)[:, 1], atol=2e-6)


def test_equals_scikit_learn_where_features_lie_on_thresholds():
    model, _, rng = forest(3, max_iter=20)
    thresholds = np.concatenate([p.nodes["num_threshold"][p.nodes["is_leaf"] == 0] for (p,) in model._predictors])
    near = np.float32(thresholds)
    candidates = np.concatenate([near, np.nextafter(near, np.float32(9)), np.nextafter(near, np.float32(-9))])
    x = rng.choice(candidates, size=(3000, 7)).astype(np.float32)
    np.testing.assert_allclose(to_trees(model).log_odds(x), model.decision_function(x), atol=1e-5)


def test_samples_do_not_touch_each_other():
    model, _, rng = forest(4, max_iter=40)
    trees, x = to_trees(model), rng.normal(size=(5000, 7))  # more than one chunk
    one_by_one = np.concatenate([trees.log_odds(row[None]) for row in x[::500]])
    assert np.array_equal(trees.log_odds(x)[::500], one_by_one)
    assert trees.log_odds(x[:0]).shape == (0,)


def test_arrays_make_the_same_trees(tmp_path):
    model, fitted_on, _ = forest(5, max_iter=10)
    trees = to_trees(model)
    np.savez(tmp_path / "t.npz", **trees.arrays("a_"))
    with np.load(tmp_path / "t.npz", allow_pickle=False) as file:
        again = Trees.from_arrays(file, "a_")
        with pytest.raises(KeyError):
            Trees.from_arrays(file, "b_")
    assert np.array_equal(again.log_odds(fitted_on), trees.log_odds(fitted_on))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("left", np.array([5, 1, 2])),  # leaves the forest
        ("left", np.array([1, 0, 2])),  # runs in circles
        ("feature", np.array([3, 0, 0])),
        ("feature", np.array([0.0, 0, 0])),
        ("threshold", np.float32([1, 2, np.inf])),  # a leaf that would run into its neighbour
        ("value", np.zeros(4, np.float32)),
        ("root", np.array([3])),
    ],
)
def test_refuses_what_is_no_forest(name, broken):
    stump = {
        "root": np.array([0]),
        "feature": np.zeros(3, np.int16),
        "threshold": np.float32([1, np.inf, np.inf]),
        "left": np.array([1, 1, 2]),
        "value": np.float32([0, -1, 1]),
        "bias": np.float64(0),
        "depth": np.array(1),
        "width": np.array(2),
    }
    Trees.from_arrays(stump)
    with pytest.raises(SalusError):
        Trees.from_arrays({**stump, name: broken})


def test_refuses_samples_of_another_width():
    model, fitted_on, _ = forest(6, max_iter=2)
    with pytest.raises(SalusError, match="7"):
        to_trees(model).log_odds(fitted_on[:, :5])
