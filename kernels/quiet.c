#include "kernels/quiet.h"

#include <stdlib.h>

#include "base/memory.h"
#include "kernels/backend.h"
#include "kernels/clock.h"
#include "kernels/vector.h"

#define LOOPS  40
#define PASSES 12
#define FLOATS 4096 /* 16 KB: half of a first-level cache */

typedef struct prober {
    spa_worker *worker;
    float *data; /* [FLOATS] */
    int64_t fastest_ns;
    int64_t ns[LOOPS];
} prober;

struct spa_quiet {
    size_t n;
    prober *probers;
};

spa_status spa_quiet_new(spa_quiet **out, spa_worker *const *workers, size_t n, spa_error *err)
{
    spa_quiet *quiet;
    *out = NULL;
    SPA_TRY(spa_alloc(&quiet, 1, sizeof *quiet, err));
    spa_status status = spa_alloc(&quiet->probers, n, sizeof *quiet->probers, err);
    for (size_t i = 0; i < n && !status; i++) {
        prober *p = &quiet->probers[quiet->n++];
        p->worker = workers[i];
        p->fastest_ns = INT64_MAX;
        status = spa_alloc_aligned(&p->data, FLOATS * sizeof(float), err);
    }
    if (status) {
        spa_quiet_free(quiet);
        return status;
    }
    *out = quiet;
    return SPA_OK;
}

void spa_quiet_free(spa_quiet *quiet)
{
    if (!quiet) return;
    for (size_t i = 0; i < quiet->n; i++) free(quiet->probers[i].data);
    free(quiet->probers);
    free(quiet);
}

/* Loads, stores and arithmetic: what a sibling thread takes away. */
static void probe(void *context)
{
    prober *p = context;
    const spa_vector *v = spa_vector_best();
    for (int i = 0; i < LOOPS; i++) {
        int64_t before = spa_clock_ns();
        for (int k = 0; k < PASSES; k++) v->affine(p->data, 0.5f, 1.0f, p->data, FLOATS);
        p->ns[i] = spa_clock_ns() - before;
    }
}

double spa_quiet_probe(spa_quiet *quiet)
{
    double sum = 0;
    for (size_t i = 0; i < quiet->n; i++)
        spa_worker_start(quiet->probers[i].worker, probe, &quiet->probers[i]);
    for (size_t i = 0; i < quiet->n; i++) spa_worker_wait(quiet->probers[i].worker);
    for (size_t i = 0; i < quiet->n; i++) {
        prober *p = &quiet->probers[i];
        for (int k = 0; k < LOOPS; k++)
            if (p->ns[k] < p->fastest_ns) p->fastest_ns = p->ns[k];
        for (int k = 0; k < LOOPS; k++) sum += (double)p->ns[k] / (double)p->fastest_ns;
    }
    return sum / (LOOPS * (double)quiet->n);
}
