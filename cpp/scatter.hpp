// Where the results of a batch go: from lanes and slots to atoms, and into sums.
#pragma once

#include "batch.hpp"
#include "dual.hpp"
#include "engine.hpp"
#include "voigt.hpp"

MLPOT_BEGIN_KERNELS

template <int W>
inline void add_forces(const Batch<Pack<W>>& env, const Lanes<W>& lanes, const Pack<W> (*dE_dr)[3],
                       double* f) {
  Pack<W> sum[3] = {Pack<W>(0.0), Pack<W>(0.0), Pack<W>(0.0)};
  for (int j = 0; j < env.n; j++) {
    for (int axis = 0; axis < 3; axis++) sum[axis] += dE_dr[j][axis];
    for (int lane = 0; lane < lanes.n; lane++) {
      const int atom = lanes.neighbor[j][lane];
      if (atom < 0) continue;
      for (int axis = 0; axis < 3; axis++) f[3 * atom + axis] -= dE_dr[j][axis][lane];
    }
  }
  for (int lane = 0; lane < lanes.n; lane++)
    for (int axis = 0; axis < 3; axis++) f[3 * lanes.center[lane] + axis] += sum[axis][lane];
}

// Each neighbour adds r (x) f with f = -dE/dr.
template <int W>
inline void add_virials(const Batch<Pack<W>>& env, const Lanes<W>& lanes, const Pack<W> (*dE_dr)[3],
                        const EngineOutput& out) {
  for (int j = 0; j < env.n; j++) {
    Pack<W> v[9];
    for (int c = 0; c < 9; c++) v[c] = -(env.r[j][voigt_row[c]] * dE_dr[j][voigt_column[c]]);
    for (int lane = 0; lane < lanes.n; lane++) {
      const int atom = lanes.neighbor[j][lane], center = lanes.center[lane];
      if (atom < 0) continue;
      for (int c = 0; c < 6; c++) {
        if (out.virial) out.virial[c] += v[c][lane];
        if (!out.virials) continue;
        out.virials[6 * atom + c] += 0.5 * v[c][lane];
        out.virials[6 * center + c] += 0.5 * v[c][lane];
      }
      if (out.centroid_virials)
        for (int c = 0; c < 9; c++) out.centroid_virials[9 * atom + c] += v[c][lane];
    }
  }
}

// The virial of the volume: each central atom has its own.
template <int W>
inline void add_pressure(const Lanes<W>& lanes, Pack<W> v, const EngineOutput& out) {
  for (int lane = 0; lane < lanes.n; lane++)
    for (int a = 0; a < 3; a++) {
      if (out.virial) out.virial[a] += v[lane];
      if (out.virials) out.virials[6 * lanes.center[lane] + a] += v[lane];
      if (out.centroid_virials) out.centroid_virials[9 * lanes.center[lane] + a] += v[lane];
    }
}

// A row of the design by a coordinate of neighbour j: dE_dw has its tangent along it.
template <int W>
inline void add_row(const Batch<Pack<W>>& env, const Lanes<W>& lanes, int j, int axis,
                    const Dual<Pack<W>>* dE_dw, int n_w, int first, const DesignOutput& out) {
  for (int lane = 0; lane < lanes.n; lane++) {
    if (lanes.neighbor[j][lane] < 0) continue;
    const int n = out.n_coefficients, to = out.atom_of[lanes.neighbor[j][lane]];
    double* on_neighbor = out.forces + (3 * to + axis) * static_cast<long>(n) + first;
    double* on_center =
        out.forces + (3 * out.atom_of[lanes.center[lane]] + axis) * static_cast<long>(n) + first;
    double* virial[3];
    double r[3];
    for (int a = 0; a < 3; a++) {
      virial[a] = out.virial + (3 * a + axis) * n + first;
      r[a] = env.r[j][a][lane];
    }
    for (int w = 0; w < n_w; w++) {
      const double slope = dE_dw[w].tangent[lane];
      on_neighbor[w] -= slope;
      on_center[w] += slope;
      for (int a = 0; a < 3; a++) virial[a][w] -= r[a] * slope;
    }
  }
}

template <int W>
inline Pack<W> weighted(Pack<W> weight, Pack<W> slope) {
  return weight * slope;
}
template <int W>
inline Pack<W> weighted(Pack<W> weight, const Dual<Pack<W>>& slope) {
  return weight * slope.value + slope.tangent;
}

// weight dE/dw and its derivative along the direction that a Dual has, of n lanes.
template <int W, class Number>
inline void add_gradient(int n_lanes, Pack<W> weight, const Number* dE_dw, int n, double* to) {
  for (int w = 0; w < n; w++) {
    const Pack<W> sum = weighted(weight, dE_dw[w]);
    for (int lane = 0; lane < n_lanes; lane++) to[w] += sum[lane];
  }
}

// Of feature d by neighbour j: its slope moves both atoms, and stretches what is between them.
template <int W>
inline void add_slopes(const Batch<Pack<W>>& env, const Lanes<W>& lanes, int j,
                       const Pack<W>* slopes, int d, int n_features, double n_atoms,
                       const int* atom_of, const PooledFeatures& out) {
  for (int lane = 0; lane < lanes.n; lane++) {
    if (lanes.neighbor[j][lane] < 0) continue;
    const int to = atom_of[lanes.neighbor[j][lane]], from = atom_of[lanes.center[lane]];
    for (int axis = 0; axis < 3; axis++) {
      const double slope = slopes[axis][lane] / n_atoms;
      if (out.by_x) out.by_x[(3 * to + axis) * n_features + d] += slope;
      if (out.by_x) out.by_x[(3 * from + axis) * n_features + d] -= slope;
      for (int a = 0; a < 3 && out.by_strain; a++)
        out.by_strain[(3 * a + axis) * n_features + d] += env.r[j][a][lane] * slope;
    }
  }
}

MLPOT_END_KERNELS
