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
// function of t for each bin counted from b_0: one polynomial of a bin serves all distances. The
// atoms of a batch are taken one by one here, and the lanes of a Real are bins of one atom.
#pragma once

#include <cmath>

#include "batch.hpp"
#include "block.hpp"
#include "cutoff.hpp"
#include "dual.hpp"
#include "row.hpp"

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
    n_near_ = vectors(2 * reach_ + 1);
    n_places_ = vectors(n_bins_ + 1) + n_near_;
    make_series();
    background_.grow(n_places_);
    inside_.grow(n_places_);
    for (int i = 0; i < n_places_ * W; i++) {
      const int b = i + 1 - reach_;
      const bool inside = b >= 2 && b <= n_bins_;
      Scalar f(0.0), df;
      if (inside) cosine_cutoff(Scalar(delta_ * (b - 0.5)), 0.0, r_cut_, f, df);
      background_[i / W].set(i % W, f[0]);
      inside_[i / W].set(i % W, inside);
    }
    histogram_.grow(n_species * W * n_places_ * W);
    stretched_.grow(n_species);
  }

  double r_cut() const { return r_cut_; }

  Real compute(const Batch<Real>& env) {
    place(env);
    near_.grow(env.n * W * n_near_);
    const CellInfo<Real>& cell = *env.cell;
    Real sum(0.0);
    for (int s = 0; s < n_species_; s++) {
      if (cell.n_of_species[s] == 0.0) continue;
      const Real norm = density_norm(cell, s);
      stretched_[s] = Real(0.0);
      for (int lane = 0; lane < W; lane++) {
        const int first = histogram(s, lane);
        for (int i = 0; i < n_places_; i++) histogram_.write(first + i * W, Real(0.0));
        for (int j = env.begin[s]; j < env.begin[s + 1]; j++) add_pair(j, lane, first);
        Number sums[4];
        subtract_background(first, spread_lane(norm, lane), sums);
        add_to_lane(Number(cell.n_of_species[s] / cell.n_atoms) * sums[0], sum, lane);
        add_to_lane(sums[1], stretched_[s], lane);
      }
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
      const Real dP_dsquares =
          Real(cell.n_of_species[s] / cell.n_atoms) * width_ / (order_ + order_);
      const Real to_pairs = dE_dP * density_norm(cell, s) * (dP_dsquares + dP_dsquares);
      by_volume += (dP_dsquares + dP_dsquares) * stretched_[s];
      for (int j = env.begin[s]; j < env.begin[s + 1]; j++) {
        const Real along = to_pairs * slope(j, s) / env.distance[j];
        for (int axis = 0; axis < 3; axis++) dE_dr[j][axis] += along * env.r[j][axis];
      }
    }
    return dE_dP * by_volume / cell.volume;
  }

 private:
  static constexpr int max_terms = 24, W = Real::width;
  using Number = typename OneLane<Real>::Number;

  static int vectors(int n) { return (n + W - 1) / W; }
  // Where that of an atom begins: bin b has the place b - 1 + reach.
  int histogram(int species, int lane) const { return (species * W + lane) * n_places_ * W; }

  Real density_norm(const CellInfo<Real>& cell, int s) const {
    return Real(1.0 / (4.0 * pi * delta_ * cell.n_of_species[s])) * cell.volume;
  }

  // The polynomials in t of the bins from b_0 - reach on, and their derivatives.
  void make_series() {
    series_.grow(n_near_ * max_terms);
    slopes_.grow(n_near_ * max_terms);
    terms_.grow(n_near_);
    for (int k = 0; k < n_near_ * W; k++) {
      double c[max_terms];
      const int n = economise(c, taylor(k - reach_, c));
      int& most = terms_[k / W];
      most = k % W == 0 || n > most ? n : most;
      for (int i = 0; i < max_terms; i++) {
        series_[k / W * max_terms + i].set(k % W, i < n ? c[i] : 0.0);
        slopes_[k / W * max_terms + i].set(k % W, i + 1 < n ? (i + 1) * c[i + 1] : 0.0);
      }
    }
  }

  // d^n/dt^n of Phi(x - h t) with Phi' = phi is -h^n He_(n-1)(x) phi(x), by Hermite polynomials.
  int taylor(int bin, double* c) const {
    const double h = delta_ / sigma_, upper = (bin + 0.5) * h, lower = upper - h;
    const double x[2] = {upper, lower}, root = std::sqrt(2.0 * pi);
    double factor = -1.0, he[2] = {1.0, 1.0}, before[2] = {0.0, 0.0};
    c[0] = 0.5 * (std::erfc(lower / std::sqrt(2.0)) - std::erfc(upper / std::sqrt(2.0)));
    for (int n = 1; n < max_terms; n++) {
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
    return max_terms;
  }

  // Takes multiples of Chebyshev polynomials of 2t off, as long as they are below 1e-18; returns
  // how many terms are left of n.
  static int economise(double* c, int n) {
    double chebyshev[max_terms][max_terms] = {{1.0}, {0.0, 2.0}};  // by powers of t
    for (int i = 2; i < n; i++)
      for (int k = 0; k <= i; k++)
        chebyshev[i][k] = (k > 0 ? 4.0 * chebyshev[i - 1][k - 1] : 0.0) - chebyshev[i - 2][k];
    for (; n > 2; n--) {
      const double last = c[n - 1] / chebyshev[n - 1][n - 1];
      if (std::fabs(last) > 1e-18) break;
      for (int k = 0; k < n; k++) c[k] -= last * chebyshev[n - 1][k];
    }
    return n;
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

  // c[0] + c[1] t + ... of W bins.
  static Real polynomial(Real t, const Pack<W>* c, int n) {
    Real sum(c[n - 1]);
    for (int k = n - 2; k >= 0; k--) sum = sum * t + Real(c[k]);
    return sum;
  }

  void add_pair(int j, int lane, int first) {
    const Real t = spread_lane(t_[j], lane), weight = spread_lane(weight_[j], lane);
    Real* g = near_.begin() + (j * W + lane) * n_near_;
    int at = first + row_[j][lane];
    for (int k = 0; k < n_near_; k++, at += W) {
      g[k] = polynomial(t, series_.begin() + k * max_terms, terms_[k]);
      histogram_.write(at, histogram_.read(at) + weight * g[k]);
    }
  }

  // F from a histogram; sums: of F^2 and F (F + background).
  void subtract_background(int first, Real norm, Number* sums) {
    Real of[4] = {Real(0.0), Real(0.0), Real(0.0), Real(0.0)};
    for (int i = 0; i < n_places_; i++) {
      const Real background(background_[i]);
      const Real F = norm * histogram_.read(first + i * W) * Real(inside_[i]) - background;
      histogram_.write(first + i * W, F);
      of[0] += F * F;
      of[1] += F * (F + background);
    }
    sum_lanes_of_four(of, sums);
  }

  // d/dr_j of the sum of F^2 times half the adjoint of F.
  Real slope(int j, int species) const {
    Real of_value(0.0), of_slope(0.0);
    for (int lane = 0; lane < W; lane++) {
      const Real t = spread_lane(t_[j], lane);
      const Real* g = near_.begin() + (j * W + lane) * n_near_;
      int at = histogram(species, lane) + row_[j][lane];
      Real of[4] = {Real(0.0), Real(0.0), Real(0.0), Real(0.0)};
      for (int k = 0; k < n_near_; k++, at += W) {
        const Real F = histogram_.read(at);
        of[0] += F * g[k];
        of[1] += F * polynomial(t, slopes_.begin() + k * max_terms, terms_[k] - 1);
      }
      Number sums[4];
      sum_lanes_of_four(of, sums);
      add_to_lane(sums[0], of_value, lane);
      add_to_lane(sums[1], of_slope, lane);
    }
    return weight_slope_[j] * of_value + weight_[j] * Real(1.0 / delta_) * of_slope;
  }

  int n_species_;
  double r_cut_, sigma_, delta_;
  int n_bins_, reach_;
  int n_near_, n_places_;                   // vectors of bins near a neighbour, of a histogram
  Buffer<Pack<W>> series_, slopes_;         // [n_near][max_terms]
  Buffer<int> terms_;                       // [n_near]
  Buffer<Pack<W>> background_;              // [n_places]
  Buffer<Pack<W>> inside_;                  // [n_places] 1 for bins that count, else 0
  Row<Real> histogram_;                     // [n_species][lane][n_places W]
  Buffer<Real> near_;                       // [neighbour][lane][n_near] g
  Buffer<Real> stretched_;                  // [n_species]
  Buffer<Real> weight_, weight_slope_, t_;  // by neighbour
  Buffer<int> rows_;
  int (*row_)[W] = nullptr;  // [neighbour][lane] the bin
  Real order_, width_;
};

MLPOT_END_KERNELS
