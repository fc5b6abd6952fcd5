// Row<Real>: numbers one after the other, written and read from any place, W at a time. Where lanes
// are the pairs of one atom and not atoms, it packs those that count densely, and unpacks them.
//
// Writing and reading touch up to W numbers from the place on: a row has room for them.
#pragma once

#include "buffer.hpp"
#include "dual.hpp"
#include "pack.hpp"

MLPOT_BEGIN_KERNELS

namespace detail {

// For four lanes: which halves of doubles a dense pack takes from lanes, and lanes from a dense
// pack, for every choice of lanes.
struct LanePermutations {
  alignas(32) int packed[16][8] = {}, unpacked[16][8] = {};
  alignas(32) std::int64_t chosen[16][4] = {};
  constexpr LanePermutations() {
    for (int lanes = 0; lanes < 16; lanes++)
      for (int lane = 0, at = 0; lane < 4; lane++) {
        if (!(lanes >> lane & 1)) continue;
        for (int half = 0; half < 2; half++) {
          packed[lanes][2 * at + half] = 2 * lane + half;
          unpacked[lanes][2 * lane + half] = 2 * at + half;
        }
        chosen[lanes][lane] = -1;
        at++;
      }
  }
};
inline constexpr LanePermutations lane_permutations;

}  // namespace detail

template <class Real>
class Row;

template <int W>
class Row<Pack<W>> {
 public:
  void grow(int n) { data_.grow(n + W); }

  Pack<W> read(int at) const {
    return Pack<W>(*reinterpret_cast<const Unaligned*>(data_.begin() + at));
  }
  void write(int at, Pack<W> x) { *reinterpret_cast<Unaligned*>(data_.begin() + at) = x.v; }

  // Writes the numbers of the chosen lanes (bits) one after the other, and rubbish behind them.
  void write_lanes(int at, Pack<W> x, unsigned lanes) {
    if constexpr (W == 1) return write(at, x);
#if defined(__AVX512F__)
    else if constexpr (W == 8) return write(at, Pack<W>(_mm512_maskz_compress_pd(lanes, x.v)));
#endif
#if defined(__AVX2__)
    else if constexpr (W == 4)
      return write(at, permuted(x, detail::lane_permutations.packed[lanes]));
#endif
    else
      for (int lane = 0; lane < W; lane++) {
        data_[at] = x[lane];
        at += lanes >> lane & 1;
      }
  }
  // The next numbers, each in its turn to a chosen lane; 0 in the others.
  Pack<W> read_lanes(int at, unsigned lanes) const {
    if constexpr (W == 1) return lanes ? read(at) : Pack<W>(0.0);
#if defined(__AVX512F__)
    else if constexpr (W == 8) return Pack<W>(_mm512_maskz_expand_pd(lanes, read(at).v));
#endif
#if defined(__AVX2__)
    else if constexpr (W == 4) {
      const Pack<W> x = permuted(read(at), detail::lane_permutations.unpacked[lanes]);
      return Pack<W>::of_bits(x.bits() & mask(detail::lane_permutations.chosen[lanes]));
    }
#endif
    else {
      Pack<W> x(0.0);
      for (int lane = 0; lane < W; lane++)
        if (lanes >> lane & 1) x.set(lane, data_[at++]);
      return x;
    }
  }

 private:
  using Unaligned = typename VectorTypes<W>::Unaligned;

#if defined(__AVX2__)
  static Pack<W> permuted(Pack<W> x, const int* halves) {
    const __m256i order = _mm256_load_si256(reinterpret_cast<const __m256i*>(halves));
    return Pack<W>(reinterpret_cast<typename Pack<W>::Vector>(
        _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(x.v), order)));
  }
  static typename Pack<W>::Mask mask(const std::int64_t* chosen) {
    typename Pack<W>::Mask m;
    __builtin_memcpy(&m, chosen, sizeof m);
    return m;
  }
#endif

  Buffer<double> data_;
};

template <class R>
class Row<Dual<R>> {
 public:
  void grow(int n) {
    value_.grow(n);
    tangent_.grow(n);
  }
  Dual<R> read(int at) const { return {value_.read(at), tangent_.read(at)}; }
  void write(int at, Dual<R> x) {
    value_.write(at, x.value);
    tangent_.write(at, x.tangent);
  }
  void write_lanes(int at, Dual<R> x, unsigned lanes) {
    value_.write_lanes(at, x.value, lanes);
    tangent_.write_lanes(at, x.tangent, lanes);
  }
  Dual<R> read_lanes(int at, unsigned lanes) const {
    return {value_.read_lanes(at, lanes), tangent_.read_lanes(at, lanes)};
  }

 private:
  Row<R> value_, tangent_;
};

// A number of one lane.
template <class Real>
struct OneLane {
  using Number = Scalar;
};
template <class R>
struct OneLane<Dual<R>> {
  using Number = Dual<Scalar>;
};

// The sums over the lanes of four.
template <int W>
inline void sum_lanes_of_four(const Pack<W>* x, Scalar* sums) {
#if defined(__AVX2__)
  if constexpr (W == 4 || W == 8) {
    __m256d four[4];
    for (int k = 0; k < 4; k++) {
      __m256d part[W / 4];
      __builtin_memcpy(part, &x[k].v, sizeof part);
      four[k] = part[0];
      if constexpr (W == 8) four[k] = _mm256_add_pd(part[0], part[1]);
    }
    const __m256d ab = _mm256_hadd_pd(four[0], four[1]), cd = _mm256_hadd_pd(four[2], four[3]);
    const __m256d sum =
        _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20), _mm256_permute2f128_pd(ab, cd, 0x31));
    _mm256_storeu_pd(&sums[0].v, sum);
    return;
  }
#endif
  for (int k = 0; k < 4; k++) sums[k] = sum_of_lanes(x[k]);
}
template <class R>
inline void sum_lanes_of_four(const Dual<R>* x, Dual<Scalar>* sums) {
  R value[4], tangent[4];
  Scalar of_value[4], of_tangent[4];
  for (int k = 0; k < 4; k++) {
    value[k] = x[k].value;
    tangent[k] = x[k].tangent;
  }
  sum_lanes_of_four(value, of_value);
  sum_lanes_of_four(tangent, of_tangent);
  for (int k = 0; k < 4; k++) sums[k] = {of_value[k], of_tangent[k]};
}

// Of one lane: compared with a number, copied, spread over all, added to, taken.
template <int W>
inline bool is_below(const Pack<W>& x, int lane, double limit) {
  return x[lane] < limit;
}
template <int W>
inline void copy_lane(const Pack<W>& from, int from_lane, Pack<W>& to, int to_lane) {
  to.set(to_lane, from[from_lane]);
}
template <int W>
inline void add_to_lane(Scalar x, Pack<W>& to, int lane) {
  to.set(lane, to[lane] + x.v);
}
template <int W>
inline Scalar one_lane(const Pack<W>& x, int lane) {
  return x[lane];
}
template <int W>
inline Pack<W> spread_lane(const Pack<W>& from, int lane) {
  return Pack<W>(from[lane]);
}
template <class R>
inline bool is_below(const Dual<R>& x, int lane, double limit) {
  return is_below(x.value, lane, limit);
}
template <class R>
inline void copy_lane(const Dual<R>& from, int from_lane, Dual<R>& to, int to_lane) {
  copy_lane(from.value, from_lane, to.value, to_lane);
  copy_lane(from.tangent, from_lane, to.tangent, to_lane);
}
template <class R>
inline void add_to_lane(Dual<Scalar> x, Dual<R>& to, int lane) {
  add_to_lane(x.value, to.value, lane);
  add_to_lane(x.tangent, to.tangent, lane);
}
template <class R>
inline Dual<Scalar> one_lane(const Dual<R>& x, int lane) {
  return {one_lane(x.value, lane), one_lane(x.tangent, lane)};
}
template <class R>
inline Dual<R> spread_lane(const Dual<R>& from, int lane) {
  return {spread_lane(from.value, lane), spread_lane(from.tangent, lane)};
}

MLPOT_END_KERNELS
