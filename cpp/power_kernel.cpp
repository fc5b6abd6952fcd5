#include "power_kernel.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "constants.hpp"
#include "cutoff.hpp"

namespace mlpot {

namespace {

// E_1(x) by its series or its continued fraction (Numerical Recipes, 3rd ed., 6.3). std::expint is
// not in every standard library.
double exponential_integral(double x) {
  if (x < 2.0) {
    double sum = -0.57721566490153286061 - std::log(x), term = 1.0;
    for (int n = 1; n < 60; n++) {
      term *= -x / n;
      sum -= term / n;
      if (std::fabs(term) < 1e-18) break;
    }
    return sum;
  }
  double b = x + 1.0, c = 1e300, d = 1.0 / b, h = d;
  for (int n = 1; n < 200; n++) {
    const double a = -static_cast<double>(n) * n;
    b += 2.0;
    d = 1.0 / (a * d + b);
    c = b + a / c;
    h *= c * d;
    if (std::fabs(c * d - 1.0) < 1e-16) break;
  }
  return h * std::exp(-x);
}

// Gamma(k/2), from k = 1.
const auto gamma_of_half = [] {
  std::array<double, max_power + 5> table{};
  for (int k = 1; k < max_power + 5; k++) table[k] = std::tgamma(0.5 * k);
  return table;
}();

}  // namespace

void PowerKernel::power(double r2, double* value, double* slope, double* curvature) const {
  for (int p = 0; p < n_powers(); p++) {
    const double half = 0.5 * powers_[p];
    value[p] = std::pow(r2, -half);
    slope[p] = -half * value[p] / r2;
    curvature[p] = -(half + 1.0) * slope[p] / r2;
  }
}

CutKernel::CutKernel(std::vector<int> powers, double r_cut, double taper)
    : PowerKernel(std::move(powers)), r_cut_(r_cut), taper_(taper) {}

void CutKernel::near(double r2, double* value, double* slope) const {
  const double r = std::sqrt(r2), inverse = 1.0 / r2;
  double f = 1.0, df_dr = 0.0;
  if (taper_ > 0.0) {
    MLPOT_ISA::Scalar of_r, by_r;
    MLPOT_ISA::polynomial_cutoff(MLPOT_ISA::Scalar(r), r_cut_ - taper_, r_cut_, of_r, by_r);
    f = of_r[0];
    df_dr = by_r[0];
  }
  double power[max_power + 1];
  power[0] = 1.0;
  for (int k = 1; k <= max_power; k++) power[k] = power[k - 1] / r;
  for (int p = 0; p < n_powers(); p++) {
    const int k = powers_[p];
    value[p] = power[k] * f;
    slope[p] = power[k] * (0.5 * df_dr / r - 0.5 * k * f * inverse);
  }
}

void CutKernel::far(double, double* value, double* slope) const {
  std::fill_n(value, n_powers(), 0.0);
  std::fill_n(slope, n_powers(), 0.0);
}

EwaldKernel::EwaldKernel(std::vector<int> powers, double alpha, double eta)
    : PowerKernel(std::move(powers)),
      alpha_(alpha),
      eta_(eta),
      highest_(*std::max_element(powers_.begin(), powers_.end())) {
  for (int k = 1; k <= max_power; k++) {
    alpha_power_[k] = std::pow(alpha_, k);
    c_[k] = std::pow(pi, 1.5) * std::pow(alpha_, k - 3) / gamma_of_half[k];
  }
}

double EwaldKernel::balanced(int n, double volume) {
  constexpr double c = 3.0;  // measured with 8 to 64 atoms
  return std::sqrt(pi) * std::pow(c * n / (volume * volume), 1.0 / 6.0);
}

// Q(1/2) = erfc(sqrt x), Q(1) = exp(-x), Q(a+1) = Q(a) + x^a exp(-x)/Gamma(a+1).
void EwaldKernel::near(double r2, double* value, double* slope) const {
  const double r = std::sqrt(r2), inverse = 1.0 / r, x = alpha_ * alpha_ * r2, decay = std::exp(-x);
  double q[max_power + 3], rise[max_power + 3];  // by k; rise: x^(k/2) exp(-x)/Gamma(k/2 + 1)
  q[1] = std::erfc(alpha_ * r);
  q[2] = decay;
  rise[1] = alpha_ * r * decay / gamma_of_half[3];
  rise[2] = x * decay;
  for (int k = 3; k <= highest_; k++) {
    q[k] = q[k - 2] + rise[k - 2];
    rise[k] = rise[k - 2] * x / (0.5 * k);
  }
  double power[max_power + 1];
  power[0] = 1.0;
  for (int k = 1; k <= highest_; k++) power[k] = power[k - 1] * inverse;
  for (int p = 0; p < n_powers(); p++) {
    const int k = powers_[p];
    value[p] = q[k] * power[k];
    slope[p] = -0.5 * k * (q[k] + rise[k]) * power[k] * inverse * inverse;
  }
}

// P(a, x) r^-k = alpha^k h_a(x) with a = k/2 and h_a(x) = exp(-x) sum_n x^n/Gamma(a+n+1), whose
// derivative is -a h_{a+1}; downward, h_a = x h_{a+1} + exp(-x)/Gamma(a+1). All terms are positive.
void EwaldKernel::far(double r2, double* value, double* slope) const {
  const double x = alpha_ * alpha_ * r2, decay = std::exp(-x);
  double h[max_power + 3];
  for (int k = highest_ + 2; k >= 1; k--) {
    if (k <= highest_) {
      h[k] = x * h[k + 2] + decay / gamma_of_half[k + 2];
      continue;
    }
    double term = decay / gamma_of_half[k + 2], sum = term;
    for (int n = 1; n < 400 && term > 1e-18 * sum; n++) sum += term *= x / (0.5 * k + n);
    h[k] = sum;
  }
  for (int p = 0; p < n_powers(); p++) {
    const int k = powers_[p];
    value[p] = alpha_power_[k] * h[k];
    slope[p] = -0.5 * k * alpha_power_[k] * alpha_ * alpha_ * h[k + 2];
  }
}

// E_0 = exp(-x)/x, E_{1/2} = sqrt(pi/x) erfc(sqrt x), E_{p+1} = (exp(-x) - x E_p)/p; dE_p/dx =
// -E_{p-1}. Upward recursion keeps the absolute accuracy, which is what a sum over G needs.
void EwaldKernel::reciprocal(double g2, double* phi, double* slope) const {
  const double by_g2 = 0.25 / (alpha_ * alpha_), x = g2 * by_g2, decay = std::exp(-x);
  double e[max_power + 3], *const of_power = e + 2;  // of_power[k]: E_{(k-1)/2}, from k = -1
  of_power[-1] = decay * (1.0 + x) / (x * x);
  of_power[1] = decay / x;
  of_power[2] = std::sqrt(pi / x) * std::erfc(std::sqrt(x));
  of_power[0] = (0.5 * of_power[2] + decay) / x;
  if (highest_ >= 3) of_power[3] = exponential_integral(x);
  for (int k = 4; k <= highest_; k++) of_power[k] = (decay - x * of_power[k - 2]) / (0.5 * (k - 3));
  for (int p = 0; p < n_powers(); p++) {
    const int k = powers_[p];
    phi[p] = c_[k] * of_power[k];
    slope[p] = -c_[k] * by_g2 * of_power[k - 2];
  }
}

void EwaldKernel::zero(double* phi) const {
  constexpr double digamma = 0.03648997397857652;  // psi(3/2)
  for (int p = 0; p < n_powers(); p++) {
    const int k = powers_[p];
    phi[p] = k == 3 ? 4.0 * pi * (std::log(alpha_) - 0.5 * digamma) : 2.0 * c_[k] / (k - 3);
  }
}

}  // namespace mlpot
