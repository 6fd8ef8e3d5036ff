/* A model on an asynchronous device, driven as an executor would. Plain C without a test framework:
 * the thread test and cuda_check use it too. */
#ifndef SPA_TESTS_KERNELS_STREAM_RIG_H
#define SPA_TESTS_KERNELS_STREAM_RIG_H

#include "kernels/stream.h"

typedef struct stream_rig {
    const spa_stream_device *device;
    spa_accelerator *accelerator;
    spa_stream_model *model;
    spa_dtype dtype;
    spa_session session; /* host side: pinned */
    char *memory;        /* device side: the session's layout, in elements of dtype */
    spa_stream *compute, *copies;
    spa_stream_event *uploaded, *computed;
    bool pinned;
} stream_rig;

/* Opens the device, prepares the model, plans own buffers for all outputs and allocates their
 * mirror. Fini it in any case. */
spa_status stream_rig_init(stream_rig *rig, const spa_stream_device *device,
                           const spa_stream_config *config, const spa_model *model, spa_dtype dtype,
                           spa_error *err);
void stream_rig_fini(stream_rig *rig);

/* Where a host tensor of the session lies on the device. */
void *stream_rig_address(const stream_rig *rig, const float *host);
spa_status stream_rig_copy(stream_rig *rig, spa_stream *stream, spa_copy_direction direction,
                           float *host, size_t elements, spa_error *err);
spa_status stream_rig_op(stream_rig *rig, spa_stream *stream, size_t op, spa_error *err);
spa_status stream_rig_upload(stream_rig *rig, spa_error *err); /* graph inputs, by `copies` */
/* All operators of the graph on `compute`, as one recorded graph if `graph` is not NULL. */
spa_status stream_rig_ops(stream_rig *rig, spa_stream_graph **graph, spa_error *err);
/* Upload, run, bring every output back; then the session holds them. */
spa_status stream_rig_infer(stream_rig *rig, spa_error *err);

#endif
