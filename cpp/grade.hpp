// How far outside the training set an atom is: at most 1 inside, by one of two rules.
//
//   range      max_d |q_d - middle_d| / half_d     of the ranges that features q had in training
//   d_optimal  max_j |sum_k b_k (A^-1)_kj|         b = (1, dE/dw): the atom's row of the linear
//                                                  problem, its first column that of E0
//
// A holds the rows of training that span the greatest volume: in terms of them, no row of training
// has a component above 1. Podryabinkin and Shapeev, Comput. Mater. Sci. 140 (2017) 171, eqs.
// 8, 11.
#pragma once

#include "batch.hpp"
#include "block.hpp"
#include "engine.hpp"

MLPOT_BEGIN_KERNELS

// The greatest magnitude among numbers, and which of them it was, of every lane.
template <class Real>
struct Greatest {
  Real value = Real(-1.0), index = Real(-1.0);

  void meet(Real x, int i) {
    x = select(x < Real(0.0), -x, x);
    const auto greater = x > value;
    value = select(greater, x, value);
    index = select(greater, Real(i), index);
  }
};

template <int W>
class Grader {
  using Real = Pack<W>;

 public:
  // Either block may be null.
  Grader(Block* ranges, Block* active_set, int n_species, int n_features, int n_parameters)
      : n_species_(n_species), n_features_(n_features), n_columns_(n_parameters + 1) {
    if (ranges) read_ranges(*ranges);
    if (active_set) read_active_set(*active_set);
  }

  bool has(GradeRule rule) const {
    return rule == GradeRule::range ? low_.begin() != nullptr : inverse_.begin() != nullptr;
  }

  void set_ranges(const double* low, const double* high) {
    low_.grow(n_species_ * n_features_);
    high_.grow(n_species_ * n_features_);
    for (int k = 0; k < n_species_ * n_features_; k++) {
      low_[k] = low[k];
      high_[k] = high[k];
    }
  }

  void set_active_set(const double* inverse) {
    const long n = static_cast<long>(n_species_) * n_columns_ * n_columns_;
    inverse_.grow(n);
    for (long k = 0; k < n; k++) inverse_[k] = inverse[k];
  }

  // q: [n_features], not scaled.
  void by_range(const Batch<Real>& env, const Lanes<W>& lanes, const Real* q, Grades& out) const {
    const double *low = low_.begin() + env.species * n_features_,
                 *high = high_.begin() + env.species * n_features_;
    Greatest<Real> worst;
    for (int d = 0; d < n_features_; d++) {
      const double middle = 0.5 * low[d] + 0.5 * high[d], half = 0.5 * high[d] - 0.5 * low[d];
      worst.meet((q[d] - Real(middle)) * Real(1.0 / half), d);
    }
    for (int lane = 0; lane < lanes.n; lane++)
      if (note(worst, lane, lanes.center[lane], out)) {
        const int d = out.component;
        out.value = q[d][lane];
        out.low = low[d];
        out.high = high[d];
      }
  }

  // row: [n_parameters + 1], 1 and dE/dw. Four components at a time share what they load.
  void by_active_set(const Batch<Real>& env, const Lanes<W>& lanes, const Real* row,
                     Grades& out) const {
    const int n = n_columns_;
    const double* column = inverse_.begin() + static_cast<long>(env.species) * n * n;
    Greatest<Real> worst;
    int j = 0;
    for (; j + 4 <= n; j += 4, column += 4 * n) {
      Real sum[4] = {Real(0.0), Real(0.0), Real(0.0), Real(0.0)};
      for (int k = 0; k < n; k++)
        for (int c = 0; c < 4; c++) sum[c] += Real(column[c * n + k]) * row[k];
      for (int c = 0; c < 4; c++) worst.meet(sum[c], j + c);
    }
    for (; j < n; j++, column += n) {
      Real sum(0.0);
      for (int k = 0; k < n; k++) sum += Real(column[k]) * row[k];
      worst.meet(sum, j);
    }
    for (int lane = 0; lane < lanes.n; lane++)
      if (note(worst, lane, lanes.center[lane], out)) {
        out.value = out.grade;
        out.low = -1.0;
        out.high = 1.0;
      }
  }

 private:
  void read_ranges(Block& block) {
    const int n = n_species_ * n_features_;
    block.table("low", n_species_, n_features_, low_.grow(n));
    block.table("high", n_species_, n_features_, high_.grow(n));
    for (int k = 0; k < n; k++)
      if (!(low_[k] < high_[k])) block.refuse("low", "each must be below the one in high");
  }

  void read_active_set(Block& block) {
    const double size = static_cast<double>(n_columns_) * n_columns_;
    if (n_species_ * size > 1e8) block.refuse("inverse", "more than 1e8 numbers would be needed");
    const int n = n_columns_ * n_columns_;
    block.table("inverse", n_species_, n, inverse_.grow(n_species_ * n));
  }

  // Whether the atom of this lane is the worst so far.
  bool note(const Greatest<Real>& worst, int lane, int atom, Grades& out) const {
    out.of_atoms[atom] = worst.value[lane];
    if (!(worst.value[lane] > out.grade)) return false;
    out.grade = worst.value[lane];
    out.atom = atom;
    out.component = static_cast<int>(worst.index[lane]);
    return true;
  }

  int n_species_, n_features_, n_columns_;
  Buffer<double> low_, high_;  // [n_species][n_features]
  Buffer<double> inverse_;     // [n_species][component j][k]: (A^-1)_kj
};

MLPOT_END_KERNELS
