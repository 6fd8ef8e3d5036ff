/* Comparing kernels with the reference. */
#ifndef SPA_TESTS_KERNELS_AGREE_H
#define SPA_TESTS_KERNELS_AGREE_H

#include "kernels/model.h"

/* What the issue of agreement is: sum of squared differences over the reference's squares. */
#define AGREE_NMSE 1e-10
/* The same where tensors are stored as halves: a relative L2 distance of 5e-3. */
#define AGREE_HALF_NMSE 2.5e-5

/* The backends that can run here; of the others the reason is printed once. Returns how many. */
size_t runnable_backends(const spa_backend *out[SPA_MODEL_BACKENDS]);

/* Runs every operator of a graph by itself, on random inputs with 0, 50 and 95 % zeros, by every
 * backend, by the plans of the CUDA kernels (executed on the CPU) and by the zero-skipping product
 * with every set of loops, into outputs poisoned with NaN and from workspaces poisoned likewise;
 * asserts that all agree with `ref`. Each backend also runs it in parts (agree_parts.h). */
void expect_agreement(const spa_graph *graph);

#endif
