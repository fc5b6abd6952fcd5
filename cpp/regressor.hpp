// Regressor: the energy of an atom from its descriptor q.
#pragma once

#include <memory>

#include "block.hpp"
#include "buffer.hpp"
#include "dual.hpp"
#include "pack.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class Regressor {
 public:
  virtual ~Regressor() = default;
  virtual int n_parameters() const = 0;  // of one species
  virtual void set_parameters(int species, const double* w) = 0;

  // The energy of a central atom of the species, and its derivative by q: [n_features].
  virtual Real energy(int species, const Real* q, Real* dE_dq) = 0;
  // Derivative of the energy by each parameter of the species: [n_parameters()].
  virtual void parameter_gradient(int species, const Real* q, Real* dE_dw) = 0;
};

// Refuses what would not fit into memory: n_parameters of each species, counted without overflow.
inline void check_size(Block& block, int n_species, double n_parameters) {
  if (n_species * n_parameters > 2e8)
    block.refuse("coefficients", "more than 2e8 would be needed: take a smaller descriptor");
}

// The regressor that block["type"] names, with its parameters.
template <class Real>
std::unique_ptr<Regressor<Real>> make_regressor(Block& block, int n_species, int n_features);

MLPOT_END_KERNELS
