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
    for (int lane = 0; lane < Real::width; lane++) {
      pairs_.find(g, env, lane, radial_);
      for (int i = 0; i < g.parts.n * padded(g.n_shape); i++) grid_[i] = Real(0.0);
      Real* kept = rows_.next(n_chunks() * row_size(g));
      for (int c = 0; c < n_chunks(); c++) {
        const Chunk rows = chunk_at(g, kept, c);
        fill(g, rows, c);
        raise(g, g.forward, rows);
        add_outer_products(g, rows);
      }
      for (int e = 0; e < g.parts.n; e++)
        for (int a = 0; a < g.n_shape; a++)
          if (const int feature = feature_of(g, e, a); feature >= 0)
            add_sum_to_lane(Real(shape(g, a).norm) * grid_[e * padded(g.n_shape) + a], q[feature],
                            lane);
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
        add_gradients(g, rows, c);
      }
      pairs_.backprop(g, lane, dE_dr, slope);
    }
  }

 private:
  static constexpr int chunk = RadialParts<Real>::chunk;
  static constexpr int tile_e = 3, tile_a = 4;  // of the sums over the grid

  struct Chunk {                       // of rows
    Real *t, *cosine, *ratio, *slope;  // [n_eta][chunk], and of r_jk: (r - r_s)/r, d ln f_c/d(r^2)
  };

  static int padded(int n) { return (n + tile_a - 1) / tile_a * tile_a; }
  const Shape& shape(const AngularGroup& g, int a) const { return plan_.shapes[g.shapes + a]; }
  const Eta* eta(const AngularGroup& g) const { return plan_.etas.begin() + g.parts.etas; }
  int feature_of(const AngularGroup& g, int e, int a) const {
    return plan_.features[g.features + e * g.n_shape + a];
  }

  int n_chunks() const { return (pairs_.n() + chunk * Real::width - 1) / (chunk * Real::width); }
  static int row_size(const AngularGroup& g) { return (g.parts.n + (g.wide ? 1 : 3)) * chunk; }
  static Chunk chunk_at(const AngularGroup& g, Real* kept, int c) {
    Real *t = kept + c * row_size(g), *cosine = t + g.parts.n * chunk;
    return {t, cosine, cosine + chunk, cosine + 2 * chunk};
  }

  void prepare(const AngularGroup& g) {
    powers_.grow(2 * max_powers * chunk);
    grid_.grow(g.parts.n * padded(g.n_shape));
    sloped_.grow(g.parts.n * g.n_shape);
  }

  // cos, T, and what the gradient of t_jk needs.
  void fill(const AngularGroup& g, const Chunk& rows, int c) {
    Real s[chunk], f[chunk];
    const int at = c * chunk * Real::width;
    for (int p = 0; p < chunk; p++) {
      const int i = at + p * Real::width;
      rows.cosine[p] = pairs_.cosine.read(i);
      s[p] = pairs_.s.read(i);
      f[p] = pairs_.f.read(i);
    }
    if (!g.wide) {
      Real squared[chunk], near_s[chunk], near_f[chunk];
      for (int p = 0; p < chunk; p++) squared[p] = pairs_.squared.read(at + p * Real::width);
      radial_.of_squares(g.parts, squared, near_s, rows.ratio, near_f, rows.slope);
      for (int p = 0; p < chunk; p++) {
        s[p] += near_s[p];
        f[p] *= near_f[p];
      }
    }
    radial_.gaussians(g.parts, eta(g), s, rows.t);
    for (int e = 0; e < g.parts.n; e++)
      for (int p = 0; p < chunk; p++) rows.t[e * chunk + p] *= f[p];
  }

  // The powers of 1 - cos and of 1 + cos that make the angular parts: [2 max_powers][chunk].
  void raise(const AngularGroup& g, const PowerPlan& plan, const Chunk& rows) {
    Real(*x)[max_powers][chunk] = reinterpret_cast<Real(*)[max_powers][chunk]>(powers_.begin());
    for (int p = 0; p < chunk; p++) {
      x[0][0][p] = x[1][0][p] = Real(1.0);
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

  // A of angular part a, [chunk]; any finite row where there is no such part.
  const Real* shape_row(const AngularGroup& g, int a) const {
    return powers_.begin() + (a < g.n_shape ? shape(g, a).at : 0) * chunk;
  }

  void add_outer_products(const AngularGroup& g, const Chunk& rows) {
    for (int a = 0; a < g.n_shape; a += tile_a)
      for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
          case 1: add_tile<1>(g, rows, e, a); break;
          case 2: add_tile<2>(g, rows, e, a); break;
          default: add_tile<tile_e>(g, rows, e, a);
        }
  }

  template <int n_e>
  void add_tile(const AngularGroup& g, const Chunk& rows, int e, int a) {
    const Real *row[tile_a], *t = rows.t + e * chunk;
    Real *grid = grid_.begin() + e * padded(g.n_shape) + a, sum[n_e][tile_a];
    for (int y = 0; y < tile_a; y++) row[y] = shape_row(g, a + y);
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
    Real by_s[chunk], by_f[chunk], by_cosine[chunk];
    for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
        case 1: gradient_tile<1>(g, rows, e, by_s, by_f, by_cosine); break;
        case 2: gradient_tile<2>(g, rows, e, by_s, by_f, by_cosine); break;
        default: gradient_tile<tile_e>(g, rows, e, by_s, by_f, by_cosine);
      }
    for (int p = 0; p < chunk; p++) {
      const int at = (c * chunk + p) * Real::width;
      pairs_.dE_ds.write(at, by_s[p]);
      pairs_.dE_dlnf.write(at, by_f[p]);
      pairs_.dE_dcosine.write(at, by_cosine[p]);
      pairs_.turn.write(at, by_cosine[p] * rows.cosine[p]);
      if (!g.wide) pairs_.dE_dsquared.write(at, rows.ratio[p] * by_s[p] + rows.slope[p] * by_f[p]);
    }
  }

  template <int n_e>
  void gradient_tile(const AngularGroup& g, const Chunk& rows, int e, Real* by_s, Real* by_f,
                     Real* by_cosine) {
    constexpr int step = 2;
    const Real *grid = grid_.begin() + e * g.n_shape, *sloped = sloped_.begin() + e * g.n_shape;
    for (int p = 0; p < chunk; p += step) {
      Real sum[n_e][step], turned[n_e][step];
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < step; y++) sum[x][y] = turned[x][y] = Real(0.0);
      for (int sign = 0, a = 0; sign < 2; sign++) {
        Real below_sum[n_e][step];
        for (int x = 0; x < n_e; x++)
          for (int y = 0; y < step; y++) below_sum[x][y] = Real(0.0);
        for (; a < g.end_shape[sign]; a++) {
          const Real* below = powers_.begin() + shape(g, a).below * chunk + p;
          for (int x = 0; x < n_e; x++)
            for (int y = 0; y < step; y++) {
              below_sum[x][y] += grid[x * g.n_shape + a] * below[y];
              turned[x][y] += sloped[x * g.n_shape + a] * below[y];
            }
        }
        const Real* base = powers_.begin() + (sign * max_powers + 1) * chunk + p;
        for (int x = 0; x < n_e; x++)
          for (int y = 0; y < step; y++) sum[x][y] += base[y] * below_sum[x][y];
      }
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < step; y++) {
          const Real t = rows.t[(e + x) * chunk + p + y], tw = t * sum[x][y];
          const bool first = e + x == 0;
          const Real by_eta = Real(-eta(g)[e + x].value) * tw, by_turn = t * turned[x][y];
          by_f[p + y] = first ? tw : by_f[p + y] + tw;
          by_s[p + y] = first ? by_eta : by_s[p + y] + by_eta;
          by_cosine[p + y] = first ? by_turn : by_cosine[p + y] + by_turn;
        }
    }
  }

  const SymmetryFunctionPlan& plan_;
  const RadialParts<Real>& radial_;
  NeighborPairs<Real> pairs_;
  Kept<Real> rows_;
  Buffer<Real> powers_;
  Buffer<Real> grid_, sloped_;  // [n_eta][n_shape], forward padded
};

MLPOT_END_KERNELS
