// The factory: one line for each descriptor.
#include "descriptor.hpp"

#include <cstring>

MLPOT_BEGIN_KERNELS

template <class Real>
std::unique_ptr<Descriptor<Real>> make_bispectrum(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_descriptor(Block& block, int n_species) {
  const char* const known[] = {"bispectrum"};
  switch (block.choice("type", known)) {
    default: return make_bispectrum<Real>(block, n_species);
  }
}

template std::unique_ptr<Descriptor<Scalar>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_descriptor(Block&, int);

MLPOT_END_KERNELS
