// Moment tensor invariants (MTP), after Shapeev, Multiscale Model. Simul. 14 (2016) 1153, and
// Novikov, Gubaev, Podryabinkin, Shapeev, Mach. Learn.: Sci. Technol. 2 (2021) 025002:
//
//   basic moments   M_mu,abc = sum_j f_mu(r_j) x^a y^b z^c        with (x, y, z) = r_j / |r_j|
//   radial          f_mu(r) = scale (r_cut - r)^2 sum_k c_mu,k T_k(s),   s from -1 at r_min to 1
//   further ones    m_k = sum of  factor m_i m_j                  (moments_plan.hpp)
//   features        q = those moments that are invariant
//
// Backwards: the adjoints of the moments, once an atom; then for each neighbour, with
//   S_mu = sum_abc dE/dM_mu,abc x^a y^b z^c,
//   dE/dr = sum_mu f_mu' S_mu,  dE/dc_mu,k = sum_j scale (r_cut - r)^2 T_k S_mu,
// and the gradient of sum_mu f_mu S_mu by (x, y, z) down the chain of products that made the
// monomials. Two neighbours at a time halve the traffic of moments.
//
// Arrays: moments [n_moments], basic ones [degree][monomial][mu]; monomials [monomial][neighbour].
#include "descriptor.hpp"
#include "moments_plan.hpp"

MLPOT_BEGIN_KERNELS

template <class Real>
class Moments : public Descriptor<Real> {
 public:
  Moments(Block& block, int n_species) : n_species_(n_species), plan_(block) {
    r_cut_ = block.number("r_cut", 0.1, 100.0);
    r_min_ = block.number("r_min", 0.0, 0.0, 100.0);
    if (r_min_ >= r_cut_) block.refuse("r_min", "it must be below r_cut");
    scale_ = block.number("scale", 1.0, 1e-10, 1e10);
    n_chebyshev_ = block.integer("n_chebyshev", 8, 1, most_chebyshev);
    n_coefficients_ = plan_.n_functions * n_chebyshev_;
    const int n_rows = n_species * n_species * plan_.n_functions;
    block.table("radial", n_rows, n_chebyshev_, radial_.grow(n_rows * n_chebyshev_));
    moment_.grow(plan_.n_moments);
    bar_.grow(plan_.n_moments);
    still_.grow(dual ? plan_.n_basics : 0);
    monomial_.grow(forward * monomials_below(plan_.n_degrees));
    chain_.grow(2 * backward * n_monomials(plan_.n_degrees));
  }

  int size() const override { return plan_.n_invariants; }
  double r_cut(int, int) const override { return r_cut_; }
  int smoothness() const override { return 1; }

  void compute(const Batch<Real>& env, Real* q) override {
    for (int k = 0; k < plan_.n_basics; k++) moment_[k] = Real(0.0);
    each<forward>(env, [&](auto n, int s, int j) { this->template add<n>(env, s, j); });
    if constexpr (dual)
      for (int k = 0; k < plan_.n_basics; k++) still_[k] = moment_[k];
    multiply(q);
  }

  // Many features share few basic moments, which a neighbour's tangent enters by a simple sum.
  bool moves_cheaply() const override { return true; }
  void move(const Batch<Real>& env, int j, Real* q) override {
    int s = 0;
    while (j >= env.begin[s + 1]) s++;
    if constexpr (dual) {
      for (int k = 0; k < plan_.n_basics; k++) moment_[k] = Real(0.0);
      add<1>(env, s, j);
      for (int k = 0; k < plan_.n_basics; k++) moment_[k].value = still_[k].value;
    }
    multiply(q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    multiply_back(dE_dq);
    each<backward>(env,
                   [&](auto n, int s, int j) { this->template gradient<n>(env, s, j, dE_dr); });
  }

  int n_parameters() const override { return n_species_ * n_coefficients_; }

  void set_parameters(int species, const double* w) override {
    double* to = radial_.begin() + species * n_parameters();
    for (int k = 0; k < n_parameters(); k++) to[k] = w[k];
  }

  void parameter_gradient(const Batch<Real>& env, const Real* dE_dq, Real* dE_dw) override {
    multiply_back(dE_dq);
    for (int k = 0; k < n_parameters(); k++) dE_dw[k] = Real(0.0);
    for (int s = 0; s < n_species_; s++)
      for (int j = env.begin[s]; j < env.begin[s + 1]; j++)
        radial_gradient(env, s, j, dE_dw + s * n_coefficients_);
  }

 private:
  // Neighbours at once, as many as the registers have room for; dual numbers take two each.
  static constexpr bool dual = sizeof(Real) > Real::width * sizeof(double);
  static constexpr int forward = dual ? 1 : 4, backward = dual || Real::width < 8 ? 1 : 2;
  template <int n>
  struct Count {
    constexpr operator int() const { return n; }
  };

  // A neighbour's radial functions and where it is seen from the centre.
  struct Neighbor {
    Real f[most_functions], df[most_functions];  // df: by r
    Real u[3], per_r;
  };

  // visit(n, s, j): neighbours j .. j + n - 1 are of species s.
  template <int most, class Visit>
  void each(const Batch<Real>& env, Visit visit) const {
    for (int s = 0; s < n_species_; s++) {
      int j = env.begin[s];
      for (; j + most <= env.begin[s + 1]; j += most) visit(Count<most>(), s, j);
      for (; j < env.begin[s + 1]; j++) visit(Count<1>(), s, j);
    }
  }

  // t: T_k(s) and dt: dT_k/dr, times what all radial functions share; with its derivative.
  template <bool slopes>
  void chebyshev(Real r, Real* t, Real* dt) const {
    const double ds = 2.0 / (r_cut_ - r_min_);
    const Real s = (r + r - Real(r_min_ + r_cut_)) * Real(1.0 / (r_cut_ - r_min_));
    const Real left = select(r < Real(r_cut_), Real(r_cut_) - r, Real(0.0));
    t[0] = Real(scale_) * left * left;
    t[1] = t[0] * s;
    for (int k = 2; k < n_chebyshev_; k++) t[k] = (s + s) * t[k - 1] - t[k - 2];
    if constexpr (slopes) {
      dt[0] = Real(-2.0 * scale_) * left;
      dt[1] = Real(ds) * t[0] + s * dt[0];
      for (int k = 2; k < n_chebyshev_; k++)
        dt[k] = Real(2.0 * ds) * t[k - 1] + (s + s) * dt[k - 1] - dt[k - 2];
    }
  }

  template <bool slopes>
  Neighbor look(const Batch<Real>& env, int species, int j) const {
    Neighbor to;
    Real t[most_chebyshev + 2], dt[most_chebyshev + 2];
    chebyshev<slopes>(env.distance[j], t, dt);
    const double* c = radial_.begin() + (env.species * n_species_ + species) * n_coefficients_;
    for (int mu = 0; mu < plan_.n_functions; mu++, c += n_chebyshev_) {
      Real f(0.0), df(0.0);
      for (int k = 0; k < n_chebyshev_; k++) {
        f += Real(c[k]) * t[k];
        if constexpr (slopes) df += Real(c[k]) * dt[k];
      }
      to.f[mu] = f;
      if constexpr (slopes) to.df[mu] = df;
    }
    to.per_r = Real(1.0) / env.distance[j];
    for (int axis = 0; axis < 3; axis++) to.u[axis] = env.r[j][axis] * to.per_r;
    return to;
  }

  // Calls work(Count<N>) with N radial functions.
  template <class Work>
  static void with_functions(int n, Work work) {
    switch (n) {
      case 1: return work(Count<1>());
      case 2: return work(Count<2>());
      case 3: return work(Count<3>());
      case 4: return work(Count<4>());
      case 5: return work(Count<5>());
      case 6: return work(Count<6>());
    }
  }

  // The monomials of a degree are x times all of one degree less, y times those of them without x,
  // and z times the last. Calls part(Count<axis>, i, j, size): from i on they are u[axis] times
  // those from j on.
  template <class Part>
  static void each_part(int degree, Part part) {
    const int below = n_monomials(degree - 1);
    part(Count<0>(), 0, 0, below);
    part(Count<1>(), below, below - degree, degree);
    part(Count<2>(), below + degree, below - 1, 1);
  }

  // Calls work(d, each) for each degree, where each(take) calls take(i, m): monomial i of the
  // neighbours is m[0 .. n-1]. All but the highest degree are kept in monomial_.
  template <int n, class Work>
  void rise(const Neighbor* at, int n_degrees, Work work) {
    Real *below = monomial_.begin(), *to = below;
    for (int k = 0; k < n; k++) below[k] = Real(1.0);
    for (int d = 0; d < n_degrees; d++, below = to) {
      const bool keep = d + 1 < plan_.n_degrees;
      if (d > 0) to += n * n_monomials(d - 1);
      work(d, [&](auto take) {
        if (d == 0) return take(0, below);
        each_part(d, [&](auto axis, int i, int j, int size) {
          Real u[n], m[n];
          for (int k = 0; k < n; k++) u[k] = at[k].u[axis];
          for (const int end = i + size; i < end; i++, j++) {
            for (int k = 0; k < n; k++) m[k] = below[n * j + k] * u[k];
            for (int k = 0; k < n && keep; k++) to[n * i + k] = m[k];
            take(i, m);
          }
        });
      });
    }
  }

  // A copy that nothing else points to can stay in registers.
  template <int n, int N>
  static void functions(const Neighbor* at, Real (&f)[n][N]) {
    for (int k = 0; k < n; k++)
      for (int mu = 0; mu < N; mu++) f[k][mu] = at[k].f[mu];
  }

  template <int n>
  void add(const Batch<Real>& env, int s, int j) {
    Neighbor at[n];
    for (int k = 0; k < n; k++) at[k] = look<false>(env, s, j + k);
    rise<n>(at, plan_.n_degrees, [&](int d, auto each) {
      with_functions(plan_.degrees[d].n_functions, [&](auto n_mu) {
        constexpr int N = n_mu;
        Real f[n][N], *const to = moment_.begin() + plan_.degrees[d].begin;
        functions(at, f);
        each([&](int i, const Real* m) {
          for (int mu = 0; mu < N; mu++) {
            Real sum = to[N * i + mu];
            for (int k = 0; k < n; k++) sum += m[k] * f[k][mu];
            to[N * i + mu] = sum;
          }
        });
      });
    });
  }

  void multiply(Real* q) {
    const Term* term = plan_.terms.begin();
    const double* factor = plan_.factors.begin();
    const Real* m = moment_.begin();
    for (int i = 0; i < plan_.sums.used(); i++) {
      const Sum& sum = plan_.sums[i];
      Real value(0.0), other(0.0);  // side by side
      int k = 0;
      for (; k + 2 <= sum.n_plain; k += 2, term += 2) {
        value += m[term->first] * m[term->second];
        other += m[term[1].first] * m[term[1].second];
      }
      for (; k < sum.n_plain; k++, term++) value += m[term->first] * m[term->second];
      for (k = 0; k < sum.n_factor; k++, term++)
        other += Real(*factor++) * m[term->first] * m[term->second];
      value += other;
      if (sum.moment >= 0) moment_[sum.moment] = value;
      if (sum.invariant >= 0) q[sum.invariant] = value;
    }
    for (int d = 0; d < plan_.basic_invariants.used(); d++) {
      const Basic& basic = plan_.basic_invariants[d];
      q[basic.invariant] = m[basic.moment];
    }
  }

  // bar: dE/dm of every moment.
  void multiply_back(const Real* dE_dq) {
    const Term* term = plan_.terms.begin() + plan_.terms.used();
    const double* factor = plan_.factors.begin() + plan_.factors.used();
    const Real* m = moment_.begin();
    Real* bar = bar_.begin();
    for (int k = 0; k < plan_.n_moments; k++) bar[k] = Real(0.0);
    const auto back = [&](Real by) {
      term--;
      bar[term->first] += by * m[term->second];
      bar[term->second] += by * m[term->first];
    };
    for (int i = plan_.sums.used() - 1; i >= 0; i--) {
      const Sum& sum = plan_.sums[i];
      Real by = sum.moment >= 0 ? bar[sum.moment] : Real(0.0);
      if (sum.invariant >= 0) by += dE_dq[sum.invariant];
      for (int k = 0; k < sum.n_factor; k++) back(Real(*--factor) * by);
      for (int k = 0; k < sum.n_plain; k++) back(by);
    }
    for (int d = 0; d < plan_.basic_invariants.used(); d++) {
      const Basic& basic = plan_.basic_invariants[d];
      bar[basic.moment] += dE_dq[basic.invariant];
    }
  }

  // S_mu of neighbours at[0 .. n-1], and the gradient of sum_mu f_mu S_mu by u.
  template <int n>
  void fall(const Neighbor* at, Real (*s)[most_functions], Real (*by_u)[3]) {
    Real *above = chain_.begin(), *below = above + n * n_monomials(plan_.n_degrees);
    for (int i = 0; i < n * n_monomials(plan_.n_degrees - 1); i++) above[i] = Real(0.0);
    for (int k = 0; k < n; k++) {
      for (int mu = 0; mu < plan_.n_functions; mu++) s[k][mu] = Real(0.0);
      for (int mu = 0; mu < plan_.degrees[0].n_functions; mu++) s[k][mu] = bar_[mu];
      for (int axis = 0; axis < 3; axis++) by_u[k][axis] = Real(0.0);
    }
    for (int d = plan_.n_degrees - 1; d > 0; d--) {
      with_functions(plan_.degrees[d].n_functions, [&](auto n_mu) {
        this->template step<n, n_mu>(d, at, above, below, s, by_u);
      });
      Real* const swap = above;
      above = below;
      below = swap;
    }
  }

  // One degree of it; above, below: adjoints of its monomials and of those of one degree less.
  template <int n, int N>
  void step(int d, const Neighbor* at, const Real* above, Real* below, Real (*s)[most_functions],
            Real (*by_u)[3]) {
    constexpr int ways = n * N < 4 ? 2 : 1;  // sums side by side hide the latency of each
    const Real* const bar = bar_.begin() + plan_.degrees[d].begin;
    const Real* const monomial = monomial_.begin() + n * monomials_below(d - 1);
    Real sum[ways][n][N], f[n][N];
    clear(sum);
    functions(at, f);
    each_part(d, [&](auto axis, int i, int j, int size) {
      Real u[n], slope[ways][n];
      clear(slope);
      for (int k = 0; k < n; k++) u[k] = at[k].u[axis];
      const auto take = [&](int way) {
        for (int k = 0; k < n; k++) {
          const Real m = monomial[n * j + k] * u[k];
          Real adjoint = above[n * i + k];
          for (int mu = 0; mu < N; mu++) {
            sum[way][k][mu] += bar[N * i + mu] * m;
            adjoint += bar[N * i + mu] * f[k][mu];
          }
          const Real down = adjoint * u[k];
          below[n * j + k] = axis == 0 ? down : below[n * j + k] + down;
          slope[way][k] += adjoint * monomial[n * j + k];
        }
        i++;
        j++;
      };
      for (; size >= ways; size -= ways)
        for (int way = 0; way < ways; way++) take(way);
      for (; size > 0; size--) take(0);
      for (int way = 0; way < ways; way++)
        for (int k = 0; k < n; k++) by_u[k][axis] += slope[way][k];
    });
    for (int way = 0; way < ways; way++)
      for (int k = 0; k < n; k++)
        for (int mu = 0; mu < N; mu++) s[k][mu] += sum[way][k][mu];
  }

  template <class Array>
  static void clear(Array& array) {
    Real* const all = reinterpret_cast<Real*>(&array);
    for (std::size_t k = 0; k < sizeof array / sizeof(Real); k++) all[k] = Real(0.0);
  }

  template <int n>
  void gradient(const Batch<Real>& env, int species, int j, Real (*dE_dr)[3]) {
    Neighbor at[n];
    for (int k = 0; k < n; k++) at[k] = look<true>(env, species, j + k);
    rise<n>(at, plan_.n_degrees - 1, [](int, auto each) { each([](int, const Real*) {}); });
    Real s[n][most_functions], by_u[n][3];
    fall<n>(at, s, by_u);
    for (int k = 0; k < n; k++) {
      Real along(0.0);
      for (int mu = 0; mu < plan_.n_functions; mu++) along += at[k].df[mu] * s[k][mu];
      for (int axis = 0; axis < 3; axis++)  // |u| stays 1
        along -= by_u[k][axis] * at[k].u[axis] * at[k].per_r;
      for (int axis = 0; axis < 3; axis++)
        dE_dr[j + k][axis] = along * at[k].u[axis] + by_u[k][axis] * at[k].per_r;
    }
  }

  void radial_gradient(const Batch<Real>& env, int species, int j, Real* dE_dc) {
    const Neighbor at = look<false>(env, species, j);
    Real s[most_functions], t[most_chebyshev + 2];
    clear(s);
    rise<1>(&at, plan_.n_degrees, [&](int d, auto each) {
      with_functions(plan_.degrees[d].n_functions, [&](auto n_mu) {
        constexpr int N = n_mu;
        const Real* const bar = bar_.begin() + plan_.degrees[d].begin;
        each([&](int i, const Real* m) {
          for (int mu = 0; mu < N; mu++) s[mu] += bar[N * i + mu] * *m;
        });
      });
    });
    chebyshev<false>(env.distance[j], t, nullptr);
    for (int mu = 0; mu < plan_.n_functions; mu++)
      for (int k = 0; k < n_chebyshev_; k++) dE_dc[mu * n_chebyshev_ + k] += s[mu] * t[k];
  }

  int n_species_;
  MomentPlan plan_;
  double r_cut_, r_min_, scale_;
  int n_chebyshev_, n_coefficients_;  // n_coefficients: of one pair of species
  Buffer<double> radial_;             // [species][species][mu][k]
  Buffer<Real> moment_, bar_, monomial_;
  Buffer<Real> still_;  // basic moments of the last compute()
  Buffer<Real> chain_;  // adjoints of the monomials of one degree, and of the one below
};

template <class Real>
std::unique_ptr<Descriptor<Real>> make_moments(Block& block, int n_species) {
  return std::unique_ptr<Descriptor<Real>>(new Moments<Real>(block, n_species));
}

template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_moments(Block&, int);
template std::unique_ptr<Descriptor<Scalar>> make_moments(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_moments(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_moments(Block&, int);

MLPOT_END_KERNELS
