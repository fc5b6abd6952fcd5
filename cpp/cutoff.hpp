// Cutoff functions and their derivatives by r.
#pragma once

#include "constants.hpp"
#include "pack.hpp"

MLPOT_BEGIN_KERNELS

// 1/2 [cos(pi x) + 1] = cos^2(pi x/2) and its derivative by x^2, of which it is an analytic
// function: no square root. x^2 is r2/r2_cut; exactly 0 from r_cut on.
template <class Real>
inline void cosine_cutoff_of_square(Real r2, double r2_cut, Real& f, Real& df_dr2) {
  // cos(pi/2 sqrt(u)) / (1 - u), 1.1e-16 off from 0 to 1
  static constexpr double c[] = {1.0,
                                 -0.23370055013616783,
                                 0.01996895776483613,
                                 -0.000894522998138162,
                                 2.47372750411264e-05,
                                 -4.6476318093539006e-07,
                                 6.318119670622831e-09,
                                 -6.30616956165683e-11};
  static constexpr double dc[] = {c[1], 2 * c[2], 3 * c[3], 4 * c[4], 5 * c[5], 6 * c[6], 7 * c[7]};
  const Real u = r2 * Real(1.0 / r2_cut);
  const Real left = select(r2 < Real(r2_cut), Real(1.0) - u, Real(0.0));  // exactly 0 outside
  const Real ratio = detail::polynomial(u, c), root = left * ratio;
  f = root * root;
  df_dr2 = Real(2.0 / r2_cut) * root * (left * detail::polynomial(u, dc) - ratio);
}

// The same of (r - r_min)/(r_cut - r_min): 1 below r_min. C1.
template <class Real>
inline void cosine_cutoff(Real r, double r_min, double r_cut, Real& f, Real& df_dr) {
  const Real x = select(r > Real(r_min), r - Real(r_min), Real(0.0));
  cosine_cutoff_of_square(x * x, (r_cut - r_min) * (r_cut - r_min), f, df_dr);
  df_dr *= x + x;
}

// 1 inside r_cut, 0 outside: a step, for potentials that were fitted without a smooth cutoff.
template <class Real>
inline void step_cutoff(Real r, double r_cut, Real& f, Real& df_dr) {
  f = select(r < Real(r_cut), Real(1.0), Real(0.0));
  df_dr = Real(0.0);
}

// Switches on from 0 at center - half_width to 1 at center + half_width along a half cosine. C1.
template <class Real>
inline void cosine_switch_on(Real r, double center, double half_width, Real& f, Real& df_dr) {
  const double k = 0.5 * pi / half_width;
  Real s, c;
  sincos((r - Real(center)) * Real(k), s, c);
  const auto off = r <= Real(center - half_width), rising = r < Real(center + half_width);
  f = select(off, Real(0.0), select(rising, Real(0.5) * (Real(1.0) + s), Real(1.0)));
  df_dr = select(off, Real(0.0), select(rising, Real(0.5 * k) * c, Real(0.0)));
}

// tanh^3(1 - r/r_cut), exactly 0 from r_cut on. C2.
template <class Real>
inline void tanh3_cutoff(Real r, double r_cut, Real& f, Real& df_dr) {
  const Real t = tanh(Real(1.0) - Real(1.0 / r_cut) * r), t2 = t * t;
  const auto inside = r < Real(r_cut);
  f = select(inside, t2 * t, Real(0.0));
  df_dr = select(inside, Real(-3.0 / r_cut) * t2 * (Real(1.0) - t2), Real(0.0));
}

// ((15 - 6x) x - 10) x^3 + 1 with x from 0 at r_min to 1 at r_cut. C2.
template <class Real>
inline void polynomial_cutoff(Real r, double r_min, double r_cut, Real& f, Real& df_dr) {
  const double k = 1.0 / (r_cut - r_min);
  Real x = (r - Real(r_min)) * Real(k);
  x = select(x > Real(0.0), x, Real(0.0));
  const auto inside = r < Real(r_cut);
  f = select(inside, ((Real(15.0) - Real(6.0) * x) * x - Real(10.0)) * x * x * x + Real(1.0),
             Real(0.0));
  const Real y = x * (Real(1.0) - x);
  df_dr = select(inside, Real(-30.0 * k) * y * y, Real(0.0));
}

MLPOT_END_KERNELS
