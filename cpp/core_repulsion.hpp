// Screened nuclear repulsion after Ziegler, Biersack, Littmark (1985), as LAMMPS' pair_style zbl:
//   E_ij = Z_i Z_j e^2 / (4 pi eps0 r) sum_k c_k exp(-d_k r/a) + S(r),  a = 0.4685 / (Z_i^0.23 +
//   Z_j^0.23) Å
// S brings energy, force and its derivative to zero between the inner and the outer radius:
//   S = C for r < inner,  A/3 (r - inner)^3 + B/4 (r - inner)^4 + C  up to outer.
#pragma once

#include <cmath>

#include "batch.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class CoreRepulsion {
 public:
  // numbers: [n_species] atomic numbers; off when outer is 0.
  CoreRepulsion(int n_species, const int* numbers, double inner, double outer)
      : n_species_(n_species), inner_(inner), outer_(outer), pair_(n_species * n_species) {
    if (!active()) return;
    for (int a = 0; a < n_species; a++)
      for (int b = 0; b < n_species; b++)
        pair_[a * n_species + b] = make_pair(numbers[a], numbers[b]);
  }

  bool active() const { return outer_ > 0.0; }
  double r_cut() const { return outer_; }

  // Half of the pair energies of the central atoms; adds their derivatives to dE_dr.
  Real add(const Batch<Real>& env, Real (*dE_dr)[3]) const {
    Real sum(0.0);
    for (int s = 0; s < n_species_; s++) {
      const Pair& pair = pair_[env.species * n_species_ + s];
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++) {
        const Real r = env.distance[k];
        Real e, de;
        screened(pair, r, e, de);
        const Real t = select(r > Real(inner_), r - Real(inner_), Real(0.0));
        e += Real(pair.c) + t * t * t * (Real(pair.a / 3.0) + Real(pair.b / 4.0) * t);
        de += t * t * (Real(pair.a) + Real(pair.b) * t);
        const auto inside = r < Real(outer_);
        sum += select(inside, Real(0.5) * e, Real(0.0));
        const Real slope = select(inside, Real(0.5) * de, Real(0.0)) / r;
        for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] += slope * env.r[k][axis];
      }
    }
    return sum;
  }

 private:
  struct Pair {
    double zz, scale, a, b, c;
  };  // zz: Z_i Z_j e^2/(4 pi eps0); scale: 1/a

  static constexpr double coulomb = 14.399645;  // eV Å, LAMMPS' value in metal units
  static constexpr double weight[4] = {0.02817, 0.28022, 0.50986, 0.18175};
  static constexpr double decay[4] = {0.20162, 0.40290, 0.94229, 3.19980};

  static void screened(const Pair& pair, Real r, Real& e, Real& de) {
    Real phi(0.0), dphi(0.0);
    for (int k = 0; k < 4; k++) {
      const double rate = decay[k] * pair.scale;
      const Real term = Real(weight[k]) * exp(Real(-rate) * r);
      phi += term;
      dphi -= Real(rate) * term;
    }
    const Real strength = Real(pair.zz) / r;
    e = strength * phi;
    de = strength * (dphi - phi / r);
  }

  Pair make_pair(int zi, int zj) const {
    Pair pair = {coulomb * zi * zj, (std::pow(zi, 0.23) + std::pow(zj, 0.23)) / 0.46850, 0, 0, 0};
    double e = 0.0, de = 0.0, d2e = 0.0;  // at the outer radius
    for (int k = 0; k < 4; k++) {
      const double r = outer_, rate = decay[k] * pair.scale, inv = 1.0 / r;
      const double term = pair.zz * inv * weight[k] * std::exp(-rate * r);
      e += term;
      de -= term * (rate + inv);
      d2e += term * (rate * rate + 2.0 * rate * inv + 2.0 * inv * inv);
    }
    const double t = outer_ - inner_;
    pair.a = (-3.0 * de + t * d2e) / (t * t);
    pair.b = (2.0 * de - t * d2e) / (t * t * t);
    pair.c = -e + 0.5 * t * de - t * t * d2e / 12.0;
    return pair;
  }

  int n_species_;
  double inner_, outer_;
  Buffer<Pair> pair_;
};

MLPOT_END_KERNELS
