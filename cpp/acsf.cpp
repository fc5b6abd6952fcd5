// Atom-centred symmetry functions, after Behler and Parrinello, PRL 98 (2007) 146401, and Behler,
// J. Chem. Phys. 134 (2011) 074106:
//
//   radial           G = sum_j exp(-eta (r_ij - r_s)^2) f_c(r_ij)
//   angular, narrow  G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik t_jk
//   angular, wide    G = 2^(1-zeta) sum_{j<k} (1 + lambda cos_jik)^zeta t_ij t_ik
//                    with t = exp(-eta (r - r_s)^2) f_c(r)
//
// The angular functions that share species, cutoff, r_s and kind form a group, a grid of n_eta
// radial parts t and n_shape angular parts A = (1 + lambda cos)^zeta: one pair (j, k) adds the
// outer product of its t and its A to the grid. Pairs are taken in chunks, so that the sums over
// the grid, forward and backward, are small matrix products:
//
//   G[e][a] = sum_p t[p][e] A[p][a]
//   dE/dt[p][e] = sum_a A[p][a] dE/dG[e][a],      dE/dA[p][a] = sum_e t[p][e] dE/dG[e][a]
#include "cutoff.hpp"
#include "descriptor.hpp"

MLPOT_BEGIN_KERNELS

namespace {

constexpr int chunk = 8;  // pairs
constexpr int tile = 4;   // of the matrix products

int padded(int n) { return (n + tile - 1) / tile * tile; }

struct RadialFunction {
  int center, neighbor, feature;
  double eta, r_s, r_cut;
};

struct AngularGroup {
  int center, first, second;  // species; first <= second
  double r_s, r_cut;
  bool wide;
  int n_eta, n_shape;
  int etas, shapes, features;  // where they begin; features: [n_eta][n_shape], -1: not wanted
};

struct Shape {
  double lambda;
  int zeta;
};

}  // namespace

template <class Real>
class SymmetryFunctions : public Descriptor<Real> {
 public:
  SymmetryFunctions(Block& block, int n_species)
      : n_species_(n_species), counts_(n_species), r_cut_(n_species * n_species) {
    const char* const cutoffs[] = {"cosine", "tanh3", "polynomial"};
    cutoff_ = block.choice("cutoff", cutoffs);
    inner_ = block.number("inner", 0.0, 0.0, 0.99);
    if (cutoff_ == 1 && inner_ != 0.0) block.refuse("inner", "expected 0 with the cutoff tanh3");
    for (int s = 0; s < n_species; s++) counts_[s] = 0;
    for (int k = 0; k < n_species * n_species; k++) r_cut_[k] = 0.0;
    read_radial(block);
    read_angular(block);
    size_ = 0;
    for (int s = 0; s < n_species; s++) size_ = counts_[s] > size_ ? counts_[s] : size_;
    if (size_ == 0) block.refuse("radial", "expected at least one function, radial or angular");
  }

  int size() const override { return size_; }
  double r_cut(int a, int b) const override { return r_cut_[a * n_species_ + b]; }

  void compute(const Batch<Real>& env, Real* q) override {
    for (int d = 0; d < size_; d++) q[d] = Real(0.0);
    for (int f = 0; f < radial_.used(); f++) {
      const RadialFunction& g = radial_[f];
      if (g.center != env.species) continue;
      Real sum(0.0);
      for (int k = env.begin[g.neighbor]; k < env.begin[g.neighbor + 1]; k++) {
        Real t, dt;
        radial_part(g, env.distance[k], t, dt);
        sum += t;
      }
      q[g.feature] = sum;
    }
    kept_ = 0;
    for (int g = 0; g < groups_.used(); g++)
      if (groups_[g].center == env.species) compute_group(groups_[g], env, q);
  }

  void backprop(const Batch<Real>& env, const Real* dE_dq, Real (*dE_dr)[3]) override {
    Real* slope = slope_.grow(env.n);
    for (int k = 0; k < env.n; k++) {
      slope[k] = Real(0.0);
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] = Real(0.0);
    }
    for (int f = 0; f < radial_.used(); f++) {
      const RadialFunction& g = radial_[f];
      if (g.center != env.species) continue;
      for (int k = env.begin[g.neighbor]; k < env.begin[g.neighbor + 1]; k++) {
        Real t, dt;
        radial_part(g, env.distance[k], t, dt);
        slope[k] += dE_dq[g.feature] * dt;
      }
    }
    kept_ = 0;
    for (int g = 0; g < groups_.used(); g++)
      if (groups_[g].center == env.species) backprop_group(groups_[g], env, dE_dq, dE_dr);
    for (int k = 0; k < env.n; k++) {
      const Real along = slope[k] / env.distance[k];
      for (int axis = 0; axis < 3; axis++) dE_dr[k][axis] += along * env.r[k][axis];
    }
  }

 private:
  struct Pair {  // of neighbours, as far as it depends on their distance
    int j, k;
    Real cosine;
  };

  void read_radial(Block& block) {
    const int n = block.rows("radial");
    Buffer<double> table(5 * n + 1);
    block.table("radial", n, 5, table.begin());
    for (int f = 0; f < n; f++) {
      const double* row = table.begin() + 5 * f;
      const int center = species(block, "radial", row[0]), other = species(block, "radial", row[1]);
      check(block, "radial", row[2], row[3], row[4]);
      radial_.push({center, other, counts_[center]++, row[2], row[3], row[4]});
      reach(center, other, row[4]);
    }
  }

  void read_angular(Block& block) {
    const int n = block.rows("angular");
    Buffer<double> table(9 * n + 1);
    block.table("angular", n, 9, table.begin());
    Buffer<int> feature(n + 1);
    for (int f = 0; f < n; f++) {
      const double* row = table.begin() + 9 * f;
      const int center = species(block, "angular", row[0]);
      const int first = species(block, "angular", row[1]),
                second = species(block, "angular", row[2]);
      check(block, "angular", row[3], row[6], row[7]);
      if (first > second) block.refuse("angular", "expected neighbor_1 <= neighbor_2");
      if (row[4] != 1.0 && row[4] != -1.0) block.refuse("angular", "expected lambda 1 or -1");
      if (row[5] < 1.0 || row[5] > 1000.0 || row[5] != static_cast<int>(row[5]))
        block.refuse("angular", "expected zeta to be a whole number from 1 to 1000");
      if (row[8] != 0.0 && row[8] != 1.0) block.refuse("angular", "expected wide to be 0 or 1");
      feature[f] = counts_[center]++;
      reach(center, first, row[7]);
      reach(center, second, row[7]);
    }
    Buffer<int> grouped(n + 1);
    for (int f = 0; f < n; f++) grouped[f] = 0;
    for (int f = 0; f < n; f++)
      if (!grouped[f]) build_group(table, n, f, feature, grouped);
  }

  // The group of function f: every function that differs from it in eta, lambda and zeta only.
  void build_group(const Buffer<double>& table, int n, int f, const Buffer<int>& feature,
                   Buffer<int>& grouped) {
    const double* head = table.begin() + 9 * f;
    const auto same = [&](const double* row) {
      return row[0] == head[0] && row[1] == head[1] && row[2] == head[2] && row[6] == head[6] &&
             row[7] == head[7] && row[8] == head[8];
    };
    AngularGroup group = {static_cast<int>(head[0]),
                          static_cast<int>(head[1]),
                          static_cast<int>(head[2]),
                          head[6],
                          head[7],
                          head[8] == 1.0,
                          0,
                          0,
                          etas_.used(),
                          shapes_.used(),
                          features_.used()};
    const auto eta_of = [&](double eta) {
      for (int e = 0; e < group.n_eta; e++)
        if (etas_[group.etas + e] == eta) return e;
      return -1;
    };
    const auto shape_of = [&](double lambda, double zeta) {
      for (int a = 0; a < group.n_shape; a++)
        if (shapes_[group.shapes + a].lambda == lambda && shapes_[group.shapes + a].zeta == zeta)
          return a;
      return -1;
    };
    for (int g = f; g < n; g++) {
      const double* row = table.begin() + 9 * g;
      if (!same(row)) continue;
      if (eta_of(row[3]) < 0) {
        etas_.push(row[3]);
        group.n_eta++;
      }
      if (shape_of(row[4], row[5]) < 0) {
        shapes_.push({row[4], static_cast<int>(row[5])});
        group.n_shape++;
      }
    }
    for (int k = 0; k < group.n_eta * group.n_shape; k++) features_.push(-1);
    for (int g = f; g < n; g++) {
      const double* row = table.begin() + 9 * g;
      if (!same(row)) continue;
      int& place =
          features_[group.features + eta_of(row[3]) * group.n_shape + shape_of(row[4], row[5])];
      if (place >= 0) continue;  // a function that is there twice keeps a group of its own
      place = feature[g];
      grouped[g] = 1;
    }
    groups_.push(group);
  }

  int species(Block& block, const char* key, double value) const {
    const int s = static_cast<int>(value);
    if (s != value || s < 0 || s >= n_species_)
      block.refuse(key, "expected species as whole numbers below the number of elements");
    return s;
  }
  void check(Block& block, const char* key, double eta, double r_s, double r_cut) const {
    if (eta < 0.0 || r_s < 0.0 || r_cut < 0.1 || r_cut > 100.0 || r_s > 100.0)
      block.refuse(key,
                   "expected eta >= 0, r_s from 0 to 100 and r_cut from 0.1 to 100 in every row");
  }
  void reach(int a, int b, double r) {
    double &ab = r_cut_[a * n_species_ + b], &ba = r_cut_[b * n_species_ + a];
    ab = r > ab ? r : ab;
    ba = ab > ba ? ab : ba;
    ab = ba;
  }

  void cutoff(Real r, double r_cut, Real& f, Real& df) const {
    switch (cutoff_) {
      case 0: cosine_cutoff(r, inner_ * r_cut, r_cut, f, df); break;
      case 1: tanh3_cutoff(r, r_cut, f, df); break;
      default: polynomial_cutoff(r, inner_ * r_cut, r_cut, f, df);
    }
  }

  void radial_part(const RadialFunction& g, Real r, Real& t, Real& dt) const {
    Real f, df;
    cutoff(r, g.r_cut, f, df);
    const Real d = r - Real(g.r_s), e = exp(Real(-g.eta) * d * d);
    t = e * f;
    dt = e * (df - Real(2.0 * g.eta) * d * f);
  }

  // t = exp(-eta (r - r_s)^2) f_c and dt/dr for each eta of the group, zeros up to the tile.
  void radial_parts(const AngularGroup& g, Real r, Real* t, Real* dt) const {
    Real f, df;
    cutoff(r, g.r_cut, f, df);
    const Real d = r - Real(g.r_s), d2 = d * d;
    const double* eta = etas_.begin() + g.etas;
    const Real first = exp(Real(-eta[0]) * d2);
    for (int e = 0; e < g.n_eta; e++) {
      const double ratio = eta[0] > 0.0 ? eta[e] / eta[0] : 0.5;
      const bool whole = ratio >= 1.0 && ratio <= 16.0 && ratio == static_cast<int>(ratio);
      const Real x = whole ? power(first, static_cast<int>(ratio)) : exp(Real(-eta[e]) * d2);
      t[e] = x * f;
      dt[e] = x * (df - Real(2.0 * eta[e]) * d * f);
    }
    for (int e = g.n_eta; e < padded(g.n_eta); e++) t[e] = dt[e] = Real(0.0);
  }

  // The radial parts of every neighbour of the group's species.
  void prepare(const AngularGroup& g, const Batch<Real>& env) {
    const int n_eta = padded(g.n_eta), n_shape = padded(g.n_shape);
    Real *t = t_.grow(env.n * n_eta), *dt = dt_.grow(env.n * n_eta);
    Real* inverse = inverse_.grow(env.n);
    for (const int s : {g.first, g.second}) {
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++) {
        inverse[k] = Real(1.0) / env.distance[k];
        radial_parts(g, env.distance[k], t + k * n_eta, dt + k * n_eta);
      }
      if (g.first == g.second) break;
    }
    pair_t_.grow(chunk * n_eta);
    pair_shape_.grow(chunk * n_shape);
    pair_dshape_.grow(chunk * n_shape);
    grid_.grow(n_eta * n_shape);
    for (int i = 0; i < chunk * n_eta; i++) pair_t_[i] = Real(0.0);
    for (int i = 0; i < chunk * n_shape; i++) pair_shape_[i] = pair_dshape_[i] = Real(0.0);
    for (int i = 0; i < n_eta * n_shape; i++) grid_[i] = Real(0.0);
  }

  // Calls visit(pairs, n) for chunks of all pairs of neighbours.
  template <class Visit>
  void for_each_chunk(const AngularGroup& g, const Batch<Real>& env, Visit visit) {
    Pair pairs[chunk];
    int n = 0;
    for (int j = env.begin[g.first]; j < env.begin[g.first + 1]; j++) {
      const int start = g.first == g.second ? j + 1 : env.begin[g.second];
      for (int k = start; k < env.begin[g.second + 1]; k++) {
        const Real *a = env.r[j], *b = env.r[k];
        pairs[n++] = {j, k, (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]) * inverse_[j] * inverse_[k]};
        if (n < chunk) continue;
        visit(pairs, n);
        n = 0;
      }
    }
    if (n > 0) visit(pairs, n);
  }

  int n_pairs(const AngularGroup& g, const Batch<Real>& env) const {
    const int a = env.begin[g.first + 1] - env.begin[g.first];
    const int b = env.begin[g.second + 1] - env.begin[g.second];
    return g.first == g.second ? a * (a - 1) / 2 : a * b;
  }

  void compute_group(const AngularGroup& g, const Batch<Real>& env, Real* q) {
    prepare(g, env);
    const int n_eta = padded(g.n_eta), n_shape = padded(g.n_shape);
    keep_room(kept_ + n_pairs(g, env) * 2 * n_eta);
    for_each_chunk(g, env, [&](const Pair* pairs, int n) {
      for (int p = 0; p < n; p++) {
        Real* kept = kept_room_ + kept_;
        if (!g.wide) radial_parts_of_pair(g, env, pairs[p], kept);
        for (int e = 0; e < g.n_eta; e++) {
          const Real t = t_[pairs[p].j * n_eta + e] * t_[pairs[p].k * n_eta + e];
          pair_t_[p * n_eta + e] = g.wide ? t : t * kept[e];
        }
        if (!g.wide) kept_ += 2 * n_eta;
        const Shape* shape = shapes_.begin() + g.shapes;
        for (int a = 0; a < g.n_shape; a++)
          pair_shape_[p * n_shape + a] =
              power(Real(1.0) + Real(shape[a].lambda) * pairs[p].cosine, shape[a].zeta);
      }
      add_outer_products(n, n_eta, n_shape);
    });
    for (int e = 0; e < g.n_eta; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = features_[g.features + e * g.n_shape + a];
        if (feature >= 0) q[feature] = Real(norm(g, a)) * grid_[e * n_shape + a];
      }
  }

  double norm(const AngularGroup& g, int a) const {
    return 2.0 / power(Scalar(2.0), shapes_[g.shapes + a].zeta)[0];
  }

  // kept: t_jk and d t_jk / d(r_jk^2), [padded n_eta] each.
  void radial_parts_of_pair(const AngularGroup& g, const Batch<Real>& env, const Pair& pair,
                            Real* kept) const {
    const int n_eta = padded(g.n_eta);
    const Real *a = env.r[pair.j], *b = env.r[pair.k];
    const Real d[3] = {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
    const Real squared = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    const Real r = sqrt(select(squared > Real(1e-12), squared, Real(1e-12)));  // empty slots meet
    radial_parts(g, r, kept, kept + n_eta);
    const Real half_inverse = Real(0.5) / r;
    for (int e = 0; e < g.n_eta; e++) kept[n_eta + e] *= half_inverse;
  }

  // grid[e][a] += sum_p t[p][e] A[p][a].
  void add_outer_products(int n, int n_eta, int n_shape) {
    for (int e = 0; e < n_eta; e += tile)
      for (int a = 0; a < n_shape; a += tile) {
        Real sum[tile][tile];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) sum[x][y] = grid_[(e + x) * n_shape + a + y];
        for (int p = 0; p < n; p++)
          for (int x = 0; x < tile; x++)
            for (int y = 0; y < tile; y++)
              sum[x][y] += pair_t_[p * n_eta + e + x] * pair_shape_[p * n_shape + a + y];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) grid_[(e + x) * n_shape + a + y] = sum[x][y];
      }
  }

  // out[p][i] = sum_k left[p][k] right(k, i), for all pairs of a chunk.
  template <class Right>
  static void multiply(const Real* left, int n_inner, int n_out, Right right, Real* out) {
    for (int p = 0; p < chunk; p += tile)
      for (int i = 0; i < n_out; i += tile) {
        Real sum[tile][tile];
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) sum[x][y] = Real(0.0);
        for (int k = 0; k < n_inner; k++)
          for (int x = 0; x < tile; x++)
            for (int y = 0; y < tile; y++)
              sum[x][y] += left[(p + x) * n_inner + k] * right(k, i + y);
        for (int x = 0; x < tile; x++)
          for (int y = 0; y < tile; y++) out[(p + x) * n_out + i + y] = sum[x][y];
      }
  }

  void backprop_group(const AngularGroup& g, const Batch<Real>& env, const Real* dE_dq,
                      Real (*dE_dr)[3]) {
    prepare(g, env);
    const int n_eta = padded(g.n_eta), n_shape = padded(g.n_shape);
    Real* t_bar = t_bar_.grow(env.n * n_eta);
    for (int i = 0; i < env.n * n_eta; i++) t_bar[i] = Real(0.0);
    for (int e = 0; e < g.n_eta; e++)
      for (int a = 0; a < g.n_shape; a++) {
        const int feature = features_[g.features + e * g.n_shape + a];
        if (feature >= 0) grid_[e * n_shape + a] = Real(norm(g, a)) * dE_dq[feature];
      }
    Real *dE_dt = dE_dt_.grow(chunk * n_eta), *dE_dshape = dE_dshape_.grow(chunk * n_shape);
    const Real* grid = grid_.begin();
    for_each_chunk(g, env, [&](const Pair* pairs, int n) {
      const Real* kept = kept_room_ + kept_;
      for (int p = 0; p < n; p++) prepare_pair(g, pairs[p], p, kept + (g.wide ? 0 : 2 * p * n_eta));
      multiply(
          pair_shape_.begin(), n_shape, n_eta, [=](int a, int e) { return grid[e * n_shape + a]; },
          dE_dt);
      multiply(
          pair_t_.begin(), n_eta, n_shape, [=](int e, int a) { return grid[e * n_shape + a]; },
          dE_dshape);
      for (int p = 0; p < n; p++)
        pair_gradient(g, env, pairs[p], p, kept + (g.wide ? 0 : 2 * p * n_eta), dE_dr);
      if (!g.wide) kept_ += 2 * n * n_eta;
    });
    for (const int s : {g.first, g.second}) {
      for (int k = env.begin[s]; k < env.begin[s + 1]; k++)
        for (int e = 0; e < g.n_eta; e++) slope_[k] += t_bar[k * n_eta + e] * dt_[k * n_eta + e];
      if (g.first == g.second) break;
    }
  }

  void prepare_pair(const AngularGroup& g, const Pair& pair, int p, const Real* kept) {
    const int n_eta = padded(g.n_eta), n_shape = padded(g.n_shape);
    for (int e = 0; e < g.n_eta; e++) {
      const Real t = t_[pair.j * n_eta + e] * t_[pair.k * n_eta + e];
      pair_t_[p * n_eta + e] = g.wide ? t : t * kept[e];
    }
    const Shape* shape = shapes_.begin() + g.shapes;
    for (int a = 0; a < g.n_shape; a++) {
      const Real base = Real(1.0) + Real(shape[a].lambda) * pair.cosine;
      const Real below = power(base, shape[a].zeta - 1);
      pair_shape_[p * n_shape + a] = below * base;
      pair_dshape_[p * n_shape + a] = Real(shape[a].lambda * shape[a].zeta) * below;
    }
  }

  // With c = r_j . r_k:  cos = c/(r_j r_k),  r_jk^2 = r_j^2 + r_k^2 - 2c.
  void pair_gradient(const AngularGroup& g, const Batch<Real>& env, const Pair& pair, int p,
                     const Real* kept, Real (*dE_dr)[3]) {
    const int n_eta = padded(g.n_eta), n_shape = padded(g.n_shape), j = pair.j, k = pair.k;
    Real by_cosine(0.0), by_squared(0.0);
    for (int a = 0; a < g.n_shape; a++)
      by_cosine += dE_dshape_[p * n_shape + a] * pair_dshape_[p * n_shape + a];
    for (int e = 0; e < g.n_eta; e++) {
      const Real w = dE_dt_[p * n_eta + e], tj = t_[j * n_eta + e], tk = t_[k * n_eta + e];
      const Real with_pair = g.wide ? w : w * kept[e];
      t_bar_[j * n_eta + e] += with_pair * tk;
      t_bar_[k * n_eta + e] += with_pair * tj;
      if (!g.wide) by_squared += w * tj * tk * kept[n_eta + e];
    }
    const Real twice = by_squared + by_squared, turn = by_cosine * pair.cosine;
    const Real by_c = by_cosine * inverse_[j] * inverse_[k] - twice;
    for (int axis = 0; axis < 3; axis++) {
      dE_dr[j][axis] += by_c * env.r[k][axis];
      dE_dr[k][axis] += by_c * env.r[j][axis];
    }
    slope_[j] += twice * env.distance[j] - turn * inverse_[j];
    slope_[k] += twice * env.distance[k] - turn * inverse_[k];
  }

  // Room for n numbers, keeping what is there.
  void keep_room(int n) {
    if (kept_ > 0 && n > kept_capacity_) {
      Buffer<Real> copy(kept_);
      for (int i = 0; i < kept_; i++) copy[i] = kept_room_[i];
      kept_room_ = kept_buffer_.grow(2 * n);
      for (int i = 0; i < kept_; i++) kept_room_[i] = copy[i];
      kept_capacity_ = 2 * n;
    } else if (n > kept_capacity_) {
      kept_room_ = kept_buffer_.grow(n);
      kept_capacity_ = n;
    }
  }

  int n_species_, size_, cutoff_;
  double inner_;
  Buffer<int> counts_;
  Buffer<double> r_cut_;
  Buffer<RadialFunction> radial_;
  Buffer<AngularGroup> groups_;
  Buffer<double> etas_;
  Buffer<Shape> shapes_;
  Buffer<int> features_;

  Buffer<Real> t_, dt_, t_bar_, inverse_, slope_;                       // by neighbour
  Buffer<Real> pair_t_, pair_shape_, pair_dshape_, dE_dt_, dE_dshape_;  // by pair of a chunk
  Buffer<Real> grid_, kept_buffer_;
  Real* kept_room_ = nullptr;  // t_jk and derivative of every pair, from compute() for backprop()
  int kept_ = 0, kept_capacity_ = 0;
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
