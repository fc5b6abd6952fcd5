// take() and put(): each lane its own row of an array.
#pragma once

#include "dual.hpp"
#include "pack.hpp"

MLPOT_BEGIN_KERNELS

// Lane l is that of rows[row[l]].
template <int W>
inline Pack<W> take(const Pack<W>* rows, const int* row) {
  Pack<W> x;
  for (int lane = 0; lane < W; lane++) x.set(lane, rows[row[lane]][lane]);
  return x;
}
template <int W>
inline void put(Pack<W>* rows, const int* row, Pack<W> x) {
  for (int lane = 0; lane < W; lane++) rows[row[lane]].set(lane, x[lane]);
}

template <class R>
inline Dual<R> take(const Dual<R>* rows, const int* row) {
  Dual<R> x;
  for (int lane = 0; lane < R::width; lane++) {
    x.value.set(lane, rows[row[lane]].value[lane]);
    x.tangent.set(lane, rows[row[lane]].tangent[lane]);
  }
  return x;
}
template <class R>
inline void put(Dual<R>* rows, const int* row, Dual<R> x) {
  for (int lane = 0; lane < R::width; lane++) {
    rows[row[lane]].value.set(lane, x.value[lane]);
    rows[row[lane]].tangent.set(lane, x.tangent[lane]);
  }
}

MLPOT_END_KERNELS
