// Coupling of angular momenta.
#pragma once

#include "isa.hpp"

MLPOT_BEGIN_KERNELS

inline double factorial(int n) {
  double product = 1.0;
  for (int k = 2; k <= n; k++) product *= k;
  return product;
}

// Clebsch-Gordan coefficient <j1 m1 j2 m2 | j m1+m2> by Varshalovich, Moskalev,
// Khersonskii 8.2.1(3). All arguments are doubled: two_j1 = 2 j1, two_m1 = 2 m1 ...
inline double clebsch_gordan(int two_j1, int two_m1, int two_j2, int two_m2, int two_j) {
  const int two_m = two_m1 + two_m2;
  if (two_m < -two_j || two_m > two_j) return 0.0;
  const int a = (two_j1 + two_j2 - two_j) / 2;
  const int b = (two_j1 - two_m1) / 2, c = (two_j2 + two_m2) / 2;
  const int d = (two_j - two_j2 + two_m1) / 2, e = (two_j - two_j1 - two_m2) / 2;
  double sum = 0.0;
  for (int z = 0; z <= a; z++) {
    if (b - z < 0 || c - z < 0 || d + z < 0 || e + z < 0) continue;
    sum += (z % 2 ? -1.0 : 1.0) / (factorial(z) * factorial(a - z) * factorial(b - z) *
                                   factorial(c - z) * factorial(d + z) * factorial(e + z));
  }
  const double triangle = factorial(a) * factorial((two_j1 - two_j2 + two_j) / 2) *
                          factorial((-two_j1 + two_j2 + two_j) / 2) /
                          factorial((two_j1 + two_j2 + two_j) / 2 + 1);
  const double norm = factorial((two_j1 + two_m1) / 2) * factorial(b) * factorial(c) *
                      factorial((two_j2 - two_m2) / 2) * factorial((two_j + two_m) / 2) *
                      factorial((two_j - two_m) / 2) * (two_j + 1);
  return sum * __builtin_sqrt(triangle * norm);
}

MLPOT_END_KERNELS
