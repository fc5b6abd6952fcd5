// The symmetry functions of a model file, read and grouped: functions of one group share what is
// expensive. See acsf.cpp.
#pragma once

#include "block.hpp"
#include "buffer.hpp"

MLPOT_BEGIN_KERNELS

// t = exp(-eta (r - r_s)^2) f_c(r) for n etas. Where eta is a small multiple of the first, its
// exponential is a power of the first's, and a product of two others' where they fit.
struct RadialSet {
  double r_s, r_cut;
  int n, etas;  // etas: where they begin
  int n_exps;   // exponentials that are no power of the first
};

struct Eta {
  double value;
  int multiple;       // of the first, 0: not a whole one
  int first, second;  // of the set, whose multiples add up to this one; -1: there are none
};

struct RadialGroup {
  int center, neighbor;  // species
  RadialSet parts;
  int features;  // where they begin: [n]
};

// A = (1 + lambda cos)^zeta: the place of this power among those of both signs, forward; backward,
// its place and that of the power zeta - 1.
struct Shape {
  int zeta, sign;  // sign: 0 for lambda -1, 1 for +1
  int forward, backward, below;
  double slope, norm;  // lambda zeta, 2^(1 - zeta)
};

// The products that make every power needed, from power 2 on.
struct PowerPlan {
  int steps, n_powers;  // steps: where they begin
};

struct AngularGroup {
  int center, first, second;  // species; first <= second
  bool wide;
  RadialSet parts;
  int n_shape, shapes, features;  // where they begin; features: [n_eta][n_shape], -1: not wanted
  int end_shape[2];               // of either sign, -1 first
  PowerPlan forward, backward;    // powers zeta, and those with zeta - 1
};

struct PowerStep {  // power[k] = power[first] * power[second], power[0] = 1, power[1] = base
  int first, second;
};

constexpr int max_powers = 48;

class SymmetryFunctionPlan {
 public:
  SymmetryFunctionPlan(Block& block, int n_species)
      : n_species_(n_species), counts_(n_species), r_cut_(n_species * n_species) {
    for (int s = 0; s < n_species; s++) counts_[s] = 0;
    for (int k = 0; k < n_species * n_species; k++) r_cut_[k] = 0.0;
    read_radial(block);
    read_angular(block);
    for (int s = 0; s < n_species; s++) size = counts_[s] > size ? counts_[s] : size;
    if (size == 0) block.refuse("radial", "expected at least one function, radial or angular");
  }

  double r_cut(int a, int b) const { return r_cut_[a * n_species_ + b]; }

  int size = 0;  // features of the species that has most
  Buffer<RadialGroup> radial;
  Buffer<AngularGroup> angular;
  Buffer<Eta> etas;
  Buffer<Shape> shapes;
  Buffer<PowerStep> steps;
  Buffer<int> features;

 private:
  void read_radial(Block& block) {
    const int n = block.rows("radial");
    Buffer<double> table(5 * n + 1);
    block.table("radial", n, 5, table.begin());
    Buffer<int> feature(n + 1), grouped(n + 1);
    for (int f = 0; f < n; f++) {
      const double* row = table.begin() + 5 * f;
      const int center = species(block, "radial", row[0]), other = species(block, "radial", row[1]);
      check(block, "radial", row[2], row[3], row[4]);
      reach(center, other, row[4]);
      feature[f] = counts_[center]++;
      grouped[f] = 0;
    }
    for (int f = 0; f < n; f++) {  // those that differ in eta only
      if (grouped[f]) continue;
      const double* head = table.begin() + 5 * f;
      const int center = static_cast<int>(head[0]), neighbor = static_cast<int>(head[1]);
      RadialGroup group = {
          center, neighbor, {head[3], head[4], 0, etas.used(), 0}, features.used()};
      for (int g = f; g < n; g++) {
        const double* row = table.begin() + 5 * g;
        const bool same =
            row[0] == head[0] && row[1] == head[1] && row[3] == head[3] && row[4] == head[4];
        if (!same || grouped[g]) continue;
        push_eta(group.parts, row[2]);
        features.push(feature[g]);
        grouped[g] = 1;
      }
      radial.push(group);
    }
  }

  void read_angular(Block& block) {
    const int n = block.rows("angular");
    Buffer<double> table(9 * n + 1);
    block.table("angular", n, 9, table.begin());
    Buffer<int> feature(n + 1), grouped(n + 1);
    for (int f = 0; f < n; f++) {
      const double* row = table.begin() + 9 * f;
      const int center = species(block, "angular", row[0]);
      const int first = species(block, "angular", row[1]);
      const int second = species(block, "angular", row[2]);
      check(block, "angular", row[3], row[6], row[7]);
      if (first > second) block.refuse("angular", "expected neighbor_1 <= neighbor_2");
      if (row[4] != 1.0 && row[4] != -1.0) block.refuse("angular", "expected lambda 1 or -1");
      if (row[5] < 1.0 || row[5] > 1000.0 || row[5] != static_cast<int>(row[5]))
        block.refuse("angular", "expected zeta to be a whole number from 1 to 1000");
      if (row[8] != 0.0 && row[8] != 1.0) block.refuse("angular", "expected wide to be 0 or 1");
      feature[f] = counts_[center]++;
      grouped[f] = 0;
      reach(center, first, row[7]);
      reach(center, second, row[7]);
    }
    for (int f = 0; f < n; f++)
      if (!grouped[f]) build_group(block, table, n, f, feature, grouped);
  }

  // The group of function f: every function that differs from it in eta, lambda and zeta only.
  void build_group(Block& block, const Buffer<double>& table, int n, int f,
                   const Buffer<int>& feature, Buffer<int>& grouped) {
    const double* head = table.begin() + 9 * f;
    const auto same = [&](int g) {
      const double* row = table.begin() + 9 * g;
      return !grouped[g] && row[0] == head[0] && row[1] == head[1] && row[2] == head[2] &&
             row[6] == head[6] && row[7] == head[7] && row[8] == head[8];
    };
    AngularGroup group = {static_cast<int>(head[0]),
                          static_cast<int>(head[1]),
                          static_cast<int>(head[2]),
                          head[8] == 1.0,
                          {head[6], head[7], 0, etas.used(), 0},
                          0,
                          shapes.used(),
                          features.used(),
                          {0, 0},
                          {0, 0},
                          {0, 0}};
    for (int sign = 0; sign < 2; sign++) {
      for (int g = f; g < n; g++) {
        const double* row = table.begin() + 9 * g;
        if (!same(g) || (row[4] > 0.0) != (sign == 1)) continue;
        if (eta_of(group, row[3]) < 0) push_eta(group.parts, row[3]);
        if (shape_of(group, row[4], row[5]) >= 0) continue;
        const int zeta = static_cast<int>(row[5]);
        shapes.push({zeta, sign, 0, 0, 0, row[4] * zeta, __builtin_ldexp(1.0, 1 - zeta)});
        group.n_shape++;
      }
      group.end_shape[sign] = group.n_shape;
    }
    group.forward = plan_powers(block, group, &Shape::forward, nullptr);
    group.backward = plan_powers(block, group, &Shape::backward, &Shape::below);
    for (int k = 0; k < group.parts.n * group.n_shape; k++) features.push(-1);
    for (int g = f; g < n; g++) {
      const double* row = table.begin() + 9 * g;
      if (!same(g)) continue;
      int& place = features[group.features + eta_of(group, row[3]) * group.n_shape +
                            shape_of(group, row[4], row[5])];
      if (place >= 0) continue;  // one that is there twice gets a group of its own
      place = feature[g];
      grouped[g] = 1;
    }
    angular.push(group);
  }

  int eta_of(const AngularGroup& group, double eta) const {
    for (int e = 0; e < group.parts.n; e++)
      if (etas[group.parts.etas + e].value == eta) return e;
    return -1;
  }
  int shape_of(const AngularGroup& group, double lambda, double zeta) const {
    for (int a = 0; a < group.n_shape; a++)
      if (shapes[group.shapes + a].slope == lambda * zeta) return a;
    return -1;
  }

  void push_eta(RadialSet& parts, double eta) {
    const double first = parts.n > 0 ? etas[parts.etas].value : eta;
    const double ratio = first > 0.0 ? eta / first : 0.0;
    const int nearest = ratio < 17.0 ? static_cast<int>(ratio + 0.5) : 0;
    const bool whole = nearest > 0 && __builtin_fabs(ratio - nearest) <= 4e-16 * nearest;
    Eta next = {eta, whole ? nearest : 0, -1, -1};
    for (int i = 0; i < parts.n; i++)
      for (int k = 0; k <= i; k++) {
        const int a = etas[parts.etas + i].multiple, b = etas[parts.etas + k].multiple;
        if (whole && a > 0 && b > 0 && a + b == nearest) next.first = i, next.second = k;
      }
    etas.push(next);
    parts.n++;
    parts.n_exps += parts.n == 1 || !whole;
  }

  // Powers zeta and zeta - 1 of all shapes; where each shape has the places of its own, or null.
  PowerPlan plan_powers(Block& block, const AngularGroup& group, int Shape::* place,
                        int Shape::* below) {
    int exponents[max_powers] = {0, 1}, n = 2;
    PowerPlan plan = {steps.used(), 0};
    for (int a = 0; a < group.n_shape; a++) {
      Shape& shape = shapes[group.shapes + a];
      const int first = shape.sign * max_powers;
      if (below) shape.*below = first + make_power(block, shape.zeta - 1, exponents, n);
      shape.*place = first + make_power(block, shape.zeta, exponents, n);
    }
    plan.n_powers = n;
    return plan;
  }

  int make_power(Block& block, int exponent, int* exponents, int& n) {
    for (int k = 0; k < n; k++)
      if (exponents[k] == exponent) return k;
    for (int i = n - 1; i > 0; i--)
      for (int k = i; k > 0; k--)
        if (exponents[i] + exponents[k] == exponent) {
          if (n == max_powers) block.refuse("angular", "too many different zeta");
          steps.push({i, k});
          exponents[n] = exponent;
          return n++;
        }
    int part = exponent / 2;  // and what an odd exponent has beyond a known one, doubled
    for (int i = 1; exponent % 2 && i < n; i++)
      for (int k = 1; k < n; k++)
        for (int twice = 2 * exponents[k]; twice <= exponent - exponents[i]; twice *= 2)
          if (twice == exponent - exponents[i]) part = twice;
    make_power(block, part, exponents, n);
    make_power(block, exponent - part, exponents, n);
    return make_power(block, exponent, exponents, n);
  }

  int species(Block& block, const char* key, double value) const {
    const int s = static_cast<int>(value);
    if (s != value || s < 0 || s >= n_species_)
      block.refuse(key, "expected species as whole numbers below the number of elements");
    return s;
  }

  void check(Block& block, const char* key, double eta, double r_s, double r_cut) const {
    if (eta < 0.0 || r_s < 0.0 || r_cut < 0.1 || r_cut > 100.0 || r_s > 100.0)
      block.refuse(key,
                   "expected eta >= 0, r_s from 0 to 100 and r_cut from 0.1 to 100 in every row");
  }

  void reach(int a, int b, double r) {
    double &ab = r_cut_[a * n_species_ + b], &ba = r_cut_[b * n_species_ + a];
    ab = r > ab ? r : ab;
    ba = ba > ab ? ba : ab;
    ab = ba;
  }

  int n_species_;
  Buffer<int> counts_;  // features of each species
  Buffer<double> r_cut_;
};

MLPOT_END_KERNELS
