"""Active sets against their definition, and against all choices of rows where there are few."""

from itertools import combinations

import numpy as np
import pytest

from mlpot.maxvol import BEFORE, FLOOR, NOT_SPANNED, TOLERANCE, ActiveSet, active_set


def stream(rows, length=50):
    """Blocks of rows, each known by its index."""
    starts = range(0, len(rows), length)
    return lambda: ((rows[k : k + length], np.arange(k, len(rows))[:length]) for k in starts)


def sizes(rows):
    return np.sqrt((rows**2).mean(axis=0))


@pytest.fixture(params=[0, 1, 2])
def rows(request):
    rng = np.random.default_rng(request.param)
    scales = np.logspace(0, -request.param, 12)
    return rng.normal(size=(700, 12)) * scales @ rng.normal(size=(12, 12))


def test_no_row_has_a_component_above_one(rows):
    found = active_set(stream(rows), sizes(rows))
    components = rows @ np.linalg.inv(rows[found.origins])
    assert np.abs(components).max() <= 1.0 + TOLERANCE + 1e-12
    assert np.array_equal(found.rows, rows[found.origins]) and found.n_spanned == 12
    assert np.allclose(found.inverse @ found.rows, np.eye(12), atol=1e-10)
    assert found.grades(rows).max() == pytest.approx(1.0, abs=2e-9)


def test_the_volume_is_large(rows):
    """Every exchange of one row by another lowers it, and random choices are far below."""
    found = active_set(stream(rows), sizes(rows))
    volume = np.linalg.slogdet(found.rows)[1]
    rng = np.random.default_rng(0)
    for _ in range(200):
        other = found.rows.copy()
        other[rng.integers(12)] = rows[rng.integers(len(rows))]
        assert np.linalg.slogdet(other)[1] <= volume + 1e-8
        assert np.linalg.slogdet(rows[rng.choice(len(rows), 12)])[1] < volume - 1.0


def test_few_rows_give_nearly_the_greatest_volume_there_is():
    rows = np.random.default_rng(4).normal(size=(14, 3))
    volumes = [abs(np.linalg.det(rows[list(c)])) for c in combinations(range(14), 3)]
    found = active_set(stream(rows, 5), sizes(rows))
    assert abs(np.linalg.det(found.rows)) >= max(volumes) / 2.0


def test_the_length_of_the_blocks_changes_nothing_that_counts(rows):
    for length in (1, 7, 1000):
        found = active_set(stream(rows, length), sizes(rows))
        assert found.grades(rows).max() <= 1.0 + 2e-9


def test_units_of_the_columns_change_no_grade(rows):
    found = active_set(stream(rows), sizes(rows))
    units = np.logspace(-6, 6, 12)
    other = active_set(stream(rows * units), sizes(rows * units))
    assert np.array_equal(np.sort(other.origins), np.sort(found.origins))
    assert np.allclose(other.grades(2.0 * rows * units), found.grades(2.0 * rows), rtol=1e-7)


def test_what_the_rows_do_not_span_has_a_large_grade():
    rng = np.random.default_rng(5)
    rows = np.zeros((300, 6))
    rows[:, :3] = rng.normal(size=(300, 3))
    rows[:, 3] = rows[:, 0] - 2.0 * rows[:, 1]  # column 4 and 5 are always 0
    found = active_set(stream(rows), sizes(rows))
    assert found.n_spanned == 3 and np.sum(found.origins == NOT_SPANNED) == 3
    assert found.grades(rows).max() <= 1.0 + 2e-9
    new = rows[:1].copy()
    new[0, 4] += 0.01
    assert found.grades(new)[0] == pytest.approx(0.01 / FLOOR)
    new = rows[:1].copy()
    new[0, 3] += 0.01  # no longer the sum it was
    assert found.grades(new)[0] > 1e3


def test_a_set_goes_on_from_its_inverse(rows):
    first = active_set(stream(rows[:300]), sizes(rows))
    again = ActiveSet(sizes(rows))
    again.resume(first.inverse)
    assert np.allclose(again.grades(rows), first.grades(rows), rtol=1e-9)
    assert again.absorb(rows[:300]) == 0
    assert again.absorb(9.0 * rows[300:303], np.arange(300, 303)) > 0
    assert again.grades(9.0 * rows[300:303]).max() <= 1.0 + 2e-9
    known = set(again.origins.tolist())
    assert BEFORE in known and any(origin >= 300 for origin in known)


def test_no_rows_are_no_trouble():
    found = ActiveSet(np.ones(4))
    assert found.absorb(np.empty((0, 4))) == 0 and found.n_spanned == 0
    assert found.grades(np.empty((0, 4))).shape == (0,)
