#include "fft.hpp"

#include <algorithm>
#include <cmath>

#include "clones.hpp"
#include "constants.hpp"

namespace mlpot {

namespace {

constexpr int side_by_side = 16;  // lines along the last axis that are transformed together

struct Line {
  double* re;
  double* im;
};

// One pass: y[r p + j] = w^{jp} sum_t x[p + t m] e^{-2 pi i jt/r}, w = e^{-2 pi i/n}; every element
// is s numbers side by side. n: length left; step: of the table of cosines for w.
MLPOT_CLONES void pass2(int n, int s, Line x, Line y, const double* c, const double* d, int step) {
  const int m = n / 2;
  for (int p = 0; p < m; p++) {
    const double wr = c[p * step], wi = -d[p * step];
    const double *ar = x.re + p * s, *ai = x.im + p * s;
    const double *br = ar + m * s, *bi = ai + m * s;
    double *yr = y.re + 2 * p * s, *yi = y.im + 2 * p * s;
    for (int q = 0; q < s; q++) {
      const double dr = ar[q] - br[q], di = ai[q] - bi[q];
      yr[q] = ar[q] + br[q];
      yi[q] = ai[q] + bi[q];
      yr[q + s] = dr * wr - di * wi;
      yi[q + s] = dr * wi + di * wr;
    }
  }
}

MLPOT_CLONES void pass3(int n, int s, Line x, Line y, const double* c, const double* d, int step) {
  const double half = 0.5, root = 0.86602540378443864676;
  const int m = n / 3;
  for (int p = 0; p < m; p++) {
    const double w1r = c[p * step], w1i = -d[p * step];
    const double w2r = c[2 * p * step], w2i = -d[2 * p * step];
    const double *ar = x.re + p * s, *ai = x.im + p * s;
    const double *br = ar + m * s, *bi = ai + m * s, *er = br + m * s, *ei = bi + m * s;
    double *yr = y.re + 3 * p * s, *yi = y.im + 3 * p * s;
    for (int q = 0; q < s; q++) {
      const double sr = br[q] + er[q], si = bi[q] + ei[q];
      const double tr = root * (bi[q] - ei[q]), ti = -root * (br[q] - er[q]);
      const double ur = ar[q] - half * sr, ui = ai[q] - half * si;
      yr[q] = ar[q] + sr;
      yi[q] = ai[q] + si;
      yr[q + s] = (ur + tr) * w1r - (ui + ti) * w1i;
      yi[q + s] = (ur + tr) * w1i + (ui + ti) * w1r;
      yr[q + 2 * s] = (ur - tr) * w2r - (ui - ti) * w2i;
      yi[q + 2 * s] = (ur - tr) * w2i + (ui - ti) * w2r;
    }
  }
}

MLPOT_CLONES void pass4(int n, int s, Line x, Line y, const double* c, const double* d, int step) {
  const int m = n / 4;
  for (int p = 0; p < m; p++) {
    const double w1r = c[p * step], w1i = -d[p * step];
    const double w2r = c[2 * p * step], w2i = -d[2 * p * step];
    const double w3r = c[3 * p * step], w3i = -d[3 * p * step];
    const double *ar = x.re + p * s, *ai = x.im + p * s;
    const double *br = ar + m * s, *bi = ai + m * s;
    const double *er = br + m * s, *ei = bi + m * s, *fr = er + m * s, *fi = ei + m * s;
    double *yr = y.re + 4 * p * s, *yi = y.im + 4 * p * s;
    for (int q = 0; q < s; q++) {
      const double s0r = ar[q] + er[q], s0i = ai[q] + ei[q];
      const double d0r = ar[q] - er[q], d0i = ai[q] - ei[q];
      const double s1r = br[q] + fr[q], s1i = bi[q] + fi[q];
      const double d1r = bi[q] - fi[q], d1i = fr[q] - br[q];  // -i (b - f)
      yr[q] = s0r + s1r;
      yi[q] = s0i + s1i;
      yr[q + s] = (d0r + d1r) * w1r - (d0i + d1i) * w1i;
      yi[q + s] = (d0r + d1r) * w1i + (d0i + d1i) * w1r;
      yr[q + 2 * s] = (s0r - s1r) * w2r - (s0i - s1i) * w2i;
      yi[q + 2 * s] = (s0r - s1r) * w2i + (s0i - s1i) * w2r;
      yr[q + 3 * s] = (d0r - d1r) * w3r - (d0i - d1i) * w3i;
      yi[q + 3 * s] = (d0r - d1r) * w3i + (d0i - d1i) * w3r;
    }
  }
}

MLPOT_CLONES void pass5(int n, int s, Line x, Line y, const double* c, const double* d, int step) {
  constexpr double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410;
  constexpr double s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;
  const int m = n / 5;
  for (int p = 0; p < m; p++) {
    double wr[5], wi[5];
    for (int j = 1; j < 5; j++) {
      wr[j] = c[j * p * step];
      wi[j] = -d[j * p * step];
    }
    const double *xr = x.re + p * s, *xi = x.im + p * s;
    double *yr = y.re + 5 * p * s, *yi = y.im + 5 * p * s;
    const int t = m * s;
    for (int q = 0; q < s; q++) {
      const double ar = xr[q], ai = xi[q];
      const double p1r = xr[q + t] + xr[q + 4 * t], p1i = xi[q + t] + xi[q + 4 * t];
      const double m1r = xr[q + t] - xr[q + 4 * t], m1i = xi[q + t] - xi[q + 4 * t];
      const double p2r = xr[q + 2 * t] + xr[q + 3 * t], p2i = xi[q + 2 * t] + xi[q + 3 * t];
      const double m2r = xr[q + 2 * t] - xr[q + 3 * t], m2i = xi[q + 2 * t] - xi[q + 3 * t];
      const double u1r = ar + c1 * p1r + c2 * p2r, u1i = ai + c1 * p1i + c2 * p2i;
      const double u2r = ar + c2 * p1r + c1 * p2r, u2i = ai + c2 * p1i + c1 * p2i;
      const double v1r = s1 * m1i + s2 * m2i, v1i = -(s1 * m1r + s2 * m2r);
      const double v2r = s2 * m1i - s1 * m2i, v2i = -(s2 * m1r - s1 * m2r);
      yr[q] = ar + p1r + p2r;
      yi[q] = ai + p1i + p2i;
      yr[q + s] = (u1r + v1r) * wr[1] - (u1i + v1i) * wi[1];
      yi[q + s] = (u1r + v1r) * wi[1] + (u1i + v1i) * wr[1];
      yr[q + 2 * s] = (u2r + v2r) * wr[2] - (u2i + v2i) * wi[2];
      yi[q + 2 * s] = (u2r + v2r) * wi[2] + (u2i + v2i) * wr[2];
      yr[q + 3 * s] = (u2r - v2r) * wr[3] - (u2i - v2i) * wi[3];
      yi[q + 3 * s] = (u2r - v2r) * wi[3] + (u2i - v2i) * wr[3];
      yr[q + 4 * s] = (u1r - v1r) * wr[4] - (u1i - v1i) * wi[4];
      yi[q + 4 * s] = (u1r - v1r) * wi[4] + (u1i - v1i) * wr[4];
    }
  }
}

}  // namespace

int good_fft_size(int n) {
  for (;; n++) {
    int left = n;
    for (const int factor : {2, 3, 5})
      while (left % factor == 0) left /= factor;
    if (left == 1) return n;
  }
}

Fft3::Fft3(const int (&n)[3]) {
  for (int d = 0; d < 3; d++) {
    Axis& axis = axes_[d];
    axis.n = n[d];
    int left = n[d];
    for (const int factor : {5, 3, 4, 2})
      for (; left % factor == 0; left /= factor) axis.factors.push_back(factor);
    for (int k = 0; k < n[d]; k++) {
      axis.cosine.push_back(std::cos(two_pi * k / n[d]));
      axis.sine.push_back(std::sin(two_pi * k / n[d]));
    }
  }
  const int wide = std::max(n[2], side_by_side);
  const std::size_t room = static_cast<std::size_t>(std::max({n[0], n[1], n[2]})) * wide;
  for (int k = 0; k < 2; k++) {
    re_[k].resize(room);
    im_[k].resize(room);
  }
}

// Of re_[0], im_[0], which hold [n][batch]; the result is there again.
void Fft3::lines(const Axis& axis, int batch) {
  int n = axis.n, s = batch, step = 1, from = 0;
  const double *c = axis.cosine.data(), *d = axis.sine.data();
  for (const int factor : axis.factors) {
    const Line x = {re_[from].data(), im_[from].data()};
    const Line y = {re_[1 - from].data(), im_[1 - from].data()};
    switch (factor) {
      case 2: pass2(n, s, x, y, c, d, step); break;
      case 3: pass3(n, s, x, y, c, d, step); break;
      case 4: pass4(n, s, x, y, c, d, step); break;
      default: pass5(n, s, x, y, c, d, step);
    }
    n /= factor;
    s *= factor;
    step *= factor;
    from = 1 - from;
  }
  if (from == 0) return;
  re_[0].swap(re_[1]);
  im_[0].swap(im_[1]);
}

void Fft3::transform(double* re, double* im) {
  const int n0 = axes_[0].n, n1 = axes_[1].n, n2 = axes_[2].n;
  const auto along = [&](const Axis& axis, std::size_t first, std::size_t stride) {
    for (int k = 0; k < axis.n; k++) {
      std::copy_n(re + first + k * stride, n2, re_[0].data() + k * n2);
      std::copy_n(im + first + k * stride, n2, im_[0].data() + k * n2);
    }
    lines(axis, n2);
    for (int k = 0; k < axis.n; k++) {
      std::copy_n(re_[0].data() + k * n2, n2, re + first + k * stride);
      std::copy_n(im_[0].data() + k * n2, n2, im + first + k * stride);
    }
  };
  for (int i = 0; i < n1; i++) along(axes_[0], i * n2, static_cast<std::size_t>(n1) * n2);
  for (int i = 0; i < n0; i++) along(axes_[1], static_cast<std::size_t>(i) * n1 * n2, n2);
  for (int first = 0; first < n0 * n1; first += side_by_side) {
    const int batch = std::min(side_by_side, n0 * n1 - first);
    double *r = re + static_cast<std::size_t>(first) * n2, *i = im + (r - re);
    for (int line = 0; line < batch; line++)
      for (int k = 0; k < n2; k++) {
        re_[0][k * batch + line] = r[line * n2 + k];
        im_[0][k * batch + line] = i[line * n2 + k];
      }
    lines(axes_[2], batch);
    for (int line = 0; line < batch; line++)
      for (int k = 0; k < n2; k++) {
        r[line * n2 + k] = re_[0][k * batch + line];
        i[line * n2 + k] = im_[0][k * batch + line];
      }
  }
}

}  // namespace mlpot
