// The order parameter of an atom, after Oganov and Valle, J. Chem. Phys. 130 (2009) 104504, and
// Lyakhov, Oganov and Valle, Comput. Phys. Commun. 181 (2010) 1623, eq. 5, made smooth for
// dynamics: pairs and the background that they are compared with fade out towards the cutoff.
//
//   F_B(b) = V / (4 pi delta N_B) sum_{j in B} f_c(r_j) g_b(r_j) / r_j^2 - f_c(delta (b - 1/2))
//   P = sqrt(sum_B (N_B / N) delta (N / V)^(1/3) sum_b F_B(b)^2),   b = 2 .. r_cut / delta
//
// Below 0.5 Å, where only a core has something to say, a parabola in r^2 takes the place of 1/r^2
// (C2), so that no core is overcome. g_b(r) is the part of a Gaussian at r, of deviation sigma,
// that lies in bin b, from delta (b - 1) to delta b. With r = delta (b_0 + 1/2 + t) it is a
// function of t for each bin counted from b_0: its Taylor series serves all distances.
#pragma once

#include <cmath>

#include "batch.hpp"
#include "block.hpp"
#include "cutoff.hpp"
#include "dual.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class OrderParameter {
 public:
  OrderParameter(Block& block, int n_species)
      : n_species_(n_species),
        r_cut_(block.number("r_cut", 0.1, 100.0)),
        sigma_(block.number("sigma", 0.1, 1e-3, 10.0)),
        delta_(block.number("delta", 0.08, 1e-3, 10.0)) {
    if (sigma_ < delta_) block.refuse("sigma", "expected at least delta, the width of a bin");
    if (r_cut_ < 2.0 * delta_ || r_cut_ > 1000.0 * delta_ || sigma_ > 100.0 * delta_)
      block.refuse("delta", "expected from 2 to 1000 bins in r_cut, and at most 100 in sigma");
    n_bins_ = static_cast<int>(r_cut_ / delta_ + 0.5);
    reach_ = static_cast<int>(8.0 * sigma_ / delta_) + 2;
    n_near_ = (2 * reach_ + 1 + tile - 1) / tile * tile;
    n_places_ = n_bins_ + 1 + n_near_;
    make_series();
    background_.grow(n_bins_ + 1);
    for (int b = 1; b <= n_bins_; b++) {
      Scalar f, df;
      cosine_cutoff(Scalar(delta_ * (b - 0.5)), 0.0, r_cut_, f, df);
      background_[b] = f[0];
    }
    histogram_.grow(n_species * n_places_);
    adjoint_.grow(n_places_);
  }

  double r_cut() const { return r_cut_; }

  Real compute(const Batch<Real>& env) {
    place(env);
    const CellInfo<Real>& cell = *env.cell;
    Real sum(0.0);
    for (int s = 0; s < n_species_; s++) {
      Real* f = histogram(s);
      for (int i = 0; i < n_places_; i++) f[i] = Real(0.0);
      for (int j = env.begin[s]; j < env.begin[s + 1]; j++) add_pair(j, f);
      if (cell.n_of_species[s] == 0.0) continue;
      const Real norm = density_norm(cell, s);
      Real squares(0.0);
      for (int b = 2; b <= n_bins_; b++) {
        f[at(b)] = norm * f[at(b)] - Real(background_[b]);
        squares += f[at(b)] * f[at(b)];
      }
      sum += Real(cell.n_of_species[s] / cell.n_atoms) * squares;
    }
    width_ = Real(delta_) * exp(Real(1.0 / 3.0) * log(Real(cell.n_atoms) / cell.volume));
    return order_ = sqrt(width_ * sum);
  }

  // Of the batch of the last compute(): adds to dE_dr, returns dE/dV.
  Real backprop(const Batch<Real>& env, Real dE_dP, Real (*dE_dr)[3]) {
    const CellInfo<Real>& cell = *env.cell;
    Real by_volume = Real(-0.5 / 3.0) * order_;  // V dP/dV
    for (int s = 0; s < n_species_; s++) {
      if (cell.n_of_species[s] == 0.0) continue;
      const Real* f = histogram(s);
      const Real dP_dsquares =
          Real(cell.n_of_species[s] / cell.n_atoms) * width_ / (order_ + order_);
      const Real to_pairs = dE_dP * density_norm(cell, s) * (dP_dsquares + dP_dsquares);
      Real stretched(0.0);
      for (int i = 0; i < n_places_; i++) adjoint_[i] = Real(0.0);
      for (int b = 2; b <= n_bins_; b++) {
        const Real F = f[at(b)];
        adjoint_[at(b)] = to_pairs * F;
        stretched += F * (F + Real(background_[b]));
      }
      by_volume += (dP_dsquares + dP_dsquares) * stretched;
      for (int j = env.begin[s]; j < env.begin[s + 1]; j++) {
        const Real along = slope(j) / env.distance[j];
        for (int axis = 0; axis < 3; axis++) dE_dr[j][axis] += along * env.r[j][axis];
      }
    }
    return dE_dP * by_volume / cell.volume;
  }

 private:
  static constexpr int tile = 4, max_terms = 24, W = Real::width;

  int at(int bin) const { return bin - 1 + reach_; }  // its place in a histogram
  Real* histogram(int species) { return histogram_.begin() + species * n_places_; }

  Real density_norm(const CellInfo<Real>& cell, int s) const {
    return Real(1.0 / (4.0 * pi * delta_ * cell.n_of_species[s])) * cell.volume;
  }

  // d^n/dt^n of Phi(x - h t) with Phi' = phi is -h^n He_(n-1)(x) phi(x), by Hermite polynomials.
  void make_series() {
    const double h = delta_ / sigma_;
    n_terms_ = 1;
    for (double term = 1.0; term > 1e-17 && n_terms_ < max_terms; n_terms_++)
      term *= 0.5 * h / std::sqrt(n_terms_);
    double* c = series_.grow(n_near_ * n_terms_);
    for (int k = 0; k < n_near_; k++, c += n_terms_) {
      const double upper = (k - reach_ + 0.5) * h, lower = upper - h;
      c[0] = 0.5 * (std::erfc(lower / std::sqrt(2.0)) - std::erfc(upper / std::sqrt(2.0)));
      double factor = -1.0, he[2] = {1.0, 1.0}, before[2] = {0.0, 0.0};
      const double x[2] = {upper, lower}, root = std::sqrt(2.0 * pi);
      for (int n = 1; n < n_terms_; n++) {
        factor *= h / n;
        c[n] = factor *
               (he[0] * std::exp(-0.5 * upper * upper) - he[1] * std::exp(-0.5 * lower * lower)) /
               root;
        for (int end = 0; end < 2; end++) {
          const double next = x[end] * he[end] - (n - 1) * before[end];
          before[end] = he[end];
          he[end] = next;
        }
      }
    }
    terms_.grow(n_near_ / tile);
    for (int k = 0; k < n_near_; k++) {  // those of a tile that count
      const double* series = series_.begin() + k * n_terms_;
      int n = n_terms_;
      while (n > 2 && std::fabs(series[n - 1]) * std::pow(0.5, n - 1) < 1e-17) n--;
      int& most = terms_[k / tile];
      most = k % tile == 0 || n > most ? n : most;
    }
  }

  // Weights, bins and places in them of all neighbours.
  void place(const Batch<Real>& env) {
    weight_.grow(env.n);
    weight_slope_.grow(env.n);
    t_.grow(env.n);
    row_ = reinterpret_cast<int (*)[W]>(rows_.grow(env.n * W));
    for (int j = 0; j < env.n; j++) {
      const Real r = env.distance[j];
      Real f, df, w, dw;
      cosine_cutoff(r, 0.0, r_cut_, f, df);
      inverse_square(r, w, dw);
      weight_[j] = f * w;
      weight_slope_[j] = df * w + f * dw;
      const Real x = select(r < Real(r_cut_), r, Real(r_cut_)) * Real(1.0 / delta_);
      Pack<W> middle;
      for (int lane = 0; lane < W; lane++) {
        const int bin = static_cast<int>(value_of(x, lane));
        row_[j][lane] = bin < n_bins_ ? bin : n_bins_;
        middle.set(lane, row_[j][lane] + 0.5);
      }
      t_[j] = x - Real(middle);
    }
  }

  static void inverse_square(Real r, Real& w, Real& dw) {
    constexpr double square = closest_approach * closest_approach;
    const auto close = r < Real(closest_approach);
    const Real far = select(close, Real(closest_approach), r), inverse = Real(1.0) / far;
    const Real d = r * r * Real(1.0 / square) - Real(1.0);
    w = select(close, Real(1.0 / square) * (Real(1.0) - d + d * d), inverse * inverse);
    dw = select(close, Real(2.0 / (square * square)) * r * (d + d - Real(1.0)),
                Real(-2.0) * inverse * inverse * inverse);
  }

  static double value_of(const Pack<W>& x, int lane) { return x[lane]; }
  template <class R>
  static double value_of(const Dual<R>& x, int lane) {
    return x.value[lane];
  }

  void add_pair(int j, Real* f) const {
    const Real t = t_[j], weight = weight_[j];
    for (int k = 0; k < n_near_; k += tile) {
      const double* c = series_.begin() + k * n_terms_;
      const int terms = terms_[k / tile];
      Real g[tile];
      for (int i = 0; i < tile; i++) g[i] = Real(c[i * n_terms_ + terms - 1]);
      for (int n = terms - 2; n >= 0; n--)
        for (int i = 0; i < tile; i++) g[i] = g[i] * t + Real(c[i * n_terms_ + n]);
      for (int i = 0; i < tile; i++)
        put(f + k + i, row_[j], take(f + k + i, row_[j]) + weight * g[i]);
    }
  }

  // dE/dr_j from the adjoint of the histogram: the series of the neighbour's bins are summed first.
  Real slope(int j) const {
    Real c[max_terms];
    for (int n = 0; n < n_terms_; n++) c[n] = Real(0.0);
    for (int k = 0; k < n_near_; k++) {
      const Real weight = take(adjoint_.begin() + k, row_[j]);
      const double* series = series_.begin() + k * n_terms_;
      for (int n = 0; n < terms_[k / tile]; n++) c[n] += weight * Real(series[n]);
    }
    const Real t = t_[j];
    Real sum = c[n_terms_ - 1], by_t(0.0);
    for (int n = n_terms_ - 2; n >= 0; n--) {
      by_t = by_t * t + sum;
      sum = sum * t + c[n];
    }
    return weight_slope_[j] * sum + weight_[j] * Real(1.0 / delta_) * by_t;
  }

  int n_species_;
  double r_cut_, sigma_, delta_;
  int n_bins_, reach_, n_near_, n_places_, n_terms_;
  Buffer<double> series_;                   // [n_near][n_terms]
  Buffer<int> terms_;                       // [n_near / tile]
  Buffer<double> background_;               // [n_bins + 1]
  Buffer<Real> histogram_, adjoint_;        // [n_species][n_places], [n_places]
  Buffer<Real> weight_, weight_slope_, t_;  // by neighbour
  Buffer<int> rows_;
  int (*row_)[W] = nullptr;  // [neighbour][lane] the bin
  Real order_, width_;
};

MLPOT_END_KERNELS
