/* Loading oneDNN. */
#ifdef SPA_ONEDNN

#include "kernels/onednn_library.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libdnnl.so.2"

/* Process-wide like the library itself; written once, under pthread_once. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static spa_onednn_library library;
static spa_status load_status;
static spa_error load_error;

/* POSIX lets dlsym give functions as object pointers; ISO C has no cast for it. */
static bool resolve(void *handle, const char *name, void *function)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static spa_status resolve_all(void *handle, spa_error *err)
{
#define RESOLVE(name)                                                                              \
    if (!resolve(handle, "dnnl_" #name, &library.name))                                            \
        return spa_fail(err, SPA_E_UNSUPPORTED,                                                    \
                        "%s has no function dnnl_" #name                                           \
                        "; install libdnnl2 of version 2.6 (Debian 12)",                           \
                        LIBRARY);
    SPA_ONEDNN_FUNCTIONS(RESOLVE)
#undef RESOLVE
    return SPA_OK;
}

/* The OpenMP runtime is found through the library's own dependencies: another one in the process
 * would have other settings. */
static spa_status find_threads(void *handle, spa_error *err)
{
    unsigned runtime = library.version()->cpu_runtime;
    if (runtime == DNNL_RUNTIME_SEQ) return SPA_OK;
    if (runtime == DNNL_RUNTIME_OMP &&
        resolve(handle, "omp_get_max_threads", &library.max_threads) &&
        resolve(handle, "omp_set_num_threads", &library.set_threads))
        return SPA_OK;
    library.set_threads = NULL;
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "%s runs on threads (runtime %u) that cannot be held to one per lane; install "
                    "a build on OpenMP (Debian's libdnnl2)",
                    LIBRARY, runtime);
}

static spa_status make_engine(spa_error *err)
{
    if (library.engine_create(&library.engine, dnnl_cpu, 0) != dnnl_success ||
        library.primitive_attr_create(&library.attr) != dnnl_success ||
        library.primitive_attr_set_scratchpad_mode(library.attr, dnnl_scratchpad_mode_user) !=
            dnnl_success)
        return spa_fail(err, SPA_E_UNSUPPORTED, "%s cannot make a CPU engine on this machine",
                        LIBRARY);
    return SPA_OK;
}

static void load(void)
{
    /* Local: its symbols (libstdc++, libgomp) must not stand in for anybody else's. */
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *why = dlerror();
        load_status = spa_fail(&load_error, SPA_E_UNSUPPORTED,
                               "backend 'onednn': %s; install it (apt-get install libdnnl2)",
                               why != NULL ? why : "cannot load " LIBRARY);
        return;
    }
    load_status = resolve_all(handle, &load_error);
    if (load_status == SPA_OK) load_status = find_threads(handle, &load_error);
    if (load_status == SPA_OK) load_status = make_engine(&load_error);
    if (load_status != SPA_OK) dlclose(handle);
}

spa_status spa_onednn_load(const spa_onednn_library **out, spa_error *err)
{
    pthread_once(&once, load);
    *out = load_status == SPA_OK ? &library : NULL;
    if (load_status != SPA_OK && err != NULL) *err = load_error;
    return load_status;
}

void spa_onednn_library_name(const spa_onednn_library *lib, char *text, size_t size)
{
    static const struct {
        int isa;
        const char *name;
    } names[] = {
        {dnnl_cpu_isa_sse41, "SSE4.1"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2-VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX-512"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 VNNI"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 BF16"},
        {dnnl_cpu_isa_avx512_core_amx, "AVX-512 AMX"},
    };
    const dnnl_version_t *v = lib->version();
    int isa = (int)lib->get_effective_cpu_isa();
    const char *name = "other ISA";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].isa == isa) name = names[i].name;
    snprintf(text, size, "%d.%d.%d (%s)", v->major, v->minor, v->patch, name);
}

#else
typedef int spa_onednn_library_unused; /* ISO C wants something in every file */
#endif
