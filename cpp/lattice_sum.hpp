// Sums over all pairs of a periodic structure, with forces and virial: what each pair of atoms, and
// each reciprocal vector, adds to what is wanted.
#pragma once

#include <complex>
#include <vector>

#include "neighborhood.hpp"
#include "power_kernel.hpp"

namespace mlpot {

// Unordered pairs of species, 00 01 .. 11 12 ..
inline int n_species_pairs(int n_species) { return n_species * (n_species + 1) / 2; }
inline int species_pair(int a, int b, int n_species) {
  return a <= b ? a * n_species - a * (a - 1) / 2 + b - a : species_pair(b, a, n_species);
}

// The columns a sum is made of: one for each pair of species and each power (X_k^ab), or only one
// that holds all of them times their coefficients.
class Columns {
 public:
  // coefficients: [n_species_pairs][n_powers], null: a column each.
  Columns(int n_species, int n_powers, const double* coefficients = nullptr)
      : n_species(n_species), n_powers(n_powers), coefficients_(coefficients) {}
  const int n_species, n_powers;

  bool summed() const { return coefficients_ != nullptr; }
  int width() const { return summed() ? 1 : n_powers; }  // to which one pair of species adds
  int total() const { return summed() ? 1 : n_species_pairs(n_species) * n_powers; }
  int first(int pair) const { return summed() ? 0 : pair * n_powers; }
  // of_powers: [n_powers], to: [width()].
  void gather(int pair, const double* of_powers, double* to) const {
    if (!summed()) {
      for (int p = 0; p < n_powers; p++) to[p] = of_powers[p];
      return;
    }
    double sum = 0.0;
    for (int p = 0; p < n_powers; p++) sum += coefficients_[pair * n_powers + p] * of_powers[p];
    to[0] = sum;
  }

 private:
  const double* coefficients_;
};

// Where sums are added; a null pointer: not wanted. The last three are for one column only.
struct SumOutput {
  double* energy;                      // [columns]
  double* forces = nullptr;            // [n_atoms][3][columns]
  double* virial = nullptr;            // [9][columns] row a*3+b: sum of r_a f_b
  double* energies = nullptr;          // [n_atoms]
  double* virials = nullptr;           // [n_atoms][6] xx yy zz xy xz yz
  double* centroid_virials = nullptr;  // [n_atoms][9] xx yy zz xy xz yz yx zx zy
};

// The atoms of this process; where there are others, each atom is on one of them.
struct LocalAtoms {
  std::vector<int> index;  // of each in the output, sorted by species
  std::vector<int> begin;  // [n_species + 1] into index
  std::vector<double> x;   // [n][3] Å
  int n() const { return static_cast<int>(index.size()); }
};

// Reciprocal vectors without 2 pi, as rows; returns the volume. cell: [3][3] lattice vectors as
// rows.
double invert(const double* cell, double (&inverse)[3][3]);

// The terms at G = 0 and of each atom with itself:
//   1/(2V) sum_ab N_a N_b phi_ab(0) - 1/2 sum_a N_a far_aa(0)
// counts: [n_species] of all processes; a process adds the share of its own atoms. more, for one
// column: [n_species_pairs] what else goes with 1/(2V) N_a N_b, null: nothing.
void add_constants(const EwaldKernel& kernel, const Columns& columns, const LocalAtoms& atoms,
                   const double* counts, double volume, const SumOutput& out,
                   const double* more = nullptr);

// The sum over reciprocal vectors of one half space, vector by vector, and the constants.
class ReciprocalSum {
 public:
  ReciprocalSum(const double* cell, double g_cut);
  void add(const EwaldKernel& kernel, const Columns& columns, const LocalAtoms& atoms,
           Reduction* others, const SumOutput& out);

 private:
  using Complex = std::complex<double>;
  struct Vector {
    int n[3];
    double g[3], squared;
  };
  struct Field;

  void make_phases(const LocalAtoms& atoms);
  void phases_of(const Vector& vector);
  void add_field(const Field& field, const Vector& vector, const LocalAtoms& atoms, int species,
                 const Columns& columns, const SumOutput& out);

  double inverse_[3][3], volume_;
  int most_[3] = {0, 0, 0};
  std::vector<Vector> vectors_;
  std::vector<double> axis_re_[3], axis_im_[3];  // [n + most_][atom] e^{2 pi i n s}
  std::vector<double> plane_re_, plane_im_, re_, im_;
  int plane_[2] = {0, 0};
  int n_atoms_ = 0;
};

}  // namespace mlpot
