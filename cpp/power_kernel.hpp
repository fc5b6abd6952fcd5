// r^-k, k = 0 .. 15, as a function of the distance, and its generalised Ewald split with one alpha
// for all k:  r^-k = Q(k/2, x) r^-k + P(k/2, x) r^-k,  x = alpha^2 r^2.
// The first part is summed over neighbours. The second is smooth everywhere; its Fourier transform
//   phi_k(G) = pi^(3/2) alpha^(k-3)/Gamma(k/2) E_{(k-1)/2}(x),  x = G^2/(4 alpha^2)
// is summed over reciprocal vectors. P, Q: regularised incomplete gamma functions; E_p: generalised
// exponential integral. Osychenko, Astrakharchik, Boronat, Mol. Phys. 110, 227 (2012).
#pragma once

#include <vector>

namespace mlpot {

constexpr int max_power = 15;

// Each function fills [powers.size()] values and slopes, the derivatives by the squared argument.
class PowerKernel {
 public:
  explicit PowerKernel(std::vector<int> powers) : powers_(std::move(powers)) {}
  virtual ~PowerKernel() = default;
  const std::vector<int>& powers() const { return powers_; }
  int n_powers() const { return static_cast<int>(powers_.size()); }

  virtual double r_cut() const = 0;                                      // Å
  virtual void near(double r2, double* value, double* slope) const = 0;  // below r_cut
  virtual void far(double r2, double* value, double* slope) const = 0;   // r^-k without near
  void power(double r2, double* value, double* slope, double* curvature) const;  // r^-k itself

 protected:
  std::vector<int> powers_;
};

// Inside r_cut only. Over the last `taper` Å, r^-k goes to zero as a polynomial does, with its
// first two derivatives; it jumps there when taper is 0.
class CutKernel : public PowerKernel {
 public:
  CutKernel(std::vector<int> powers, double r_cut, double taper);
  double r_cut() const override { return r_cut_; }
  void near(double r2, double* value, double* slope) const override;
  void far(double r2, double* value, double* slope) const override;

 private:
  double r_cut_, taper_;
};

// The split. The relative error of a sum is about exp(-eta^2): 1e-13 at 5.5.
class EwaldKernel : public PowerKernel {
 public:
  EwaldKernel(std::vector<int> powers, double alpha, double eta);
  double alpha() const { return alpha_; }                  // 1/Å
  double r_cut() const override { return eta_ / alpha_; }  // Å
  double g_cut() const { return 2.0 * alpha_ * eta_; }     // 1/Å
  void near(double r2, double* value, double* slope) const override;
  void far(double r2, double* value, double* slope) const override;

  void reciprocal(double g2, double* phi, double* slope) const;  // phi_k(G), G not 0
  // phi_k(0): for k < 3 the limit with a neutralising background, for k = 3 the finite part.
  void zero(double* phi) const;

  // alpha at which both sums cost about the same, for n atoms in a volume (Å^3).
  static double balanced(int n, double volume);

 private:
  double alpha_, eta_;
  int highest_;
  double alpha_power_[max_power + 1], c_[max_power + 1];  // alpha^k, C_k
};

}  // namespace mlpot
