"""Streaming least squares against exact data, explicit matrices and its own memory bound."""

import tracemalloc

import numpy as np
import pytest

from mlpot.errors import InputError
from mlpot.solve import StreamingLeastSquares, memory_needed, merge, residual_norms

LJ_12_6 = {12: 4.0, 6: -4.0}


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def powers(rng):
    """Sums of r^-k, k = 4..14, over 12 neighbours: columns of condition 1e11 and more."""
    r = rng.uniform(0.75, 1.6, (2000, 12))
    rows = np.stack([(r**-k).sum(axis=1) for k in range(4, 15)], axis=1)
    truth = np.array([LJ_12_6.get(k, 0.0) for k in range(4, 15)])
    return rows, rows @ truth


def streamed(rows, targets, n_folds=5, block=101, order=None, **kwargs):
    problem = StreamingLeastSquares(rows.shape[1], n_folds, **kwargs)
    order = np.arange(len(rows)) if order is None else order
    for k, start in enumerate(range(0, len(rows), block)):
        chosen = order[start : start + block]
        problem.add(rows[chosen], targets[chosen], k % n_folds)
    return problem


def test_integers_are_recovered_exactly(rng):
    # Integer data have an exact solution, whatever the arithmetic of the reference would be.
    rows = rng.integers(-9, 10, (400, 7)).astype(float)
    truth = np.array([3.0, -1.0, 0.0, 12.0, 5.0, -7.0, 2.0])
    solution = streamed(rows, rows @ truth).solve(ridge=0.0)
    np.testing.assert_allclose(solution.coefficients, truth, rtol=0, atol=1e-13)
    assert solution.rank == 7
    assert solution.n_rows == 400
    assert solution.rmse < 1e-13


def test_noisy_data_agree_with_lstsq_of_the_whole_matrix(rng):
    rows, targets = rng.normal(size=(700, 12)), rng.normal(size=700)
    expected, squares, _, singular = np.linalg.lstsq(rows / np.linalg.norm(rows, axis=0), targets)
    solution = streamed(rows, targets).solve(ridge=0.0)
    expected = expected / np.linalg.norm(rows, axis=0)
    np.testing.assert_allclose(solution.coefficients, expected, rtol=1e-12)
    np.testing.assert_allclose(solution.rmse, np.sqrt(squares[0] / 700), rtol=1e-13)
    np.testing.assert_allclose(solution.condition, singular[0] / singular[-1], rtol=1e-12)


def test_ill_conditioned_powers_where_normal_equations_fail(powers):
    rows, targets = powers
    norms = np.linalg.norm(rows, axis=0)
    scaled = rows / norms
    assert np.linalg.cond(scaled) > 1e11
    normal = np.linalg.solve(scaled.T @ scaled, scaled.T @ targets)
    assert np.abs(scaled @ normal - targets).max() > 1e-6
    solution = streamed(rows, targets).solve(ridge=0.0)
    assert np.abs(rows @ solution.coefficients - targets).max() < 1e-10
    assert solution.rank == rows.shape[1]


def test_ill_conditioned_powers_choose_no_ridge(powers):
    solution = streamed(*powers).solve(ridge="auto")
    assert solution.ridge == 0.0
    assert solution.rmse < 1e-11


@pytest.mark.parametrize("block", [1, 64, 256, 257, 5000])
def test_blocks_and_order_do_not_matter(powers, rng, block):
    rows, targets = powers
    noisy = targets + rng.normal(scale=0.1, size=len(targets))
    solution = streamed(
        rows, noisy, n_folds=3, block=block, order=rng.permutation(len(rows))
    ).solve(ridge=1e-6)
    reference = streamed(rows, noisy, n_folds=1, block=2000).solve(ridge=1e-6)
    np.testing.assert_allclose(
        rows @ solution.coefficients, rows @ reference.coefficients, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(solution.rmse, reference.rmse, rtol=1e-12)


def test_rows_added_after_solving_count(rng):
    rows, targets = rng.normal(size=(90, 4)), rng.normal(size=90)
    problem = StreamingLeastSquares(4, 2)
    problem.add(rows[:50], targets[:50], 0)
    problem.solve(ridge=0.0)
    problem.add(rows[50:], targets[50:], 0)
    expected = np.linalg.lstsq(rows, targets)[0]
    np.testing.assert_allclose(problem.solve(ridge=0.0).coefficients, expected, rtol=1e-12)


@pytest.mark.parametrize("n_columns", [6, 300])
def test_a_triangle_keeps_every_residual(rng, n_columns):
    rows, targets = rng.normal(size=(1000, n_columns)), rng.normal(size=1000)
    problem = streamed(rows, targets, n_folds=4, block=125)
    guesses = rng.normal(size=(n_columns, 3))
    fold_of = np.repeat(np.arange(8), 125) % 4
    for fold in range(4):
        mine = fold_of == fold
        explicit = np.linalg.norm(rows[mine] @ guesses - targets[mine, None], axis=0)
        norms = residual_norms(problem.triangle(fold), guesses)
        np.testing.assert_allclose(norms, explicit, rtol=1e-12)
    before = problem.triangle(1).copy()
    merged = merge([problem.triangle(fold) for fold in range(4)])
    explicit = np.linalg.norm(rows @ guesses - targets[:, None], axis=0)
    np.testing.assert_allclose(residual_norms(merged, guesses), explicit, rtol=1e-12)
    np.testing.assert_array_equal(problem.triangle(1), before)


def ridge_solution(rows, targets, ridge, free=()):
    """min |A c - b|^2 + (ridge s)^2 |D c|^2 by rows added to the scaled problem."""
    norms = np.linalg.norm(rows, axis=0)
    scaled = rows / norms
    penalised = np.setdiff1d(np.arange(rows.shape[1]), free)
    q = np.linalg.qr(scaled[:, list(free)])[0]
    rest = scaled[:, penalised] - q @ (q.T @ scaled[:, penalised])
    strength = ridge * np.linalg.norm(rest, 2)
    extra = strength * np.eye(rows.shape[1])[penalised]
    stacked = np.vstack([scaled, extra]), np.append(targets, np.zeros(len(penalised)))
    return np.linalg.lstsq(*stacked)[0] / norms


def test_cross_validation_is_the_explicit_one(rng):
    rows = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) * np.logspace(-3, 3, 6)
    targets = rows @ rng.normal(size=6) + rng.normal(size=300)
    solution = streamed(rows, targets, n_folds=3, block=100).solve(ridge="auto")
    for ridge, error in solution.cv_curve:
        squares = 0.0
        for fold in range(3):
            out = np.arange(300) // 100 == fold
            coefficients = ridge_solution(rows[~out], targets[~out], ridge)
            squares += np.sum((rows[out] @ coefficients - targets[out]) ** 2)
        np.testing.assert_allclose(error, np.sqrt(squares / 300), rtol=1e-9)
    best = min(error for _, error in solution.cv_curve)
    assert solution.ridge == max(r for r, e in solution.cv_curve if e <= 1.001 * best)


def test_free_columns_are_not_penalised(rng):
    rows, targets = rng.normal(size=(200, 6)), rng.normal(size=200)
    rows[:, 4] = 1.0
    free = [4]
    penalised = ~np.isin(np.arange(6), free)
    problem = streamed(rows, targets, penalised=penalised)
    for ridge in (1e-3, 0.3):
        expected = ridge_solution(rows, targets, ridge, free)
        np.testing.assert_allclose(problem.solve(ridge).coefficients, expected, rtol=1e-10)


def test_the_zero_of_energy_does_not_matter(rng):
    rows = np.hstack([rng.normal(size=(200, 5)) + 3.0, np.ones((200, 1))])
    targets = rng.normal(size=200)
    penalised = np.arange(6) < 5
    low = streamed(rows, targets - 1e4, penalised=penalised).solve(ridge=0.05)
    here = streamed(rows, targets, penalised=penalised).solve(ridge=0.05)
    difference = low.coefficients - here.coefficients
    np.testing.assert_allclose(difference, [0, 0, 0, 0, 0, -1e4], atol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 1e-8, "auto"])
def test_zero_columns_get_zero(rng, ridge):
    rows = rng.normal(size=(200, 5))
    rows[:, [0, 3]] = 0.0
    truth = np.array([0.0, 2.0, -1.0, 0.0, 0.5])
    solution = streamed(rows, rows @ truth).solve(ridge)
    np.testing.assert_allclose(solution.coefficients, truth, atol=1e-12)
    assert solution.rank == 3
    assert np.isfinite(solution.condition)


def test_dependent_columns_get_the_least_norm(rng):
    base = rng.normal(size=(200, 3))
    rows = np.hstack([base, base[:, :1]])
    solution = streamed(rows, base @ [2.0, 1.0, -1.0]).solve(ridge=0.0)
    np.testing.assert_allclose(solution.coefficients, [1.0, 1.0, -1.0, 1.0], atol=1e-12)
    assert solution.rank == 3


def test_scale_of_columns_does_not_matter(rng):
    rows, targets = rng.normal(size=(300, 5)), rng.normal(size=300)
    scales = np.array([1e-60, 1e-8, 1.0, 1e9, 1e60])
    plain = streamed(rows, targets).solve(ridge=1e-3).coefficients
    scaled = streamed(rows * scales, targets).solve(ridge=1e-3).coefficients
    np.testing.assert_allclose(scaled * scales, plain, rtol=1e-11)


@pytest.mark.parametrize("n_columns", [40, 400])
def test_memory_stays_below_what_was_announced(rng, n_columns):
    rows, targets = rng.normal(size=(300, n_columns)), rng.normal(size=300)
    tracemalloc.start()
    problem = StreamingLeastSquares(n_columns, 5, np.arange(n_columns) < n_columns - 2)
    for k in range(30):
        problem.add(rows, targets, k % 5)
    problem.solve(ridge="auto")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < memory_needed(n_columns, 5) + 50_000


@pytest.mark.parametrize(
    ("rows", "targets", "fold", "message"),
    [
        (np.ones((3, 5)), np.ones(3), 0, r"expected \(m, 4\)"),
        (np.ones((3, 4)), np.ones(2), 0, r"expected \(m, 4\)"),
        (np.ones((3, 4)), np.ones(3), 5, "fold 5"),
        (np.ones((3, 4)), np.ones(3), -1, "fold -1"),
        (np.full((3, 4), np.nan), np.ones(3), 0, "not finite"),
        (np.ones((3, 4)), np.array([1.0, np.inf, 0.0]), 0, "not finite"),
    ],
)
def test_refusals(rows, targets, fold, message):
    with pytest.raises(InputError, match=message):
        StreamingLeastSquares(4, 5).add(rows, targets, fold)


def test_nothing_to_solve():
    problem = StreamingLeastSquares(4, 5)
    with pytest.raises(InputError, match="no rows"):
        problem.solve()
    problem.add(np.eye(4), np.ones(4), 2)
    with pytest.raises(InputError, match="two folds"):
        problem.solve("auto")
    with pytest.raises(InputError, match="0 columns"):
        StreamingLeastSquares(0)
