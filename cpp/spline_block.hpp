// Cardinal B-splines and the block of a mesh that an atom is spread over.
// Essmann et al., J. Chem. Phys. 103, 8577 (1995).
#pragma once

#include "clones.hpp"

namespace mlpot {

constexpr int spline_order = 6;

// Cardinal B-splines M_p(f + p - 1 - i), i = 0 .. p - 1, p the order, and their slopes.
inline void fill_splines(double f, double* weight, double* slope) {
  const auto raise = [&](int k) {  // from order k - 1 to k
    const double scale = 1.0 / (k - 1);
    weight[k - 1] = scale * f * weight[k - 2];
    for (int j = 1; j < k - 1; j++)
      weight[k - j - 1] = scale * ((f + j) * weight[k - j - 2] + (k - j - f) * weight[k - j - 1]);
    weight[0] *= scale * (1.0 - f);
  };
  weight[0] = 1.0 - f;
  weight[1] = f;
  for (int k = 3; k < spline_order; k++) raise(k);
  slope[0] = -weight[0];
  for (int i = 1; i < spline_order - 1; i++) slope[i] = weight[i - 1] - weight[i];
  slope[spline_order - 1] = weight[spline_order - 2];
  raise(spline_order);
}

// Adds w0 w1 w2 around an atom; the points along the last axis are next to each other.
MLPOT_CLONES static void add_block(double* mesh, const long (&row)[spline_order][spline_order],
                                   const double (&w)[3][spline_order]) {
  for (int i = 0; i < spline_order; i++)
    for (int j = 0; j < spline_order; j++) {
      double* to = mesh + row[i][j];
      const double wij = w[0][i] * w[1][j];
      for (int k = 0; k < spline_order; k++) to[k] += wij * w[2][k];
    }
}

// sums: of the mesh with the weights, and with their slope along each axis.
MLPOT_CLONES static void read_block(const double* mesh,
                                    const long (&row)[spline_order][spline_order],
                                    const double (&w)[3][spline_order],
                                    const double (&d)[3][spline_order], double (&sums)[4]) {
  double value = 0.0, by_0 = 0.0, by_1 = 0.0, by_2 = 0.0;
  for (int i = 0; i < spline_order; i++)
    for (int j = 0; j < spline_order; j++) {
      const double* from = mesh + row[i][j];
      double along = 0.0, sloped = 0.0;
      for (int k = 0; k < spline_order; k++) {
        along += w[2][k] * from[k];
        sloped += d[2][k] * from[k];
      }
      value += w[0][i] * w[1][j] * along;
      by_0 += d[0][i] * w[1][j] * along;
      by_1 += w[0][i] * d[1][j] * along;
      by_2 += w[0][i] * w[1][j] * sloped;
    }
  sums[0] = value;
  sums[1] = by_0;
  sums[2] = by_1;
  sums[3] = by_2;
}

}  // namespace mlpot
