// Jacobian<W>: the derivatives of every feature of an atom by its neighbours and by the volume.
//
//   dq_d/dr_j   [n_features][env.n][3]
//   dq_d/dV     [n_features], zero for descriptors that do not know the cell
//
// Either by backprop of unit vectors, or, where a descriptor can say cheaply what one moved
// neighbour changes, on dual numbers, one coordinate of one neighbour after the other.
#pragma once

#include "buffer.hpp"
#include "descriptor.hpp"

MLPOT_BEGIN_KERNELS

template <int W>
class Jacobian {
  using Real = Pack<W>;
  using Tangent = Dual<Pack<W>>;

 public:
  // moving: the same descriptor on dual numbers; needed where it moves cheaply
  Jacobian(Descriptor<Real>& descriptor, Descriptor<Tangent>* moving)
      : descriptor_(descriptor),
        moving_(descriptor.moves_cheaply() ? moving : nullptr),
        n_(descriptor.size()),
        unit_(n_),
        by_volume_(n_),
        q_tangent_(n_) {
    for (int d = 0; d < n_; d++) unit_[d] = by_volume_[d] = Real(0.0);
  }

  // After compute() of the same batch.
  const Real* of(const Batch<Real>& env) {
    Real* rows = rows_.grow(3 * n_ * env.n);
    if (moving_) by_moves(env, rows);
    else by_backprop(env, rows);
    return rows;
  }

  Real by_volume(int d) const { return by_volume_[d]; }

 private:
  void by_moves(const Batch<Real>& env, Real* rows) {
    Tangent(*r)[3] = reinterpret_cast<Tangent(*)[3]>(r_.grow(3 * env.n));
    Tangent* distance = distance_.grow(env.n);
    for (int j = 0; j < env.n; j++) {
      for (int axis = 0; axis < 3; axis++) r[j][axis] = env.r[j][axis];
      distance[j] = env.distance[j];
    }
    const CellInfo<Tangent> cell = {Tangent(env.cell->volume), env.cell->n_atoms,
                                    env.cell->n_of_species};
    const Batch<Tangent> moving = {env.species, env.n, env.begin, r, distance, &cell};
    moving_->compute(moving, q_tangent_.begin());
    for (int j = 0; j < env.n; j++)
      for (int axis = 0; axis < 3; axis++) {
        r[j][axis].tangent = Real(1.0);
        distance[j].tangent = env.r[j][axis] / env.distance[j];
        moving_->move(moving, j, q_tangent_.begin());
        r[j][axis].tangent = distance[j].tangent = Real(0.0);
        for (int d = 0; d < n_; d++) rows[(d * env.n + j) * 3 + axis] = q_tangent_[d].tangent;
      }
  }

  void by_backprop(const Batch<Real>& env, Real* rows) {
    for (int d = 0; d < n_; d++) {
      unit_[d] = Real(1.0);
      descriptor_.backprop(env, unit_.begin(), reinterpret_cast<Real(*)[3]>(rows + 3 * d * env.n));
      by_volume_[d] = descriptor_.dE_dvolume();
      unit_[d] = Real(0.0);
    }
  }

  Descriptor<Real>& descriptor_;
  Descriptor<Tangent>* moving_;
  const int n_;
  Buffer<Real> unit_, by_volume_, rows_;
  Buffer<Tangent> q_tangent_, r_, distance_;
};

MLPOT_END_KERNELS
