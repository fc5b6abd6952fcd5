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

 private:
  Buffer<T> data_;
  int used_ = 0;
};

template <class Real>
class RadialParts {
 public:
  static constexpr int chunk = 4;  // distances at a time

  explicit RadialParts(Block& block) {
    const char* const cutoffs[] = {"cosine", "tanh3", "polynomial"};
    cutoff_ = block.choice("cutoff", cutoffs);
    inner_ = block.number("inner", 0.0, 0.0, 0.99);
    if (cutoff_ == tanh3 && inner_ != 0.0)
      block.refuse("inner", "expected 0 with the cutoff tanh3");
  }

  int smoothness() const { return cutoff_ == cosine ? 1 : 2; }

  // f_c and d ln f_c/dr.
  void log_cutoff(Real r, double r_cut, Real& f, Real& slope) const {
    cutoff(r, r_cut, f, slope);
    slope = over(slope, f);
  }

  // Of a squared distance: (r - r_s)^2, (r - r_s)/r, f_c and df_c/d(r^2).
  void of_square(const RadialSet& set, Real squared, Real& s, Real& ratio, Real& f,
                 Real& slope) const {
    if (cutoff_ == cosine && inner_ == 0.0 && set.r_s == 0.0) {  // without a square root
      s = squared;
      ratio = Real(1.0);
      cosine_cutoff_of_square(squared, set.r_cut * set.r_cut, f, slope);
      return;
    }
    const Real r = sqrt(select(squared > Real(1e-12), squared, Real(1e-12)));
    const Real inverse = Real(1.0) / r, shifted = r - Real(set.r_s);
    s = shifted * shifted;
    ratio = shifted * inverse;
    cutoff(r, set.r_cut, f, slope);
    slope *= Real(0.5) * inverse;
  }

  // exp(-eta s) for those of the etas that are no power of the first: x[n_exps], chunk apart.
  void exponentials(const RadialSet& set, const Eta* eta, Real s, Real* x) const {
    *x = exp(Real(-eta[0].value) * s);
    for (int e = 1; set.n_exps > 1 && e < set.n; e++)
      if (!eta[e].multiple) *(x += chunk) = exp(Real(-eta[e].value) * s);
  }

  // exp(-eta s) for each of the etas, from these: [n_eta][chunk].
  void gaussians(const RadialSet& set, const Eta* eta, const Real* x, Real* t) const {
    const Real* first = x;
    for (int e = 0; e < set.n; e++) {
      Real* to = t + e * chunk;
      if (eta[e].first >= 0) {
        const Real *a = t + eta[e].first * chunk, *b = t + eta[e].second * chunk;
        for (int i = 0; i < chunk; i++) to[i] = a[i] * b[i];
      } else if (e > 0 && eta[e].multiple) {
        raise(first, eta[e].multiple, to);
      } else {
        for (int i = 0; i < chunk; i++) to[i] = x[i];
        x += chunk;
      }
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

  void cutoff(Real r, double r_cut, Real& f, Real& df) const {
    switch (cutoff_) {
      case cosine: cosine_cutoff(r, inner_ * r_cut, r_cut, f, df); break;
      case tanh3: tanh3_cutoff(r, r_cut, f, df); break;
      default: polynomial_cutoff(r, inner_ * r_cut, r_cut, f, df);
    }
  }

  int cutoff_;
  double inner_;
};

// The radial symmetry functions G = sum_j t_ij of a batch, forward and backward.
template <class Real>
class RadialGroups {
 public:
  RadialGroups(const SymmetryFunctionPlan& plan, const RadialParts<Real>& parts)
      : plan_(plan), parts_(parts) {}

  void start() {  // before the groups of a compute() or of a backprop()
    kept_cutoffs_.start();
    kept_t_.start();
    known_cut_ = 0.0;
  }

  void compute(const RadialGroup& g, const Batch<Real>& env, Real* q) {
    if (find_cutoffs(g, env))
      for (int k = 0; k < env.n; k++)
        parts_.log_cutoff(env.distance[k], g.parts.r_cut, f_[k], slope_of_lnf_[k]);
    for_each_chunk(g, env, [&](int k, int n, Real* t) {
      Real* x = exps_.grow(g.parts.n_exps * chunk);
      for (int i = 0; i < chunk; i++) {
        const Real d = env.distance[i < n ? k + i : k] - Real(g.parts.r_s);
        parts_.exponentials(g.parts, eta(g), d * d, x + i);
      }
      parts_.gaussians(g.parts, eta(g), x, t);
      for (int e = 0; e < g.parts.n; e++) {
        Real sum(0.0);
        for (int i = 0; i < n; i++) sum += t[e * chunk + i] *= f_[k + i];
        q[plan_.features[g.features + e]] += sum;
      }
    });
  }

  // Adds to slope, dE/d|r_j|.
  void backprop(const RadialGroup& g, const Batch<Real>& env, const Real* dE_dq, Real* slope) {
    find_cutoffs(g, env);
    for_each_chunk(g, env, [&](int k, int n, const Real* t) {
      for (int i = 0; i < n; i++) {
        Real by_lnf(0.0), by_s(0.0);
        for (int e = 0; e < g.parts.n; e++) {
          const Real wt = dE_dq[plan_.features[g.features + e]] * t[e * chunk + i];
          by_lnf += wt;
          by_s -= Real(eta(g)[e].value) * wt;
        }
        const Real d = env.distance[k + i] - Real(g.parts.r_s);
        slope[k + i] += slope_of_lnf_[k + i] * by_lnf + (d + d) * by_s;
      }
    });
  }

 private:
  static constexpr int chunk = RadialParts<Real>::chunk;

  const Eta* eta(const RadialGroup& g) const { return plan_.etas.begin() + g.parts.etas; }

  // Room for f_c and its slope by neighbour; whether they are not those of the group before.
  bool find_cutoffs(const RadialGroup& g, const Batch<Real>& env) {
    if (known_cut_ == g.parts.r_cut) return false;
    known_cut_ = g.parts.r_cut;
    f_ = kept_cutoffs_.next(2 * env.n);
    slope_of_lnf_ = f_ + env.n;
    return true;
  }

  // Calls visit(first neighbour, how many, t) with t of each, [n_eta][chunk].
  template <class Visit>
  void for_each_chunk(const RadialGroup& g, const Batch<Real>& env, Visit visit) {
    const int begin = env.begin[g.neighbor], end = env.begin[g.neighbor + 1];
    Real* t = kept_t_.next((end - begin + chunk - 1) / chunk * chunk * g.parts.n);
    for (int k = begin; k < end; k += chunk, t += chunk * g.parts.n)
      visit(k, end - k < chunk ? end - k : chunk, t);
  }

  const SymmetryFunctionPlan& plan_;
  const RadialParts<Real>& parts_;
  double known_cut_ = 0.0;
  Real *f_, *slope_of_lnf_;  // by neighbour
  Kept<Real> kept_cutoffs_, kept_t_;
  Buffer<Real> exps_;
};

MLPOT_END_KERNELS
