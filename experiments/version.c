#include "experiments/version.h"

#include "sim/plugin.h"

#ifndef SPA_VERSION
#define SPA_VERSION "unversioned"
#endif
#ifndef SPA_BUILD
#define SPA_BUILD "unknown"
#endif
#ifndef SPA_CUDA_SAYS
#define SPA_CUDA_SAYS "cuda: unknown"
#endif
#if defined(__x86_64__)
#define MACHINE "x86_64"
#elif defined(__aarch64__)
#define MACHINE "aarch64"
#else
#define MACHINE "another machine"
#endif

const char *spa_version(void)
{
    return SPA_VERSION;
}

void spa_version_put_features(spa_string *out)
{
    spa_string_append(out, "  build: %s, compiler %s, for %s\n", SPA_BUILD, __VERSION__, MACHINE);
    spa_string_append(out, "  %s\n", SPA_CUDA_SAYS);
#ifdef SPA_ONEDNN
    spa_string_append(out, "  onednn: built (loaded when it is used)\n");
#else
    spa_string_append(out, "  onednn: not built (%s)\n", SPA_ONEDNN_MISSING);
#endif
    spa_string_append(out, "  interfaces: plug-ins %u, policies %u\n", SPA_PLUGIN_ABI,
                      SPA_POLICY_ABI);
}
