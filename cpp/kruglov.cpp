// The many-body features of the Kruglov potential: the symmetry functions of the atom (acsf.cpp),
// in places of their own for each species, then the volume per atom V/N of the whole cell and the
// order parameter (order_parameter.hpp).
#include "descriptor.hpp"
#include "order_parameter.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
std::unique_ptr<Descriptor<Real>> make_acsf(Block& block, int n_species);

template <class Real>
class Kruglov : public Descriptor<Real> {
 public:
  Kruglov(Block& block, int n_species)
      : functions_(make_acsf<Real>(block, n_species)),
        order_(block, n_species),
        n_(functions_->size()),
        volume_(n_species * n_) {}

  int size() const override { return volume_ + 2; }
  double r_cut(int a, int b) const override {
    const double r = functions_->r_cut(a, b);
    return r > order_.r_cut() ? r : order_.r_cut();
  }
  int smoothness() const override { return 1; }
  bool needs_cell() const override { return true; }

  void compute(const Batch<Real>& env, Real* q) override {
    for (int d = 0; d < volume_; d++) q[d] = Real(0.0);
    functions_->compute(env, q + env.species * n_);
    q[volume_] = Real(1.0 / env.cell->n_atoms) * env.cell->volume;
    q[volume_ + 1] = order_.compute(env);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    functions_->backprop(env, dE_dq + env.species * n_, dE_dr);
    dE_dvolume_ = Real(1.0 / env.cell->n_atoms) * dE_dq[volume_] +
                  order_.backprop(env, dE_dq[volume_ + 1], dE_dr);
  }

  Real dE_dvolume() const override { return dE_dvolume_; }

 private:
  std::unique_ptr<Descriptor<Real>> functions_;
  OrderParameter<Real> order_;
  int n_, volume_;  // symmetry functions of a species; the place of the volume among the features
  Real dE_dvolume_;
};

template <class Real>
std::unique_ptr<Descriptor<Real>> make_kruglov(Block& block, int n_species) {
  return std::unique_ptr<Descriptor<Real>>(new Kruglov<Real>(block, n_species));
}

template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_kruglov(Block&, int);
template std::unique_ptr<Descriptor<Scalar>> make_kruglov(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_kruglov(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_kruglov(Block&, int);

MLPOT_END_KERNELS
