// The factory: one line for each regressor.
#include "regressor.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
std::unique_ptr<Regressor<Real>> make_linear(Block& block, int n_species, int n_features);
template <class Real>
std::unique_ptr<Regressor<Real>> make_quadratic(Block& block, int n_species, int n_features);

template <class Real>
std::unique_ptr<Regressor<Real>> make_neural_network(Block& block, int n_species, int n_features);

template <class Real>
std::unique_ptr<Regressor<Real>> make_regressor(Block& block, int n_species, int n_features) {
  const char* const known[] = {"linear", "quadratic", "neural_network"};
  switch (block.choice("type", known)) {
    case 0: return make_linear<Real>(block, n_species, n_features);
    case 1: return make_quadratic<Real>(block, n_species, n_features);
    default: return make_neural_network<Real>(block, n_species, n_features);
  }
}

template std::unique_ptr<Regressor<Pack<MLPOT_WIDTH>>> make_regressor(Block&, int, int);
template std::unique_ptr<Regressor<Scalar>> make_regressor(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Pack<MLPOT_WIDTH>>>> make_regressor(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Scalar>>> make_regressor(Block&, int, int);

MLPOT_END_KERNELS
