// The kernels are compiled once for each instruction set, each time into a namespace of its own,
// and chosen when the program runs (engine.hpp). What a kernel file defines lives in that
// namespace, and kernel files instantiate no std templates: no AVX code can then stand behind a
// symbol that code for older processors shares.
#pragma once

#if defined(__AVX512F__)
#define MLPOT_ISA avx512
#define MLPOT_WIDTH 8
#elif defined(__AVX2__)
#define MLPOT_ISA avx2
#define MLPOT_WIDTH 4
#else
#define MLPOT_ISA baseline
#define MLPOT_WIDTH 2
#endif

#define MLPOT_BEGIN_KERNELS \
  namespace mlpot {         \
  namespace MLPOT_ISA {
#define MLPOT_END_KERNELS \
  }                       \
  }
