// Which instruction sets this processor has, and the choice among the kernels built for them.
#include <stdexcept>

#include "engine.hpp"

namespace mlpot {

namespace baseline {
extern const Kernels kernels;
}
#ifdef MLPOT_X86_KERNELS
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

std::vector<const Kernels*> usable() {
  std::vector<const Kernels*> sets = {&baseline::kernels};
#ifdef MLPOT_X86_KERNELS
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2");
  if (v3) sets.push_back(&avx2::kernels);
  if (v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd"))
    sets.push_back(&avx512::kernels);
#endif
  return sets;
}

}  // namespace

std::vector<std::string> usable_kernels() {
  std::vector<std::string> names = {"scalar"};
  for (const Kernels* set : usable()) names.push_back(set->name);
  return names;
}

std::unique_ptr<Engine> make_engine(const std::string& kernels, const EngineInput& input,
                                    std::string& chosen) {
  const std::vector<const Kernels*> sets = usable();
  chosen = kernels == "auto" ? sets.back()->name : kernels;
  if (chosen == "scalar") return sets.front()->make_scalar_engine(input);
  for (const Kernels* set : sets)
    if (chosen == set->name) return set->make_engine(input);
  std::string message = "kernels \"" + kernels + "\" cannot be used here; known: auto";
  for (const std::string& name : usable_kernels()) message += ", " + name;
  throw std::invalid_argument(message);
}

}  // namespace mlpot
