// An invariant is a graph: its nodes are tensors M_mu_nu, its edges the contracted pairs of
// indices. A graph whose nodes have indices left over is a tensor, too: a piece that several
// invariants share. Each graph is made of two pieces, those that take the fewest new products.
//
//   T[alpha, beta] = sum over gamma of  prod (gamma_ij multinomial)
//                    A[alpha_i + sum_j gamma_ij] B[beta_j + sum_i gamma_ij]
//
// with multi-indices {a, b, c} alpha, beta of the free indices of the nodes of A and of B, and
// gamma of those contracted between node i of A and node j of B.
#include "moment_basis.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <unordered_map>
#include <vector>

namespace mlpot {

namespace {

constexpr int most_nodes = 4;

using Multi = std::array<int, 3>;  // how many of the indices are x, y, z

int n_multi(int degree) { return (degree + 1) * (degree + 2) / 2; }

// Of one degree: all x first, all z last.
std::vector<Multi> multis(int degree) {
  std::vector<Multi> all;
  for (int a = degree; a >= 0; a--)
    for (int b = degree - a; b >= 0; b--) all.push_back({a, b, degree - a - b});
  return all;
}
int place(const Multi& m) {
  const int rest = m[1] + m[2];
  return rest * (rest + 1) / 2 + m[2];
}

int multinomial(const Multi& m) {
  int ways = 1;
  for (int k = 1, n = 0, axis = 0; axis < 3; axis++, k = 1)
    for (; k <= m[axis]; k++) ways = ways * ++n / k;
  return ways;
}

struct Node {
  int mu, nu;
  int level() const { return 2 + 4 * mu + nu; }
  bool operator<(const Node& b) const { return mu != b.mu ? mu < b.mu : nu < b.nu; }
  bool operator==(const Node& b) const { return mu == b.mu && nu == b.nu; }
};

struct Graph {
  std::vector<Node> nodes;
  int edges[most_nodes][most_nodes] = {};

  int size() const { return static_cast<int>(nodes.size()); }
  int free(int i) const {  // indices of node i that no edge contracts
    return nodes[i].nu - std::accumulate(edges[i], edges[i] + size(), 0);
  }
  Graph part(const std::vector<int>& chosen) const {
    Graph g;
    for (int i = 0; i < static_cast<int>(chosen.size()); i++) {
      g.nodes.push_back(nodes[chosen[i]]);
      for (int j = 0; j < static_cast<int>(chosen.size()); j++)
        g.edges[i][j] = edges[chosen[i]][chosen[j]];
    }
    return g;
  }
  // What does not depend on the edges comes first: invariants are sorted by it.
  std::vector<int> key() const {
    std::vector<int> k = {0, size()};
    for (const Node& node : nodes) {
      k[0] += node.level();
      k.insert(k.end(), {node.mu, node.nu});
    }
    for (int i = 0; i < size(); i++)
      for (int j = i + 1; j < size(); j++) k.push_back(edges[i][j]);
    return k;
  }
};

// The order of the nodes whose graph has the least key.
std::vector<int> canonical_order(const Graph& graph) {
  std::vector<int> order(graph.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<int> best = order, least = graph.key();
  while (std::next_permutation(order.begin(), order.end())) {
    std::vector<int> key = graph.part(order).key();
    if (key < least) {
      least = std::move(key);
      best = order;
    }
  }
  return best;
}

// Every invariant up to the level, sorted by level, nodes and edges.
class Invariants {
 public:
  explicit Invariants(int level) {
    for (int mu = 0; mu <= most_mu; mu++)
      for (int nu = 0; nu <= most_nu; nu++)
        if (Node{mu, nu}.level() <= level) known_.push_back({mu, nu});
    add_nodes({}, 0, level);
  }
  std::map<std::vector<int>, Graph> found;

 private:
  void add_nodes(const Graph& graph, std::size_t first, int level_left) {
    if (graph.size() > 0) add_edges(graph, 0, 1);
    if (graph.size() == most_nodes) return;
    for (std::size_t k = first; k < known_.size(); k++)
      if (known_[k].level() <= level_left) {
        Graph larger = graph;
        larger.nodes.push_back(known_[k]);
        add_nodes(larger, k, level_left - known_[k].level());
      }
  }
  // Edges from (i, j) on, row by row; a row ends with nothing left over.
  void add_edges(const Graph& graph, int i, int j) {
    if (j >= std::min(graph.size(), most_nodes)) {
      if (graph.free(i) > 0) return;
      if (i + 1 < graph.size()) return add_edges(graph, i + 1, i + 2);
      const Graph canonical = graph.part(canonical_order(graph));
      found.emplace(canonical.key(), canonical);
      return;
    }
    const int most = std::min(graph.free(i), graph.free(j));
    for (int n = 0; n <= most; n++) {
      Graph with = graph;
      with.edges[i][j] = with.edges[j][i] = n;
      add_edges(with, i, j + 1);
    }
  }
  std::vector<Node> known_;
};

// Values modulo a prime at a random point tell polynomials apart.
constexpr std::uint64_t prime = (std::uint64_t{1} << 61) - 1;
std::uint64_t times(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(a) * b % prime);
}
std::uint64_t random_value(std::uint64_t seed) {  // splitmix64, Steele et al., OOPSLA 2014
  std::uint64_t z = (seed + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return (z ^ (z >> 31)) % prime;
}

class Builder {
 public:
  Builder() {
    for (int mu = 0; mu <= most_mu; mu++)
      for (int nu = 0; nu <= most_nu; nu++) {
        Graph single;
        single.nodes = {{mu, nu}};
        std::vector<int>& components = made_[single.key()];
        for (const Multi& m : multis(nu)) {
          components.push_back(static_cast<int>(moments.size()));
          basics.push_back({mu, m[0], m[1], m[2]});
          moments.push_back({random_value(moments.size()), {}});
        }
      }
  }

  struct Term {
    int i, j, factor;
  };
  struct Moment {
    std::uint64_t value;
    std::vector<Term> terms;
  };
  std::vector<std::array<int, 4>> basics;
  std::vector<Moment> moments;

  // The components of the tensor of a canonical graph; the last node's free indices run fastest.
  const std::vector<int>& make(const Graph& graph) {
    const std::vector<int> key = graph.key();
    if (const auto at = made_.find(key); at != made_.end()) return at->second;
    return made_[key] = merge(graph, cheapest(graph).split);
  }

 private:
  struct Choice {
    int split = 0;
    double cost = 0.0;
  };
  struct Piece {
    std::vector<int> nodes;  // of the whole graph, in the piece's canonical order
    const std::vector<int>* components = nullptr;
  };

  static std::vector<int> members(const Graph& graph, int split, bool first) {
    std::vector<int> nodes;
    for (int i = 0; i < graph.size(); i++)
      if (((split >> i) & 1) == first) nodes.push_back(i);
    const std::vector<int> order = canonical_order(graph.part(nodes));
    std::vector<int> ordered;
    for (const int k : order) ordered.push_back(nodes[k]);
    return ordered;
  }

  Choice cheapest(const Graph& graph) const {
    Choice best;
    for (int split = 1; split < (1 << graph.size()) - 1; split += 2) {
      double cost = 1.0;
      for (int i = 0; i < graph.size(); i++) {
        cost *= n_multi(graph.free(i));
        for (int j = i + 1; j < graph.size(); j++)
          if (((split >> i) & 1) != ((split >> j) & 1)) cost *= n_multi(graph.edges[i][j]);
      }
      for (const bool first : {true, false}) {
        const Graph piece = graph.part(members(graph, split, first));
        if (!made_.count(piece.key())) cost += cheapest(piece).cost;
      }
      if (best.split == 0 || cost < best.cost) best = {split, cost};
    }
    return best;
  }

  std::vector<int> merge(const Graph& graph, int split) {
    Piece pieces[2];
    for (int p = 0; p < 2; p++) {
      pieces[p].nodes = members(graph, split, p == 0);
      pieces[p].components = &make(graph.part(pieces[p].nodes));
    }
    std::vector<int> components;
    std::vector<Multi> indices(graph.size());
    each_component(graph, 0, indices, [&] {
      std::map<std::pair<int, int>, int> terms;
      contract(graph, pieces, 0, 0, indices, 1, terms);
      components.push_back(moment_of(terms));
    });
    return components;
  }

  template <class Visit>
  static void each_component(const Graph& graph, int node, std::vector<Multi>& indices,
                             Visit visit) {
    if (node == graph.size()) return visit();
    for (const Multi& m : multis(graph.free(node))) {
      indices[node] = m;
      each_component(graph, node + 1, indices, visit);
    }
  }

  // All ways to contract the edges between the pieces, from (node a of the first, node b of the
  // second) on; indices: the components of both pieces so far.
  void contract(const Graph& graph, const Piece (&pieces)[2], std::size_t a, std::size_t b,
                const std::vector<Multi>& indices, int ways,
                std::map<std::pair<int, int>, int>& terms) {
    if (b == pieces[1].nodes.size()) {
      b = 0;
      a++;
    }
    if (a == pieces[0].nodes.size()) {
      const int i = component(pieces[0], indices), j = component(pieces[1], indices);
      terms[std::minmax(i, j)] += ways;
      return;
    }
    const int i = pieces[0].nodes[a], j = pieces[1].nodes[b];
    for (const Multi& gamma : multis(graph.edges[i][j])) {
      std::vector<Multi> more = indices;
      for (int axis = 0; axis < 3; axis++) {
        more[i][axis] += gamma[axis];
        more[j][axis] += gamma[axis];
      }
      contract(graph, pieces, a, b + 1, more, ways * multinomial(gamma), terms);
    }
  }

  static int component(const Piece& piece, const std::vector<Multi>& indices) {
    int at = 0;
    for (const int node : piece.nodes) {
      const Multi& m = indices[node];
      at = at * n_multi(m[0] + m[1] + m[2]) + place(m);
    }
    return (*piece.components)[at];
  }

  int moment_of(const std::map<std::pair<int, int>, int>& terms) {
    Moment moment = {0, {}};
    for (const auto& [pair, factor] : terms) {
      const std::uint64_t product = times(moments[pair.first].value, moments[pair.second].value);
      moment.value = (moment.value + times(factor, product)) % prime;
      moment.terms.push_back({pair.first, pair.second, factor});
    }
    const auto [at, is_new] = known_.emplace(moment.value, static_cast<int>(moments.size()));
    if (is_new) moments.push_back(std::move(moment));
    return at->second;
  }

  std::map<std::vector<int>, std::vector<int>> made_;
  std::unordered_map<std::uint64_t, int> known_;
};

struct Stored {
  std::vector<std::array<int, 4>> basics, products;
  std::vector<int> invariants;
  MomentTable table;
};

// Only what the invariants need.
std::unique_ptr<Stored> make_table(int level) {
  Builder builder;
  std::vector<int> invariants;
  for (const auto& entry : Invariants(level).found)
    invariants.push_back(builder.make(entry.second)[0]);
  std::vector<int> number(builder.moments.size(), -1);
  for (const int k : invariants) number[k] = 0;
  for (int k = static_cast<int>(number.size()) - 1; k >= 0; k--)
    for (const Builder::Term& term : builder.moments[k].terms)
      if (number[k] == 0) number[term.i] = number[term.j] = 0;

  auto stored = std::make_unique<Stored>();
  int n = 0;
  for (std::size_t k = 0; k < number.size(); k++) {
    if (number[k] < 0) continue;
    number[k] = n++;
    if (k < builder.basics.size()) stored->basics.push_back(builder.basics[k]);
    for (const Builder::Term& t : builder.moments[k].terms)
      stored->products.push_back({number[t.i], number[t.j], t.factor, number[k]});
  }
  for (const int k : invariants) stored->invariants.push_back(number[k]);
  stored->table = {static_cast<int>(stored->basics.size()),
                   n,
                   static_cast<int>(stored->products.size()),
                   static_cast<int>(stored->invariants.size()),
                   reinterpret_cast<const int (*)[4]>(stored->basics.data()),
                   reinterpret_cast<const int (*)[4]>(stored->products.data()),
                   stored->invariants.data()};
  return stored;
}

}  // namespace

const MomentTable& moment_table(int level) {
  static std::mutex making;
  static std::unique_ptr<Stored> tables[most_level / 2 + 1];  // an odd level adds nothing
  const std::lock_guard<std::mutex> guard(making);
  std::unique_ptr<Stored>& stored = tables[level / 2];
  if (!stored) stored = make_table(level);
  return stored->table;
}

}  // namespace mlpot
