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
  // By pair, packed densely; zeros follow. Forward: c = r_ij . r_ik, inverse = 1/(r_ij r_ik), and
  // of r_ij and r_ik the sum s of (r - r_s)^2 and the product f of f_c; with an r_s, the sum of
  // r^2.
  Row<Real> c, inverse, s, f, squares;
  // Backward: dE by c at fixed r_ij and r_ik; turn = cos dE/dcos; dE by ln f; and by r_ij^2 and
  // r_ik^2 otherwise: those of r_jk, and of s where it is the sum of r^2; with an r_s, dE by s.
  Row<Real> dE_dc, turn, dE_dlnf, dE_dsquares, dE_ds;

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
      Real* column = columns_[at];
      const Real r = column[distance], shifted = r - Real(g.parts.r_s);
      column[square] = r * r;
      column[reciprocal] = Real(1.0) / r;
      column[s_own] = shifted * shifted;
      radial.log_cutoff(r, g.parts.r_cut, column[f_own], column[slope_of_lnf]);
    }
    const int most = counts_.n[0] * counts_.vectors * W;
    for (Row<Real>* row : {&c, &inverse, &s, &f, &squares}) row->grow(most + tail);
    pair_up(g);
    for (int at = n(); at < n() + tail; at += W)
      for (Row<Real>* row : {&c, &inverse, &s, &f, &squares}) row->write(at, Real(0.0));
    *kept_counts_.next(1) = counts_;
  }

  // The pairs of the same find() again, for backprop(); room for their gradients.
  void find_again(const AngularGroup& g) {
    counts_ = *kept_counts_.next(1);
    place(g);
    for (Row<Real>* row : {&dE_dc, &turn, &dE_dlnf, &dE_dsquares, &dE_ds}) row->grow(n() + tail);
  }

  // With c = r_j . r_k:  cos = c/(r_j r_k),  r_jk^2 = r_j^2 + r_k^2 - 2c. Adds to dE_dr and slope.
  void backprop(const AngularGroup& g, int lane, Real (*dE_dr)[3], Real* slope) {
    // dE by x, y, z of r_k at fixed |r_k|, and by |r_k|
    Real(*by)[4] = reinterpret_cast<Real(*)[4]>(gradients_.grow(4 * counts_.vectors));
    for (int at = 0; at < counts_.vectors; at++)
      for (int a = 0; a < 4; a++) by[at][a] = Real(0.0);
    Number* own = own_.grow(4 * counts_.n[0]);  // the same of r_j
    if (g.parts.r_s == 0.0) add_pairs<false>(g, by, own);
    else add_pairs<true>(g, by, own);
    for (int side = 0; side < sides(g); side++)
      for (int i = 0; i < counts_.n[side]; i++) {
        const int at = begin(side) + i / W, slot = slots_[at * W + i % W];
        for (int a = 0; a < 4; a++) {
          Number sum = one_lane(by[at][a], i % W);
          if (side == 0) sum += own[4 * i + a];
          add_to_lane(sum, a < 3 ? dE_dr[slot][a] : slope[slot], lane);
        }
      }
  }

 private:
  static constexpr int W = Real::width;
  static constexpr int tail = (RadialParts<Real>::chunk + 1) * W;  // rows are read by whole chunks
  static constexpr unsigned all = (1u << W) - 1;
  enum { x, y, z, distance, square, reciprocal, s_own, f_own, slope_of_lnf, n_columns };
  using Number = typename OneLane<Real>::Number;

  struct Counts {
    int n[2], vectors, pairs;  // neighbours of either species of the group
  };

  struct Sums {                                                 // over the pairs of j
    Real by[4] = {Real(0.0), Real(0.0), Real(0.0), Real(0.0)};  // as in backprop()
    Real turn = Real(0.0), squares = Real(0.0), s = Real(0.0), lnf = Real(0.0);
  };

  struct Neighbor {  // j, in every lane
    Neighbor(const NeighborPairs& all, const AngularGroup& g, int j) {
      for (int c = 0; c < n_columns; c++) own[c] = spread_lane(all.columns_[j / W][c], j % W);
      r_s = g.parts.r_s;
    }
    Real operator[](int c) const { return own[c]; }
    Real along(const Sums& sums) const {  // dE/d|r_j|
      return slope(own[distance], own[reciprocal], own[slope_of_lnf], sums.turn, sums.squares,
                   sums.lnf) +
             slope_of_s(own[distance], r_s, sums.s);
    }
    Real own[n_columns];
    double r_s;
  };
  static Real slope(Real r, Real reciprocal, Real slope_of_lnf, Real turn, Real squares, Real lnf) {
    return (r + r) * squares - turn * reciprocal + slope_of_lnf * lnf;
  }
  static Real slope_of_s(Real r, double r_s, Real by_s) { return (r + r - Real(2.0 * r_s)) * by_s; }

  static int vectors(int n) { return (n + W - 1) / W; }
  static int sides(const AngularGroup& g) { return g.first == g.second ? 1 : 2; }
  int begin(int side) const { return side == 0 ? 0 : vectors(counts_.n[0]); }

  // Columns, slots and lanes of the atom whose counts are known.
  void place(const AngularGroup& g) {
    columns_ =
        reinterpret_cast<Real(*)[n_columns]>(kept_columns_.next(n_columns * counts_.vectors));
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
        for (int c : {x, distance}) columns_[end - 1][c] = Real(g.parts.r_cut);
        for (int c : {y, z}) columns_[end - 1][c] = Real(0.0);
      }
      int at = begin(side) * W;
      for_each_near(side, [&](int k) {
        for (int axis = 0; axis < 3; axis++)
          copy_lane(env.r[k][axis], lane, columns_[at / W][axis], at % W);
        copy_lane(env.distance[k], lane, columns_[at / W][distance], at % W);
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
        const Real* other = columns_[k];
        const Real product = one[x] * other[x] + one[y] * other[y] + one[z] * other[z];
        const Real sum = one[square] + other[square];
        if (!g.wide) lanes &= lanes_of(sum - (product + product) < limit);
        c.write_lanes(next, product, lanes);
        inverse.write_lanes(next, one[reciprocal] * other[reciprocal], lanes);
        if (g.parts.r_s != 0.0) squares.write_lanes(next, sum, lanes);
        s.write_lanes(next, one[s_own] + other[s_own], lanes);
        f.write_lanes(next, one[f_own] * other[f_own], lanes);
        lanes_[word++] = static_cast<unsigned short>(lanes);
        next += __builtin_popcount(lanes);
      }
    }
    counts_.pairs = next;
  }

  template <bool shifted>
  void add_pairs(const AngularGroup& g, Real (*by)[4], Number* own) const {
    int next = 0, word = 0;
    for (int j = 0; j < counts_.n[0]; j++) {
      const Neighbor one(*this, g, j);
      Sums sums;
      for (int k = first_vector(g, j); k < end_; k++) {
        const unsigned lanes = lanes_[word++];
        if (!lanes) continue;
        add_vector<shifted>(g, one, columns_[k], next, lanes, by[k], sums);
        next += __builtin_popcount(lanes);
      }
      sums.by[3] = one.along(sums);
      sum_lanes_of_four(sums.by, own + 4 * j);
    }
  }

  template <bool shifted>
  void add_vector(const AngularGroup& g, const Neighbor& one, const Real* other, int next,
                  unsigned lanes, Real* by, Sums& sums) const {
    const Real by_c = dE_dc.read_lanes(next, lanes), turned = turn.read_lanes(next, lanes);
    const Real by_lnf = dE_dlnf.read_lanes(next, lanes);
    const Real by_squares = dE_dsquares.read_lanes(next, lanes);
    for (int axis = 0; axis < 3; axis++) {
      sums.by[axis] += by_c * other[axis];
      by[axis] += by_c * one[axis];
    }
    by[3] +=
        slope(other[distance], other[reciprocal], other[slope_of_lnf], turned, by_squares, by_lnf);
    sums.turn += turned;
    sums.squares += by_squares;
    sums.lnf += by_lnf;
    if constexpr (shifted) {
      const Real by_s = dE_ds.read_lanes(next, lanes);
      by[3] += slope_of_s(other[distance], g.parts.r_s, by_s);
      sums.s += by_s;
    }
  }

  Counts counts_;
  Real (*columns_)[n_columns];  // by vector of neighbours
  int* slots_;                  // of the batch, by neighbour
  unsigned short* lanes_;       // which pairs count, by j and vector of k
  int begin_, end_;             // vectors of the second species
  Buffer<Real> gradients_;
  Buffer<Number> own_;
  Kept<Counts> kept_counts_;
  Kept<Real> kept_columns_;
  Kept<int> kept_slots_;
  Kept<unsigned short> kept_lanes_;
};

MLPOT_END_KERNELS
