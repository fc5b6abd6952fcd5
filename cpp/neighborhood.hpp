// Who is around whom: the caller's view of atoms and neighbours, LAMMPS' full list or Python's.
#pragma once

#include <stdexcept>
#include <string>

namespace mlpot {

constexpr int smooth_everywhere = 1000;  // for how many derivatives are continuous

// The sums over all processes that share a structure.
struct Reduction {
  virtual ~Reduction() = default;
  virtual void sum(double* values, long n) = 0;  // in place, called by all of them together
};

struct Neighborhood {
  int n_centers;
  const int* centers;           // [n_centers] indices of the atoms whose energy is wanted
  const int* n_neighbors;       // by atom index
  const int* const* neighbors;  // by atom index
  int neighbor_mask;            // bits of a neighbour entry that are its atom index
  const double* x;              // [n_atoms][3] positions, Å; periodic images are atoms of their own
  const int* type;              // [n_atoms]
  const int* species_of_type;   // species of each type, -1: not ours
  double volume = 0.0;  // of the whole cell, Å^3; 0: it is not periodic in all three directions
  Reduction* others = nullptr;   // where the centers are not all there are
  const double* cell = nullptr;  // [3][3] Å, lattice vectors as rows; null where volume is 0
};

// Two atoms closer than the potential can describe.
struct AtomsTooClose : std::runtime_error {
  AtomsTooClose(int i, int j, double distance);
  int i, j;  // atom indices of the Neighborhood
  double distance;
};

// The energy of a central atom is infinite or not a number.
struct NotFinite : std::runtime_error {
  explicit NotFinite(int i);
  int i;  // atom index of the Neighborhood
};

[[noreturn]] void throw_too_close(int i, int j, double distance);
[[noreturn]] void throw_not_finite(int i);
[[noreturn]] void throw_no_volume();

}  // namespace mlpot
