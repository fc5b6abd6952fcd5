// Linear regressor: E = sum_k c_k q_k. With the bispectrum: SNAP.
#include "regressor.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class Linear : public Regressor<Real> {
 public:
  Linear(Block& block, int n_species, int n_features) : n_(n_features) {
    check_size(block, n_species, n_);
    block.table("coefficients", n_species, n_, c_.grow(n_species * n_));
  }

  int n_parameters() const override { return n_; }

  void set_parameters(int species, const double* w) override {
    for (int k = 0; k < n_parameters(); k++) c_[species * n_parameters() + k] = w[k];
  }

  Real energy(int species, const Real* q, Real* dE_dq) override {
    const double* c = c_.begin() + species * n_;
    Real sum(0.0);
    for (int k = 0; k < n_; k++) {
      sum += Real(c[k]) * q[k];
      dE_dq[k] = Real(c[k]);
    }
    return sum;
  }

  void parameter_gradient(int, const Real* q, Real* dE_dw) override {
    for (int k = 0; k < n_; k++) dE_dw[k] = q[k];
  }

 private:
  int n_;
  Buffer<double> c_;
};

template <class Real>
std::unique_ptr<Regressor<Real>> make_linear(Block& block, int n_species, int n_features) {
  return std::unique_ptr<Regressor<Real>>(new Linear<Real>(block, n_species, n_features));
}

template std::unique_ptr<Regressor<Pack<MLPOT_WIDTH>>> make_linear(Block&, int, int);
template std::unique_ptr<Regressor<Scalar>> make_linear(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Pack<MLPOT_WIDTH>>>> make_linear(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Scalar>>> make_linear(Block&, int, int);

MLPOT_END_KERNELS
