// Three-dimensional Fourier transform of complex numbers, in place, for sizes of factors 2, 3, 5:
// X_k = sum_n x_n e^{-2 pi i k n/N} along each axis. Stockham's algorithm, which needs no bit
// reversal, on many lines side by side (Van Loan, Computational Frameworks for the FFT, 1992).
#pragma once

#include <cstddef>
#include <vector>

namespace mlpot {

// The least size of at least n that has no other factors than 2, 3 and 5.
int good_fft_size(int n);

class Fft3 {
 public:
  Fft3() = default;
  explicit Fft3(const int (&n)[3]);
  // re, im: [n0][n1][n2], apart. The inverse, without its factor 1/N: transform(im, re).
  void transform(double* re, double* im);

 private:
  struct Axis {
    int n = 0;
    std::vector<int> factors;
    std::vector<double> cosine, sine;  // of 2 pi k/n
  };
  void lines(const Axis& axis, int batch);

  Axis axes_[3];
  std::vector<double> re_[2], im_[2];  // [n][batch], from one to the other
};

}  // namespace mlpot
