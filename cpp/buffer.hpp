// Buffer<T>: an aligned array that kernels may own. Grows, never shrinks; does not construct.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#include "isa.hpp"

MLPOT_BEGIN_KERNELS

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int n) { grow(n); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(data_); }

  // Room for n values; what was there is lost when it has to grow.
  T* grow(std::size_t n) {
    if (n > size_ || !data_) {
      std::free(data_);
      size_ = n + n / 2 + 8;
      const std::size_t bytes = (size_ * sizeof(T) + 63) / 64 * 64;
      data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
      if (!data_) {
        size_ = 0;
        throw std::bad_alloc();
      }
    }
    return data_;
  }
  // Room for n values; what was there stays.
  T* extend(std::size_t n) {
    if (n > size_ || !data_) {
      Buffer larger;
      larger.grow(n);
      for (std::size_t i = 0; i < size_; i++) larger.data_[i] = data_[i];
      std::free(data_);
      data_ = larger.data_;
      size_ = larger.size_;
      larger.data_ = nullptr;
    }
    return data_;
  }
  void push(T value) {  // amortised
    extend(used_ + 1)[used_] = value;
    used_++;
  }
  int used() const { return static_cast<int>(used_); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  T* begin() { return data_; }
  const T* begin() const { return data_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0, used_ = 0;
};

MLPOT_END_KERNELS
