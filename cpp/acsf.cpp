// Atom-centred symmetry functions, after Behler and Parrinello, PRL 98 (2007) 146401, and Behler,
// J. Chem. Phys. 134 (2011) 074106:
//
//   radial           G = sum_j t_ij
//   angular, narrow  G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik t_jk
//   angular, wide    G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik
//                    with t = exp(-eta (r - r_s)^2) f_c(r)
//
// The angular functions that share species, cutoff, r_s and kind form a group (acsf_plan.hpp), a
// grid of n_eta radial parts t and n_shape angular parts A = (1 + lambda cos)^zeta: one pair p =
// (j, k) adds the outer product of its t and its A to the grid. Pairs are taken in chunks, so that
// the sums over the grid, forward and backward, are small matrix products, and the pairs of a chunk
// hide each other's latency:
//
//   G[e][a] = sum_p t[e][p] A[a][p]
//   dE/dt[e][p] = sum_a A[a][p] dE/dG[e][a],      dE/dA[a][p] = sum_e t[e][p] dE/dG[e][a]
//
// Arrays by pair have the pair last, [..][chunk]; arrays by neighbour have it first.
#include "acsf_plan.hpp"
#include "cutoff.hpp"
#include "descriptor.hpp"

MLPOT_BEGIN_KERNELS

namespace {

constexpr int chunk = 8;  // pairs
constexpr int tile = 4;   // of the matrix products

int padded(int n) { return (n + tile - 1) / tile * tile; }

}  // namespace

template <class Real>
class SymmetryFunctions : public Descriptor<Real> {
 public:
  SymmetryFunctions(Block& block, int n_species) : plan_(block, n_species) {
    const char* const cutoffs[] = {"cosine", "tanh3", "polynomial"};
    cutoff_ = block.choice("cutoff", cutoffs);
    inner_ = block.number("inner", 0.0, 0.0, 0.99);
    if (cutoff_ == 1 && inner_ != 0.0) block.refuse("inner", "expected 0 with the cutoff tanh3");
  }

  int size() const override { return plan_.size; }
  double r_cut(int a, int b) const override { return plan_.r_cut(a, b); }
  int smoothness() const override { return cutoff_ == 0 ? 1 : 2; }

  void compute(const Batch<Real>& env, Real* q) override {
    n_kept_ = 0;
    for (int d = 0; d < plan_.size; d++) q[d] = Real(0.0);
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species) compute_radial(plan_.radial[g], env, q);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species) compute_group(plan_.angular[g], env, q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    n_kept_ = 0;
    Real* slope = slope_.grow(env.n);
    for (int k = 0; k < env.n; k++) {
      slope[k] = Real(0.0);
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] = Real(0.0);
    }
    for (int g = 0; g < plan_.radial.used(); g++)
      if (plan_.radial[g].center == env.species) backprop_radial(plan_.radial[g], env, dE_dq);
    for (int g = 0; g < plan_.angular.used(); g++)
      if (plan_.angular[g].center == env.species)
        backprop_group(plan_.angular[g], env, dE_dq, dE_dr);
    for (int k = 0; k < env.n; k++) {
      const Real along = slope[k] / env.distance[k];
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] += along * env.r[k][axis];
    }
  }

 private:
  struct Pairs {  // a chunk of them
    int n;
    int j[chunk], k[chunk];
    Real cosine[chunk];
  };

  void cutoff(Real r, double r_cut, Real& f, Real& df) const {
    switch (cutoff_) {
      case 0: cosine_cutoff(r, inner_ * r_cut, r_cut, f, df); break;
      case 1: tanh3_cutoff(r, r_cut, f, df); break;
      default: polynomial_cutoff(r, inner_ * r_cut, r_cut, f, df);
    }
  }

  // t and dt/dr of n distances (at most a chunk) for each eta, at [e * by_eta + i * by_distance].
  void radial_parts(const RadialParts& parts, int n, const Real* r, int by_eta, int by_distance,
                    Real* t, Real* dt) const {
    Real f[chunk], df[chunk], d[chunk], first[chunk];
    const Eta* eta = plan_.etas.begin() + parts.etas;
    for (int i = 0; i < n; i++) cutoff(r[i], parts.r_cut, f[i], df[i]);
    for (int i = 0; i < n; i++) {
      d[i] = r[i] - Real(parts.r_s);
      first[i] = exp(Real(-eta[0].value) * d[i] * d[i]);
    }
    for (int e = 0; e < parts.n; e++)
      for (int i = 0; i < n; i++) {
        const Real x = eta[e].multiple ? power(first[i], eta[e].multiple)
                                       : exp(Real(-eta[e].value) * d[i] * d[i]);
        t[e * by_eta + i * by_distance] = x * f[i];
        dt[e * by_eta + i * by_distance] = x * (df[i] - Real(2.0 * eta[e].value) * d[i] * f[i]);
      }
  }

  // The same for the neighbours begin .. end, at [k][n_eta].
  void neighbor_parts(const RadialParts& parts, const Batch<Real>& env, int begin, int end,
                      int n_eta, Real* t, Real* dt) const {
    for (int k = begin; k < end; k += chunk) {
      const int n = end - k < chunk ? end - k : chunk;
      radial_parts(parts, n, env.distance + k, 1, n_eta, t + k * n_eta, dt + k * n_eta);
    }
  }

  void compute_radial(const RadialGroup& g, const Batch<Real>& env, Real* q) {
    const int n_eta = g.parts.n, begin = env.begin[g.neighbor], end = env.begin[g.neighbor + 1];
    Real *t = t_.grow(env.n * n_eta), *dt = room_for_kept(env.n * n_eta);
    neighbor_parts(g.parts, env, begin, end, n_eta, t, dt);
    for (int k = begin; k < end; k++)
      for (int e = 0; e < n_eta; e++) q[plan_.features[g.features + e]] += t[k * n_eta + e];
  }

  void backprop_radial(const RadialGroup& g, const Batch<Real>& env, const Real* dE_dq) {
    const int n_eta = g.parts.n;
    const Real* dt = kept(env.n * n_eta);
    for (int k = env.begin[g.neighbor]; k < env.begin[g.neighbor + 1]; k++)
      for (int e = 0; e < n_eta; e++)
        slope_[k] += dE_dq[plan_.features[g.features + e]] * dt[k * n_eta + e];
  }

  // What a group needs of each neighbour, and clean room for its chunks.
  void prepare(const AngularGroup& g, const Batch<Real>& env) {
    const int n_eta = padded(g.parts.n), n_shape = padded(g.n_shape);
    t_.grow(env.n * n_eta);
    dt_.grow(env.n * n_eta);
    inverse_.grow(env.n);
    for (const int s : {g.first, g.second}) {
      const int begin = env.begin[s], end = env.begin[s + 1];
      for (int k = begin; k < end; k++) inverse_[k] = Real(1.0) / env.distance[k];
      neighbor_parts(g.parts, env, begin, end, n_eta, t_.begin(), dt_.begin());
      if (g.first == g.second) break;
    }
    pair_t_.grow(chunk * n_eta);
    powers_.grow(2 * max_powers * chunk);
    grid_.grow(n_eta * n_shape);
    for (int i = 0; i < chunk * n_eta; i++) pair_t_[i] = Real(0.0);
    for (int i = 0; i < n_eta * n_shape; i++) grid_[i] = Real(0.0);
  }

  // Calls visit(pairs) for chunks of all pairs of neighbours.
  template <class Visit>
  void for_each_chunk(const AngularGroup& g, const Batch<Real>& env, Visit visit) {
    Pairs pairs;
    pairs.n = 0;
    for (int j = env.begin[g.first]; j < env.begin[g.first + 1]; j++) {
      const int start = g.first == g.second ? j + 1 : env.begin[g.second];
      for (int k = start; k < env.begin[g.second + 1]; k++) {
        const Real *a = env.r[j], *b = env.r[k];
        const int p = pairs.n++;
        pairs.j[p] = j;
        pairs.k[p] = k;
        pairs.cosine[p] = (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) * inverse_[j] * inverse_[k];
        if (pairs.n < chunk) continue;
        visit(pairs);
        pairs.n = 0;
      }
    }
    if (pairs.n > 0) visit(pairs);
  }

  int n_chunks(const AngularGroup& g, const Batch<Real>& env) const {
    const int a = env.begin[g.first + 1] - env.begin[g.first];
    const int b = env.begin[g.second + 1] - env.begin[g.second];
    return ((g.first == g.second ? a * (a - 1) / 2 : a * b) + chunk - 1) / chunk;
  }

  void compute_group(const AngularGroup& g, const Batch<Real>& env, Real* q) {
    prepare(g, env);
    const int n_eta = g.parts.n, n_shape = padded(g.n_shape),
              stride = g.wide ? 0 : 2 * chunk * n_eta;
    Real* between = room_for_kept(n_chunks(g, env) * stride);
    for_each_chunk(g, env, [&](const Pairs& pairs) {
      if (!g.wide) parts_between(g, env, pairs, between);
      multiply_parts(g, pairs, between);
      raise(g, pairs);
      add_outer_products(g, pairs.n);
      between += stride;
    });
    for (int e = 0; e < n_eta; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = plan_.features[g.features + e * g.n_shape + a];
        if (feature >= 0)
          q[feature] = Real(plan_.shapes[g.shapes + a].norm) * grid_[e * n_shape + a];
      }
  }

  // t_jk and d t_jk / d(r_jk^2), [n_eta][chunk] each.
  void parts_between(const AngularGroup& g, const Batch<Real>& env, const Pairs& pairs,
                     Real* parts) const {
    Real r[chunk];
    for (int p = 0; p < pairs.n; p++) {
      const Real *a = env.r[pairs.j[p]], *b = env.r[pairs.k[p]];
      const Real d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
      const Real squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
      r[p] = sqrt(select(squared > Real(1e-12), squared, Real(1e-12)));  // empty slots meet
    }
    Real* slopes = parts + chunk * g.parts.n;
    radial_parts(g.parts, pairs.n, r, chunk, 1, parts, slopes);
    for (int p = 0; p < pairs.n; p++) {
      const Real half_inverse = Real(0.5) / r[p];
      for (int e = 0; e < g.parts.n; e++) slopes[e * chunk + p] *= half_inverse;
    }
  }

  // t_ij t_ik, and t_jk where the function has it.
  void multiply_parts(const AngularGroup& g, const Pairs& pairs, const Real* between) {
    const int n_eta = padded(g.parts.n);
    for (int e = 0; e < g.parts.n; e++)
      for (int p = 0; p < pairs.n; p++) {
        const Real t = t_[pairs.j[p] * n_eta + e] * t_[pairs.k[p] * n_eta + e];
        pair_t_[e * chunk + p] = g.wide ? t : t * between[e * chunk + p];
      }
  }

  // The powers of 1 - cos and of 1 + cos of which the angular parts are made: [2
  // max_powers][chunk].
  void raise(const AngularGroup& g, const Pairs& pairs) {
    const PowerStep* step = plan_.steps.begin() + g.powers[0];
    for (int sign = 0; sign < 2; sign++) {
      Real(*x)[chunk] = reinterpret_cast<Real(*)[chunk]>(powers_.begin()) + sign * max_powers;
      for (int p = 0; p < chunk; p++) {
        const Real cosine = p < pairs.n ? pairs.cosine[p] : Real(0.0);
        x[0][p] = Real(1.0);
        x[1][p] = sign ? Real(1.0) + cosine : Real(1.0) - cosine;
      }
      for (int k = 2; k < g.n_powers[sign]; k++, step++)
        for (int p = 0; p < chunk; p++) x[k][p] = x[step->first][p] * x[step->second][p];
    }
  }

  // A of angular part a, [chunk]; any finite row where there is no such part.
  const Real* shape_row(const AngularGroup& g, int a) const {
    return powers_.begin() + (a < g.n_shape ? plan_.shapes[g.shapes + a].at : 0) * chunk;
  }

  // grid[e][a] += sum_p t[e][p] A[a][p].
  void add_outer_products(const AngularGroup& g, int n) {
    const int n_eta = padded(g.parts.n), n_shape = padded(g.n_shape);
    for (int a = 0; a < n_shape; a += tile) {
      const Real* shape[tile];
      for (int y = 0; y < tile; y++) shape[y] = shape_row(g, a + y);
      for (int e = 0; e < n_eta; e += tile) {
        Real sum[tile][tile];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) sum[x][y] = grid_[(e + x) * n_shape + a + y];
        for (int p = 0; p < n; p++)
          for (int x = 0; x < tile; x++)
            for (int y = 0; y < tile; y++) sum[x][y] += pair_t_[(e + x) * chunk + p] * shape[y][p];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) grid_[(e + x) * n_shape + a + y] = sum[x][y];
      }
    }
  }

  // out[i][p] = sum_k left(i, k) right(k)[p] for the pairs of a chunk; i in tiles, p in halves.
  template <class Left, class Right>
  static void multiply(Left left, Right right, int n_out, int n_inner, Real* out) {
    for (int i = 0; i < n_out; i += tile)
      for (int p = 0; p < chunk; p += tile) {
        Real sum[tile][tile];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) sum[x][y] = Real(0.0);
        for (int k = 0; k < n_inner; k++) {
          const Real* row = right(k) + p;
          for (int x = 0; x < tile; x++)
            for (int y = 0; y < tile; y++) sum[x][y] += left(i + x, k) * row[y];
        }
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) out[(i + x) * chunk + p + y] = sum[x][y];
      }
  }

  void backprop_group(const AngularGroup& g, const Batch<Real>& env, const Real* dE_dq,
                      Real (*dE_dr)[3]) {
    prepare(g, env);
    const int n_eta = padded(g.parts.n), n_shape = padded(g.n_shape);
    Real* t_bar = t_bar_.grow(env.n * n_eta);
    for (int i = 0; i < env.n * n_eta; i++) t_bar[i] = Real(0.0);
    for (int e = 0; e < g.parts.n; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = plan_.features[g.features + e * g.n_shape + a];
        if (feature >= 0)
          grid_[e * n_shape + a] = Real(plan_.shapes[g.shapes + a].norm) * dE_dq[feature];
      }
    Real *dE_dt = dE_dt_.grow(chunk * n_eta), *dE_dshape = dE_dshape_.grow(chunk * n_shape);
    const Real* grid = grid_.begin();
    const int stride = g.wide ? 0 : 2 * chunk * g.parts.n;
    const Real* between = kept(n_chunks(g, env) * stride);
    for_each_chunk(g, env, [&](const Pairs& pairs) {
      multiply_parts(g, pairs, between);
      raise(g, pairs);
      multiply([=](int e, int a) { return grid[e * n_shape + a]; },
               [&](int a) { return shape_row(g, a); }, n_eta, g.n_shape, dE_dt);
      multiply([=](int a, int e) { return grid[e * n_shape + a]; },
               [&](int e) { return pair_t_.begin() + e * chunk; }, n_shape, g.parts.n, dE_dshape);
      pair_gradients(g, env, pairs, between, dE_dr);
      between += stride;
    });
    for (const int s : {g.first, g.second}) {
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++)
        for (int e = 0; e < g.parts.n; e++) slope_[k] += t_bar_[k * n_eta + e] * dt_[k * n_eta + e];
      if (g.first == g.second) break;
    }
  }

  // With c = r_j . r_k:  cos = c/(r_j r_k),  r_jk^2 = r_j^2 + r_k^2 - 2c.
  void pair_gradients(const AngularGroup& g, const Batch<Real>& env, const Pairs& pairs,
                      const Real* between, Real (*dE_dr)[3]) {
    const int n_eta = padded(g.parts.n);
    const Real* slopes = between + chunk * g.parts.n;
    Real by_cosine[chunk];
    for (int p = 0; p < chunk; p++) by_cosine[p] = Real(0.0);
    for (int a = 0; a < g.n_shape; a++) {
      const Shape& shape = plan_.shapes[g.shapes + a];
      const Real slope(shape.slope);
      const Real* below = powers_.begin() + shape.below * chunk;
      for (int p = 0; p < chunk; p++) by_cosine[p] += slope * below[p] * dE_dshape_[a * chunk + p];
    }
    for (int p = 0; p < pairs.n; p++) {
      const int j = pairs.j[p], k = pairs.k[p];
      Real by_squared(0.0);
      for (int e = 0; e < g.parts.n; e++) {
        const Real w = dE_dt_[e * chunk + p], tj = t_[j * n_eta + e], tk = t_[k * n_eta + e];
        const Real with_pair = g.wide ? w : w * between[e * chunk + p];
        t_bar_[j * n_eta + e] += with_pair * tk;
        t_bar_[k * n_eta + e] += with_pair * tj;
        if (!g.wide) by_squared += w * tj * tk * slopes[e * chunk + p];
      }
      const Real twice = by_squared + by_squared, turn = by_cosine[p] * pairs.cosine[p];
      const Real by_c = by_cosine[p] * inverse_[j] * inverse_[k] - twice;
      for (int axis = 0; axis < 3; axis++) {
        dE_dr[j][axis] += by_c * env.r[k][axis];
        dE_dr[k][axis] += by_c * env.r[j][axis];
      }
      slope_[j] += twice * env.distance[j] - turn * inverse_[j];
      slope_[k] += twice * env.distance[k] - turn * inverse_[k];
    }
  }

  // Numbers that compute() keeps for backprop(), which asks for them in the same order.
  Real* room_for_kept(int n) {
    while (kept_.used() < n_kept_ + n) kept_.push(Real(0.0));
    return kept(n);
  }
  Real* kept(int n) {
    n_kept_ += n;
    return kept_.begin() + n_kept_ - n;
  }

  SymmetryFunctionPlan plan_;
  int cutoff_;
  double inner_;
  Buffer<Real> t_, dt_, t_bar_, inverse_, slope_;     // by neighbour
  Buffer<Real> pair_t_, powers_, dE_dt_, dE_dshape_;  // by pair of a chunk
  Buffer<Real> grid_, kept_;
  int n_kept_ = 0;
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
