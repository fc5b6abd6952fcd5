// What does not depend on where the atoms are: which products of U make which Z_j1j2^j, and which Z
// make which B. See bispectrum.cpp. All j are doubled.
#pragma once

#include "buffer.hpp"
#include "harmonics.hpp"

MLPOT_BEGIN_KERNELS

constexpr int max_two_j = 14;

// Offset of level j in arrays of whole matrices and of upper halves (rows mb <= j/2).
inline int whole(int j) { return j * (j + 1) * (2 * j + 1) / 6; }
inline int half(int j) {
  int n = 0;
  for (int k = 0; k < j; k++) n += (k / 2 + 1) * (k + 1);
  return n;
}

// The weight of element (mb, ma) when a sum over a whole Hermitian-like matrix runs over its upper
// half.
inline double half_weight(int j, int mb, int ma) {
  if (2 * mb < j) return 2.0;
  return 2 * ma < j ? 2.0 : 2 * ma == j ? 1.0 : 0.0;
}

struct Product {  // U[first] * U[second], which all j of one (j1, j2, mb, ma) share
  int first, second;
};

struct Group {       // the elements of Z_j1j2^j with one pair of projections, for n values of j
  int begin, end;    // products
  int coefficients;  // [end - begin][n]
  int elements, n;
};

struct Element {  // one element of one Z_j1j2^j; at: where the element is in U
  int at, block;
  double weight;
};

struct ZBlock {  // where Z_j1j2^j enters the energy: B (j1,j2,j) and its permutations, -1: none
  int last, middle, first;
  double factor;  // of the permuted ones
};

class BispectrumPlan {
 public:
  // symmetric: U of both factors is that of one element, so that products (1,2) and (2,1) are
  // equal.
  void build(int two_j_max, bool symmetric, bool bnorm) {
    two_j_max_ = two_j_max;
    symmetric_ = symmetric;
    bnorm_ = bnorm;
    n_whole = whole(two_j_max + 1);
    n_half = half(two_j_max + 1);
    n_lower = half(two_j_max);
    build_blocks();
    build_norms();
  }

  int n_whole, n_half, n_lower;  // elements of U, of its upper half, and that up to two_j_max - 1
  int n_triples = 0;             // (j1, j2, j) of B
  Buffer<Product> products;
  Buffer<double> coefficients;
  Buffer<Group> groups;
  Buffer<Element> elements;
  Buffer<ZBlock> blocks;
  Buffer<double> norms, bzero_shift;  // [n_half], [n_triples]

 private:
  // All Z_j1j2^j with j2 <= j1.
  void build_blocks() {
    for (int j1 = 0; j1 <= two_j_max_; j1++)
      for (int j2 = 0; j2 <= j1; j2++)
        for (int j = j1 - j2; j <= two_j_max_ && j <= j1 + j2; j += 2)
          if (j >= j1) {
            triple_[j1][j2][j] = n_triples++;
            bzero_shift.push(bnorm_ ? 1.0 : j + 1.0);
          }
    for (int j1 = 0; j1 <= two_j_max_; j1++)
      for (int j2 = 0; j2 <= j1; j2++) {
        const int first_block = blocks.used();
        for (int j = j1 - j2; j <= two_j_max_ && j <= j1 + j2; j += 2) {
          ZBlock z;
          z.last = j >= j1 ? triple_[j1][j2][j] : -1;
          z.middle = j1 >= j && j >= j2 ? triple_[j][j2][j1] : -1;
          z.first = j2 >= j ? triple_[j2][j][j1] : -1;
          z.factor = bnorm_ ? 1.0 : (j1 + 1.0) / (j + 1.0);
          blocks.push(z);
        }
        for (int mb = -(j1 + j2); mb <= 0; mb += 2)
          for (int ma = -(j1 + j2); ma <= (mb < 0 ? j1 + j2 : 0); ma += 2)
            build_group(j1, j2, first_block, mb, ma);
      }
  }

  // The elements with projections mb, ma (doubled, from -j to j) of every j that has them.
  void build_group(int j1, int j2, int first_block, int mb, int ma) {
    Group group = {products.used(), 0, coefficients.used(), elements.used(), 0};
    int levels[max_two_j];
    for (int j = j1 - j2; j <= two_j_max_ && j <= j1 + j2; j += 2)
      if (j + mb >= 0 && j + ma >= 0 && j >= ma) {
        const int row = (j + mb) / 2, column = (j + ma) / 2;
        elements.push({whole(j) + row * (j + 1) + column, first_block + (j - j1 + j2) / 2,
                       half_weight(j, row, column)});
        levels[group.n++] = j;
      }
    if (group.n == 0) return;
    const bool symmetric = j1 == j2 && symmetric_;
    for (int b1 = -j1; b1 <= j1; b1 += 2)
      for (int a1 = -j1; a1 <= j1; a1 += 2) {
        const int b2 = mb - b1, a2 = ma - a1;
        if (b2 < -j2 || b2 > j2 || a2 < -j2 || a2 > j2) continue;
        const int first = whole(j1) + (j1 + b1) / 2 * (j1 + 1) + (j1 + a1) / 2;
        const int second = whole(j2) + (j2 + b2) / 2 * (j2 + 1) + (j2 + a2) / 2;
        if (symmetric && first < second) continue;
        products.push({first, second});
        const double twice = symmetric && first > second ? 2.0 : 1.0;
        for (int k = 0; k < group.n; k++) {
          const int j = levels[k];
          coefficients.push(twice * clebsch_gordan(j1, b1, j2, b2, j) *
                            clebsch_gordan(j1, a1, j2, a2, j) / (bnorm_ ? j + 1.0 : 1.0));
        }
      }
    group.end = products.used();
    groups.push(group);
  }

  void build_norms() {
    for (int j = 0; j <= two_j_max_; j++)
      for (int mb = 0; 2 * mb <= j; mb++)
        for (int ma = 0; ma <= j; ma++)
          norms.push(__builtin_sqrt(factorial(ma) * factorial(j - ma) /
                                    (factorial(mb) * factorial(j - mb))));
  }

  int two_j_max_;
  bool symmetric_, bnorm_;
  int triple_[max_two_j + 1][max_two_j + 1][max_two_j + 1];
};

MLPOT_END_KERNELS
