"""Classifiers agree with scikit-learn, finite differences and known solutions."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax

from dfo_prompt.methods.heads import Prototypes, Ridge, Scale, held_out_loss


def made(classes=3, each=6, width=40, apart=2.0, seed=0):
    """Gaussian classes around random means: features (N, D) on which to fit, others, classes (N,), no offset."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(classes), each)
    means = rng.normal(3, 5, width) + apart * rng.normal(size=(classes, width))[labels]
    return *(means + rng.normal(size=(2, len(labels), width))), labels, np.zeros((len(labels), classes))


@pytest.mark.parametrize("width", [4, 40])
@pytest.mark.parametrize("strength", [0.01, 1.0])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_ridge_is_that_of_scikit_learn(classes, strength, width):
    linear = pytest.importorskip("sklearn.linear_model")
    features, other, labels, none = made(classes, width=width, apart=0.5)
    scale = Scale.of(features)
    theirs = linear.LogisticRegression(C=strength * (2 if classes == 2 else 1), tol=1e-10, max_iter=10_000)
    expected = theirs.fit(scale(features), labels).predict_log_proba(scale(other))
    found = Ridge(strength=strength)(features, labels, none)(other, none)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_at_the_minimum_the_penalised_likelihood_is_flat():
    features, _, labels, _ = made(width=4, apart=0.5)
    offset, strength = np.random.default_rng(2).normal(size=(len(labels), 3)), 0.1
    fitted, scale, zero = Ridge(strength=strength)(features, labels, offset), Scale.of(features), np.zeros((1, 3))
    # Log-probabilities are linear in the features but for a constant of each row: weights and intercepts can be read off.
    middle = fitted(scale.mean[None], zero)[0]
    steps = np.stack([fitted((scale.mean + row)[None], zero)[0] - middle for row in np.diag(scale.deviation)])
    weights = steps - steps.mean(axis=1, keepdims=True)

    def loss(flat):
        logs = log_softmax(scale(features) @ flat[:-3].reshape(4, 3) + flat[-3:] + offset, axis=1)
        return -logs[np.arange(len(labels)), labels].sum() + (flat[:-3] ** 2).sum() / (2 * strength)

    at = np.concatenate([weights.ravel(), middle])
    assert np.abs(approx_fprime(at, loss, 1e-6)).max() < 1e-3
    assert np.abs(approx_fprime(at + 0.1, loss, 1e-6)).max() > 0.1


@pytest.mark.parametrize("fit", [Ridge(strength=0.01), Prototypes()])
def test_separable_classes_are_told_apart(fit):
    features, other, labels, none = made()
    logs = fit(features, labels, none)(other, none)
    assert (logs.argmax(axis=1) == labels).all()
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1)


def test_a_prototype_is_as_far_as_its_class_is():
    features, other, labels, none = made(each=1)
    scale = Scale.of(features)
    distances = np.linalg.norm(scale(other)[:, None] - scale(features), axis=2)
    np.testing.assert_allclose(Prototypes()(features, labels, none)(other, none), log_softmax(-distances, axis=1))


def test_constant_features_change_nothing():
    features, other, labels, none = made(width=6)
    more = [np.hstack([block, np.full((len(block), 2), 7.3)]) for block in (features, other)]
    for fit in (Ridge(strength=0.01), Prototypes()):
        found, expected = fit(more[0], labels, none)(more[1], none), fit(features, labels, none)(other, none)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_features_that_are_scaled_together_keep_their_proportions():
    features = made(width=6)[0] * np.array([1.0, 10, 0.1, 1, 1, 1])
    scaled = Scale.of(features, "all")(features)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    assert scaled.var(axis=0).mean() == pytest.approx(1)
    factors = scaled.std(axis=0) / features.std(axis=0)
    np.testing.assert_allclose(factors, factors[0])


def test_an_offset_that_knows_the_answer_wins_the_cross_validation():
    features, _, labels, none = made(apart=0.0)
    knows = 4.0 * np.eye(3)[labels]
    losses = [held_out_loss(Ridge(strength=0.01), features, labels, offset, folds=3) for offset in (none, knows)]
    assert losses[1] < 0.2 < losses[0]


def test_cross_validation_holds_out_what_it_scores():
    features, _, labels, none = made(apart=0.0, each=20)
    sure = Ridge(strength=1e3)
    assert held_out_loss(sure, features, labels, none, folds=4) > np.log(3)  # it fits noise
    assert -sure(features, labels, none)(features, none)[np.arange(60), labels].mean() < 0.01


def test_nothing_can_be_held_out_of_a_class_with_one_example():
    features, _, labels, none = made(each=1)
    for fit in (Ridge(strength=0.01), Prototypes()):
        assert held_out_loss(fit, features, labels, none, folds=8) == pytest.approx(np.log(3))
    features, _, labels, none = made(each=2)
    assert held_out_loss(Prototypes(), features, labels, none, folds=8) < np.log(3)
