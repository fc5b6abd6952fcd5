#include "pair_table.hpp"

#include <algorithm>

#include "clones.hpp"
#include "constants.hpp"
#include "hermite.hpp"
#include "voigt.hpp"

namespace mlpot {

namespace {
constexpr int n_knots = 4096;
constexpr double first_knot = 1.0;  // Å^2; nearer pairs are rare, and a table too coarse for them
}  // namespace

PairTable::PairTable(int n_species, double r_cut, Function function)
    : n_species_(n_species),
      r_cut_(r_cut),
      spacing_((r_cut * r_cut - first_knot) / (n_knots - 1)),
      function_(std::move(function)),
      left_(n_species_pairs(n_species)),
      table_(static_cast<std::size_t>(n_species_pairs(n_species)) * 2 * n_knots) {
  for (int pair = 0; pair < n_species_pairs(n_species_); pair++) {
    double& left = left_[pair];
    double slope;
    function_(pair, r_cut_ * r_cut_, &left, &slope);
    for (int knot = 0; knot < n_knots; knot++) {
      double* y = &table_[2 * (static_cast<std::size_t>(pair) * n_knots + knot)];
      function_(pair, first_knot + knot * spacing_, y, y + 1);
      y[0] -= left;
      y[1] *= spacing_;
    }
  }
}

// V beyond r_cut, and V(r_cut) within it, by parts:
//   -4 pi/3 int_{r_cut}^inf r^3 V'(r) dr  (Simpson's rule; V has faded at 2 r_cut)
std::vector<double> PairTable::beyond() const {
  constexpr int n = 200;
  const double step = r_cut_ / n;
  std::vector<double> found(n_species_pairs(n_species_), 0.0);
  for (std::size_t pair = 0; pair < found.size(); pair++)
    for (int k = 0; k <= n; k++) {
      const double r = r_cut_ + k * step, weight = k % n == 0 ? 1.0 : k % 2 ? 4.0 : 2.0;
      double value, slope;
      function_(static_cast<int>(pair), r * r, &value, &slope);
      found[pair] -= weight * step / 3.0 * (4.0 * pi / 3.0) * r * r * r * 2.0 * r * slope;
    }
  return found;
}

// Every pair of neighbours is met from both of its atoms: each has half of its energy, and what the
// other one would add to its force and virial.
void PairTable::add(const Neighborhood& all, const SumOutput& out) {
  const bool with_virial = out.virial || out.virials || out.centroid_virials;
  std::vector<int> table_of(n_species_);
  for (int k = 0; k < all.n_centers; k++) {
    const int i = all.centers[k], a = all.species_of_type[all.type[i]];
    if (a < 0) continue;
    for (int b = 0; b < n_species_; b++) table_of[b] = species_pair(a, b, n_species_) * 2 * n_knots;
    const int n = find_near(all, i, table_of.data());
    look_up(near_, n, table_.data(), 1.0 / spacing_);
    double mine = 0.0, force[3] = {}, virial[9] = {};
    for (int m = 0; m < n; m++) {
      const double d[3] = {near_.d[0][m], near_.d[1][m], near_.d[2][m]};
      if (near_.r2[m] < first_knot) {
        const int pair = near_.table[m] / (2 * n_knots);
        function_(pair, near_.r2[m], &near_.value[m], &near_.slope[m]);
        near_.value[m] -= left_[pair];
      }
      mine += 0.5 * near_.value[m];
      for (int axis = 0; axis < 3; axis++) force[axis] += 2.0 * near_.slope[m] * d[axis];
      if (!with_virial) continue;
      for (int v = 0; v < 9; v++)
        virial[v] -= near_.slope[m] * d[voigt_row[v]] * d[voigt_column[v]];
    }
    *out.energy += mine;
    if (out.energies) out.energies[i] += mine;
    for (int axis = 0; out.forces && axis < 3; axis++) out.forces[3 * i + axis] += force[axis];
    for (int v = 0; with_virial && v < 9; v++) {
      if (out.virial) out.virial[3 * voigt_row[v] + voigt_column[v]] += virial[v];
      if (out.virials && v < 6) out.virials[6 * i + v] += virial[v];
      if (out.centroid_virials) out.centroid_virials[9 * i + v] += virial[v];
    }
  }
}

// The neighbours of atom i inside the cutoff into near_; returns how many.
int PairTable::find_near(const Neighborhood& all, int i, const int* table_of) {
  const double cut = r_cut_ * r_cut_;
  const std::size_t most = all.n_neighbors[i];
  if (near_.r2.size() < most) {
    for (auto* room :
         {&near_.d[0], &near_.d[1], &near_.d[2], &near_.r2, &near_.value, &near_.slope})
      room->resize(most);
    near_.table.resize(most);
  }
  const double x = all.x[3 * i], y = all.x[3 * i + 1], z = all.x[3 * i + 2];
  double *dx = near_.d[0].data(), *dy = near_.d[1].data(), *dz = near_.d[2].data(),
         *r2 = near_.r2.data();
  int* table = near_.table.data();
  int n = 0;
  for (std::size_t m = 0; m < most; m++) {
    const int j = all.neighbors[i][m] & all.neighbor_mask, b = all.species_of_type[all.type[j]];
    const double d[3] = {all.x[3 * j] - x, all.x[3 * j + 1] - y, all.x[3 * j + 2] - z};
    const double squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];  // not read back from memory
    dx[n] = d[0];
    dy[n] = d[1];
    dz[n] = d[2];
    r2[n] = squared;
    table[n] = table_of[b < 0 ? 0 : b];
    n += (squared < cut) & (b >= 0);
  }
  return n;
}

// For all of `near` at once.
MLPOT_CLONES void PairTable::look_up(Near& near, int n, const double* table, double per_spacing) {
  const double* r2 = near.r2.data();
  const int* begin = near.table.data();
  double *value = near.value.data(), *slope = near.slope.data();
  for (int m = 0; m < n; m++) {
    const double at = std::max(r2[m] - first_knot, 0.0) * per_spacing;
    const int knot = std::min(static_cast<int>(at), n_knots - 2);
    double by_knot;
    value[m] = hermite(table + begin[m] + 2 * knot, at - knot, by_knot);
    slope[m] = by_knot * per_spacing;
  }
}

}  // namespace mlpot
