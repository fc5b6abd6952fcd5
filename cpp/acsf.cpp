// Atom-centred symmetry functions, after Behler and Parrinello, PRL 98 (2007) 146401, and Behler,
// J. Chem. Phys. 134 (2011) 074106:
//
//   radial           G = sum_j t_ij
//   angular, narrow  G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik t_jk
//   angular, wide    G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik
//                    with t = exp(-eta (r - r_s)^2) f_c(r)
//
// Functions that share what is expensive form groups (acsf_plan.hpp).
#include "acsf_angular.hpp"
#include "descriptor.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class SymmetryFunctions : public Descriptor<Real> {
 public:
  SymmetryFunctions(Block& block, int n_species)
      : plan_(block, n_species), parts_(block), angular_(plan_, parts_) {}

  int size() const override { return plan_.size; }
  double r_cut(int a, int b) const override { return plan_.r_cut(a, b); }
  int smoothness() const override { return parts_.smoothness(); }

  void compute(const Batch<Real>& env, Real* q) override {
    for (int d = 0; d < plan_.size; d++) q[d] = Real(0.0);
    parts_.start();
    angular_.start();
    slopes_.start();
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species) compute_radial(plan_.radial[g], env, q);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species) angular_.compute(plan_.angular[g], env, q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    Real* slope = slope_.grow(env.n);  // dE/d|r_j|
    for (int k = 0; k < env.n; k++) {
      slope[k] = Real(0.0);
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] = Real(0.0);
    }
    angular_.start();
    slopes_.start();
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species)
        backprop_radial(plan_.radial[g], env, dE_dq, slope);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species)
        angular_.backprop(plan_.angular[g], dE_dq, dE_dr, slope);
    for (int k = 0; k < env.n; k++) {
      const Real along = slope[k] / env.distance[k];
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] += along * env.r[k][axis];
    }
  }

 private:
  void compute_radial(const RadialGroup& g, const Batch<Real>& env, Real* q) {
    const int begin = env.begin[g.neighbor], end = env.begin[g.neighbor + 1], n_eta = g.parts.n;
    Real *t = t_.grow(n_eta * env.n), *dt = slopes_.next(n_eta * env.n);
    parts_.of_neighbors(g.parts, plan_.etas.begin() + g.parts.etas, env, begin, end, env.n, t, dt);
    for (int e = 0; e < n_eta; e++) {
      Real sum(0.0);
      for (int k = begin; k < end; k++) sum += t[e * env.n + k];
      q[plan_.features[g.features + e]] = sum;
    }
  }

  void backprop_radial(const RadialGroup& g, const Batch<Real>& env, const Real* dE_dq,
                       Real* slope) {
    const Real* dt = slopes_.next(g.parts.n * env.n);
    for (int e = 0; e < g.parts.n; e++) {
      const Real w = dE_dq[plan_.features[g.features + e]];
      for (int k = env.begin[g.neighbor]; k < env.begin[g.neighbor + 1]; k++)
        slope[k] += w * dt[e * env.n + k];
    }
  }

  SymmetryFunctionPlan plan_;
  RadialParts<Real> parts_;
  AngularGroups<Real> angular_;
  Buffer<Real> t_, slope_;  // by neighbour
  Kept<Real> slopes_;
};

template <class Real>
std::unique_ptr<Descriptor<Real>> make_acsf(Block& block, int n_species) {
  return std::unique_ptr<Descriptor<Real>>(new SymmetryFunctions<Real>(block, n_species));
}

template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_acsf(Block&, int);
template std::unique_ptr<Descriptor<Scalar>> make_acsf(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_acsf(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_acsf(Block&, int);

MLPOT_END_KERNELS
