/* The CUDA device: opening, memory, errors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/device/state.h"

/* ---- errors -------------------------------------------------------------------------------- */

static spa_status fail(spa_status status, const char *library, const char *doing,
                       const char *subject, const char *why, spa_error *err)
{
    if (subject == NULL) return spa_fail(err, status, "%s: %s: %s", library, doing, why);
    return spa_fail(err, status, "%s: %s '%s': %s", library, doing, subject, why);
}

spa_status spa_cuda_check(cudaError_t code, const char *doing, const char *subject, spa_error *err)
{
    if (code == cudaSuccess) return SPA_OK;
    (void)cudaGetLastError(); /* a failed call must not show up in the next one's check */
    char why[256];
    snprintf(why, sizeof why, "%s (%s)", cudaGetErrorString(code), cudaGetErrorName(code));
    return fail(code == cudaErrorMemoryAllocation ? SPA_E_NOMEM : SPA_E_IO, "CUDA", doing, subject,
                why, err);
}

spa_status spa_cublas_check(const cuda_device *d, cublasStatus_t code, const char *doing,
                            const char *subject, spa_error *err)
{
    if (code == CUBLAS_STATUS_SUCCESS) return SPA_OK;
    return fail(code == CUBLAS_STATUS_ALLOC_FAILED ? SPA_E_NOMEM : SPA_E_IO, "cuBLAS", doing,
                subject, d->lib->cublasGetStatusString(code), err);
}

spa_status spa_cudnn_check(const cuda_device *d, cudnnStatus_t code, const char *doing,
                           const char *subject, spa_error *err)
{
    if (code == CUDNN_STATUS_SUCCESS) return SPA_OK;
    char why[512] = "";
#if CUDNN_MAJOR >= 9
    char more[384] = "";
    d->lib->cudnnGetLastErrorString(more, sizeof more);
    snprintf(why, sizeof why, "%s: %s", d->lib->cudnnGetErrorString(code), more);
#else
    snprintf(why, sizeof why, "%s", d->lib->cudnnGetErrorString(code));
#endif
    return fail(SPA_E_IO, "cuDNN", doing, subject, why, err);
}

spa_status spa_cuda_enter(const cuda_device *d, spa_error *err)
{
    return spa_cuda_check(cudaSetDevice(d->config.index), "selecting the device", NULL, err);
}

/* ---- opening ------------------------------------------------------------------------------- */

/* CUDA calls a missing driver an old one. */
static spa_status no_device(cudaError_t code, spa_error *err)
{
    int driver = 0;
    (void)cudaGetLastError();
    if (code != cudaErrorInsufficientDriver)
        return spa_fail(err, SPA_E_UNSUPPORTED, "no CUDA device (%s)", cudaGetErrorString(code));
    if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "no CUDA device (this machine has no NVIDIA driver; install it where there "
                        "is a GPU)");
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "no CUDA device (the driver is one for CUDA %d.%d, this build needs %d.%d; "
                    "update it, or build with an older toolkit: make CUDA_HOME=DIR)",
                    driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000,
                    CUDART_VERSION % 1000 / 10);
}

static spa_status probe(int32_t index, spa_error *err)
{
    const spa_cuda_libraries *libraries;
    spa_error why = {0};
    int count = 0;
    cudaError_t code = cudaGetDeviceCount(&count);
    if (code != cudaSuccess) return no_device(code, err);
    if (index < 0 || index >= count)
        return spa_fail(err, SPA_E_UNSUPPORTED, "no CUDA device %d (this machine has %d)",
                        (int)index, count);
    if (spa_cuda_libraries_open(&libraries, &why) != SPA_OK)
        return spa_fail(err, SPA_E_UNSUPPORTED, "no CUDA device (%s)", why.message);
    return SPA_OK;
}

static spa_status read_properties(cuda_device *d, spa_error *err)
{
    struct cudaDeviceProp prop;
    int registers = 0, index = d->config.index;
    SPA_TRY(
        spa_cuda_check(cudaGetDeviceProperties(&prop, index), "reading its properties", NULL, err));
    SPA_TRY(
        spa_cuda_check(cudaDeviceGetAttribute(&registers, cudaDevAttrHostRegisterSupported, index),
                       "reading an attribute", NULL, err));
    snprintf(d->name, sizeof d->name, "%s", prop.name);
    d->major = prop.major;
    d->minor = prop.minor;
    /* On an integrated GPU pinned host memory is the memory: operators may use it in place. It is
     * not cached by the GPU there ("CUDA for Tegra", section on pinned memory), so tensors that are
     * read many times are better copied; the choice is the caller's. Managed memory is no choice:
     * the host must not touch it while a kernel runs unless concurrentManagedAccess is set. */
    d->base.shares_memory = prop.integrated && prop.canMapHostMemory;
    if (!registers)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "CUDA device %d (%s) cannot page-lock memory of the host", index, d->name);
    return SPA_OK;
}

static void close_device(spa_accelerator *accelerator)
{
    cuda_device *d = (cuda_device *)accelerator;
    if (d == NULL) return;
    if (cudaSetDevice(d->config.index) == cudaSuccess) {
        (void)cudaDeviceSynchronize();
        for (size_t i = 0; i < d->pinned.count; i++)
            (void)cudaHostUnregister((void *)d->pinned.range[i].begin);
        for (size_t i = 0; i < d->memory.count; i++)
            (void)cudaFree((void *)d->memory.range[i].begin);
    }
    (void)cudaGetLastError();
    free(d->memory.range);
    free(d->pinned.range);
    free(d);
}

static spa_status open_device(const spa_stream_config *config, spa_accelerator **out,
                              spa_error *err)
{
    cuda_device *d;
    *out = NULL;
    SPA_TRY(probe(config->index, err));
    SPA_TRY(spa_alloc(&d, 1, sizeof *d, err));
    d->base.device = &spa_stream_device_cuda;
    d->config = *config;
    spa_status status = spa_cuda_libraries_open(&d->lib, err);
    if (status == SPA_OK) status = spa_cuda_enter(d, err);
    if (status == SPA_OK) status = read_properties(d, err);
    if (status == SPA_OK) /* creates the context: a kernel image for this GPU must be there */
        status = spa_cuda_check(cudaFree(NULL), "starting the device", NULL, err);
    if (status != SPA_OK) {
        close_device(&d->base);
        return status;
    }
    *out = &d->base;
    return SPA_OK;
}

static void describe(const spa_accelerator *accelerator, char *text, size_t size)
{
    const cuda_device *d = (const cuda_device *)accelerator;
    int driver = 0, runtime = 0;
    size_t dnn = d->lib->cudnnGetVersion();
    size_t thousand = dnn >= 90000 ? 10000 : 1000; /* 90100 is 9.1.0, 8907 was 8.9.7 */
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    snprintf(text, size, "%s (sm_%d%d), driver for CUDA %d.%d, runtime %d.%d, cuDNN %zu.%zu.%zu",
             d->name, d->major, d->minor, driver / 1000, driver % 1000 / 10, runtime / 1000,
             runtime % 1000 / 10, dnn / thousand, dnn % thousand / 100, dnn % 100);
}

/* ---- memory -------------------------------------------------------------------------------- */

static spa_status out_of_memory(const cuda_device *d, size_t bytes, spa_error *err)
{
    size_t available = 0, total = 0;
    (void)cudaGetLastError();
    (void)cudaMemGetInfo(&available, &total);
    return spa_fail(err, SPA_E_NOMEM,
                    "CUDA device %d: no memory for %zu bytes; %zu of %zu are free, this program "
                    "uses %zu%s",
                    (int)d->config.index, bytes, available, total, d->used_bytes,
                    d->config.memory_limit_bytes != 0 ? " and may use no more than its limit" : "");
}

spa_status spa_cuda_alloc(spa_accelerator *accelerator, size_t bytes, void **out, spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    size_t size = bytes == 0 ? CUDA_ALIGN : bytes, limit = d->config.memory_limit_bytes;
    *out = NULL;
    SPA_TRY(spa_cuda_enter(d, err));
    if (limit != 0 && (d->used_bytes > limit || size > limit - d->used_bytes))
        return out_of_memory(d, size, err);
    cudaError_t code = cudaMalloc(out, size);
    if (code == cudaErrorMemoryAllocation) {
        *out = NULL;
        return out_of_memory(d, size, err);
    }
    SPA_TRY(spa_cuda_check(code, "allocating memory", NULL, err));
    spa_status status = spa_ranges_add(&d->memory, *out, size, *out, err);
    if (status != SPA_OK) {
        (void)cudaFree(*out);
        *out = NULL;
        return status;
    }
    d->used_bytes += size;
    return SPA_OK;
}

void spa_cuda_release(spa_accelerator *accelerator, void *memory)
{
    cuda_device *d = (cuda_device *)accelerator;
    if (memory == NULL) return;
    d->used_bytes -= spa_ranges_remove(&d->memory, memory);
    if (cudaSetDevice(d->config.index) == cudaSuccess) (void)cudaFree(memory);
    (void)cudaGetLastError();
}

static spa_status pin(spa_accelerator *accelerator, void *host, size_t bytes, spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    void *device = NULL;
    SPA_TRY(spa_cuda_enter(d, err));
    SPA_TRY(spa_ranges_add(&d->pinned, host, bytes, NULL, err));
    spa_status status = spa_cuda_check(
        cudaHostRegister(host, bytes, cudaHostRegisterPortable | cudaHostRegisterMapped),
        "page-locking host memory", NULL, err);
    if (status != SPA_OK) {
        spa_ranges_remove(&d->pinned, host);
        return status;
    }
    status = spa_cuda_check(cudaHostGetDevicePointer(&device, host, 0), "mapping host memory", NULL,
                            err);
    if (status != SPA_OK) {
        (void)cudaHostUnregister(host);
        spa_ranges_remove(&d->pinned, host);
        return status;
    }
    d->pinned.range[d->pinned.count - 1].device = (uintptr_t)device;
    return SPA_OK;
}

static void unpin(spa_accelerator *accelerator, void *host)
{
    cuda_device *d = (cuda_device *)accelerator;
    if (spa_ranges_remove(&d->pinned, host) == 0) return;
    if (cudaSetDevice(d->config.index) == cudaSuccess) (void)cudaHostUnregister(host);
    (void)cudaGetLastError();
}

static spa_status map(spa_accelerator *accelerator, const void *host, void **device, spa_error *err)
{
    cuda_device *d = (cuda_device *)accelerator;
    *device = NULL;
    if (!d->base.shares_memory)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "CUDA device %d (%s) has memory of its own; copy to it",
                        (int)d->config.index, d->name);
    const spa_range *r = spa_ranges_find(&d->pinned, host, 1);
    if (r == NULL) return spa_fail(err, SPA_E_INVALID, "mapping host memory that is not pinned");
    *device = (void *)(r->device + ((uintptr_t)host - r->begin));
    return SPA_OK;
}

const spa_stream_device spa_stream_device_cuda = {
    .name = "cuda",
    .summary = "an NVIDIA GPU: own kernels, cuBLAS, cuDNN",
    .probe = probe,
    .open = open_device,
    .close = close_device,
    .describe = describe,
    .alloc = spa_cuda_alloc,
    .release = spa_cuda_release,
    .pin = pin,
    .unpin = unpin,
    .map = map,
    .prepare = spa_cuda_prepare,
    .forget = spa_cuda_forget,
    .stream_new = spa_cuda_stream_new,
    .stream_free = spa_cuda_stream_free,
    .reserve = spa_cuda_reserve,
    .enqueue_op = spa_cuda_enqueue_op,
    .enqueue_copy = spa_cuda_enqueue_copy,
    .synchronise = spa_cuda_synchronise,
    .event_new = spa_cuda_event_new,
    .event_free = spa_cuda_event_free,
    .record = spa_cuda_record,
    .wait = spa_cuda_wait,
    .query = spa_cuda_query,
    .event_synchronise = spa_cuda_event_synchronise,
    .elapsed_ns = spa_cuda_elapsed_ns,
    .capture_begin = spa_cuda_capture_begin,
    .capture_end = spa_cuda_capture_end,
    .launch = spa_cuda_launch,
    .graph_free = spa_cuda_graph_free,
};
