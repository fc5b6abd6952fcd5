// The factory: one line for each descriptor.
#include "descriptor.hpp"

#include <cstring>

MLPOT_BEGIN_KERNELS

template <class Real>
std::unique_ptr<Descriptor<Real>> make_bispectrum(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_acsf(Block& block, int n_species);

// Of a potential that is a pair term only.
template <class Real>
class NoDescriptor : public Descriptor<Real> {
 public:
  int size() const override { return 0; }
  double r_cut(int, int) const override { return closest_approach; }
  int smoothness() const override { return smooth_everywhere; }
  void compute(const Batch<Real>&, Real*) override {}
  void backprop(const Batch<Real>& env, const Real*, Real (*dE_dr)[3]) override {
    for (int j = 0; j < env.n; j++)
      for (int axis = 0; axis < 3; axis++) dE_dr[j][axis] = Real(0.0);
  }
};

template <class Real>
std::unique_ptr<Descriptor<Real>> make_kruglov(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_moments(Block& block, int n_species);

template <class Real>
std::unique_ptr<Descriptor<Real>> make_descriptor(Block& block, int n_species) {
  const char* const known[] = {"bispectrum", "acsf", "kruglov", "moments", "none"};
  switch (block.choice("type", known)) {
    case 0: return make_bispectrum<Real>(block, n_species);
    case 1: return make_acsf<Real>(block, n_species);
    case 2: return make_kruglov<Real>(block, n_species);
    case 3: return make_moments<Real>(block, n_species);
    default: return std::unique_ptr<Descriptor<Real>>(new NoDescriptor<Real>);
  }
}

template std::unique_ptr<Descriptor<Scalar>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_descriptor(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_descriptor(Block&, int);

MLPOT_END_KERNELS
