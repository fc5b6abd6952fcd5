#include "neighbors.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace {

using Vector = std::array<double, 3>;

Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double length(const Vector& a) { return std::sqrt(dot(a, a)); }

// A vector of length 1 that is as far as possible from the plane or line of the others.
Vector complement(const Vector& a, const Vector& b) {
  Vector v = cross(a, b);
  if (length(v) < 1e-12) {
    const Vector& line = length(a) > length(b) ? a : b;
    v = {0.0, 0.0, 1.0};
    if (length(line) > 0.0) {
      const int least = static_cast<int>(
          std::min_element(line.begin(), line.end(),
                           [](double x, double y) { return std::fabs(x) < std::fabs(y); }) -
          line.begin());
      Vector axis = {0.0, 0.0, 0.0};
      axis[least] = 1.0;
      v = cross(line, axis);
    }
  }
  const double norm = length(v);
  return {v[0] / norm, v[1] / norm, v[2] / norm};
}

// The lattice, with a unit vector for each direction that is not periodic.
std::array<Vector, 3> lattice(const double* cell, const bool* periodic) {
  std::array<Vector, 3> v;
  for (int d = 0; d < 3; d++) {
    v[d] = {cell[3 * d], cell[3 * d + 1], cell[3 * d + 2]};
    if (!periodic[d]) v[d] = {0.0, 0.0, 0.0};
  }
  for (int d = 0; d < 3; d++)
    if (!periodic[d]) v[d] = complement(v[(d + 1) % 3], v[(d + 2) % 3]);
  return v;
}

}  // namespace

NeighborList::NeighborList(int n, const double* positions, const double* cell, const bool* periodic,
                           const int* species, int n_species, double r_cut)
    : n_(n), cell_(cell, cell + 9), species_(species, species + n), identity_(n_species) {
  std::iota(identity_.begin(), identity_.end(), 0);
  for (int i = 0; i < n; i++) {
    if (species[i] < 0 || species[i] >= n_species)
      throw std::invalid_argument("atom " + std::to_string(i) +
                                  ": its species is not in the model");
    for (int axis = 0; axis < 3; axis++)
      if (!std::isfinite(positions[3 * i + axis]))
        throw std::invalid_argument("atom " + std::to_string(i) + ": its position is not finite");
  }
  make_images(positions, cell, periodic, r_cut);
  connect(r_cut);
}

// Every periodic image within r_cut of the cell, as an atom of its own behind the n originals.
void NeighborList::make_images(const double* positions, const double* cell, const bool* periodic,
                               double r_cut) {
  const std::array<Vector, 3> v = lattice(cell, periodic);
  const double volume = dot(v[0], cross(v[1], v[2]));
  if (!(std::fabs(volume) > 1e-6))
    throw std::invalid_argument("the cell has no volume in its periodic directions");
  std::array<Vector, 3> inverse;  // rows: fractional coordinates
  if (periodic[0] && periodic[1] && periodic[2]) volume_ = std::fabs(volume);
  Vector reach;  // r_cut in fractional coordinates
  for (int d = 0; d < 3; d++) {
    inverse[d] = cross(v[(d + 1) % 3], v[(d + 2) % 3]);
    for (double& component : inverse[d]) component /= volume;
    reach[d] = r_cut * length(inverse[d]);
  }
  const double images = (2 * reach[0] + 2) * (2 * reach[1] + 2) * (2 * reach[2] + 2);
  if (images * n_ > 1e8)
    throw std::invalid_argument("the cell is too flat for a cutoff of " + std::to_string(r_cut) +
                                " Å: it would need more than 1e8 periodic images");

  std::vector<Vector> wrapped(n_);
  x_.resize(3 * n_);
  atom_of_.resize(n_);
  for (int i = 0; i < n_; i++) {
    Vector p = {positions[3 * i], positions[3 * i + 1], positions[3 * i + 2]};
    const Vector original = p;
    for (int d = 0; d < 3; d++) {
      wrapped[i][d] = dot(original, inverse[d]);
      if (!periodic[d]) continue;
      const double shift = std::floor(wrapped[i][d]);
      wrapped[i][d] -= shift;
      for (int axis = 0; axis < 3; axis++) p[axis] -= shift * v[d][axis];
    }
    std::copy(p.begin(), p.end(), x_.begin() + 3 * i);
    atom_of_[i] = i;
  }
  for (int i = 0; i < n_; i++) {
    int low[3], high[3];
    for (int d = 0; d < 3; d++) {
      low[d] = periodic[d] ? static_cast<int>(std::ceil(-reach[d] - wrapped[i][d])) : 0;
      high[d] = periodic[d] ? static_cast<int>(std::floor(1.0 + reach[d] - wrapped[i][d])) : 0;
    }
    for (int a = low[0]; a <= high[0]; a++)
      for (int b = low[1]; b <= high[1]; b++)
        for (int c = low[2]; c <= high[2]; c++) {
          if (a == 0 && b == 0 && c == 0) continue;
          for (int axis = 0; axis < 3; axis++)
            x_.push_back(x_[3 * i + axis] + a * v[0][axis] + b * v[1][axis] + c * v[2][axis]);
          species_.push_back(species_[i]);
          atom_of_.push_back(i);
        }
  }
}

// Everyone within r_cut of each original, by bins no smaller than r_cut.
void NeighborList::connect(double r_cut) {
  const int n_all = n_atoms();
  double low[3], width[3];
  int bins[3];
  for (int axis = 0; axis < 3; axis++) {
    double least = 0.0, most = 0.0;
    for (int i = 0; i < n_all; i++) {
      const double x = x_[3 * i + axis];
      least = i == 0 ? x : std::min(least, x);
      most = i == 0 ? x : std::max(most, x);
    }
    low[axis] = least;
    bins[axis] = std::clamp(static_cast<int>((most - least) / r_cut), 1, 200);
    width[axis] = std::max(r_cut, (most - least) / bins[axis]) * (1.0 + 1e-9);
  }
  const auto bin_of = [&](int i, int axis) {
    const int bin = static_cast<int>((x_[3 * i + axis] - low[axis]) / width[axis]);
    return std::clamp(bin, 0, bins[axis] - 1);
  };
  std::vector<int> head(bins[0] * bins[1] * bins[2], -1), next(n_all);
  for (int i = 0; i < n_all; i++) {
    int& first = head[(bin_of(i, 0) * bins[1] + bin_of(i, 1)) * bins[2] + bin_of(i, 2)];
    next[i] = first;
    first = i;
  }
  begin_.push_back(0);
  for (int i = 0; i < n_; i++) {
    centers_.push_back(i);
    int from[3], to[3];
    for (int axis = 0; axis < 3; axis++) {
      from[axis] = std::max(bin_of(i, axis) - 1, 0);
      to[axis] = std::min(bin_of(i, axis) + 1, bins[axis] - 1);
    }
    for (int a = from[0]; a <= to[0]; a++)
      for (int b = from[1]; b <= to[1]; b++)
        for (int c = from[2]; c <= to[2]; c++)
          for (int j = head[(a * bins[1] + b) * bins[2] + c]; j >= 0; j = next[j]) {
            double squared = 0.0;
            for (int axis = 0; axis < 3; axis++) {
              const double d = x_[3 * j + axis] - x_[3 * i + axis];
              squared += d * d;
            }
            if (j != i && squared < r_cut * r_cut) neighbors_.push_back(j);
          }
    begin_.push_back(static_cast<int>(neighbors_.size()));
  }
  for (int i = 0; i < n_; i++) {
    lists_.push_back(neighbors_.data() + begin_[i]);
    n_neighbors_.push_back(begin_[i + 1] - begin_[i]);
  }
}

Neighborhood NeighborList::view() const {
  return {n_,
          centers_.data(),
          n_neighbors_.data(),
          lists_.data(),
          ~0,
          x_.data(),
          species_.data(),
          identity_.data(),
          volume_,
          nullptr,
          volume_ > 0.0 ? cell_.data() : nullptr};
}

}  // namespace mlpot
