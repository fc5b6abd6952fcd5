// The sum over reciprocal vectors on a mesh: smooth particle mesh Ewald, one density for each
// species and one kernel for each pair of species, whatever the number of powers.
//   E = 1/(2V) sum_{G != 0} B(G) sum_ab K_ab(G) Re[rho_a rho_b*],   K_ab(G) = sum_k A_k^ab phi_k(G)
// rho_a: Fourier transform of the atoms of species a, spread over the mesh by B-splines; B: what
// makes up for the spreading. Essmann et al., J. Chem. Phys. 103, 8577 (1995).
#pragma once

#include <vector>

#include "fft.hpp"
#include "lattice_sum.hpp"

namespace mlpot {

class MeshSum {
 public:
  // spacing: of mesh points along each lattice vector, at most, Å. beyond: [n_species_pairs] what
  // the sum over neighbours leaves out, as of atoms spread evenly: 1/(2V) sum_ab N_a N_b beyond_ab.
  MeshSum(const EwaldKernel& kernel, const Columns& columns, double spacing,
          std::vector<double> beyond);

  // As ReciprocalSum::add, for one column. The mesh and its kernels are made anew where the cell
  // changed.
  void add(const double* cell, const LocalAtoms& atoms, Reduction* others, const SumOutput& out);

  ~MeshSum();

 private:
  // Two real meshes, of two species, as one complex one.
  struct Mesh {
    std::vector<double> re, im;
  };
  struct Place;

  void choose_mesh(const double* cell);
  void make_kernels(const double* cell);
  double kernel_at(int pair, double g2, double& slope) const;
  Place place(const double* x) const;
  void spread(const LocalAtoms& atoms);
  template <class Visit>
  void for_each_vector(Visit visit) const;
  template <class Weight>
  void convolve(const std::vector<Mesh>& densities, Weight weight);
  void unpack(const std::vector<Mesh>& densities, std::size_t at, std::size_t opposite,
              double* rho) const;
  void add_virial(const std::vector<Mesh>& densities, double share, double* virial) const;
  void pad(int species);
  void gather(const LocalAtoms& atoms, double n_all, Reduction* others, const SumOutput& out);
  void add_virials(const std::vector<Mesh>& densities, const LocalAtoms& atoms,
                   const SumOutput& out);
  double* mesh_of(int species) {
    Mesh& mesh = meshes_[species / 2];
    return species % 2 ? mesh.im.data() : mesh.re.data();
  }

  const EwaldKernel& kernel_;
  const Columns columns_;
  const int n_species_;
  double spacing_;
  std::vector<double> beyond_;
  int n_[3] = {0, 0, 0}, padded_ = 0;
  std::size_t size_ = 0;
  double inverse_[3][3] = {}, volume_ = 0.0;
  std::vector<double> cell_;
  Fft3 fft_;
  std::vector<Mesh> meshes_;
  std::vector<double> work_;                          // one mesh with padded rows
  std::vector<Place> places_;                         // of the atoms
  std::vector<double> moduli_[3];                     // B along each axis, by frequency
  std::vector<std::vector<double>> kernels_, by_g2_;  // [pair][point] B K/V, B dK/d(G^2)/V
  std::vector<std::vector<double>> table_;  // [pair][2 n_knots] K and its slope times spacing
  double table_begin_, table_spacing_;      // in G^2
};

}  // namespace mlpot
