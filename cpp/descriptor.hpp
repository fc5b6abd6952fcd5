// Descriptor: describes the surroundings of an atom by size() invariant numbers q.
//
// To add one: a C++ file with a class like those in bispectrum.cpp, its line in make_descriptor()
// (descriptor.cpp), its line in CMakeLists.txt, a slow NumPy twin in tests/oracle/, and its name in
// tests/test_contract.py. See docs/adding_a_descriptor.md.
#pragma once

#include <memory>

#include "batch.hpp"
#include "block.hpp"
#include "dual.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class Descriptor {
 public:
  virtual ~Descriptor() = default;
  virtual int size() const = 0;
  virtual double r_cut(int center, int neighbor) const = 0;  // Å, by species
  virtual int smoothness() const = 0;  // continuous derivatives at the cutoff, -1: q jumps there

  // q_d of every lane's central atom: [size()].
  virtual void compute(const Batch<Real>& env, Real* q) = 0;
  // The adjoint, for the batch of the last compute(): dE_dr[j] = sum_d dE_dq[d] dq_d/dr_j: [env.n].
  virtual void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) = 0;

  // Whether q depends on env.cell; and then the derivative by its volume, of the last backprop().
  virtual bool needs_cell() const { return false; }
  virtual Real dE_dvolume() const { return Real(0.0); }

  // q where only neighbour j has a tangent, as none had in the last compute(); and whether that is
  // so much cheaper than compute() that Jacobians are better made of it than of backprop().
  virtual bool moves_cheaply() const { return false; }
  virtual void move(const Batch<Real>& env, int /*j*/, Real* q) { compute(env, q); }

  // Parameters that can be trained, if there are any.
  virtual int n_parameters() const { return 0; }  // of one species of central atoms
  virtual void set_parameters(int /*species*/, const double* /*w*/) {}
  // For the batch of the last compute(): dE_dw[k] = sum_d dE_dq[d] dq_d/dw_k: [n_parameters()].
  virtual void parameter_gradient(const Batch<Real>&, const Real* /*dE_dq*/, Real* /*dE_dw*/) {}
};

// The descriptor that block["type"] names, with the options of the block.
template <class Real>
std::unique_ptr<Descriptor<Real>> make_descriptor(Block& block, int n_species);

MLPOT_END_KERNELS
