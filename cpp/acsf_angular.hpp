// The angular symmetry functions of a group: sums over pairs of neighbours, forward and backward.
//
// The functions of a group share species, cutoff, r_s and kind (acsf_plan.hpp): a grid of n_eta
// radial parts T and n_shape angular parts A = (1 + lambda cos)^zeta. One pair p = (j, k) adds the
// outer product of its T and its A to the grid:
//
//   G[e][a] = sum_p T[e][p] A[a][p],   T[e] = exp(-eta_e s) f,   s = sum (r - r_s)^2,  f = prod f_c
//
// with r_ij, r_ik and, where narrow, r_jk in the sum s and the product f. Backward, with
// W[e][p] = sum_a A[a][p] dE/dG[e][a], every pair has
//
//   P = sum_e -eta_e T_e W_e = dE/ds,   Q = sum_e T_e W_e = dE/d(ln f),   D = dE/dcos.
//
// Here the lanes of a Real are pairs of one atom (acsf_pairs.hpp), and a row is one Real of pairs.
// Rows are taken in chunks, so that they hide each other's latency. Arrays by row have it last.
#pragma once

#include "acsf_pairs.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class AngularGroups {
 public:
  AngularGroups(const SymmetryFunctionPlan& plan, const RadialParts<Real>& radial)
      : plan_(plan), radial_(radial) {}

  void start() {  // before the groups of a compute() or of a backprop()
    pairs_.start();
    rows_.start();
  }

  void compute(const AngularGroup& g, const Batch<Real>& env, Real* q) {
    prepare(g);
    Number sums[4];
    for (int lane = 0; lane < Real::width; lane++) {
      pairs_.find(g, env, lane, radial_);
      for (int i = 0; i < g.parts.n * padded(g.n_shape); i++) grid_[i] = Real(0.0);
      Real* kept = rows_.next(n_chunks() * row_size(g));
      for (int c = 0; c < n_chunks(); c++) {
        const Chunk rows = chunk_at(g, kept, c);
        fill(g, rows, c);
        raise(g, g.forward, rows);
        add_outer_products(g);
      }
      for (int e = 0; e < g.parts.n; e++)
        for (int a = 0; a < g.n_shape; a++) {
          if (a % 4 == 0) sum_lanes_of_four(&grid_[e * padded(g.n_shape) + a], sums);
          if (const int feature = feature_of(g, e, a); feature >= 0)
            add_to_lane(Number(shape(g, a).norm) * sums[a % 4], q[feature], lane);
        }
    }
  }

  // Adds to dE_dr and to slope, dE/d|r_j|.
  void backprop(const AngularGroup& g, const Real* dE_dq, Real (*dE_dr)[3], Real* slope) {
    prepare(g);
    for (int lane = 0; lane < Real::width; lane++) {
      pairs_.find_again(g);
      for (int e = 0; e < g.parts.n; e++)
        for (int a = 0; a < g.n_shape; a++) {
          const int feature = feature_of(g, e, a);
          const Real dE_dG =
              feature < 0 ? Real(0.0) : Real(shape(g, a).norm) * spread_lane(dE_dq[feature], lane);
          grid_[e * g.n_shape + a] = dE_dG;
          sloped_[e * g.n_shape + a] = Real(shape(g, a).slope) * dE_dG;
        }
      Real* kept = rows_.next(n_chunks() * row_size(g));
      for (int c = 0; c < n_chunks(); c++) {
        const Chunk rows = chunk_at(g, kept, c);
        raise(g, g.backward, rows);
        radial_.gaussians(g.parts, eta(g), rows.x, t_.begin());
        add_gradients(g, rows, c);
      }
      pairs_.backprop(g, lane, dE_dr, slope);
    }
  }

 private:
  static constexpr int chunk = RadialParts<Real>::chunk;
  static constexpr int tile_e = 3, tile_a = 4;  // of the sums over the grid

  using Number = typename OneLane<Real>::Number;

  // Of rows, what is kept: the exponentials that are no powers of others, [n_exps][chunk]; cos,
  // 1/(r_ij r_ik), f; and where narrow, df/d(r_jk^2) and, with an r_s, (r_jk - r_s)/r_jk.
  struct Chunk {
    Real *x, *cosine, *inverse, *f, *slope, *ratio;
  };

  static int padded(int n) { return (n + tile_a - 1) / tile_a * tile_a; }
  const Shape& shape(const AngularGroup& g, int a) const { return plan_.shapes[g.shapes + a]; }
  const Eta* eta(const AngularGroup& g) const { return plan_.etas.begin() + g.parts.etas; }
  int feature_of(const AngularGroup& g, int e, int a) const {
    return plan_.features[g.features + e * g.n_shape + a];
  }

  int n_chunks() const { return (pairs_.n() + chunk * Real::width - 1) / (chunk * Real::width); }
  static bool is_shifted(const AngularGroup& g) { return g.parts.r_s != 0.0; }
  static int row_size(const AngularGroup& g) {
    return (g.parts.n_exps + (g.wide ? 3 : is_shifted(g) ? 5 : 4)) * chunk;
  }
  static Chunk chunk_at(const AngularGroup& g, Real* kept, int c) {
    Real *x = kept + c * row_size(g), *rest = x + g.parts.n_exps * chunk;
    return {x, rest, rest + chunk, rest + 2 * chunk, rest + 3 * chunk, rest + 4 * chunk};
  }

  void prepare(const AngularGroup& g) {
    powers_.grow(2 * max_powers * chunk);
    for (int sign = 0; sign < 2; sign++)
      for (int p = 0; p < chunk; p++) powers_[sign * max_powers * chunk + p] = Real(1.0);
    t_.grow(g.parts.n * chunk);
    forward_.grow(padded(g.n_shape));
    backward_.grow(g.n_shape);
    below_.grow(g.n_shape);
    for (int a = 0; a < padded(g.n_shape); a++)  // any finite row where there is no such part
      forward_[a] = (a < g.n_shape ? shape(g, a).forward : 0) * chunk;
    for (int a = 0; a < g.n_shape; a++) {
      backward_[a] = shape(g, a).backward * chunk;
      below_[a] = shape(g, a).below * chunk;
    }
    grid_.grow(g.parts.n * padded(g.n_shape));
    sloped_.grow(g.parts.n * g.n_shape);
  }

  // What is kept of the rows, and T.
  void fill(const AngularGroup& g, const Chunk& rows, int c) {
    for (int p = 0; p < chunk; p++) {
      const int i = (c * chunk + p) * Real::width;
      const Real product = pairs_.c.read(i), inverse = pairs_.inverse.read(i);
      Real s = pairs_.s.read(i), f = pairs_.f.read(i);
      rows.inverse[p] = inverse;
      rows.cosine[p] = product * inverse;
      if (!g.wide) {
        const Real squares = is_shifted(g) ? pairs_.squares.read(i) : s;
        Real near_s, ratio, near_f, slope;
        radial_.of_square(g.parts, squares - (product + product), near_s, ratio, near_f, slope);
        s += near_s;
        rows.slope[p] = f * slope;
        f *= near_f;
        if (is_shifted(g)) rows.ratio[p] = ratio;
      }
      rows.f[p] = f;
      radial_.exponentials(g.parts, eta(g), s, rows.x + p);
    }
    Real* t = t_.begin();
    radial_.gaussians(g.parts, eta(g), rows.x, t);
    for (int e = 0; e < g.parts.n; e++)
      for (int p = 0; p < chunk; p++) t[e * chunk + p] *= rows.f[p];
  }

  // The powers of 1 - cos and of 1 + cos that make the angular parts: [2 max_powers][chunk].
  void raise(const AngularGroup& g, const PowerPlan& plan, const Chunk& rows) {
    Real(*x)[max_powers][chunk] = reinterpret_cast<Real(*)[max_powers][chunk]>(powers_.begin());
    for (int p = 0; p < chunk; p++) {
      x[0][1][p] = Real(1.0) - rows.cosine[p];
      x[1][1][p] = Real(1.0) + rows.cosine[p];
    }
    const int first = g.end_shape[0] > 0 ? 0 : 1, last = g.end_shape[1] > g.end_shape[0] ? 1 : 0;
    const PowerStep* step = plan_.steps.begin() + plan.steps;
    for (int k = 2; k < plan.n_powers; k++, step++)
      for (int sign = first; sign <= last; sign++) {
        const Real *a = x[sign][step->first], *b = x[sign][step->second];
        for (int p = 0; p < chunk; p++) x[sign][k][p] = a[p] * b[p];
      }
  }

  void add_outer_products(const AngularGroup& g) {
    for (int a = 0; a < g.n_shape; a += tile_a)
      for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
          case 1: add_tile<1>(g, e, a); break;
          case 2: add_tile<2>(g, e, a); break;
          default: add_tile<tile_e>(g, e, a);
        }
  }

  template <int n_e>
  void add_tile(const AngularGroup& g, int e, int a) {
    const Real *t = t_.begin() + e * chunk, *row[tile_a];
    for (int y = 0; y < tile_a; y++) row[y] = powers_.begin() + forward_[a + y];
    Real *grid = grid_.begin() + e * padded(g.n_shape) + a, sum[n_e][tile_a];
    for (int x = 0; x < n_e; x++)
      for (int y = 0; y < tile_a; y++) sum[x][y] = grid[x * padded(g.n_shape) + y];
    for (int p = 0; p < chunk; p++)
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < tile_a; y++) sum[x][y] += t[x * chunk + p] * row[y][p];
    for (int x = 0; x < n_e; x++)
      for (int y = 0; y < tile_a; y++) grid[x * padded(g.n_shape) + y] = sum[x][y];
  }

  // P, Q and D of the pairs in the rows, and their dE/d(r_jk^2).
  void add_gradients(const AngularGroup& g, const Chunk& rows, int c) {
    Real by_s[chunk], by_f[chunk], by_cosine[chunk];  // over f
    for (int p = 0; p < chunk; p++) by_s[p] = by_f[p] = by_cosine[p] = Real(0.0);
    for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
        case 1: gradient_tile<1>(g, e, by_s, by_f, by_cosine); break;
        case 2: gradient_tile<2>(g, e, by_s, by_f, by_cosine); break;
        default: gradient_tile<tile_e>(g, e, by_s, by_f, by_cosine);
      }
    for (int p = 0; p < chunk; p++) {
      const int at = (c * chunk + p) * Real::width;
      const Real dE_ds = rows.f[p] * by_s[p], dE_dcosine = rows.f[p] * by_cosine[p];
      Real dE_dsquared(0.0);
      if (!g.wide)
        dE_dsquared = rows.slope[p] * by_f[p] + (is_shifted(g) ? rows.ratio[p] * dE_ds : dE_ds);
      pairs_.dE_dc.write(at, dE_dcosine * rows.inverse[p] - (dE_dsquared + dE_dsquared));
      pairs_.turn.write(at, dE_dcosine * rows.cosine[p]);
      pairs_.dE_dlnf.write(at, rows.f[p] * by_f[p]);
      pairs_.dE_dsquares.write(at, is_shifted(g) ? dE_dsquared : dE_dsquared + dE_ds);
      if (is_shifted(g)) pairs_.dE_ds.write(at, dE_ds);
    }
  }

  template <int n_e>
  void gradient_tile(const AngularGroup& g, int e, Real* by_s, Real* by_f, Real* by_cosine) {
    const Real* t = t_.begin() + e * chunk;
    Real sum[n_e][chunk];
    sum_powers<n_e>(g, grid_.begin() + e * g.n_shape, backward_.begin(), sum);
    for (int x = 0; x < n_e; x++) {
      const Real minus_eta(-eta(g)[e + x].value);
      for (int p = 0; p < chunk; p++) {
        const Real tw = t[x * chunk + p] * sum[x][p];
        by_f[p] += tw;
        by_s[p] += minus_eta * tw;
      }
    }
    sum_powers<n_e>(g, sloped_.begin() + e * g.n_shape, below_.begin(), sum);
    for (int x = 0; x < n_e; x++)
      for (int p = 0; p < chunk; p++) by_cosine[p] += t[x * chunk + p] * sum[x][p];
  }

  // Over the angular parts, of each power times its weights, [n_e][n_shape].
  template <int n_e>
  void sum_powers(const AngularGroup& g, const Real* weights, const int* places,
                  Real (&sum)[n_e][chunk]) const {
    Real sums[n_e][chunk];
    for (int x = 0; x < n_e; x++)
      for (int p = 0; p < chunk; p++) sums[x][p] = Real(0.0);
    for (int a = 0; a < g.n_shape; a++) {
      const Real* power = powers_.begin() + places[a];
      for (int p = 0; p < chunk; p++)
        for (int x = 0; x < n_e; x++) sums[x][p] += weights[x * g.n_shape + a] * power[p];
    }
    for (int x = 0; x < n_e; x++)
      for (int p = 0; p < chunk; p++) sum[x][p] = sums[x][p];
  }

  const SymmetryFunctionPlan& plan_;
  const RadialParts<Real>& radial_;
  NeighborPairs<Real> pairs_;
  Kept<Real> rows_;
  Buffer<Real> powers_, t_;
  Buffer<int> forward_, backward_,
      below_;                   // where the powers of each angular part begin in powers_
  Buffer<Real> grid_, sloped_;  // [n_eta][n_shape], forward padded
};

MLPOT_END_KERNELS
