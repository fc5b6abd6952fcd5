// The engine of one instruction set: compute -> energy -> backprop for each batch, then scatter.
#include "engine.hpp"

#include "core_repulsion.hpp"
#include "descriptor.hpp"
#include "regressor.hpp"

MLPOT_BEGIN_KERNELS

template <int W>
class EngineOf : public Engine {
  using Real = Pack<W>;
  using Tangent = Dual<Pack<W>>;

 public:
  explicit EngineOf(const EngineInput& in)
      : n_species_(in.n_species),
        e0_(in.n_species),
        core_(in.n_species, in.atomic_numbers, in.core_inner, in.core_outer),
        descriptor_(make_descriptor<Real>(in.descriptor, in.n_species)),
        n_features_(descriptor_->size()),
        shift_(n_species_ * n_features_),
        scale_(n_species_ * n_features_),
        regressor_(make_regressor<Real>(in.regressor, in.n_species, n_features_)),
        tangent_regressor_(make_regressor<Tangent>(in.regressor, in.n_species, n_features_)),
        q_(n_features_),
        dE_dq_(n_features_),
        unit_(n_features_),
        dE_dw_(n_parameters()),
        q_tangent_(n_features_),
        dE_dw_tangent_(n_parameters()) {
    if (in.for_training) tangent_descriptor_ = make_descriptor<Tangent>(in.descriptor, n_species_);
    for (int k = 0; k < n_species_ * n_features_; k++) {
      shift_[k] = 0.0;
      scale_[k] = 1.0;
    }
    if (in.scaling) {
      in.scaling->table("shift", n_species_, n_features_, shift_.begin());
      in.scaling->table("scale", n_species_, n_features_, scale_.begin());
    }
    for (int s = 0; s < n_species_; s++) e0_[s] = in.e0[s];
    Buffer<double> cut(n_species_ * n_species_);
    for (int a = 0; a < n_species_; a++)
      for (int b = 0; b < n_species_; b++) cut[a * n_species_ + b] = r_cut(a, b);
    packing_.reset(
        new Packing<W>(n_species_, cut.begin(), core_.active() ? 1e-12 : closest_approach));
  }

  int n_features() const override { return n_features_; }
  int n_parameters() const override { return regressor_->n_parameters(); }
  double r_cut(int a, int b) const override {
    const double r = descriptor_->r_cut(a, b);
    return core_.active() && core_.r_cut() > r ? core_.r_cut() : r;
  }

  int smoothness() const override { return descriptor_->smoothness(); }

  double evaluate(const Neighborhood& all, const EngineOutput& out) override {
    double energy = 0.0;
    packing_->for_each_batch(all, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      Real(*dE_dr)[3] = room(env.n);
      descriptor_->compute(env, q_.begin());
      scale(env.species, q_.begin());
      Real e = regressor_->energy(env.species, q_.begin(), dE_dq_.begin());
      for (int d = 0; d < n_features_; d++) dE_dq_[d] *= scale_of(env.species, d);
      descriptor_->backprop(env, dE_dq_.begin(), dE_dr);
      if (core_.active()) e += core_.add(env, dE_dr);
      e += Real(e0_[env.species]);
      for (int lane = 0; lane < lanes.n; lane++) {
        if (!(__builtin_fabs(e[lane]) <= 1e300)) throw_not_finite(lanes.center[lane]);
        energy += e[lane];
        if (out.energies) out.energies[lanes.center[lane]] += e[lane];
      }
      if (out.forces) add_forces(env, lanes, dE_dr, out.forces);
      if (out.virial || out.virials || out.centroid_virials) add_virials(env, lanes, dE_dr, out);
    });
    return energy;
  }

  void features(const Neighborhood& all, double* q) override {
    packing_->for_each_batch(all, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      for (int lane = 0; lane < lanes.n; lane++)
        for (int d = 0; d < n_features(); d++)
          q[lanes.center[lane] * n_features() + d] = q_[d][lane];
    });
  }

  // dE/dw and, along each coordinate of each neighbour, its tangent: the derivative of the force.
  void design(const Neighborhood& all, const DesignOutput& out) override {
    packing_->for_each_batch(all, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      const int n = n_features_, n_w = n_parameters(), first = env.species * n_w;
      descriptor_->compute(env, q_.begin());
      Real* jacobian = jacobian_of(env);
      scale(env.species, q_.begin());
      regressor_->parameter_gradient(env.species, q_.begin(), dE_dw_.begin());
      for (int lane = 0; lane < lanes.n; lane++)
        for (int w = 0; w < n_w; w++) out.energy[first + w] += dE_dw_[w][lane];
      for (int j = 0; j < env.n; j++)
        for (int axis = 0; axis < 3; axis++) {
          for (int d = 0; d < n; d++)
            q_tangent_[d] =
                Tangent(q_[d], scale_of(env.species, d) * jacobian[(d * env.n + j) * 3 + axis]);
          tangent_regressor_->parameter_gradient(env.species, q_tangent_.begin(),
                                                 dE_dw_tangent_.begin());
          add_row(env, lanes, j, axis, first, out);
        }
    });
  }

  void set_parameters(const double* w) override {
    for (int s = 0; s < n_species_; s++) {
      regressor_->set_parameters(s, w + s * n_parameters());
      tangent_regressor_->set_parameters(s, w + s * n_parameters());
    }
  }

  // One pass with dual numbers: their tangent is the derivative along the direction.
  void parameter_gradient(const Neighborhood& all, double weight, const Direction& direction,
                          double* gradient) override {
    packing_->for_each_batch(all, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      const Batch<Tangent> moving = along(env, lanes, direction);
      tangent_descriptor_->compute(moving, q_tangent_.begin());
      scale(env.species, q_tangent_.begin());
      tangent_regressor_->parameter_gradient(env.species, q_tangent_.begin(),
                                             dE_dw_tangent_.begin());
      double* to = gradient + env.species * n_parameters();
      for (int w = 0; w < n_parameters(); w++) {
        const Real sum = Real(weight) * dE_dw_tangent_[w].value + dE_dw_tangent_[w].tangent;
        for (int lane = 0; lane < lanes.n; lane++) to[w] += sum[lane];
      }
    });
  }

 private:
  Real (*room(int n))[3] { return reinterpret_cast<Real(*)[3]>(dE_dr_.grow(3 * n)); }

  Real scale_of(int species, int d) const { return Real(scale_[species * n_features_ + d]); }

  template <class Number>
  void scale(int species, Number* q) const {
    for (int d = 0; d < n_features_; d++)
      q[d] = (q[d] - Number(shift_[species * n_features_ + d])) *
             Number(scale_[species * n_features_ + d]);
  }

  // The batch on dual numbers, tangent along the direction.
  Batch<Tangent> along(const Batch<Real>& env, const Lanes<W>& lanes, const Direction& direction) {
    Tangent(*r)[3] = reinterpret_cast<Tangent(*)[3]>(r_tangent_.grow(3 * env.n));
    Tangent* distance = distance_tangent_.grow(env.n);
    for (int j = 0; j < env.n; j++) {
      for (int b = 0; b < 3; b++) {
        Real change(0.0);
        for (int a = 0; a < 3; a++) change += env.r[j][a] * Real(direction.strain[3 * a + b]);
        for (int lane = 0; lane < lanes.n; lane++)
          if (const int atom = lanes.neighbor[j][lane]; atom >= 0)
            change.set(lane, change[lane] + direction.x[3 * atom + b] -
                                 direction.x[3 * lanes.center[lane] + b]);
        r[j][b] = Tangent(env.r[j][b], change);
      }
      distance[j] = sqrt(r[j][0] * r[j][0] + r[j][1] * r[j][1] + r[j][2] * r[j][2]);
    }
    return {env.species, env.n, env.begin, r, distance};
  }

  // dq_d/dr_j by backprop of unit vectors: [n_features][env.n][3].
  Real* jacobian_of(const Batch<Real>& env) {
    const int n = n_features_;
    Real* jacobian = jacobian_.grow(3 * n * env.n);
    for (int d = 0; d < n; d++) unit_[d] = Real(0.0);
    for (int d = 0; d < n; d++) {
      unit_[d] = Real(1.0);
      descriptor_->backprop(env, unit_.begin(),
                            reinterpret_cast<Real(*)[3]>(jacobian + 3 * d * env.n));
      unit_[d] = Real(0.0);
    }
    return jacobian;
  }

  void add_row(const Batch<Real>& env, const Lanes<W>& lanes, int j, int axis, int first,
               const DesignOutput& out) {
    for (int lane = 0; lane < lanes.n; lane++) {
      if (lanes.neighbor[j][lane] < 0) continue;
      const int n = out.n_coefficients, to = out.atom_of[lanes.neighbor[j][lane]];
      double* on_neighbor = out.forces + (3 * to + axis) * static_cast<long>(n) + first;
      double* on_center =
          out.forces + (3 * out.atom_of[lanes.center[lane]] + axis) * static_cast<long>(n) + first;
      double* virial[3];
      double r[3];
      for (int a = 0; a < 3; a++) {
        virial[a] = out.virial + (3 * a + axis) * n + first;
        r[a] = env.r[j][a][lane];
      }
      for (int w = 0; w < n_parameters(); w++) {
        const double slope = dE_dw_tangent_[w].tangent[lane];
        on_neighbor[w] -= slope;
        on_center[w] += slope;
        for (int a = 0; a < 3; a++) virial[a][w] -= r[a] * slope;
      }
    }
  }

  void add_forces(const Batch<Real>& env, const Lanes<W>& lanes, const Real (*dE_dr)[3],
                  double* f) {
    Real sum[3] = {Real(0.0), Real(0.0), Real(0.0)};
    for (int j = 0; j < env.n; j++) {
      for (int axis = 0; axis < 3; axis++) sum[axis] += dE_dr[j][axis];
      for (int lane = 0; lane < lanes.n; lane++) {
        const int atom = lanes.neighbor[j][lane];
        if (atom < 0) continue;
        for (int axis = 0; axis < 3; axis++) f[3 * atom + axis] -= dE_dr[j][axis][lane];
      }
    }
    for (int lane = 0; lane < lanes.n; lane++)
      for (int axis = 0; axis < 3; axis++) f[3 * lanes.center[lane] + axis] += sum[axis][lane];
  }

  // Each neighbour adds r (x) f with f = -dE/dr.
  void add_virials(const Batch<Real>& env, const Lanes<W>& lanes, const Real (*dE_dr)[3],
                   const EngineOutput& out) {
    static constexpr int row[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2},
                         column[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};
    for (int j = 0; j < env.n; j++) {
      Real v[9];
      for (int c = 0; c < 9; c++) v[c] = -(env.r[j][row[c]] * dE_dr[j][column[c]]);
      for (int lane = 0; lane < lanes.n; lane++) {
        const int atom = lanes.neighbor[j][lane], center = lanes.center[lane];
        if (atom < 0) continue;
        for (int c = 0; c < 6; c++) {
          if (out.virial) out.virial[c] += v[c][lane];
          if (!out.virials) continue;
          out.virials[6 * atom + c] += 0.5 * v[c][lane];
          out.virials[6 * center + c] += 0.5 * v[c][lane];
        }
        if (out.centroid_virials)
          for (int c = 0; c < 9; c++) out.centroid_virials[9 * atom + c] += v[c][lane];
      }
    }
  }

  int n_species_;
  Buffer<double> e0_;
  CoreRepulsion<Real> core_;
  std::unique_ptr<Descriptor<Real>> descriptor_;
  int n_features_;
  Buffer<double> shift_, scale_;  // [n_species][n_features]
  std::unique_ptr<Regressor<Real>> regressor_;
  std::unique_ptr<Regressor<Tangent>> tangent_regressor_;
  std::unique_ptr<Descriptor<Tangent>> tangent_descriptor_;
  std::unique_ptr<Packing<W>> packing_;
  Buffer<Real> q_, dE_dq_, unit_, dE_dw_, dE_dr_, jacobian_;
  Buffer<Tangent> q_tangent_, dE_dw_tangent_, r_tangent_, distance_tangent_;
};

namespace {
template <int W>
std::unique_ptr<Engine> make(const EngineInput& in) {
  return std::unique_ptr<Engine>(new EngineOf<W>(in));
}
#define MLPOT_STRING(x) #x
#define MLPOT_NAME(x) MLPOT_STRING(x)
}  // namespace

extern const Kernels kernels;
const Kernels kernels = {MLPOT_NAME(MLPOT_ISA), make<MLPOT_WIDTH>, make<1>};

MLPOT_END_KERNELS
