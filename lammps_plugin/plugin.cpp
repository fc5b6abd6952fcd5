// Registers pair_style mlpot with LAMMPS, unless this LAMMPS is not the one it was built for.
#include "lammpsplugin.h"
#include "pair_mlpot.h"

#include "lammps.h"
#include "lmptype.h"

#include <dlfcn.h>
#include <cstdio>
#include <cstring>

using namespace LAMMPS_NS;

namespace {

void* create_pair(void* lmp) { return new PairMLPOT(static_cast<LAMMPS*>(lmp)); }

// LAMMPS' classes change their layout between updates, and a plugin that was built for another one
// crashes: so the exact build is compared, by functions whose meaning does not change.
bool built_for_this(void* lmp) {
  using SettingFunction = int (*)(void*, const char*);
  const auto setting =
      reinterpret_cast<SettingFunction>(dlsym(RTLD_DEFAULT, "lammps_extract_setting"));
  if (setting &&
      (setting(lmp, "tagint") != sizeof(tagint) || setting(lmp, "bigint") != sizeof(bigint))) {
    fprintf(stderr,
            "mlpot: not loaded: this LAMMPS has other integer sizes than the one mlpot was "
            "built for (reinstall mlpot beside it)\n");
    return false;
  }
#ifdef MLPOT_LAMMPS_BUILD
  using NameFunction = const char* (*)();
  const auto name =
      reinterpret_cast<NameFunction>(dlsym(RTLD_DEFAULT, "_ZN9LAMMPS_NS6LAMMPS14git_descriptorEv"));
  const char* running = name ? name() : "another LAMMPS";
  if (strcmp(running, MLPOT_LAMMPS_BUILD) != 0) {
    fprintf(stderr,
            "mlpot: not loaded: built for LAMMPS %s, this is %s (reinstall mlpot beside it)\n",
            MLPOT_LAMMPS_BUILD, running);
    return false;
  }
#endif
  return true;
}

}  // namespace

extern "C" void lammpsplugin_init(void* lmp, void* handle, void* register_function) {
  if (!built_for_this(lmp)) return;
  lammpsplugin_t plugin;
  plugin.version = static_cast<LAMMPS*>(lmp)->version;
  plugin.style = "pair";
  plugin.name = "mlpot";
  plugin.info = "machine-learnt interatomic potentials, mlpot";
  plugin.author = "the mlpot developers";
  plugin.creator.v1 = create_pair;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(register_function)(&plugin, lmp);
}
