// Periodic neighbour list for Python's side: any cell, also smaller than the cutoff, any
// periodicity.
#pragma once

#include <vector>

#include "neighborhood.hpp"

namespace mlpot {

class NeighborList {
 public:
  // positions: [n][3] Å; cell: [3][3] rows are the lattice vectors, Å; species: [n].
  // Throws std::invalid_argument for what is not a structure.
  NeighborList(int n, const double* positions, const double* cell, const bool* periodic,
               const int* species, int n_species, double r_cut);

  NeighborList(NeighborList&&) = default;  // what points into its arrays stays right
  NeighborList& operator=(NeighborList&&) = default;

  Neighborhood view() const;
  int n_atoms() const { return static_cast<int>(atom_of_.size()); }  // with images
  const int* atom_of() const { return atom_of_.data(); }             // [n_atoms()] original atom

 private:
  void make_images(const double* positions, const double* cell, const bool* periodic, double r_cut);
  void connect(double r_cut);

  int n_;
  double volume_ = 0.0;
  std::vector<double> cell_;
  std::vector<double> x_;
  std::vector<int> species_, atom_of_, identity_, centers_, begin_, neighbors_, n_neighbors_;
  std::vector<const int*> lists_;
};

}  // namespace mlpot
