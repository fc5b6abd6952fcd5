// TrainingSet: structures with their references, and the loss of a potential on them with its exact
// gradient by the parameters, for potentials that are not linear in them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "potential.hpp"
#include "prediction.hpp"

namespace mlpot {

struct Reference {
  double energy = 0.0;                 // eV
  std::vector<double> forces;          // [n][3] eV/Å, or empty
  std::vector<double> stress;          // [3][3] eV/Å^3, or empty
  double w_energy, w_force, w_stress;  // of the residuals in eV/atom, eV/Å, GPa
};

// Energy, forces and strain derivatives that are linear in n more parameters.
struct LinearPart {
  int n = 0;
  std::vector<double> energy, forces, dE_dstrain;  // [n], [n_atoms][3][n], [3][3][n]
};

class TrainingSet {
 public:
  // text, where, kernels: as for Potential. threads: how many work at once.
  TrainingSet(const std::string& text, const std::string& where, const std::string& kernels,
              int threads);

  const Potential& potential() const { return *workers_[0]; }
  int n_structures() const { return static_cast<int>(structures_.size()); }
  int n_parameters() const;  // of Engine::set_parameters(), then of the linear part
  // Every structure has a linear part of the same n.
  void add(NeighborList list, int n_atoms, double volume, Reference reference,
           LinearPart linear = {});

  // sum over the structures of  w_E^2 (dE/N)^2 + w_F^2 |dF|^2 + w_S^2 |d stress|^2 (six
  // components). gradient: [n_parameters]. The sums have one order, whatever the number of threads.
  double loss(const double* parameters, const std::vector<int>& indices, double* gradient);
  // Not of structures whose features are pooled, which have no neighbours any more.
  std::vector<Prediction> predict(const double* parameters, const std::vector<int>& indices);

 private:
  struct Structure {
    std::optional<NeighborList> list;  // none where features are pooled
    int n_atoms;
    double volume;
    Reference reference;
    LinearPart linear;
    // Where features are pooled: their mean, its slopes (empty where not wanted), and what no
    // parameter changes.
    std::vector<double> q, by_x, by_strain;
    Prediction fixed;

    bool has_forces() const { return reference.w_force > 0.0 && !reference.forces.empty(); }
    bool has_stress() const { return reference.w_stress > 0.0 && !reference.stress.empty(); }
  };

  // The loss of one structure, and its derivatives by the energy, by moves of the atoms ([n][3],
  // empty without forces) and by strain ([3][3]).
  struct Residuals {
    double loss = 0.0, by_energy = 0.0;
    std::vector<double> by_x;
    double by_strain[9] = {};
  };

  void pool(Structure& structure, const NeighborList& list);
  void add_linear(const Structure& structure, const double* parameters, Prediction& p) const;
  Residuals compare(const Structure& structure, const Prediction& p) const;
  void add_linear_gradient(const Structure& s, const Residuals& r, double* gradient) const;
  double add_loss(Engine& engine, const Structure& structure, const double* parameters,
                  double* gradient) const;
  double add_pooled_losses(Engine& engine, const std::vector<const Structure*>& some,
                           const double* parameters, double* gradient) const;
  template <class Work>
  void in_parallel(int n, Work work);

  std::vector<std::unique_ptr<Potential>> workers_;  // one a thread
  std::vector<Structure> structures_;
  int n_linear_ = 0;
};

}  // namespace mlpot
