// MLPOT_CLONES before a function: it is compiled for several instruction sets, and the best is
// taken when the program starts. For plain loops outside the kernels (isa.hpp).
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__) && \
    __GNUC__ >= 12
#define MLPOT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MLPOT_CLONES
#endif
