// PairTerm: the part of a potential that is a sum over pairs of atoms,
//   E = sum_{a<=b} sum_k A_k^ab X_k^ab,   X_k^ab = sum over pairs of a and b of r^-k,
// over all pairs of the periodic structure (sum: ewald) or those inside a cutoff (sum: cut).
#pragma once

#include <memory>
#include <vector>

#include "block.hpp"
#include "engine.hpp"
#include "lattice_sum.hpp"
#include "mesh_sum.hpp"
#include "pair_table.hpp"

namespace mlpot {

class PairTerm {
 public:
  // block: docs/model_format.md, "pair". Throws ModelError.
  PairTerm(Block& block, int n_species);

  bool of_lattice() const { return of_lattice_; }  // sum: ewald
  bool periodic() const { return ewald_; }  // it needs three periodic directions, as it is now
  bool repels() const;                      // every pair, below its r_min
  int n_species() const { return n_species_; }
  int n_columns() const { return Columns(n_species_, n_powers()).total(); }
  int n_powers() const { return static_cast<int>(powers_.size()); }
  const std::vector<int>& powers() const { return powers_; }
  double r_cut() const { return kernel_->r_cut(); }  // Å, of the sum over neighbours
  int smoothness() const { return ewald_ ? smooth_everywhere : taper_ > 0.0 ? 2 : -1; }

  // For sum: ewald. Where the sum is split: alpha (1/Å) and the accuracy exp(-eta^2).
  void split(double alpha, double eta = default_eta);
  // The same for n atoms in a volume (Å^3), but no neighbours beyond r_most (Å).
  void split_for(int n, double volume, double r_most = 1e300, double eta = exact_eta);
  // For MD: the reciprocal part on a mesh, neighbours up to r_cut (Å), both from tables. accuracy:
  // of forces, relative.
  void use_mesh(double accuracy, double r_cut);
  // Or not the lattice, but what is inside r_cut (Å), tapered over its last tenth.
  void cut_at(double r_cut);

  // Energy, eV; where the sum is over the lattice, all.cell must be there. Every pair must be met
  // from both of its atoms: forces and virials are added to the centers only.
  double evaluate(const Neighborhood& all, const EngineOutput& out);
  // X_k^ab and derivatives, into columns [first, first + n_columns()); forces and virial may be
  // null.
  void design(const Neighborhood& all, const DesignOutput& out, int first = 0);
  // V_ab (eV) and its derivative at r (Å): of the whole, core included.
  void at(int a, int b, double r, double& v, double& dv_dr) const;

  static constexpr double default_eta = 5.5;  // of sums as features
  static constexpr double exact_eta = 6.0;    // of energies, to rounding

 private:
  struct Core {
    double r_min, v, dv, d2v, strength;  // of V and its derivatives at r_min
  };

  void read_powers(Block& block);
  void make_cores(const std::vector<double>& r_min);
  double bare(int pair, double r, double& dv_dr, double& d2v_dr2) const;
  void near(const Columns& columns, int pair, double r2, double* value, double* slope) const;
  void add_neighbors(const Neighborhood& all, const Columns& columns, const int* atom_of,
                     const SumOutput& out) const;
  void add(const Neighborhood& all, const Columns& columns, const int* atom_of,
           const SumOutput& out);

  int n_species_;
  bool of_lattice_ = false, ewald_ = false, has_core_ = false, zero_ = true;
  double taper_ = 0.0;
  std::vector<int> powers_;
  std::vector<double> coefficients_;  // [n_species_pairs][n_powers]
  std::vector<Core> cores_;           // [n_species_pairs]
  std::unique_ptr<PowerKernel> kernel_;
  std::unique_ptr<ReciprocalSum> reciprocal_;
  std::unique_ptr<MeshSum> mesh_;  // null: vector by vector, and without a table
  std::unique_ptr<PairTable> table_;
  std::vector<double> cell_;  // of reciprocal_
};

}  // namespace mlpot
