// Cubic Hermite interpolation: in a table, value and derivative (times the spacing) of each knot.
#pragma once

namespace mlpot {

// At t = 0..1 between the knots y[0], y[1] and y[2], y[3]; slope: by t.
inline double hermite(const double* y, double t, double& slope) {
  const double rise = y[2] - y[0], c = 3.0 * rise - 2.0 * y[1] - y[3], d = y[1] + y[3] - 2.0 * rise;
  slope = y[1] + t * (2.0 * c + 3.0 * t * d);
  return y[0] + t * (y[1] + t * (c + t * d));
}

}  // namespace mlpot
