// Cutoff functions and their derivatives by r.
#pragma once

#include "pack.hpp"

MLPOT_BEGIN_KERNELS

constexpr double pi = 3.14159265358979323846;

// 1/2 [cos(pi (r - r_min)/(r_cut - r_min)) + 1]: 1 below r_min, exactly 0 from r_cut on. C1.
template <class Real>
inline void cosine_cutoff(Real r, double r_min, double r_cut, Real& f, Real& df_dr) {
  const double k = pi / (r_cut - r_min);
  Real s, c;
  sincos((r - Real(r_min)) * Real(k), s, c);
  const auto below = r <= Real(r_min), inside = r < Real(r_cut);
  f = select(below, Real(1.0), select(inside, Real(0.5) * (c + Real(1.0)), Real(0.0)));
  df_dr = select(below, Real(0.0), select(inside, Real(-0.5 * k) * s, Real(0.0)));
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
