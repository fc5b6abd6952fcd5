// PairTable: pair functions from tables, for the many neighbours of MD.
#pragma once

#include <functional>
#include <vector>

#include "lattice_sum.hpp"

namespace mlpot {

class PairTable {
 public:
  // The value at a squared distance of a pair of species, and its slope by the squared distance.
  using Function = std::function<void(int pair, double r2, double* value, double* slope)>;

  // Each function less its value at r_cut (Å), so that the energy does not jump there.
  PairTable(int n_species, double r_cut, Function function);

  // [n_species_pairs] what is left out, as of atoms spread evenly: 1/(2V) sum_ab N_a N_b beyond_ab.
  std::vector<double> beyond() const;

  // Adds the sum over the neighbours of all centers. Every pair must be met from both of its atoms.
  void add(const Neighborhood& all, const SumOutput& out);

 private:
  struct Near {  // neighbours of one atom, side by side
    std::vector<double> d[3], r2, value, slope;
    std::vector<int> table;  // where that of the pair begins
  };

  int find_near(const Neighborhood& all, int i, const int* table_of);
  static void look_up(Near& near, int n, const double* table, double per_spacing);

  int n_species_;
  double r_cut_, spacing_;  // spacing: of knots, in r^2
  Function function_;
  std::vector<double> left_;   // [pair] V at r_cut, taken off inside
  std::vector<double> table_;  // [pair][knot][2] value, and slope times spacing
  Near near_;
};

}  // namespace mlpot
