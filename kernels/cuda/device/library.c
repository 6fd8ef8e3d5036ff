#define _POSIX_C_SOURCE 200809L
#include "kernels/cuda/device/library.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#ifndef SPA_CUDA_LIBDIR
#define SPA_CUDA_LIBDIR "/usr/local/cuda/lib64"
#endif

static spa_cuda_libraries libraries;
static spa_status opened;
static spa_error why;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* By the loader's own search, then in the toolkit that this was built with. */
static void *open_one(const char *base, int major, const char *cure)
{
    char name[64], path[512], first[256];
    snprintf(name, sizeof name, "%s.%d", base, major);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle) return handle;
    snprintf(first, sizeof first, "%s", dlerror());
    snprintf(path, sizeof path, "%s/%s", SPA_CUDA_LIBDIR, name);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        opened = spa_fail(&why, SPA_E_UNSUPPORTED, "%s is not here (%s); %s", name, first, cure);
    return handle;
}

static void open_once(void)
{
    void *blas = open_one("libcublas.so", CUDART_VERSION / 1000,
                          "install cuBLAS of this CUDA version or set LD_LIBRARY_PATH");
    if (!blas) return;
    void *dnn = open_one("libcudnn.so", CUDNN_MAJOR,
                         "install cuDNN of this major version or set LD_LIBRARY_PATH");
    if (!dnn) return;
#define RESOLVE(handle, name, library)                                                             \
    if (!(*(void **)(&libraries.name) = dlsym(handle, #name))) {                                   \
        opened = spa_fail(&why, SPA_E_UNSUPPORTED, "%s has no %s; it is too old", library, #name); \
        return;                                                                                    \
    }
#define RESOLVE_BLAS(name) RESOLVE(blas, name, "cuBLAS")
#define RESOLVE_DNN(name)  RESOLVE(dnn, name, "cuDNN")
    SPA_CUBLAS_FUNCTIONS(RESOLVE_BLAS)
    SPA_CUDNN_FUNCTIONS(RESOLVE_DNN)
    SPA_CUDNN_9_FUNCTIONS(RESOLVE_DNN)
}

spa_status spa_cuda_libraries_open(const spa_cuda_libraries **out, spa_error *err)
{
    *out = NULL;
    pthread_once(&once, open_once);
    if (opened) {
        if (err) *err = why;
        return opened;
    }
    *out = &libraries;
    return SPA_OK;
}
