// The radial parts of symmetry functions, t = exp(-eta (r - r_s)^2) f_c(r). See acsf.cpp.
#pragma once

#include "acsf_plan.hpp"
#include "batch.hpp"
#include "cutoff.hpp"

MLPOT_BEGIN_KERNELS

// Numbers that compute() keeps for backprop(), which asks for them in the same order.
template <class T>
class Kept {
 public:
  void start() { used_ = 0; }
  T* next(int n) {  // may move what was asked for before
    used_ += n;
    return data_.extend(used_) + used_ - n;
  }
  void give_back(int n) { used_ -= n; }  // of the last

 private:
  Buffer<T> data_;
  int used_ = 0;
};

template <class Real>
class RadialParts {
 public:
  static constexpr int chunk = 8;  // distances at a time

  explicit RadialParts(Block& block) {
    const char* const cutoffs[] = {"cosine", "tanh3", "polynomial"};
    cutoff_ = block.choice("cutoff", cutoffs);
    inner_ = block.number("inner", 0.0, 0.0, 0.99);
    if (cutoff_ == tanh3 && inner_ != 0.0)
      block.refuse("inner", "expected 0 with the cutoff tanh3");
  }

  int smoothness() const { return cutoff_ == cosine ? 1 : 2; }

  void start() { known_cut_ = 0.0; }  // before a new batch

  // t and dt/dr of the neighbours begin .. end for each of the etas, at [eta * stride + slot].
  void of_neighbors(const RadialSet& set, const Eta* eta, const Batch<Real>& env, int begin,
                    int end, int stride, Real* t, Real* dt) {
    cutoffs(env, set.r_cut);
    for (int k = begin; k < end; k += chunk)
      of_distances(set, eta, end - k < chunk ? end - k : chunk, env.distance + k, f_.begin() + k,
                   df_.begin() + k, stride, t + k, dt + k);
  }

  // f_c and d ln f_c/dr.
  void log_cutoff(Real r, double r_cut, Real& f, Real& slope) const {
    cutoff(r, r_cut, f, slope);
    slope = over(slope, f);
  }

  // Of a chunk of squared distances: (r - r_s)^2, (r - r_s)/r, f_c and d ln f_c/d(r^2).
  void of_squares(const RadialSet& set, const Real* squared, Real* s, Real* ratio, Real* f,
                  Real* slope) const {
    if (cutoff_ == cosine && inner_ == 0.0 && set.r_s == 0.0) {  // without a square root
      for (int i = 0; i < chunk; i++) {
        s[i] = squared[i];
        ratio[i] = Real(1.0);
        cosine_cutoff_of_square(squared[i], set.r_cut * set.r_cut, f[i], slope[i]);
        slope[i] = over(slope[i], f[i]);
      }
      return;
    }
    for (int i = 0; i < chunk; i++) {
      const Real r = sqrt(select(squared[i] > Real(1e-12), squared[i], Real(1e-12)));
      const Real inverse = Real(1.0) / r, shifted = r - Real(set.r_s);
      s[i] = shifted * shifted;
      ratio[i] = shifted * inverse;
      log_cutoff(r, set.r_cut, f[i], slope[i]);
      slope[i] *= Real(0.5) * inverse;
    }
  }

  // exp(-eta s) of a chunk for each of the etas: [n_eta][chunk].
  void gaussians(const RadialSet& set, const Eta* eta, const Real* s, Real* t) const {
    Real first[chunk];
    for (int i = 0; i < chunk; i++) first[i] = exp(Real(-eta[0].value) * s[i]);
    for (int e = 0; e < set.n; e++, t += chunk) {
      if (eta[e].multiple) raise(first, eta[e].multiple, t);
      else
        for (int i = 0; i < chunk; i++) t[i] = exp(Real(-eta[e].value) * s[i]);
    }
  }

 private:
  enum { cosine, tanh3 };

  // d ln f from df; 0 where f has vanished.
  static Real over(Real df, Real f) {
    const auto vanished = f < Real(1e-290);
    return select(vanished, Real(0.0), df / select(vanished, Real(1.0), f));
  }

  // x^n of a chunk for n > 0, by repeated squaring.
  static void raise(const Real* x, int n, Real* result) {
    Real square[chunk];
    for (int i = 0; i < chunk; i++) square[i] = x[i];
    for (; n % 2 == 0; n /= 2)
      for (int i = 0; i < chunk; i++) square[i] = square[i] * square[i];
    for (int i = 0; i < chunk; i++) result[i] = square[i];
    for (n /= 2; n > 0; n /= 2) {
      for (int i = 0; i < chunk; i++) square[i] = square[i] * square[i];
      if (n % 2)
        for (int i = 0; i < chunk; i++) result[i] = result[i] * square[i];
    }
  }

  // f_c of every neighbour, unless they are those of the last call.
  void cutoffs(const Batch<Real>& env, double r_cut) {
    if (known_cut_ == r_cut) return;
    known_cut_ = r_cut;
    f_.grow(env.n);
    df_.grow(env.n);
    for (int k = 0; k < env.n; k++) cutoff(env.distance[k], r_cut, f_[k], df_[k]);
  }

  void of_distances(const RadialSet& set, const Eta* eta, int n, const Real* r, const Real* f,
                    const Real* df, int stride, Real* t, Real* dt) const {
    Real d[chunk], first[chunk];
    for (int i = 0; i < n; i++) {
      d[i] = r[i] - Real(set.r_s);
      first[i] = exp(Real(-eta[0].value) * d[i] * d[i]);
    }
    for (int e = 0; e < set.n; e++)
      for (int i = 0; i < n; i++) {
        const Real x = eta[e].multiple ? power(first[i], eta[e].multiple)
                                       : exp(Real(-eta[e].value) * d[i] * d[i]);
        t[e * stride + i] = x * f[i];
        dt[e * stride + i] = x * (df[i] - Real(2.0 * eta[e].value) * d[i] * f[i]);
      }
  }

  void cutoff(Real r, double r_cut, Real& f, Real& df) const {
    switch (cutoff_) {
      case cosine: cosine_cutoff(r, inner_ * r_cut, r_cut, f, df); break;
      case tanh3: tanh3_cutoff(r, r_cut, f, df); break;
      default: polynomial_cutoff(r, inner_ * r_cut, r_cut, f, df);
    }
  }

  int cutoff_;
  double inner_;
  Buffer<Real> f_, df_;  // by neighbour, for the cutoff
  double known_cut_ = 0.0;
};

MLPOT_END_KERNELS
