// The angular symmetry functions of a group: sums over pairs of neighbours, forward and backward.
//
// The functions of a group share species, cutoff, r_s and kind (acsf_plan.hpp): a grid of n_eta
// radial parts T and n_shape angular parts A = (1 + lambda cos)^zeta. One pair p = (j, k) adds the
// outer product of its T and its A to the grid:
//
//   G[e][a] = sum_p T[e][p] A[a][p],      T[e][p] = t_ij t_ik (t_jk where narrow)
//   dE/dT[e][p] = sum_a A[a][p] dE/dG[e][a],   dE/dcos[p] = sum_ea T[e][p] dE/dG[e][a]
//   dA[a][p]/dcos
//
// What is cheap (cosines, products t_ij t_ik) is done for every pair, in blocks. What is dear
// (t_jk, the powers of A, the grid) is done in chunks of rows. Where functions are wide, a row is a
// pair. Where they are narrow, most pairs are too far apart to count, and which ones differs
// between the lanes: each lane then has a list of its own near pairs, and a row takes the next of
// each list.
//
// Arrays by pair or row have it last.
#pragma once

#include "acsf_radial.hpp"
#include "batch.hpp"
#include "dual.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class AngularGroups {
 public:
  AngularGroups(const SymmetryFunctionPlan& plan, RadialParts<Real>& radial)
      : plan_(plan), radial_(radial) {}

  void start() {  // before the groups of a compute() or of a backprop()
    lists_.start();
    n_listed_.start();
    by_neighbor_.start();
    near_.start();
  }

  void compute(const AngularGroup& g, const Batch<Real>& env, Real* q) {
    prepare(g, env);
    neighbor_parts(g, env);
    for (int i = 0; i < g.parts.n * padded(g.n_shape); i++) grid_[i] = Real(0.0);
    for_each_block(true, g, env, [&] {
      for_each_chunk(g, [&](const Chunk& c) {
        if (!g.wide) near_parts(g, c);
        raise(g, c);
        add_outer_products(g, c);
      });
    });
    for (int e = 0; e < g.parts.n; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = plan_.features[g.features + e * g.n_shape + a];
        if (feature < 0) continue;
        q[feature] = Real(shape(g, a).norm) * grid_[e * padded(g.n_shape) + a];
      }
  }

  // Adds to dE_dr and to slope, dE/d|r_j|.
  void backprop(const AngularGroup& g, const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3],
                Real* slope) {
    prepare(g, env);
    for (int i = 0; i < g.parts.n * env.n; i++) t_bar_[i] = Real(0.0);
    for (int e = 0; e < g.parts.n; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = plan_.features[g.features + e * g.n_shape + a];
        const Real dE_dG = feature < 0 ? Real(0.0) : Real(shape(g, a).norm) * dE_dq[feature];
        grid_[e * g.n_shape + a] = dE_dG;
        sloped_[e * g.n_shape + a] = Real(shape(g, a).slope) * dE_dG;
      }
    for_each_block(false, g, env, [&] {
      if (!g.wide) clear_gradients(g);
      for_each_chunk(g, [&](const Chunk& c) {
        if (!g.wide) multiply_by_near(g, c);
        raise(g, c);
        pair_gradients(g, c);
        if (!g.wide) spread(g, c);
      });
      for (int r = 0; r < n_runs_; r++) add_run_gradients(g, env, runs_[r], dE_dr, slope);
    });
    for_each_neighbor(g, env, [&](int begin, int end) {
      for (int e = 0; e < g.parts.n; e++)
        for (int k = begin; k < end; k++) slope[k] += t_bar_[e * env.n + k] * dt_[e * env.n + k];
    });
  }

 private:
  static constexpr int chunk = RadialParts<Real>::chunk;
  static constexpr int block = 32 * chunk;      // pairs
  static constexpr int room = block + chunk;    // rows are read by whole chunks
  static constexpr int tile_e = 3, tile_a = 4;  // of the sums over the grid
  static constexpr int W = Real::width;

  struct Run {  // pairs (j, k), (j, k + 1), ... at [at], [at + 1], ... of the block
    int j, k, n, at;
  };
  struct Chunk {  // of rows
    int n;
    const int (*pair)[W];      // narrow: the place in the block of every lane's pair
    const Real *cosine, *t;    // [chunk], [n_eta][stride]
    Real *dE_dT, *dE_dcosine;  // [n_eta][stride], [chunk]
    int stride;
    Real *near, *near_slope;  // narrow: t_jk and dT/d(r_jk^2), [n_eta][chunk]
  };

  static int padded(int n) { return (n + tile_a - 1) / tile_a * tile_a; }
  const Shape& shape(const AngularGroup& g, int a) const { return plan_.shapes[g.shapes + a]; }

  template <class Visit>
  void for_each_neighbor(const AngularGroup& g, const Batch<Real>& env, Visit visit) const {
    visit(env.begin[g.first], env.begin[g.first + 1]);
    if (g.first != g.second) visit(env.begin[g.second], env.begin[g.second + 1]);
  }

  // Room for the neighbours and pairs of a group.
  void prepare(const AngularGroup& g, const Batch<Real>& env) {
    const int n_eta = g.parts.n;
    inverse_ = by_neighbor_.next((2 * n_eta + 1) * env.n);
    t_ = inverse_ + env.n;
    dt_ = t_ + n_eta * env.n;
    t_bar_.grow(n_eta * env.n);
    cosine_.grow(room);
    squared_.grow(room);
    pair_t_.grow(n_eta * room);
    dE_dT_.grow(n_eta * room);
    dE_dcosine_.grow(room);
    dE_dsquared_.grow(room);
    row_.grow((2 * n_eta + 3) * chunk);
    powers_.grow(2 * max_powers * chunk);
    grid_.grow(n_eta * padded(g.n_shape));
    sloped_.grow(n_eta * g.n_shape);
  }

  void neighbor_parts(const AngularGroup& g, const Batch<Real>& env) {
    for_each_neighbor(g, env, [&](int begin, int end) {
      for (int k = begin; k < end; k++) inverse_[k] = Real(1.0) / env.distance[k];
      radial_.of_neighbors(g.parts, eta(g), env, begin, end, env.n, t_, dt_);
    });
  }

  const Eta* eta(const AngularGroup& g) const { return plan_.etas.begin() + g.parts.etas; }

  // Calls visit() with each block of pairs, filled. The lists of the first time are kept.
  template <class Visit>
  void for_each_block(bool first_time, const AngularGroup& g, const Batch<Real>& env, Visit visit) {
    const bool listing = first_time && !g.wide;
    open_block(listing);
    for (int j = env.begin[g.first]; j < env.begin[g.first + 1]; j++) {
      int k = g.first == g.second ? j + 1 : env.begin[g.second];
      for (const int end = env.begin[g.second + 1]; k < end;) {
        const int n = end - k < block - n_pairs_ ? end - k : block - n_pairs_;
        fill(g, env, {j, k, n, n_pairs_}, listing);
        k += n;
        if (n_pairs_ < block) continue;
        close_block(g, listing);
        visit();
        open_block(listing);
      }
    }
    if (n_pairs_ == 0) return lists_.give_back(listing ? room * W : 0);
    close_block(g, listing);
    visit();
  }

  void open_block(bool listing) {
    n_pairs_ = n_runs_ = 0;
    for (int lane = 0; lane < W; lane++) n_near_[lane] = 0;
    if (listing) list_ = reinterpret_cast<int (*)[W]>(lists_.next(room * W));
  }

  void fill(const AngularGroup& g, const Batch<Real>& env, const Run& run, bool listing) {
    const Real *a = env.r[run.j], inverse = inverse_[run.j];
    const double r_cut = g.parts.r_cut;
    const auto counts = env.distance[run.j] < Real(r_cut);
    for (int i = 0; i < run.n; i++) {
      const Real* b = env.r[run.k + i];
      cosine_[run.at + i] =
          (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) * (inverse * inverse_[run.k + i]);
      if (!listing) continue;
      const Real d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
      const Real squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
      squared_[run.at + i] = squared;
      list_near(run.at + i,
                (squared < Real(r_cut * r_cut)) & counts & (env.distance[run.k + i] < Real(r_cut)));
    }
    for (int e = 0; e < g.parts.n; e++) {
      const Real tj = t_[e * env.n + run.j], *tk = t_ + e * env.n + run.k;
      for (int i = 0; i < run.n; i++) pair_t_[e * room + run.at + i] = tj * tk[i];
    }
    runs_[n_runs_++] = run;
    n_pairs_ += run.n;
  }

  template <class Mask>
  void list_near(int pair, Mask near) {
    for (int lane = 0; lane < W; lane++) {
      list_[n_near_[lane]][lane] = pair;
      n_near_[lane] += is_set(near, lane);
    }
  }

  void close_block(const AngularGroup& g, bool listing) {
    n_rows_ = n_pairs_;
    if (g.wide) return;
    cosine_[block] = Real(0.0);  // the pair that adds nothing
    squared_[block] = Real(g.parts.r_cut * g.parts.r_cut);
    for (int e = 0; e < g.parts.n; e++) pair_t_[e * room + block] = Real(0.0);
    if (listing) {
      level_lists();
    } else {
      n_rows_ = *n_listed_.next(1);
      list_ = reinterpret_cast<int (*)[W]>(lists_.next((n_rows_ + chunk) * W));
    }
  }

  // Lanes with fewer near pairs than others go on with the pair that adds nothing.
  void level_lists() {
    n_rows_ = 0;
    for (int lane = 0; lane < W; lane++)
      n_rows_ = n_near_[lane] > n_rows_ ? n_near_[lane] : n_rows_;
    for (int lane = 0; lane < W; lane++)
      for (int row = n_near_[lane]; row < n_rows_ + chunk; row++) list_[row][lane] = block;
    lists_.give_back((room - n_rows_ - chunk) * W);
    *n_listed_.next(1) = n_rows_;
  }

  template <class Visit>
  void for_each_chunk(const AngularGroup& g, Visit visit) {
    const int n_eta = g.parts.n;
    for (int at = 0; at < n_rows_; at += chunk) {
      Chunk c{n_rows_ - at < chunk ? n_rows_ - at : chunk,
              list_ + at,
              cosine_.begin() + at,
              pair_t_.begin() + at,
              dE_dT_.begin() + at,
              dE_dcosine_.begin() + at,
              room,
              nullptr,
              nullptr};
      if (!g.wide) {
        Real *cosine = row_.begin(), *t = cosine + chunk;
        for (int p = 0; p < chunk; p++) cosine[p] = take(cosine_.begin(), c.pair[p]);
        for (int e = 0; e < n_eta; e++)
          for (int p = 0; p < chunk; p++)
            t[e * chunk + p] = take(pair_t_.begin() + e * room, c.pair[p]);
        c.cosine = cosine;
        c.t = t;
        c.dE_dT = t + n_eta * chunk;
        c.dE_dcosine = c.dE_dT + n_eta * chunk;
        c.stride = chunk;
        c.near = near_.next(2 * n_eta * chunk);
        c.near_slope = c.near + n_eta * chunk;
      }
      visit(c);
    }
  }

  // t_jk, for T; and dT/d(r_jk^2).
  void near_parts(const AngularGroup& g, const Chunk& c) {
    Real squared[chunk], *t = row_.begin() + chunk;
    for (int p = 0; p < chunk; p++) squared[p] = take(squared_.begin(), c.pair[p]);
    radial_.of_squares(g.parts, eta(g), squared, c.near, c.near_slope);
    for (int i = 0; i < g.parts.n * chunk; i++) c.near_slope[i] *= t[i];
    multiply_by_near(g, c);
  }

  void multiply_by_near(const AngularGroup& g, const Chunk& c) {
    Real* t = row_.begin() + chunk;
    for (int i = 0; i < g.parts.n * chunk; i++) t[i] *= c.near[i];
  }

  // The powers of 1 - cos and of 1 + cos of which the angular parts are made: [2
  // max_powers][chunk].
  void raise(const AngularGroup& g, const Chunk& c) {
    const PowerStep* step = plan_.steps.begin() + g.powers[0];
    for (int sign = 0; sign < 2; sign++) {
      Real(*x)[chunk] = reinterpret_cast<Real(*)[chunk]>(powers_.begin()) + sign * max_powers;
      for (int p = 0; p < chunk; p++) {
        x[0][p] = Real(1.0);
        x[1][p] = sign ? Real(1.0) + c.cosine[p] : Real(1.0) - c.cosine[p];
      }
      for (int k = 2; k < g.n_powers[sign]; k++, step++) {
        const Real *a = x[step->first], *b = x[step->second];
        for (int p = 0; p < chunk; p++) x[k][p] = a[p] * b[p];
      }
    }
  }

  // A of angular part a, [chunk]; any finite row where there is no such part.
  const Real* shape_row(const AngularGroup& g, int a) const {
    return powers_.begin() + (a < g.n_shape ? shape(g, a).at : 0) * chunk;
  }

  void add_outer_products(const AngularGroup& g, const Chunk& c) {
    for (int a = 0; a < g.n_shape; a += tile_a)
      for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
          case 1: add_tile<1>(g, c, e, a); break;
          case 2: add_tile<2>(g, c, e, a); break;
          default: add_tile<tile_e>(g, c, e, a);
        }
  }

  template <int n_e>
  void add_tile(const AngularGroup& g, const Chunk& c, int e, int a) {
    const Real *row[tile_a], *t = c.t + e * c.stride;
    Real *grid = grid_.begin() + e * padded(g.n_shape) + a, sum[n_e][tile_a];
    for (int y = 0; y < tile_a; y++) row[y] = shape_row(g, a + y);
    for (int x = 0; x < n_e; x++)
      for (int y = 0; y < tile_a; y++) sum[x][y] = grid[x * padded(g.n_shape) + y];
    for (int p = 0; p < c.n; p++)
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < tile_a; y++) sum[x][y] += t[x * c.stride + p] * row[y][p];
    for (int x = 0; x < n_e; x++)
      for (int y = 0; y < tile_a; y++) grid[x * padded(g.n_shape) + y] = sum[x][y];
  }

  // dE/dT and dE/dcos of the rows.
  void pair_gradients(const AngularGroup& g, const Chunk& c) {
    for (int p = 0; p < chunk; p++) c.dE_dcosine[p] = Real(0.0);
    for (int e = 0; e < g.parts.n; e += tile_e) switch (g.parts.n - e) {
        case 1: gradient_tile<1>(g, c, e); break;
        case 2: gradient_tile<2>(g, c, e); break;
        default: gradient_tile<tile_e>(g, c, e);
      }
  }

  template <int n_e>
  void gradient_tile(const AngularGroup& g, const Chunk& c, int e) {
    constexpr int step = 2;
    const Real *grid = grid_.begin() + e * g.n_shape, *sloped = sloped_.begin() + e * g.n_shape;
    for (int p = 0; p < chunk; p += step) {
      Real sum[n_e][step], by_cosine[n_e][step];
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < step; y++) sum[x][y] = by_cosine[x][y] = Real(0.0);
      for (int a = 0; a < g.n_shape; a++) {
        const Real* at = powers_.begin() + shape(g, a).at * chunk + p;
        const Real* below = powers_.begin() + shape(g, a).below * chunk + p;
        for (int x = 0; x < n_e; x++)
          for (int y = 0; y < step; y++) {
            sum[x][y] += grid[x * g.n_shape + a] * at[y];
            by_cosine[x][y] += sloped[x * g.n_shape + a] * below[y];
          }
      }
      for (int x = 0; x < n_e; x++)
        for (int y = 0; y < step; y++) {
          c.dE_dT[(e + x) * c.stride + p + y] = sum[x][y];
          c.dE_dcosine[p + y] += c.t[(e + x) * c.stride + p + y] * by_cosine[x][y];
        }
    }
  }

  void clear_gradients(const AngularGroup& g) {
    for (int p = 0; p < n_pairs_; p++) dE_dcosine_[p] = dE_dsquared_[p] = Real(0.0);
    for (int e = 0; e < g.parts.n; e++)
      for (int p = 0; p < n_pairs_; p++) dE_dT_[e * room + p] = Real(0.0);
  }

  // From the rows to the pairs they stand for: dE/dcos, dE/dr_jk^2, and dE/d(t_ij t_ik) as dE_dT.
  void spread(const AngularGroup& g, const Chunk& c) {
    for (int p = 0; p < c.n; p++) {
      Real by_squared(0.0);
      for (int e = 0; e < g.parts.n; e++) {
        const Real w = c.dE_dT[e * chunk + p];
        by_squared += w * c.near_slope[e * chunk + p];
        put(dE_dT_.begin() + e * room, c.pair[p], w * c.near[e * chunk + p]);
      }
      put(dE_dcosine_.begin(), c.pair[p], c.dE_dcosine[p]);
      put(dE_dsquared_.begin(), c.pair[p], by_squared);
    }
  }

  // With c = r_j . r_k:  cos = c/(r_j r_k),  r_jk^2 = r_j^2 + r_k^2 - 2c.
  void add_run_gradients(const AngularGroup& g, const Batch<Real>& env, const Run& run,
                         Real (*dE_dr)[3], Real* slope) {
    const int j = run.j;
    const Real *rj = env.r[j], inverse = inverse_[j], distance = env.distance[j];
    Real sum[3] = {Real(0.0), Real(0.0), Real(0.0)}, turned(0.0), stretched(0.0);
    for (int i = 0; i < run.n; i++) {
      const int k = run.k + i, p = run.at + i;
      const Real turn = dE_dcosine_[p] * cosine_[p];
      Real by_c = dE_dcosine_[p] * (inverse * inverse_[k]), along = -turn * inverse_[k];
      if (!g.wide) {
        const Real twice = dE_dsquared_[p] + dE_dsquared_[p];
        by_c -= twice;
        along += twice * env.distance[k];
        stretched += twice;
      }
      for (int axis = 0; axis < 3; axis++) {
        sum[axis] += by_c * env.r[k][axis];
        dE_dr[k][axis] += by_c * rj[axis];
      }
      slope[k] += along;
      turned += turn;
    }
    for (int axis = 0; axis < 3; axis++) dE_dr[j][axis] += sum[axis];
    slope[j] += stretched * distance - turned * inverse;
    for (int e = 0; e < g.parts.n; e++) {
      const Real *w = dE_dT_.begin() + e * room + run.at, *t = t_ + e * env.n;
      Real *t_bar = t_bar_.begin() + e * env.n, by_t(0.0);
      for (int i = 0; i < run.n; i++) {
        by_t += w[i] * t[run.k + i];
        t_bar[run.k + i] += w[i] * t[j];
      }
      t_bar[j] += by_t;
    }
  }

  const SymmetryFunctionPlan& plan_;
  RadialParts<Real>& radial_;
  Real *inverse_, *t_, *dt_;  // by neighbour: [n], [n_eta][n]
  Buffer<Real> t_bar_;
  int n_pairs_, n_runs_, n_rows_, n_near_[W];
  Run runs_[block];
  int (*list_)[W];                                            // [n_rows + chunk]
  Buffer<Real> cosine_, squared_, dE_dcosine_, dE_dsquared_;  // by pair of the block: [room]
  Buffer<Real> pair_t_, dE_dT_;                               // [n_eta][room]
  Buffer<Real> row_, powers_;                                 // by row of a chunk
  Buffer<Real> grid_, sloped_;                                // [n_eta][n_shape]
  Kept<Real> by_neighbor_, near_;
  Kept<int> lists_, n_listed_;
};

MLPOT_END_KERNELS
