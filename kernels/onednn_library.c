#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "kernels/onednn_library.h"

#if defined(SPA_ONEDNN) && SPA_ONEDNN
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#define SONAME "libdnnl.so.2"

static spa_onednn library;
static spa_status opened;
static spa_error why;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static spa_status resolve(void *handle)
{
#define RESOLVE(name)                                                                              \
    if (!(*(void **)(&library.name) = dlsym(handle, #name)))                                       \
        return spa_fail(&why, SPA_E_UNSUPPORTED, "onednn: %s has no %s; it needs oneDNN 2.6",      \
                        SONAME, #name);
    SPA_ONEDNN_FUNCTIONS(RESOLVE)
#undef RESOLVE
    *(void **)(&library.omp_set_num_threads) = dlsym(handle, "omp_set_num_threads");
    *(void **)(&library.omp_get_max_threads) = dlsym(handle, "omp_get_max_threads");
    return SPA_OK;
}

static spa_status open_library(void)
{
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return spa_fail(&why, SPA_E_UNSUPPORTED,
                        "onednn: %s is not here (%s); install it: apt-get install libdnnl2", SONAME,
                        dlerror());
    if (resolve(handle)) return SPA_E_UNSUPPORTED;
    if (library.dnnl_version()->major != 2)
        return spa_fail(&why, SPA_E_UNSUPPORTED, "onednn: version %d; this build knows 2",
                        library.dnnl_version()->major);
    if (library.dnnl_engine_create(&library.engine, dnnl_cpu, 0) != dnnl_success)
        return spa_fail(&why, SPA_E_UNSUPPORTED, "onednn: it makes no engine for this processor");
    library.block = library.dnnl_get_effective_cpu_isa() & 0x20 ? 16 : 8; /* any AVX-512 */
    return SPA_OK;
}

static void open_once(void)
{
    opened = open_library();
}

spa_status spa_onednn_open(const spa_onednn **out, spa_error *err)
{
    *out = NULL;
    pthread_once(&once, open_once);
    if (opened) {
        if (err) *err = why;
        return opened;
    }
    *out = &library;
    return SPA_OK;
}

int spa_onednn_single(const spa_onednn *l)
{
    int threads = l->omp_get_max_threads ? l->omp_get_max_threads() : 1;
    if (threads != 1 && l->omp_set_num_threads) l->omp_set_num_threads(1);
    return threads;
}

void spa_onednn_threads(const spa_onednn *l, int threads)
{
    if (threads != 1 && l->omp_set_num_threads) l->omp_set_num_threads(threads);
}
#endif
