// The factory: one line for each descriptor.
#include "descriptor.hpp"

#include <cstring>

MLPOT_BEGIN_KERNELS

template <class Real>
std::unique_ptr<Descriptor<Real>> make_bispectrum(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_acsf(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_kruglov(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_descriptor(Block& block, int n_species) {
  const char* const known[] = {"bispectrum", "acsf", "kruglov"};
  switch (block.choice("type", known)) {
    case 0: return make_bispectrum<Real>(block, n_species);
    case 1: return make_acsf<Real>(block, n_species);
    default: return make_kruglov<Real>(block, n_species);
  }
}

template std::unique_ptr<Descriptor<Scalar>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_descriptor(Block&, int);

MLPOT_END_KERNELS
