// Bispectrum components (SNAP), after Thompson, Swiler, Trott, Foiles, Tucker, J. Comput. Phys. 285
// (2015) 316 and Bartok, Payne, Kondor, Csanyi, PRL 104 (2010) 136403; conventions and component
// order are those of LAMMPS' pair_style snap. All j are doubled (j = 0 .. two_j_max).
//
//   neighbour -> (a, b) on the 3-sphere:  theta = rfac0 pi (r - rmin0)/(r_cut - rmin0)
//       a = cos theta - i (z/r) sin theta,      b = (y - i x)/r sin theta
//   U_j[mb][ma] = w_self delta + sum_k f_c(r_k) w_k u_j[mb][ma](a_k, b_k)
//   Z_j1j2^j    = sum C C U_j1 U_j2,            B_j1j2j = sum conj(U_j) Z_j1j2^j,    j2 <= j1 <= j
//
// The Wigner functions are u = norm * v, where v_j[mb][ma] is the coefficient of x^ma in
//   (conj(a) - conj(b) x)^(j-mb) (b + a x)^mb,      norm^2 = ma!(j-ma)! / (mb!(j-mb)!).
// v has a recursion without coefficients, and its derivatives by a and b are v of j-1 again. So the
// adjoint needs no derivative of u: with Y = dE/dU folded once an atom into P and Q,
//   dE/da = sum P v + P' conj(v),   dE/db = sum Q v + Q' conj(v)   over the v of j-1,
// and, v_j being homogeneous of degree j, Euler's theorem gives the derivative by f_c.
//
// Arrays: U, Y [element][u_index], both halves; v and the rows above half of U only: mb <= j/2,
// since u_j[j-mb][j-ma] = (-1)^(ma+mb) conj(u_j[mb][ma]).
#include "bispectrum_plan.hpp"
#include "cutoff.hpp"
#include "descriptor.hpp"

MLPOT_BEGIN_KERNELS

namespace {

template <class Real>
struct Complex {
  Real re, im;
};

}  // namespace

template <class Real>
class Bispectrum : public Descriptor<Real> {
 public:
  Bispectrum(Block& block, int n_species) : n_species_(n_species) {
    read(block);
    plan_.build(two_j_max_, !chem_, bnorm_);
    beta_.grow(plan_.blocks.used());
    u_.grow(n_elements_ * plan_.n_whole);
    y_.grow(n_elements_ * plan_.n_whole);
    v_.grow(plan_.n_half);
    sum_.grow(n_elements_ * plan_.n_half);
    fold_.grow(n_elements_ * plan_.n_lower);
    z_.grow(n_elements_ * n_elements_ * plan_.elements.used());
  }

  int size() const override { return plan_.n_triples * n_elements_ * n_elements_ * n_elements_; }
  double r_cut(int a, int b) const override { return r_cut_ * (radii_[a] + radii_[b]); }
  int smoothness() const override { return switch_ ? 1 : -1; }

  void compute(const Batch<Real>& env, Real* q) override {
    sum_neighbors(env);
    contract(env, q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    adjoint_of_u(dE_dq);
    for (int e = 0; e < n_elements_; e++) fold(e);
    for (int s = 0; s < n_species_; s++)
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++) neighbor_gradient(env, s, k, dE_dr[k]);
  }

 private:
  struct Cayley {  // a neighbour on the 3-sphere
    Complex<Real> a, b;
    Real sine_over_r, radial, dradial, dtheta, sine, cosine;  // radial: f_c w
  };
  struct Folded {  // dE/da += p v + pc conj(v), dE/db += q v + qc conj(v), as real matrices
    Real a_rr, a_ri, a_ir, a_ii, b_rr, b_ri, b_ir, b_ii;
  };

  void read(Block& block) {
    two_j_max_ = block.integer("two_j_max", 6, 0, max_two_j);
    r_cut_ = block.number("r_cut", 0.1, 100.0);
    rfac0_ = block.number("rfac0", 0.99363, 0.01, 1.0);
    rmin0_ = block.number("rmin0", 0.0, 0.0, 100.0);
    block.numbers("radii", n_species_, 0.5, 1e-3, 100.0, radii_.grow(n_species_));
    block.numbers("weights", n_species_, 1.0, -1e3, 1e3, weights_.grow(n_species_));
    switch_ = block.flag("switchflag", true);
    bzero_ = block.flag("bzeroflag", true);
    wselfall_ = block.flag("wselfallflag", false);
    chem_ = block.flag("chemflag", false);
    bnorm_ = block.flag("bnormflag", false);
    inner_ = block.flag("switchinnerflag", false);
    const int n_inner = inner_ ? n_species_ : 0;
    block.numbers("sinner", n_inner, 0.0, 0.0, 100.0, sinner_.grow(n_species_));
    block.numbers("dinner", n_inner, 0.1, 1e-6, 100.0, dinner_.grow(n_species_));
    for (int s = 0; s < n_species_; s++)
      if (rmin0_ >= 2.0 * r_cut_ * radii_[s])
        block.refuse("rmin0", "it must be below every cutoff");
    n_elements_ = chem_ ? n_species_ : 1;
    if (n_elements_ > 20) block.refuse("chemflag", "expected at most 20 elements with chemflag");
  }

  // Where neighbour k of species s lies on the 3-sphere, and how much it counts.
  Cayley map(const Batch<Real>& env, int s, int k) const {
    const double cut = r_cut(env.species, s), rate = rfac0_ * pi / (cut - rmin0_);
    const Real r = env.distance[k];
    Cayley c;
    sincos((r - Real(rmin0_)) * Real(rate), c.sine, c.cosine);
    if (rmin0_ > 0.0) {  // below rmin0 LAMMPS' map turns to the other side of the sphere
      const auto behind = c.sine < Real(0.0);
      c.sine = select(behind, -c.sine, c.sine);
      c.cosine = select(behind, -c.cosine, c.cosine);
    }
    c.dtheta = Real(rate);
    c.sine_over_r = c.sine / r;
    c.a = {c.cosine, -env.r[k][2] * c.sine_over_r};
    c.b = {env.r[k][1] * c.sine_over_r, -env.r[k][0] * c.sine_over_r};
    if (switch_) cosine_cutoff(r, rmin0_, cut, c.radial, c.dradial);
    else step_cutoff(r, cut, c.radial, c.dradial);
    if (inner_) {
      Real f, df;
      cosine_switch_on(r, 0.5 * (sinner_[env.species] + sinner_[s]),
                       0.5 * (dinner_[env.species] + dinner_[s]), f, df);
      c.dradial = c.dradial * f + c.radial * df;
      c.radial = c.radial * f;
    }
    c.radial *= Real(weights_[s]);
    c.dradial *= Real(weights_[s]);
    return c;
  }

  // v_j for j = 0 .. top, v_0 = start.
  void wigner(const Cayley& c, Real start, int top, Complex<Real>* v) const {
    const Complex<Real> a = c.a, b = c.b;
    v[0] = {start, Real(0.0)};
    const Complex<Real>* old_level = v;
    Complex<Real>* level = v + 1;
    for (int j = 1; j <= top; j++) {
      for (int mb = 0; 2 * mb < j; mb++) {  // times (conj(a) - conj(b) x)
        const Complex<Real>* old = old_level + mb * j;
        Complex<Real>* row = level + mb * (j + 1);
        Complex<Real> carry = {Real(0.0), Real(0.0)};
        for (int ma = 0; ma < j; ma++) {
          const Complex<Real> p = old[ma];
          row[ma] = {carry.re + a.re * p.re + a.im * p.im, carry.im + a.re * p.im - a.im * p.re};
          carry = {-b.re * p.re - b.im * p.im, b.im * p.re - b.re * p.im};
        }
        row[j] = carry;
      }
      if (j % 2 == 0) {  // times (b + a x)
        const Complex<Real>* old = old_level + (j / 2 - 1) * j;
        Complex<Real>* row = level + j / 2 * (j + 1);
        Complex<Real> carry = {Real(0.0), Real(0.0)};
        for (int ma = 0; ma < j; ma++) {
          const Complex<Real> p = old[ma];
          row[ma] = {carry.re + b.re * p.re - b.im * p.im, carry.im + b.re * p.im + b.im * p.re};
          carry = {a.re * p.re - a.im * p.im, a.re * p.im + a.im * p.re};
        }
        row[j] = carry;
      }
      old_level = level;
      level += (j / 2 + 1) * (j + 1);
    }
  }

  // U of the batch: the sum over neighbours, with norms, self term and lower half.
  void sum_neighbors(const Batch<Real>& env) {
    for (int i = 0; i < n_elements_ * plan_.n_half; i++) sum_[i] = {Real(0.0), Real(0.0)};
    for (int s = 0; s < n_species_; s++) {
      Complex<Real>* sum = sum_.begin() + (chem_ ? s : 0) * plan_.n_half;
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++) {
        const Cayley c = map(env, s, k);
        wigner(c, c.radial, two_j_max_, v_.begin());
        for (int i = 0; i < plan_.n_half; i++) {
          sum[i].re += v_[i].re;
          sum[i].im += v_[i].im;
        }
      }
    }
    for (int e = 0; e < n_elements_; e++) {
      const double self = !chem_ || wselfall_ || e == env.species ? 1.0 : 0.0;
      const Complex<Real>* sum = sum_.begin() + e * plan_.n_half;
      Complex<Real>* u = u_.begin() + e * plan_.n_whole;
      for (int j = 0, i = 0; j <= two_j_max_; j++) {
        Complex<Real>* level = u + whole(j);
        const int last = (j + 1) * (j + 1) - 1;
        for (int mb = 0; 2 * mb <= j; mb++)
          for (int ma = 0; ma <= j; ma++, i++) {
            const Real re = sum[i].re * Real(plan_.norms[i]) + Real(ma == mb ? self : 0.0);
            const Real im = sum[i].im * Real(plan_.norms[i]);
            const int at = mb * (j + 1) + ma;
            const bool odd = (ma + mb) % 2;
            if (2 * mb < j) level[last - at] = {odd ? -re : re, odd ? im : -im};
            level[at] = {re, im};
          }
      }
    }
  }

  template <int n>
  void z_of_group(const Group& group, const Complex<Real>* u1, const Complex<Real>* u2,
                  Complex<Real>* z) const {
    Real re[n], im[n];
    for (int k = 0; k < n; k++) re[k] = im[k] = Real(0.0);
    const double* c = plan_.coefficients.begin() + group.coefficients;
    for (int t = group.begin; t < group.end; t++, c += n) {
      const Complex<Real> p = u1[plan_.products[t].first], q = u2[plan_.products[t].second];
      const Real product_re = p.re * q.re - p.im * q.im, product_im = p.re * q.im + p.im * q.re;
      for (int k = 0; k < n; k++) {
        re[k] += Real(c[k]) * product_re;
        im[k] += Real(c[k]) * product_im;
      }
    }
    for (int k = 0; k < n; k++) z[group.elements + k] = {re[k], im[k]};
  }

  void all_z(const Complex<Real>* u1, const Complex<Real>* u2, Complex<Real>* z) const {
    for (int g = 0; g < plan_.groups.used(); g++) {
      const Group& group = plan_.groups[g];
      switch (group.n) {  // at most max_two_j/2 + 1
        case 1: z_of_group<1>(group, u1, u2, z); break;
        case 2: z_of_group<2>(group, u1, u2, z); break;
        case 3: z_of_group<3>(group, u1, u2, z); break;
        case 4: z_of_group<4>(group, u1, u2, z); break;
        case 5: z_of_group<5>(group, u1, u2, z); break;
        case 6: z_of_group<6>(group, u1, u2, z); break;
        case 7: z_of_group<7>(group, u1, u2, z); break;
        default: z_of_group<8>(group, u1, u2, z);
      }
    }
  }

  // Z and B from U.
  void contract(const Batch<Real>& env, Real* q) {
    const int n = n_elements_, n_z = plan_.elements.used();
    for (int i = 0; i < size(); i++) q[i] = Real(0.0);
    for (int e1 = 0; e1 < n; e1++)
      for (int e2 = 0; e2 < n; e2++) {
        Complex<Real>* z = z_.begin() + (e1 * n + e2) * n_z;
        all_z(u_.begin() + e1 * plan_.n_whole, u_.begin() + e2 * plan_.n_whole, z);
        for (int e3 = 0; e3 < n; e3++) {
          const Complex<Real>* u = u_.begin() + e3 * plan_.n_whole;
          Real* b = q + ((e1 * n + e2) * n + e3) * plan_.n_triples;
          for (int i = 0; i < n_z; i++) {
            const Element& element = plan_.elements[i];
            const int triple = plan_.blocks[element.block].last;
            if (triple < 0) continue;
            const Complex<Real> x = u[element.at];
            b[triple] += Real(element.weight) * (x.re * z[i].re + x.im * z[i].im);
          }
        }
      }
    if (!bzero_) return;
    for (int e1 = 0; e1 < n; e1++)
      for (int e2 = 0; e2 < n; e2++)
        for (int e3 = 0; e3 < n; e3++) {
          const bool own = !chem_ || (e1 == env.species && e2 == e1 && e3 == e1);
          if (!own && !wselfall_) continue;
          for (int t = 0; t < plan_.n_triples; t++)
            q[((e1 * n + e2) * n + e3) * plan_.n_triples + t] -= Real(plan_.bzero_shift[t]);
        }
  }

  // Y: half the derivative of the energy by the elements of the upper half of U.
  void adjoint_of_u(const Real* dE_dq) {
    const int n = n_elements_, n_z = plan_.elements.used();
    for (int i = 0; i < n * plan_.n_whole; i++) y_[i] = {Real(0.0), Real(0.0)};
    for (int e1 = 0; e1 < n; e1++)
      for (int e2 = 0; e2 < n; e2++)
        for (int e3 = 0; e3 < n; e3++) {
          const auto triple = [=](int x1, int x2, int x3) {
            return dE_dq + ((x1 * n + x2) * n + x3) * plan_.n_triples;
          };
          for (int k = 0; k < plan_.blocks.used(); k++) {
            const ZBlock& block = plan_.blocks[k];
            Real permuted(0.0);
            if (block.middle >= 0) permuted += triple(e3, e2, e1)[block.middle];
            if (block.first >= 0) permuted += triple(e2, e3, e1)[block.first];
            beta_[k] = Real(block.factor) * permuted;
            if (block.last >= 0) beta_[k] += triple(e1, e2, e3)[block.last];
          }
          const Complex<Real>* z = z_.begin() + (e1 * n + e2) * n_z;
          Complex<Real>* y = y_.begin() + e3 * plan_.n_whole;
          for (int i = 0; i < n_z; i++) {
            const Real beta = beta_[plan_.elements[i].block];
            Complex<Real>& to = y[plan_.elements[i].at];
            to.re += beta * z[i].re;
            to.im += beta * z[i].im;
          }
        }
  }

  // t = dE/d(conj v) of the upper half; then the derivatives of v_j by a and b, which are v_(j-1),
  // are collected as one matrix for each element of v_(j-1).
  void fold(int e) {
    const Complex<Real>* y = y_.begin() + e * plan_.n_whole;
    Complex<Real>* t = v_.begin();
    for (int j = 0, i = 0; j <= two_j_max_; j++)
      for (int mb = 0; 2 * mb <= j; mb++)
        for (int ma = 0; ma <= j; ma++, i++) {
          const Real weight(half_weight(j, mb, ma) * plan_.norms[i]);
          const Complex<Real> element = y[whole(j) + mb * (j + 1) + ma];
          t[i] = {weight * element.re, weight * element.im};
        }
    level0_[e] = t[0].re;
    Folded* out = fold_.begin() + e * plan_.n_lower;
    for (int j = 1; j <= two_j_max_; j++) {
      const Complex<Real>* level = t + half(j);
      for (int m = 0; 2 * m < j; m++)
        for (int n = 0; n < j; n++, out++) *out = fold_element(level, j, m, n);
    }
  }

  // Element (m, n) of v_(j-1): with t = t_j,
  //   dE/da += (j-m) conj(t[m][n]) v + (m+1) t[m+1][n+1] conj(v)
  //   dE/db += -(j-m) conj(t[m][n+1]) v + (m+1) t[m+1][n] conj(v)
  // and, where row j/2 of v_(j-1) is in the lower half, the same from its mirror image.
  Folded fold_element(const Complex<Real>* t, int j, int m, int n) const {
    const auto at = [t, j](int mb, int ma) { return t[mb * (j + 1) + ma]; };
    const auto times = [](double c, Complex<Real> x) {
      return Complex<Real>{Real(c) * x.re, Real(c) * x.im};
    };
    const auto plus = [](Complex<Real> x, Complex<Real> y) {
      return Complex<Real>{x.re + y.re, x.im + y.im};
    };
    const auto conj = [](Complex<Real> x) { return Complex<Real>{x.re, -x.im}; };
    Complex<Real> p = times(j - m, conj(at(m, n))), q = times(-(j - m), conj(at(m, n + 1)));
    Complex<Real> pc = {Real(0.0), Real(0.0)}, qc = pc;
    if (2 * (m + 1) <= j) {
      pc = times(m + 1, at(m + 1, n + 1));
      qc = times(m + 1, at(m + 1, n));
    }
    if (2 * (m + 1) == j) {  // v_(j-1)[j/2][n'] = sign conj(v_(j-1)[m][n]), n' = j-1-n
      const int mirror = j - 1 - n;
      const double sign = (m + n) % 2 ? -1.0 : 1.0;
      pc = plus(pc, times(sign * (j / 2), conj(at(j / 2, mirror))));
      qc = plus(qc, times(-sign * (j / 2), conj(at(j / 2, mirror + 1))));
    }
    return {p.re + pc.re, pc.im - p.im, p.im + pc.im, p.re - pc.re,
            q.re + qc.re, qc.im - q.im, q.im + qc.im, q.re - qc.re};
  }

  void neighbor_gradient(const Batch<Real>& env, int s, int k, Real dE_dr[3]) {
    const int e = chem_ ? s : 0;
    const Cayley c = map(env, s, k);
    wigner(c, Real(1.0), two_j_max_ - 1, v_.begin());
    Real energy = level0_[e];
    Complex<Real> da = {Real(0.0), Real(0.0)}, db = da;
    const Complex<Real>* v = v_.begin();
    const Folded* fold = fold_.begin() + e * plan_.n_lower;
    for (int j = 1; j <= two_j_max_; j++) {
      Complex<Real> ga = {Real(0.0), Real(0.0)}, gb = ga;
      const int n = ((j - 1) / 2 + 1) * j;
      for (int i = 0; i < n; i++, v++, fold++) {
        ga.re += fold->a_rr * v->re + fold->a_ri * v->im;
        ga.im += fold->a_ir * v->re + fold->a_ii * v->im;
        gb.re += fold->b_rr * v->re + fold->b_ri * v->im;
        gb.im += fold->b_ir * v->re + fold->b_ii * v->im;
      }
      energy += Real(1.0 / j) * (c.a.re * ga.re + c.a.im * ga.im + c.b.re * gb.re + c.b.im * gb.im);
      da = {da.re + ga.re, da.im + ga.im};
      db = {db.re + gb.re, db.im + gb.im};
    }
    // a = cos - i z g, b = (y - i x) g with g = sin/r
    const Real *r = env.r[k], g = c.sine_over_r, inverse = Real(1.0) / env.distance[k];
    const Real dg = (c.dtheta * c.cosine - g) * inverse;
    const Real along =
        c.radial * (dg * (db.re * r[1] - da.im * r[2] - db.im * r[0]) - da.re * c.dtheta * c.sine) +
        c.dradial * energy;
    const Real radial = along * inverse, g_scaled = c.radial * g;
    dE_dr[0] = radial * r[0] - g_scaled * db.im;
    dE_dr[1] = radial * r[1] + g_scaled * db.re;
    dE_dr[2] = radial * r[2] - g_scaled * da.im;
  }

  int n_species_, n_elements_, two_j_max_;
  double r_cut_, rfac0_, rmin0_;
  Buffer<double> radii_, weights_, sinner_, dinner_;
  bool switch_, bzero_, wselfall_, chem_, bnorm_, inner_;

  BispectrumPlan plan_;
  Buffer<Real> beta_;  // by block
  Buffer<Complex<Real>> u_, y_, v_, sum_, z_;
  Buffer<Folded> fold_;
  Real level0_[128];
};

template <class Real>
std::unique_ptr<Descriptor<Real>> make_bispectrum(Block& block, int n_species) {
  return std::unique_ptr<Descriptor<Real>>(new Bispectrum<Real>(block, n_species));
}

template std::unique_ptr<Descriptor<Scalar>> make_bispectrum(Block&, int);
template std::unique_ptr<Descriptor<Pack<MLPOT_WIDTH>>> make_bispectrum(Block&, int);
template std::unique_ptr<Descriptor<Dual<Scalar>>> make_bispectrum(Block&, int);
template std::unique_ptr<Descriptor<Dual<Pack<MLPOT_WIDTH>>>> make_bispectrum(Block&, int);

MLPOT_END_KERNELS
