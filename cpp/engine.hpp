// Engine: a potential ready to run on one instruction set. The only door between the kernels, which
// are compiled once for each set, and everything else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "block.hpp"
#include "neighborhood.hpp"

namespace mlpot {

// What an engine is built from: the parts of a model file it evaluates.
struct EngineInput {
  int n_species;
  const int* atomic_numbers;      // [n_species]
  const double* e0;               // [n_species] eV
  double core_inner, core_outer;  // Å; no core when outer is 0
  bool repelled;                  // by something outside the engine, down to the smallest distances
  Block& descriptor;
  Block* scaling;  // shift and scale of the descriptor, null: none
  Block& regressor;
  bool for_training;  // parameter_gradient() will be called
  bool pooled;        // energy of a structure: n regressor(mean of the features of its n atoms)
  Block* ranges = nullptr;      // of the features in training, null: not known
  Block* active_set = nullptr;  // rows of training that span all others, null: not known
};

// How far outside the training set an atom is, see grade.hpp.
enum class GradeRule { range, d_optimal };
struct Grades {
  GradeRule rule = GradeRule::range;
  double* of_atoms;  // [n_atoms], set for central atoms
  // The atom that is farthest out, -1 without central atoms: its grade, what the grade is that of
  // (a feature, or a component in the active set), its value, and between what it was in training.
  int atom = -1;
  double grade = -1.0;
  int component = -1;
  double value = 0.0, low = 0.0, high = 0.0;
};

// Where results are added; a null pointer: not wanted. Indices are the Neighborhood's.
struct EngineOutput {
  double* forces = nullptr;            // [n_atoms][3] eV/Å
  double* energies = nullptr;          // [n_atoms] eV
  double* virial = nullptr;            // [6] xx yy zz xy xz yz, sum of r_a f_b, eV
  double* virials = nullptr;           // [n_atoms][6] half to the centre, half to the neighbour
  double* centroid_virials = nullptr;  // [n_atoms][9] xx yy zz xy xz yz yx zx zy, to the neighbour
  Grades* grades = nullptr;            // found on the way
};

// Where design rows are added: derivatives of energy, forces and virial by each coefficient.
struct DesignOutput {
  int n_coefficients;  // of all species
  double* energy;      // [n_coefficients]
  double* forces;      // [n_atoms][3][n_coefficients]
  double* virial;      // [9][n_coefficients], row a*3+b: sum of r_a f_b
  const int* atom_of;  // [n_atoms of the Neighborhood] the atom of which each is an image
};

// A direction in which atoms move and space is strained, to differentiate along.
struct Direction {
  const double* x;       // [n_atoms][3] of each atom
  const double* strain;  // [3][3]: r_b changes by the sum of r_a strain[a][b]
};

// What a structure with pooled features is to a fit: their mean, and its derivatives where wanted.
struct PooledFeatures {
  double* q;                    // [n_features]
  double* by_x = nullptr;       // [3 n][n_features] by the coordinates of the atoms
  double* by_strain = nullptr;  // [9][n_features], row a*3+b
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual int n_features() const = 0;
  virtual int n_parameters() const = 0;  // of one species
  virtual int n_regressors() const = 0;  // one a species, or one in all where pooled
  virtual bool pooled() const = 0;
  virtual bool needs_cell() const = 0;           // Neighborhood::volume, which has a virial
  virtual double r_cut(int a, int b) const = 0;  // Å, of everything inside it
  virtual int smoothness() const = 0;            // of the descriptor

  virtual double evaluate(const Neighborhood& all, const EngineOutput& out) = 0;  // energy, eV
  virtual void features(const Neighborhood& all, double* q) = 0;  // [n_atoms][n_features]
  // [n_atoms][1 + n_parameters] derivatives of each atom's energy by E0 and its coefficients
  virtual void rows(const Neighborhood& all, double* rows) = 0;
  virtual bool has_grade(GradeRule rule) const = 0;
  virtual void grades(const Neighborhood& all, Grades& out) = 0;
  virtual void set_ranges(const double* low, const double* high) = 0;  // [n_species][n_features]
  virtual void set_active_set(
      const double* inverse) = 0;  // [n_species][1 + n_parameters]^2, grade.hpp
  virtual void design(const Neighborhood& all, const DesignOutput& out) = 0;

  // What training changes: [n_regressors][n_parameters] of the regressors, then those of the
  // descriptor, species by species (none where pooled).
  virtual int n_trained() const = 0;
  virtual void set_parameters(const double* w) = 0;  // [n_trained]
  // Adds weight dE/dw and the derivative of dE/dw along the direction to gradient. Not for pooled
  // features:
  virtual void parameter_gradient(const Neighborhood& all, double weight,
                                  const Direction& direction, double* gradient) = 0;

  // of which this is asked once for a structure (atom_of: as in DesignOutput), these thereafter, of
  // n structures at once.
  virtual void pooled_features(const Neighborhood& all, const int* atom_of,
                               const PooledFeatures& out) = 0;
  // q: [n][n_features]. Energies of an atom of each, eV: [n]; dE_dq: [n][n_features].
  virtual void pooled_energies(int n, const double* q, double* energies, double* dE_dq) = 0;
  // Adds the sum of weight dE/dw and the derivatives of dE/dw along the directions in which q moves
  // to gradient. weights: [n]; directions: [n][n_features], null: nothing moves.
  virtual void pooled_gradient(int n, const double* q, const double* weights,
                               const double* directions, double* gradient) = 0;
};

// One such door for each instruction set this build has; kernels.cpp chooses.
struct Kernels {
  const char* name;
  std::unique_ptr<Engine> (*make_engine)(const EngineInput&);
  std::unique_ptr<Engine> (*make_scalar_engine)(const EngineInput&);  // one atom at a time
};

// The usable sets, slowest first ("scalar" is the baseline one atom at a time).
std::vector<std::string> usable_kernels();
// The named set, the fastest for "auto"; chosen: its name. Throws std::invalid_argument if there is
// none of that name here.
std::unique_ptr<Engine> make_engine(const std::string& kernels, const EngineInput& input,
                                    std::string& chosen);

}  // namespace mlpot
