#include "sha256.hpp"

#include <array>
#include <cmath>
#include <cstdint>

namespace mlpot {

namespace {

using Word = std::uint32_t;

// The first 32 bits of the fractional part of a root of the n-th prime.
template <int n>
std::array<Word, n> root_fractions(double power) {
  std::array<Word, n> words{};
  int found = 0;
  for (int p = 2; found < n; p++) {
    bool prime = true;
    for (int d = 2; d * d <= p; d++) prime = prime && p % d != 0;
    if (!prime) continue;
    const long double root = std::pow(static_cast<long double>(p), 1.0L / power);
    words[found++] = static_cast<Word>(std::floor((root - std::floor(root)) * 4294967296.0L));
  }
  return words;
}

Word rotate(Word x, int n) { return x >> n | x << (32 - n); }

void compress(std::array<Word, 8>& state, const unsigned char* block) {
  static const std::array<Word, 64> k = root_fractions<64>(3.0);
  Word w[64];
  for (int i = 0; i < 16; i++)
    w[i] = static_cast<Word>(block[4 * i]) << 24 | static_cast<Word>(block[4 * i + 1]) << 16 |
           static_cast<Word>(block[4 * i + 2]) << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    const Word s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    const Word s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (int i = 0; i < 64; i++) {
    const Word s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const Word t1 = h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i];
    const Word s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const Word t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const Word mixed[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += mixed[i];
}

}  // namespace

std::string sha256(const std::string& bytes) {
  std::array<Word, 8> state = root_fractions<8>(2.0);
  std::string padded = bytes + '\x80';
  while (padded.size() % 64 != 56) padded += '\0';
  const std::uint64_t bits = 8 * static_cast<std::uint64_t>(bytes.size());
  for (int shift = 56; shift >= 0; shift -= 8) padded += static_cast<char>(bits >> shift & 255);
  for (std::size_t at = 0; at < padded.size(); at += 64)
    compress(state, reinterpret_cast<const unsigned char*>(padded.data()) + at);
  std::string digits;
  for (Word word : state)
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  return digits;
}

}  // namespace mlpot
