// Pack<W>: W numbers side by side, one atom a lane. The only place with vector types.
//
// Everything a kernel may do with a number is here: + - * /, comparison and select, sqrt, exp, log,
// tanh, sincos. exp and sincos follow Cody and Waite (argument reduction by constants split in
// parts) with the polynomials of Sun's fdlibm and a minimax one; they are good to 2 units in
// the last place for |x| < 1e5 (sincos) and -708 < x < 709 (exp, clamped beyond). log is for
// positive numbers; tanh and log are good to 2e-16 of 1.
#pragma once

#include <cstdint>
#include <type_traits>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "isa.hpp"

MLPOT_BEGIN_KERNELS

template <int W>
struct VectorTypes {
  typedef double Vector __attribute__((vector_size(W * 8)));
  typedef double Unaligned __attribute__((vector_size(W * 8), aligned(8), may_alias));
  typedef std::int64_t Mask __attribute__((vector_size(W * 8)));
};
template <>
struct VectorTypes<1> {
  typedef double Vector, Unaligned;
  typedef std::int64_t Mask;
};

template <int W>
struct Pack {
  using Vector = typename VectorTypes<W>::Vector;
  using Mask = typename VectorTypes<W>::Mask;
  static constexpr int width = W;

  Vector v;

  Pack() = default;
  Pack(double x) : v(x - Vector{}) {}  // not + 0, which changes -0 and takes an addition
  // Spelled out, so that structures of packs are copied pack by pack: compilers copy trivial ones
  // in smaller pieces, and the processor stalls when they are read back whole.
  Pack(const Pack& other) : v(other.v) {}
  Pack& operator=(const Pack& other) {
    v = other.v;
    return *this;
  }
  template <class V, class = std::enable_if_t<std::is_same_v<V, Vector> && W != 1>>
  Pack(V x) : v(x) {}

  double operator[](int lane) const {
    if constexpr (W == 1) return v;
    else return v[lane];
  }
  void set(int lane, double x) {
    if constexpr (W == 1) v = x;
    else v[lane] = x;
  }
  Mask bits() const {
    Mask m;
    __builtin_memcpy(&m, &v, sizeof m);
    return m;
  }
  static Pack of_bits(Mask m) {
    Pack x;
    __builtin_memcpy(&x.v, &m, sizeof m);
    return x;
  }

  Pack& operator+=(Pack b) {
    v += b.v;
    return *this;
  }
  Pack& operator-=(Pack b) {
    v -= b.v;
    return *this;
  }
  Pack& operator*=(Pack b) {
    v *= b.v;
    return *this;
  }
  friend Pack operator+(Pack a, Pack b) { return a.v + b.v; }
  friend Pack operator-(Pack a, Pack b) { return a.v - b.v; }
  friend Pack operator*(Pack a, Pack b) { return a.v * b.v; }
  friend Pack operator/(Pack a, Pack b) { return a.v / b.v; }
  friend Pack operator-(Pack a) { return -a.v; }
  friend Mask operator<(Pack a, Pack b) { return a.v < b.v; }
  friend Mask operator>(Pack a, Pack b) { return a.v > b.v; }
  friend Mask operator<=(Pack a, Pack b) { return a.v <= b.v; }
  friend Mask operator>=(Pack a, Pack b) { return a.v >= b.v; }
};

// One atom at a time: the same text compiled for one number, for tests.
using Scalar = Pack<1>;

template <int W>
inline Pack<W> select(typename Pack<W>::Mask condition, Pack<W> yes, Pack<W> no) {
  return condition ? yes.v : no.v;
}

// The lanes in which a comparison held, as bits.
template <class Mask>
inline unsigned lanes_of(const Mask& mask) {
  if constexpr (std::is_integral_v<Mask>) return mask ? 1 : 0;
#if defined(__AVX512F__)
  else if constexpr (sizeof mask == 64)
    return _mm512_movepi64_mask(reinterpret_cast<__m512i>(mask));
#endif
#if defined(__AVX2__)
  else if constexpr (sizeof mask == 32) return _mm256_movemask_pd(reinterpret_cast<__m256d>(mask));
#endif
  else {
    unsigned lanes = 0;
    for (unsigned lane = 0; lane < sizeof mask / 8; lane++) lanes |= mask[lane] ? 1u << lane : 0;
    return lanes;
  }
}

template <int W>
inline double sum_of_lanes(Pack<W> x) {
  double sum = x[0];
  for (int lane = 1; lane < W; lane++) sum += x[lane];
  return sum;
}

template <int W>
inline Pack<W> sqrt(Pack<W> a) {
  Pack<W> root;
  for (int lane = 0; lane < W; lane++) root.set(lane, __builtin_sqrt(a[lane]));
  return root;
}

namespace detail {

// Round to the nearest integer by adding 1.5 * 2^52: the integer is then also in the low bits.
constexpr double magic = 6755399441055744.0;

template <int W>
inline Pack<W> round(Pack<W> x, typename Pack<W>::Mask& integer) {
  const Pack<W> shifted = x + Pack<W>(magic);
  integer = shifted.bits() - Pack<W>(magic).bits();
  return shifted - Pack<W>(magic);
}

// c[0] + c[1] x + ... + c[n-1] x^(n-1), by Horner's rule.
template <class Real, int n>
inline Real polynomial(Real x, const double (&c)[n]) {
  Real sum = c[n - 1];
  for (int k = n - 2; k >= 0; k--) sum = sum * x + Real(c[k]);
  return sum;
}

}  // namespace detail

template <int W>
inline void sincos(Pack<W> x, Pack<W>& sine, Pack<W>& cosine) {
  using Real = Pack<W>;
  static constexpr double s[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03,
                                 -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                                 -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  static constexpr double c[] = {4.16666666666666019037e-02, -1.38888888888741095749e-03,
                                 2.48015872894767294178e-05, -2.75573143513906633035e-07,
                                 2.08757232129817482790e-09, -1.13596475577881948265e-11};
  typename Real::Mask quadrant;
  const Real n = detail::round(x * Real(6.36619772367581382433e-01), quadrant);
  Real r = x - n * Real(1.57079632673412561417e+00);  // pi/2 in three parts
  r = r - n * Real(6.07710050630396597660e-11);
  r = r - n * Real(2.02226624879595063154e-21);
  const Real z = r * r;
  const Real sin_r = r + r * z * detail::polynomial(z, s);
  const Real cos_r = Real(1.0) - Real(0.5) * z + z * z * detail::polynomial(z, c);
  const typename Real::Mask swap = (quadrant & 1) != 0;
  const Real sin_q = select(swap, cos_r, sin_r), cos_q = select(swap, sin_r, cos_r);
  sine = select((quadrant & 2) != 0, -sin_q, sin_q);
  cosine = select(((quadrant + 1) & 2) != 0, -cos_q, cos_q);
}

template <int W>
inline Pack<W> exp(Pack<W> x) {
  using Real = Pack<W>;
  static constexpr double c[] = {// 1.4e-17 off for |r| < ln(2)/2
                                 1.0,
                                 1.0,
                                 0.5000000000000001,
                                 0.16666666666666669,
                                 0.04166666666662413,
                                 0.008333333333330062,
                                 0.0013888888917213717,
                                 0.00019841269863053618,
                                 2.4801521295954376e-05,
                                 2.7557268459997064e-06,
                                 2.7620088445409746e-07,
                                 2.510038549551032e-08};
  x = select(x < Real(-708.0), Real(-708.0), x);
  x = select(x > Real(709.0), Real(709.0), x);
  typename Real::Mask integer;
  const Real n = detail::round(x * Real(1.44269504088896338700e+00), integer);
  Real r = x - n * Real(6.93147180369123816490e-01);  // ln 2 in two parts
  r = r - n * Real(1.90821492927058770002e-10);
  const Real power = Real::of_bits((integer + 1023) << 52);
  // By Estrin's scheme: others wait for exp.
  const Real r2 = r * r, r4 = r2 * r2;
  const auto four = [&](int k) {
    return (Real(c[k]) + Real(c[k + 1]) * r) + r2 * (Real(c[k + 2]) + Real(c[k + 3]) * r);
  };
  return (four(0) + r4 * (four(4) + r4 * four(8))) * power;
}

template <int W>
inline Pack<W> log(Pack<W> x) {
  using Real = Pack<W>;
  static constexpr double odd[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9, 2.0 / 11,
                                   2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21};
  // x = m 2^k with m from sqrt(1/2) to sqrt(2): the bits above those of sqrt(1/2) count k.
  const typename Real::Mask half_root = Real(0.70710678118654752440).bits();
  const typename Real::Mask k = (x.bits() - half_root) >> 52;
  const Real m = Real::of_bits(x.bits() - (k << 52));
  const Real power = Real::of_bits(k + Real(detail::magic).bits()) - Real(detail::magic);
  const Real s = (m - Real(1.0)) / (m + Real(1.0));  // log m = 2 atanh s
  return power * Real(6.93147180559945286227e-01) + s * detail::polynomial(s * s, odd);
}

template <int W>
inline Pack<W> tanh(Pack<W> x) {
  using Real = Pack<W>;
  const auto negative = x < Real(0.0);
  const Real t = exp(select(negative, x + x, -x - x));
  const Real positive = (Real(1.0) - t) / (Real(1.0) + t);
  return select(negative, -positive, positive);
}

// x^n for a whole number n >= 0.
template <class Real>
inline Real power(Real x, int n) {
  Real result(1.0);
  for (bool first = true; n > 0; n >>= 1, x = x * x)
    if (n & 1) {
      result = first ? x : result * x;
      first = false;
    }
  return result;
}

MLPOT_END_KERNELS
