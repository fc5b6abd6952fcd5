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
      : plan_(block, n_species), parts_(block), radial_(plan_, parts_), angular_(plan_, parts_) {}

  int size() const override { return plan_.size; }
  double r_cut(int a, int b) const override { return plan_.r_cut(a, b); }
  int smoothness() const override { return parts_.smoothness(); }

  void compute(const Batch<Real>& env, Real* q) override {
    for (int d = 0; d < plan_.size; d++) q[d] = Real(0.0);
    radial_.start();
    angular_.start();
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species) radial_.compute(plan_.radial[g], env, q);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species) angular_.compute(plan_.angular[g], env, q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    Real* slope = slope_.grow(env.n);  // dE/d|r_j|
    for (int k = 0; k < env.n; k++) {
      slope[k] = Real(0.0);
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] = Real(0.0);
    }
    radial_.start();
    angular_.start();
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species)
        radial_.backprop(plan_.radial[g], env, dE_dq, slope);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species)
        angular_.backprop(plan_.angular[g], dE_dq, dE_dr, slope);
    for (int k = 0; k < env.n; k++) {
      const Real along = slope[k] / env.distance[k];
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] += along * env.r[k][axis];
    }
  }

 private:
  SymmetryFunctionPlan plan_;
  RadialParts<Real> parts_;
  RadialGroups<Real> radial_;
  AngularGroups<Real> angular_;
  Buffer<Real> slope_;  // by neighbour
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
