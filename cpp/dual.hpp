// Dual<R>: a value and its tangent, the derivative along one direction (forward differentiation).
// A kernel run on Dual<Pack> gives, beside each number, how that number changes along the
// direction.
#pragma once

#include "isa.hpp"

MLPOT_BEGIN_KERNELS

template <class R>
struct Dual {
  R value, tangent;
  static constexpr int width = R::width;

  Dual() = default;
  Dual(double x) : value(x), tangent(0.0) {}
  Dual(R v) : value(v), tangent(0.0) {}
  Dual(R v, R t) : value(v), tangent(t) {}

  Dual& operator+=(Dual b) { return *this = *this + b; }
  Dual& operator-=(Dual b) { return *this = *this - b; }
  Dual& operator*=(Dual b) { return *this = *this * b; }
  friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.tangent + b.tangent}; }
  friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.tangent - b.tangent}; }
  friend Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
  }
  friend Dual operator/(Dual a, Dual b) {
    const R quotient = a.value / b.value;
    return {quotient, (a.tangent - quotient * b.tangent) / b.value};
  }
  friend Dual operator-(Dual a) { return {-a.value, -a.tangent}; }
  friend auto operator<(Dual a, Dual b) { return a.value < b.value; }
  friend auto operator>(Dual a, Dual b) { return a.value > b.value; }
  friend auto operator<=(Dual a, Dual b) { return a.value <= b.value; }
  friend auto operator>=(Dual a, Dual b) { return a.value >= b.value; }
};

template <class Mask, class R>
inline Dual<R> select(Mask condition, Dual<R> yes, Dual<R> no) {
  return {select(condition, yes.value, no.value), select(condition, yes.tangent, no.tangent)};
}

template <class R>
inline Dual<R> sqrt(Dual<R> a) {
  const R root = sqrt(a.value);
  return {root, a.tangent / (root + root)};
}

template <class R>
inline void sincos(Dual<R> x, Dual<R>& sine, Dual<R>& cosine) {
  R s, c;
  sincos(x.value, s, c);
  sine = {s, c * x.tangent};
  cosine = {c, -s * x.tangent};
}

template <class R>
inline Dual<R> exp(Dual<R> x) {
  const R e = exp(x.value);
  return {e, e * x.tangent};
}

template <class R>
inline Dual<R> log(Dual<R> x) {
  return {log(x.value), x.tangent / x.value};
}

template <class R>
inline Dual<R> tanh(Dual<R> x) {
  const R t = tanh(x.value);
  return {t, (R(1.0) - t * t) * x.tangent};
}

MLPOT_END_KERNELS
