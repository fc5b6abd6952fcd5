// Quadratic regressor, after Wood and Thompson, J. Chem. Phys. 148 (2018) 241721:
//   E = sum_k c_k q_k + 1/2 q A q,    A symmetric.
// Coefficients of a species, in LAMMPS' order: c, then the rows of A right of and with its
// diagonal: A_00, A_01 .. A_0n, A_11 ..  With the bispectrum: qSNAP.
#include "regressor.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class Quadratic : public Regressor<Real> {
 public:
  Quadratic(Block& block, int n_species, int n_features) : n_(n_features) {
    check_size(block, n_species, n_ + 0.5 * n_ * (n_ + 1.0));
    block.table("coefficients", n_species, n_parameters(), c_.grow(n_species * n_parameters()));
  }

  int n_parameters() const override { return n_ + n_ * (n_ + 1) / 2; }

  void set_parameters(int species, const double* w) override {
    for (int k = 0; k < n_parameters(); k++) c_[species * n_parameters() + k] = w[k];
  }

  Real energy(int species, const Real* q, Real* dE_dq) override {
    const double *c = c_.begin() + species * n_parameters(), *a = c + n_;
    Real sum(0.0);
    for (int k = 0; k < n_; k++) dE_dq[k] = Real(0.0);
    for (int k = 0; k < n_; k++) {  // dE_dq = A q
      Real row = dE_dq[k] + Real(*a++) * q[k];
      const Real qk = q[k];
      for (int l = k + 1; l < n_; l++, a++) {
        row += Real(*a) * q[l];
        dE_dq[l] += Real(*a) * qk;
      }
      dE_dq[k] = row;
    }
    for (int k = 0; k < n_; k++) {
      sum += q[k] * (Real(c[k]) + Real(0.5) * dE_dq[k]);
      dE_dq[k] += Real(c[k]);
    }
    return sum;
  }

  void parameter_gradient(int, const Real* q, Real* dE_dw) override {
    for (int k = 0; k < n_; k++) *dE_dw++ = q[k];
    for (int k = 0; k < n_; k++) {
      *dE_dw++ = Real(0.5) * q[k] * q[k];
      for (int l = k + 1; l < n_; l++) *dE_dw++ = q[k] * q[l];
    }
  }

 private:
  int n_;
  Buffer<double> c_;
};

template <class Real>
std::unique_ptr<Regressor<Real>> make_quadratic(Block& block, int n_species, int n_features) {
  return std::unique_ptr<Regressor<Real>>(new Quadratic<Real>(block, n_species, n_features));
}

template std::unique_ptr<Regressor<Pack<MLPOT_WIDTH>>> make_quadratic(Block&, int, int);
template std::unique_ptr<Regressor<Scalar>> make_quadratic(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Pack<MLPOT_WIDTH>>>> make_quadratic(Block&, int, int);
template std::unique_ptr<Regressor<Dual<Scalar>>> make_quadratic(Block&, int, int);

MLPOT_END_KERNELS
