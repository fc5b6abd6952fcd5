// Scaling: features as a regressor sees them, (q - shift) scale, for each of its regressors.
#pragma once

#include "block.hpp"
#include "buffer.hpp"
#include "dual.hpp"

MLPOT_BEGIN_KERNELS

class Scaling {
 public:
  // block: shift and scale [n_regressors][n_features]; null: features stay as they are
  Scaling(Block* block, int n_regressors, int n_features)
      : scaled_(block != nullptr),
        n_features_(n_features),
        shift_(n_regressors * n_features),
        scale_(n_regressors * n_features) {
    for (int k = 0; k < n_regressors * n_features; k++) {
      shift_[k] = 0.0;
      scale_[k] = 1.0;
    }
    if (!block) return;
    block->table("shift", n_regressors, n_features, shift_.begin());
    block->table("scale", n_regressors, n_features, scale_.begin());
  }

  double of(int which, int d) const { return scale_[which * n_features_ + d]; }

  template <class Number>
  void apply(int which, Number* q) const {
    for (int d = 0; d < n_features_ && scaled_; d++)
      q[d] = (q[d] - Number(shift_[which * n_features_ + d])) * Number(of(which, d));
  }

  // dE/dq from the derivatives by what apply() made of q.
  template <class Number>
  void apply_adjoint(int which, Number* dE_dq) const {
    for (int d = 0; d < n_features_ && scaled_; d++) dE_dq[d] *= Number(of(which, d));
  }

 private:
  const bool scaled_;
  const int n_features_;
  Buffer<double> shift_, scale_;
};

MLPOT_END_KERNELS
