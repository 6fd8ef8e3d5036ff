/* The CUDA device of a build without CUDA (make CUDA=0, or no nvcc): it says so. */
#include "kernels/stream.h"

static spa_status fail(spa_error *err)
{
    return spa_fail(err, SPA_E_UNSUPPORTED,
                    "no CUDA device (this build has no CUDA; install the CUDA toolkit and build "
                    "with: make CUDA=1)");
}

static spa_status probe(int32_t index, spa_error *err)
{
    return fail(err);
}

static spa_status open_device(const spa_stream_config *config, spa_accelerator **out,
                              spa_error *err)
{
    *out = NULL;
    return fail(err);
}

/* Nothing can be opened, so nothing else can be called. */
const spa_stream_device spa_stream_device_cuda = {
    .name = "cuda",
    .summary = "an NVIDIA GPU (not in this build)",
    .probe = probe,
    .open = open_device,
};
