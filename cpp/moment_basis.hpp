// The invariants that contract moment tensors, up to a level; Shapeev, Multiscale Model. Simul. 14
// (2016) 1153. Found once for each level, by rules alone.
#pragma once

namespace mlpot {

constexpr int most_level = 28, most_mu = 5, most_nu = 10;

// A basic moment is a component of a tensor M_mu_nu: {mu, a, b, c} with a + b + c = nu counts the
// indices that are x, y, z. A product {i, j, factor, k} adds factor m_i m_j to moment k; moments
// are numbered from the basic ones on. The invariants are moments, too.
struct MomentTable {
  int n_basics, n_moments, n_products, n_invariants;
  const int (*basics)[4];    // [n_basics]
  const int (*products)[4];  // [n_products], grouped by k, which rises; i, j < k
  const int* invariants;     // [n_invariants] in the order of docs/model_format.md
};

// 2 <= level <= most_level; lives as long as the program.
const MomentTable& moment_table(int level);

}  // namespace mlpot
