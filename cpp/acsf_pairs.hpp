// The pairs of neighbours of one atom, for angular symmetry functions: found, and their gradients
// brought back to the neighbours. The atoms of a batch are taken one by one here, and the lanes of
// a Real are neighbours or pairs of one atom: which pairs are near enough to count differs from
// atom to atom, and those that do not would be most of them.
#pragma once

#include "acsf_radial.hpp"
#include "row.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class NeighborPairs {
 public:
  // By pair, packed densely; zeros follow. Forward: cos_jik, r_jk^2 (narrow only), and of r_ij and
  // r_ik the sum s of (r - r_s)^2 and the product f of f_c. Backward: dE by these, and turn =
  // cos dE/dcos.
  Row<Real> cosine, squared, s, f;
  Row<Real> dE_dcosine, turn, dE_dsquared, dE_ds, dE_dlnf;

  int n() const { return counts_.pairs; }

  void start() {
    kept_counts_.start();
    kept_columns_.start();
    kept_slots_.start();
    kept_lanes_.start();
  }

  void find(const AngularGroup& g, const Batch<Real>& env, int lane,
            const RadialParts<Real>& radial) {
    gather(g, env, lane);
    for (int at = 0; at < counts_.vectors; at++) {
      const Real r = column_[distance][at];
      column_[inverse][at] = Real(1.0) / r;
      const Real shifted = r - Real(g.parts.r_s);
      column_[s_own][at] = shifted * shifted;
      radial.log_cutoff(r, g.parts.r_cut, column_[f_own][at], column_[slope_of_lnf][at]);
    }
    const int most = counts_.n[0] * counts_.vectors * W;
    for (Row<Real>* row : {&cosine, &squared, &s, &f}) row->grow(most + tail);
    pair_up(g);
    for (int at = n(); at < n() + tail; at += W)
      for (Row<Real>* row : {&cosine, &squared, &s, &f}) row->write(at, Real(0.0));
    *kept_counts_.next(1) = counts_;
  }

  // The pairs of the same find() again, for backprop(); room for their gradients.
  void find_again(const AngularGroup& g) {
    counts_ = *kept_counts_.next(1);
    place(g);
    for (Row<Real>* row : {&dE_dcosine, &turn, &dE_dsquared, &dE_ds, &dE_dlnf})
      row->grow(n() + tail);
  }

  // With c = r_j . r_k:  cos = c/(r_j r_k),  r_jk^2 = r_j^2 + r_k^2 - 2c. Adds to dE_dr and slope.
  void backprop(const AngularGroup& g, int lane, Real (*dE_dr)[3], Real* slope) {
    Real* by[4];  // dE by x, y, z of r_k at fixed |r_k|, and by |r_k|
    by[0] = gradients_.grow(8 * counts_.vectors);
    for (int i = 0; i < 8 * counts_.vectors; i++) by[0][i] = Real(0.0);
    for (int a = 1; a < 4; a++) by[a] = by[a - 1] + counts_.vectors;
    Real* own = by[3] + counts_.vectors;  // the same of r_j, apart: written lane by lane
    int next = 0, word = 0;
    for (int j = 0; j < counts_.n[0]; j++) {
      const Neighbor one(*this, g, j);
      Sums sums;
      for (int k = first_vector(g, j); k < end_; k++) {
        const unsigned lanes = lanes_[word++];
        if (!lanes) continue;
        if (g.wide) add_vector<true>(g, one, k, next, lanes, by, sums);
        else add_vector<false>(g, one, k, next, lanes, by, sums);
        next += __builtin_popcount(lanes);
      }
      const Real along = one.along(sums.turn, sums.squared, sums.s, sums.lnf);
      for (int axis = 0; axis < 3; axis++)
        add_sum_to_lane(sums.r[axis], own[axis * counts_.vectors + j / W], j % W);
      add_sum_to_lane(along, own[3 * counts_.vectors + j / W], j % W);
    }
    for (int at = 0; at < 4 * counts_.vectors; at++) by[0][at] += own[at];
    for (int side = 0; side < sides(g); side++)
      for (int i = 0; i < counts_.n[side]; i++) {
        const int at = begin(side) + i / W, slot = slots_[at * W + i % W];
        for (int axis = 0; axis < 3; axis++) add_lane(by[axis][at], i % W, dE_dr[slot][axis], lane);
        add_lane(by[3][at], i % W, slope[slot], lane);
      }
  }

 private:
  static constexpr int W = Real::width;
  static constexpr int tail = (RadialParts<Real>::chunk + 1) * W;  // rows are read by whole chunks
  static constexpr unsigned all = (1u << W) - 1;
  enum { x, y, z, distance, inverse, s_own, f_own, slope_of_lnf, n_columns };

  struct Counts {
    int n[2], vectors, pairs;  // neighbours of either species of the group
  };

  struct Neighbor {  // j, in every lane
    Neighbor(const NeighborPairs& all, const AngularGroup& g, int j) {
      for (int c = 0; c < n_columns; c++) own[c] = spread_lane(all.column_[c][j / W], j % W);
      r_s = g.parts.r_s;
    }
    Real operator[](int c) const { return own[c]; }
    // dE/d|r_j| from dE by turn, r_jk^2, s and ln f.
    Real along(Real turn, Real squared, Real s, Real lnf) const {
      return slope(own[distance], own[inverse], own[slope_of_lnf], r_s, turn, squared, s, lnf);
    }
    Real own[n_columns];
    double r_s;
  };
  struct Sums {
    Real r[3] = {Real(0.0), Real(0.0), Real(0.0)};
    Real turn = Real(0.0), squared = Real(0.0), s = Real(0.0), lnf = Real(0.0);
  };

  static Real slope(Real r, Real inverse, Real slope_of_lnf, double r_s, Real turn, Real squared,
                    Real s, Real lnf) {
    const Real twice_r = r + r;
    return twice_r * squared - turn * inverse + (twice_r - Real(2.0 * r_s)) * s +
           slope_of_lnf * lnf;
  }

  static int vectors(int n) { return (n + W - 1) / W; }
  static int sides(const AngularGroup& g) { return g.first == g.second ? 1 : 2; }
  int begin(int side) const { return side == 0 ? 0 : vectors(counts_.n[0]); }

  // Columns, slots and lanes of the atom whose counts are known.
  void place(const AngularGroup& g) {
    Real* columns = kept_columns_.next(n_columns * counts_.vectors);
    for (int c = 0; c < n_columns; c++) column_[c] = columns + c * counts_.vectors;
    slots_ = kept_slots_.next(counts_.vectors * W);
    begin_ = g.first == g.second ? 0 : begin(1);
    end_ = counts_.vectors;
    lanes_ = kept_lanes_.next(counts_.n[0] * (end_ - begin_));
  }

  // The neighbours of the lane's atom inside the cutoff, side by side; what is left over, at it.
  void gather(const AngularGroup& g, const Batch<Real>& env, int lane) {
    const int species[2] = {g.first, g.second};
    counts_ = {};
    const auto for_each_near = [&](int side, auto visit) {
      for (int k = env.begin[species[side]]; k < env.begin[species[side] + 1]; k++)
        if (is_below(env.distance[k], lane, g.parts.r_cut)) visit(k);
    };
    for (int side = 0; side < sides(g); side++) {
      for_each_near(side, [&](int) { counts_.n[side]++; });
      counts_.vectors += vectors(counts_.n[side]);
    }
    place(g);
    for (int side = 0; side < sides(g); side++) {
      const int end = begin(side) + vectors(counts_.n[side]);
      if (end > begin(side)) {
        for (int c : {x, distance}) column_[c][end - 1] = Real(g.parts.r_cut);
        for (int c : {y, z}) column_[c][end - 1] = Real(0.0);
      }
      int at = begin(side) * W;
      for_each_near(side, [&](int k) {
        for (int axis = 0; axis < 3; axis++)
          copy_lane(env.r[k][axis], lane, column_[axis][at / W], at % W);
        copy_lane(env.distance[k], lane, column_[distance][at / W], at % W);
        slots_[at++] = k;
      });
    }
  }

  // The vector of neighbours k where the pairs of j begin.
  int first_vector(const AngularGroup& g, int j) const {
    return g.first == g.second ? (j + 1) / W : begin_;
  }

  void pair_up(const AngularGroup& g) {
    const Real limit(g.parts.r_cut * g.parts.r_cut);
    const int n_second = counts_.n[sides(g) - 1];
    const unsigned last = n_second % W ? (1u << n_second % W) - 1 : all;
    int word = 0, next = 0;
    for (int j = 0; j < counts_.n[0]; j++) {
      const Neighbor one(*this, g, j);
      unsigned lanes = g.first == g.second ? all << (j + 1) % W & all : all;
      for (int k = first_vector(g, j); k < end_; k++, lanes = all) {
        if (k == end_ - 1) lanes &= last;
        if (!g.wide) {
          const Real d[3] = {one[x] - column_[x][k], one[y] - column_[y][k],
                             one[z] - column_[z][k]};
          const Real r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
          lanes &= lanes_of(r2 < limit);
          squared.write_lanes(next, r2, lanes);
        }
        const Real c = one[x] * column_[x][k] + one[y] * column_[y][k] + one[z] * column_[z][k];
        cosine.write_lanes(next, c * (one[inverse] * column_[inverse][k]), lanes);
        s.write_lanes(next, one[s_own] + column_[s_own][k], lanes);
        f.write_lanes(next, one[f_own] * column_[f_own][k], lanes);
        lanes_[word++] = static_cast<unsigned short>(lanes);
        next += __builtin_popcount(lanes);
      }
    }
    counts_.pairs = next;
  }

  template <bool wide>
  void add_vector(const AngularGroup& g, const Neighbor& one, int k, int next, unsigned lanes,
                  Real* const* by, Sums& sums) const {
    const Real turned = turn.read_lanes(next, lanes), by_s = dE_ds.read_lanes(next, lanes);
    const Real by_lnf = dE_dlnf.read_lanes(next, lanes);
    const Real by_squared = wide ? Real(0.0) : dE_dsquared.read_lanes(next, lanes);
    const Real by_c = dE_dcosine.read_lanes(next, lanes) * (one[inverse] * column_[inverse][k]) -
                      (by_squared + by_squared);
    for (int axis = 0; axis < 3; axis++) {
      sums.r[axis] += by_c * column_[axis][k];
      by[axis][k] += by_c * one[axis];
    }
    by[3][k] += slope(column_[distance][k], column_[inverse][k], column_[slope_of_lnf][k],
                      g.parts.r_s, turned, by_squared, by_s, by_lnf);
    sums.turn += turned;
    sums.squared += by_squared;
    sums.s += by_s;
    sums.lnf += by_lnf;
  }

  Counts counts_;
  Real* column_[n_columns];  // by neighbour: [vectors]
  int* slots_;               // of the batch, by neighbour
  unsigned short* lanes_;    // which pairs count, by j and vector of k
  int begin_, end_;          // vectors of the second species
  Buffer<Real> gradients_;
  Kept<Counts> kept_counts_;
  Kept<Real> kept_columns_;
  Kept<int> kept_slots_;
  Kept<unsigned short> kept_lanes_;
};

MLPOT_END_KERNELS
