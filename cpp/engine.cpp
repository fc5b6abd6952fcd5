// The engine of one instruction set: compute -> energy -> backprop for each batch, then scatter.
#include "engine.hpp"

#include "core_repulsion.hpp"
#include "descriptor.hpp"
#include "grade.hpp"
#include "jacobian.hpp"
#include "regressor.hpp"
#include "scaling.hpp"
#include "scatter.hpp"

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
        pooled_(in.pooled),
        scaling_(in.scaling, n_regressors(), n_features_),
        regressor_(make_regressor<Real>(in.regressor, n_regressors(), n_features_)),
        tangent_regressor_(make_regressor<Tangent>(in.regressor, n_regressors(), n_features_)),
        grader_(in.ranges, in.active_set, in.n_species, n_features_, n_parameters()),
        n_of_species_(n_species_),
        mean_(n_features_),
        q_(n_features_),
        dE_dq_(n_features_),
        dE_dw_(n_parameters()),
        q_tangent_(n_features_),
        dE_dq_tangent_(n_features_),
        dE_dw_tangent_(n_parameters()),
        dE_dc_(descriptor_->n_parameters()) {
    if (in.for_training || descriptor_->moves_cheaply())
      tangent_descriptor_ = make_descriptor<Tangent>(in.descriptor, n_species_);
    jacobian_.reset(new Jacobian<W>(*descriptor_, tangent_descriptor_.get()));
    for (int s = 0; s < n_species_; s++) e0_[s] = in.e0[s];
    Buffer<double> cut(n_species_ * n_species_);
    for (int a = 0; a < n_species_; a++)
      for (int b = 0; b < n_species_; b++) cut[a * n_species_ + b] = r_cut(a, b);
    packing_.reset(new Packing<W>(n_species_, cut.begin(),
                                  core_.active() || in.repelled ? 1e-12 : closest_approach));
  }

  int n_features() const override { return n_features_; }
  int n_parameters() const override { return regressor_->n_parameters(); }
  int n_regressors() const override { return pooled_ ? 1 : n_species_; }
  int n_trained() const override {
    return n_regressors() * n_parameters() + n_species_ * n_inner();
  }
  bool pooled() const override { return pooled_; }
  bool needs_cell() const override { return descriptor_->needs_cell(); }
  double r_cut(int a, int b) const override {
    const double r = descriptor_->r_cut(a, b);
    return core_.active() && core_.r_cut() > r ? core_.r_cut() : r;
  }

  int smoothness() const override { return descriptor_->smoothness(); }

  double evaluate(const Neighborhood& all, const EngineOutput& out) override {
    double energy = 0.0;
    survey(all);
    Real shared(0.0);
    if (pooled_) {
      pool(all);
      shared = pooled_energy_of(mean_.begin());
    }
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      Real(*dE_dr)[3] = room(env.n);
      descriptor_->compute(env, q_.begin());
      if (out.grades) grade_features(env, lanes, *out.grades);
      Real e = pooled_ ? shared : energy_of(env.species);
      if (out.grades) grade_row(env, lanes, *out.grades);
      descriptor_->backprop(env, dE_dq_.begin(), dE_dr);
      if (core_.active()) e += core_.add(env, dE_dr);
      e += Real(e0_[env.species]);
      for (int lane = 0; lane < lanes.n; lane++) {
        if (!(__builtin_fabs(e[lane]) <= 1e300)) throw_not_finite(lanes.center[lane]);
        energy += e[lane];
        if (out.energies) out.energies[lanes.center[lane]] += e[lane];
      }
      if (out.forces) add_forces(env, lanes, dE_dr, out.forces);
      if (out.virial || out.virials || out.centroid_virials) {
        add_virials(env, lanes, dE_dr, out);
        if (needs_cell()) add_pressure(lanes, -(cell_.volume * descriptor_->dE_dvolume()), out);
      }
    });
    return energy;
  }

  void features(const Neighborhood& all, double* q) override {
    survey(all);
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      for (int lane = 0; lane < lanes.n; lane++)
        for (int d = 0; d < n_features(); d++)
          q[lanes.center[lane] * n_features() + d] = q_[d][lane];
    });
  }

  void rows(const Neighborhood& all, double* rows) override {
    survey(all);
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      scaling_.apply(env.species, q_.begin());
      const Real* row = row_of(env.species);
      const long n = 1 + n_parameters();
      for (int lane = 0; lane < lanes.n; lane++)
        for (int k = 0; k < n; k++) rows[lanes.center[lane] * n + k] = row[k][lane];
    });
  }

  bool has_grade(GradeRule rule) const override { return grader_.has(rule); }

  void grades(const Neighborhood& all, Grades& out) override {
    survey(all);
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      grade_features(env, lanes, out);
      if (pooled_) return;
      scaling_.apply(env.species, q_.begin());
      grade_row(env, lanes, out);
    });
  }

  void set_ranges(const double* low, const double* high) override { grader_.set_ranges(low, high); }
  void set_active_set(const double* inverse) override { grader_.set_active_set(inverse); }

  // dE/dw and, along each coordinate of each neighbour, its tangent: the derivative of the force.
  void design(const Neighborhood& all, const DesignOutput& out) override {
    survey(all);
    if (pooled_) return pooled_design(all, out);
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      const int n = n_features_, n_w = n_parameters(), first = env.species * n_w;
      descriptor_->compute(env, q_.begin());
      const Real* jacobian = jacobian_->of(env);
      scaling_.apply(env.species, q_.begin());
      regressor_->parameter_gradient(env.species, q_.begin(), dE_dw_.begin());
      for (int lane = 0; lane < lanes.n; lane++)
        for (int w = 0; w < n_w; w++) out.energy[first + w] += dE_dw_[w][lane];
      for (int j = 0; j < env.n; j++)
        for (int axis = 0; axis < 3; axis++) {
          for (int d = 0; d < n; d++)
            q_tangent_[d] =
                Tangent(q_[d], scaling_.of(env.species, d) * jacobian[(d * env.n + j) * 3 + axis]);
          tangent_regressor_->parameter_gradient(env.species, q_tangent_.begin(),
                                                 dE_dw_tangent_.begin());
          add_row(env, lanes, j, axis, dE_dw_tangent_.begin(), n_w, first, out);
        }
      if (needs_cell()) add_pressure_rows(env, lanes, first, out);
    });
  }

  void set_parameters(const double* w) override {
    for (int s = 0; s < n_regressors(); s++) {
      regressor_->set_parameters(s, w + s * n_parameters());
      tangent_regressor_->set_parameters(s, w + s * n_parameters());
    }
    const double* inner = w + n_regressors() * n_parameters();
    for (int s = 0; s < n_species_ && n_inner() > 0; s++, inner += n_inner()) {
      descriptor_->set_parameters(s, inner);
      if (tangent_descriptor_) tangent_descriptor_->set_parameters(s, inner);
    }
  }

  // One pass with dual numbers: their tangent is the derivative along the direction.
  void parameter_gradient(const Neighborhood& all, double weight, const Direction& direction,
                          double* gradient) override {
    survey(all);
    const double* strain = direction.strain;
    moving_cell_ = {Tangent(cell_.volume, Real(strain[0] + strain[4] + strain[8]) * cell_.volume),
                    cell_.n_atoms, cell_.n_of_species};
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      const Batch<Tangent> moving = along(env, lanes, direction);
      tangent_descriptor_->compute(moving, q_tangent_.begin());
      scaling_.apply(env.species, q_tangent_.begin());
      tangent_regressor_->parameter_gradient(env.species, q_tangent_.begin(),
                                             dE_dw_tangent_.begin());
      add_gradient(lanes.n, Real(weight), dE_dw_tangent_.begin(), n_parameters(),
                   gradient + env.species * n_parameters());
      if (n_inner() == 0) return;
      tangent_regressor_->energy(env.species, q_tangent_.begin(), dE_dq_tangent_.begin());
      scaling_.apply_adjoint(env.species, dE_dq_tangent_.begin());
      tangent_descriptor_->parameter_gradient(moving, dE_dq_tangent_.begin(), dE_dc_.begin());
      add_gradient(lanes.n, Real(weight), dE_dc_.begin(), n_inner(),
                   gradient + n_regressors() * n_parameters() + env.species * n_inner());
    });
  }

  void pooled_features(const Neighborhood& all, const int* atom_of,
                       const PooledFeatures& out) override {
    survey(all);
    pool(all);
    for (int d = 0; d < n_features_; d++) out.q[d] = mean_[d];
    if (!out.by_x && !out.by_strain) return;
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      const Real* jacobian = jacobian_->of(env);
      for (int d = 0; d < n_features_; d++) {
        for (int j = 0; j < env.n; j++)
          add_slopes(env, lanes, j, jacobian + 3 * (d * env.n + j), d, n_features_, cell_.n_atoms,
                     atom_of, out);
        const Real stretch = cell_.volume * jacobian_->by_volume(d) * Real(1.0 / cell_.n_atoms);
        for (int lane = 0; lane < lanes.n && out.by_strain; lane++)
          for (int a = 0; a < 3; a++) out.by_strain[4 * a * n_features_ + d] += stretch[lane];
      }
    });
  }

  void pooled_energies(int n, const double* q, double* energies, double* dE_dq) override {
    for (int first = 0; first < n; first += W) {
      for (int d = 0; d < n_features_; d++) q_[d] = of_structures(q + d, n_features_, first, n);
      const Real e = energy_of(0);
      for (int k = first; k < first + W && k < n; k++) {
        energies[k] = e[k - first];
        for (int d = 0; d < n_features_; d++) dE_dq[k * n_features_ + d] = dE_dq_[d][k - first];
      }
    }
  }

  void pooled_gradient(int n, const double* q, const double* weights, const double* directions,
                       double* gradient) override {
    for (int first = 0; first < n; first += W) {
      for (int d = 0; d < n_features_; d++) q_[d] = of_structures(q + d, n_features_, first, n);
      const Real weight = of_structures(weights, 1, first, n);
      const int used = n - first < W ? n - first : W;
      if (directions) {
        for (int d = 0; d < n_features_; d++)
          q_tangent_[d] = Tangent(q_[d], of_structures(directions + d, n_features_, first, n));
        scaling_.apply(0, q_tangent_.begin());
        tangent_regressor_->parameter_gradient(0, q_tangent_.begin(), dE_dw_tangent_.begin());
        add_gradient(used, weight, dE_dw_tangent_.begin(), n_parameters(), gradient);
      } else {
        scaling_.apply(0, q_.begin());
        regressor_->parameter_gradient(0, q_.begin(), dE_dw_.begin());
        add_gradient(used, weight, dE_dw_.begin(), n_parameters(), gradient);
      }
    }
  }

 private:
  // Parameters of the descriptor that are trained, of one species.
  int n_inner() const { return pooled_ ? 0 : descriptor_->n_parameters(); }

  // What a descriptor may know of the whole structure.
  void survey(const Neighborhood& all) {
    if (!needs_cell() && !pooled_) return;
    if (needs_cell() && !(all.volume > 0.0)) throw_no_volume();
    for (int s = 0; s < n_species_; s++) n_of_species_[s] = 0.0;
    for (int k = 0; k < all.n_centers; k++)
      if (const int s = all.species_of_type[all.type[all.centers[k]]]; s >= 0) n_of_species_[s]++;
    if (all.others) all.others->sum(n_of_species_.begin(), n_species_);
    cell_ = {Real(all.volume), 0.0, n_of_species_.begin()};
    for (int s = 0; s < n_species_; s++) cell_.n_atoms += n_of_species_[s];
  }

  // The mean of the features of all atoms.
  void pool(const Neighborhood& all) {
    for (int d = 0; d < n_features_; d++) mean_[d] = 0.0;
    packing_->for_each_batch(all, cell_, [&](const Batch<Real>& env, const Lanes<W>& lanes) {
      descriptor_->compute(env, q_.begin());
      for (int d = 0; d < n_features_; d++)
        for (int lane = 0; lane < lanes.n; lane++) mean_[d] += q_[d][lane];
    });
    if (all.others) all.others->sum(mean_.begin(), n_features_);
    for (int d = 0; d < n_features_; d++) mean_[d] /= cell_.n_atoms;
  }

  // Of the features q_; their adjoint is dE_dq_.
  Real energy_of(int which) {
    scaling_.apply(which, q_.begin());
    const Real e = regressor_->energy(which, q_.begin(), dE_dq_.begin());
    scaling_.apply_adjoint(which, dE_dq_.begin());
    return e;
  }

  // Numbers of the structures from `first` on, one a lane; lanes without one repeat the last.
  static Real of_structures(const double* numbers, int step, int first, int n) {
    Real x(0.0);
    for (int lane = 0; lane < W; lane++) {
      const int k = first + lane < n ? first + lane : n - 1;
      x.set(lane, numbers[k * static_cast<long>(step)]);
    }
    return x;
  }

  Real pooled_energy_of(const double* mean) {
    for (int d = 0; d < n_features_; d++) q_[d] = Real(mean[d]);
    return energy_of(0);
  }

  void pooled_design(const Neighborhood& all, const DesignOutput& out) {
    const int n = n_features_, n_w = n_parameters(), rows = 3 * all.n_centers;
    double* q = slopes_.grow((rows + 10) * n);
    const PooledFeatures features = {q, q + n, q + (rows + 1) * n};
    for (int k = 0; k < (rows + 10) * n; k++) q[k] = 0.0;
    pooled_features(all, out.atom_of, features);
    double* gradient = gradient_.grow(n_w);
    for (int row = -1; row < rows + 9; row++) {
      for (int w = 0; w < n_w; w++) gradient[w] = 0.0;
      const double weight = row < 0 ? 1.0 : 0.0;
      pooled_gradient(1, q, &weight, row < 0 ? nullptr : q + (row + 1) * n, gradient);
      double* to = row < 0      ? out.energy
                   : row < rows ? out.forces + static_cast<long>(row) * n_w
                                : out.virial + (row - rows) * n_w;
      for (int w = 0; w < n_w; w++) to[w] += (row < 0 ? 1.0 : -1.0) * cell_.n_atoms * gradient[w];
    }
  }

  Real (*room(int n))[3] { return reinterpret_cast<Real(*)[3]>(dE_dr_.grow(3 * n)); }

  void grade_features(const Batch<Real>& env, const Lanes<W>& lanes, Grades& out) {
    if (out.rule == GradeRule::range) grader_.by_range(env, lanes, q_.begin(), out);
  }

  // q_ is scaled.
  void grade_row(const Batch<Real>& env, const Lanes<W>& lanes, Grades& out) {
    if (out.rule == GradeRule::d_optimal)
      grader_.by_active_set(env, lanes, row_of(env.species), out);
  }

  // Derivatives of the atoms' energies by E0 and the coefficients; q_ is scaled.
  const Real* row_of(int species) {
    Real* row = row_.grow(1 + n_parameters());
    row[0] = Real(1.0);
    regressor_->parameter_gradient(species, q_.begin(), row + 1);
    return row;
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
    return {env.species, env.n, env.begin, r, distance, &moving_cell_};
  }

  // The volume's part of the rows of the virial.
  void add_pressure_rows(const Batch<Real>& env, const Lanes<W>& lanes, int first,
                         const DesignOutput& out) {
    for (int d = 0; d < n_features_; d++)
      q_tangent_[d] =
          Tangent(q_[d], scaling_.of(env.species, d) * cell_.volume * jacobian_->by_volume(d));
    tangent_regressor_->parameter_gradient(env.species, q_tangent_.begin(), dE_dw_tangent_.begin());
    for (int w = 0; w < n_parameters(); w++)
      for (int lane = 0; lane < lanes.n; lane++)
        for (int a = 0; a < 3; a++)
          out.virial[4 * a * out.n_coefficients + first + w] -= dE_dw_tangent_[w].tangent[lane];
  }

  int n_species_;
  Buffer<double> e0_;
  CoreRepulsion<Real> core_;
  std::unique_ptr<Descriptor<Real>> descriptor_;
  int n_features_;
  bool pooled_;
  Scaling scaling_;
  std::unique_ptr<Regressor<Real>> regressor_;
  std::unique_ptr<Regressor<Tangent>> tangent_regressor_;
  std::unique_ptr<Descriptor<Tangent>> tangent_descriptor_;
  std::unique_ptr<Jacobian<W>> jacobian_;
  Grader<W> grader_;
  std::unique_ptr<Packing<W>> packing_;
  Buffer<double> n_of_species_, mean_;
  CellInfo<Real> cell_ = {Real(0.0), 0.0, nullptr};
  CellInfo<Tangent> moving_cell_;
  Buffer<Real> q_, dE_dq_, dE_dw_, row_, dE_dr_;
  Buffer<double> slopes_, gradient_;
  Buffer<Tangent> q_tangent_, dE_dq_tangent_, dE_dw_tangent_, dE_dc_, r_tangent_, distance_tangent_;
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
