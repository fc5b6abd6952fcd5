// What does not depend on where the atoms are: which moments there are, and which products of them
// make which. See moments.cpp.
#pragma once

#include "block.hpp"
#include "buffer.hpp"
#include "moment_basis.hpp"

MLPOT_BEGIN_KERNELS

constexpr int most_functions = 6;   // radial functions
constexpr int most_chebyshev = 50;  // polynomials in each of them
constexpr int most_degree = 16;     // of a basic moment

// Monomials x^a y^b z^c of one degree, x^degree first and z^degree last, and those before.
inline int n_monomials(int degree) { return (degree + 1) * (degree + 2) / 2; }
inline int monomials_below(int degree) { return degree * (degree + 1) * (degree + 2) / 6; }

// The basic moments of one degree: [n_monomials(degree)][n_functions] from `begin` on.
struct Degree {
  int begin, n_functions;
};

struct Term {  // m_first m_second
  unsigned short first, second;
};

// A moment from the terms that follow those of the sums before: first those with a factor of 1.
// moment: where it is kept, -1: nowhere; invariant: which one it is, -1: none.
struct Sum {
  int moment, invariant, n_plain, n_factor;
};

struct Basic {  // a basic moment that is invariant by itself
  int moment, invariant;
};

class MomentPlan {
 public:
  explicit MomentPlan(Block& block) {
    const int level = block.integer("level", 0, 0, most_level);
    if (level == 1) block.refuse("level", "expected 2 to 28, or 0 with lists of moments");
    const int n_basics = rows(block, "basics", level), n_products = rows(block, "products", level);
    n_invariants = rows(block, "invariants", level);
    Buffer<int> lists(4 * (n_basics + n_products) + n_invariants + 1);
    int* const products = lists.begin() + 4 * n_basics;
    int* const chosen = products + 4 * n_products;
    read_table(block, "basics", n_basics, 0, 100, lists.begin());
    read_table(block, "products", n_products, -1000000, 1000000, products);
    Buffer<double> numbers(n_invariants + 1);
    block.numbers("invariants", n_invariants, 0.0, 0.0, 1e6, numbers.begin());
    to_whole(block, "invariants", n_invariants, numbers.begin(), 0, 1000000, chosen);
    if (level > 0) {
      build(block, moment_table(level));
    } else {
      int n = n_basics;
      for (int p = 0; p < n_products; p++)
        if (products[4 * p + 3] >= n) n = products[4 * p + 3] + 1;
      build(block, {n_basics, n, n_products, n_invariants,
                    reinterpret_cast<const int (*)[4]>(lists.begin()),
                    reinterpret_cast<const int (*)[4]>(products), chosen});
    }
  }

  int n_functions = 0, n_degrees = 0;
  int n_basics = 0, n_moments = 0;  // as they are stored
  int n_invariants;
  Degree degrees[most_degree + 1];
  Buffer<Term> terms;
  Buffer<double> factors;  // of those terms that have one
  Buffer<Sum> sums;
  Buffer<Basic> basic_invariants;

 private:
  static int rows(Block& block, const char* key, int level) {
    const int n = block.rows(key);
    if (level == 0 && n == 0 && key[0] != 'p') block.refuse(key, "expected a list, or a level");
    if (level > 0 && n > 0) block.refuse(key, "expected [] with a level");
    return n;
  }

  static void to_whole(Block& block, const char* key, int n, const double* numbers, int least,
                       int greatest, int* whole) {
    for (int k = 0; k < n; k++) {
      if (!(numbers[k] >= least && numbers[k] <= greatest) ||
          numbers[k] != static_cast<int>(numbers[k]))
        block.refuse(key, "expected whole numbers, none of them too large");
      whole[k] = static_cast<int>(numbers[k]);
    }
  }

  static void read_table(Block& block, const char* key, int n, int least, int greatest,
                         int* whole) {
    Buffer<double> numbers(4 * n + 1);
    block.table(key, n, 4, numbers.begin());
    to_whole(block, key, 4 * n, numbers.begin(), least, greatest, whole);
  }

  void build(Block& block, const MomentTable& t) {
    n_invariants = t.n_invariants;
    Buffer<int> place(t.n_moments + 1);  // of each moment of the table among the kept ones
    Buffer<int> invariant(t.n_moments + 1);
    for (int k = 0; k < t.n_moments; k++) place[k] = invariant[k] = -1;
    place_basics(block, t, place);
    n_moments = n_basics;
    for (int d = 0; d < n_invariants; d++) {
      const int k = t.invariants[d];
      if (k >= t.n_moments || invariant[k] >= 0)
        block.refuse("invariants", "expected numbers of moments, each once");
      invariant[k] = d;
      if (k < t.n_basics) basic_invariants.push({place[k], d});
    }
    place_sums(block, t, place, invariant);
    for (int d = 0; d < n_invariants; d++)
      if (t.invariants[d] >= t.n_basics && invariant[t.invariants[d]] >= 0)
        block.refuse("invariants", "a moment without a product");
  }

  // All monomials of a degree with all radial functions that any of them needs.
  void place_basics(Block& block, const MomentTable& t, Buffer<int>& place) {
    for (Degree& degree : degrees) degree = {0, 0};
    for (int k = 0; k < t.n_basics; k++) {
      const int* m = t.basics[k];
      const int degree = m[1] + m[2] + m[3];
      if (m[0] >= most_functions || degree > most_degree)
        block.refuse("basics", "expected mu below 6 and a + b + c up to 16");
      int& n = degrees[degree].n_functions;
      n = m[0] + 1 > n ? m[0] + 1 : n;
      n_functions = n > n_functions ? n : n_functions;
      n_degrees = degree + 1 > n_degrees ? degree + 1 : n_degrees;
    }
    for (int d = 0; d < n_degrees; d++) {
      if (degrees[d].n_functions == 0) degrees[d].n_functions = 1;
      degrees[d].begin = n_basics;
      n_basics += n_monomials(d) * degrees[d].n_functions;
    }
    for (int k = 0; k < t.n_basics; k++) {
      const int *m = t.basics[k], rest = m[2] + m[3];
      const Degree& degree = degrees[m[1] + rest];
      place[k] = degree.begin + (rest * (rest + 1) / 2 + m[3]) * degree.n_functions + m[0];
    }
  }

  // A moment is ready when nothing more is added to it: sums are in the order of their last terms.
  void place_sums(Block& block, const MomentTable& t, Buffer<int>& place, Buffer<int>& invariant) {
    Buffer<int> last(t.n_moments + 1), before(t.n_products + 1), used(t.n_moments + 1);
    for (int k = 0; k < t.n_moments; k++) {
      last[k] = -1;
      used[k] = 0;
    }
    for (int p = 0; p < t.n_products; p++) {  // before: the term before, of the same moment
      const int k = t.products[p][3];
      if (k < t.n_basics) block.refuse("products", "nothing can be added to a basic moment");
      before[p] = last[k];
      last[k] = p;
    }
    for (int p = 0; p < t.n_products; p++)
      for (int factor = 0; factor < 2; factor++) {
        const int k = t.products[p][factor];
        if (k < 0 || k >= t.n_moments || (k >= t.n_basics && last[k] < 0) || last[k] >= p)
          block.refuse("products", "expected moments that are complete before they are used");
        used[k] = 1;
      }
    for (int p = 0; p < t.n_products; p++) {
      const int k = t.products[p][3];
      if (last[k] != p) continue;
      add_terms(t, p, before, place, used[k] ? n_moments : -1, invariant[k]);
      if (used[k]) place[k] = n_moments++;
      invariant[k] = -1;
    }
    if (n_moments > 65535) block.refuse("products", "expected at most 65535 moments");
  }

  void add_terms(const MomentTable& t, int last, const Buffer<int>& before,
                 const Buffer<int>& place, int moment, int invariant) {
    Sum sum = {moment, invariant, 0, 0};
    for (const bool plain : {true, false}) {
      Buffer<int> chosen;
      for (int p = last; p >= 0; p = before[p])
        if ((t.products[p][2] == 1) == plain) chosen.push(p);
      // Terms in a row often share a moment, whose adjoint must be written before it is read again:
      // they are put apart.
      const int n = chosen.used(), step = (n + 3) / 4;
      for (int start = 0; start < step; start++)
        for (int k = start; k < n; k += step) {
          const int* product = t.products[chosen[k]];
          terms.push({static_cast<unsigned short>(place[product[0]]),
                      static_cast<unsigned short>(place[product[1]])});
          if (!plain) factors.push(product[2]);
        }
      (plain ? sum.n_plain : sum.n_factor) = n;
    }
    sums.push(sum);
  }
};

MLPOT_END_KERNELS
