#include "experiments/parallel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "base/memory.h"

typedef struct pool {
    pthread_mutex_t lock;
    size_t next, count, finished;
    size_t failed_at; /* item of `error`; count = none */
    spa_error error;
    void *user;
    spa_status (*item)(void *user, size_t i, spa_error *err);
    void (*done)(void *user, size_t n_done);
} pool;

static void *work(void *argument)
{
    pool *p = argument;
    pthread_mutex_lock(&p->lock);
    while (p->next < p->count && p->failed_at == p->count) {
        size_t i = p->next++;
        spa_error error = {0};
        pthread_mutex_unlock(&p->lock);
        spa_status status = p->item(p->user, i, &error);
        pthread_mutex_lock(&p->lock);
        /* Items begin in order, so all before the first that fails are run, whatever the number
         * of threads: the error is always the same. */
        if (status && i < p->failed_at) {
            p->failed_at = i;
            p->error = error;
            p->error.status = status;
        }
        p->finished++;
        if (p->done) p->done(p->user, p->finished);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

spa_status spa_parallel(size_t jobs, size_t count, void *user,
                        spa_status (*item)(void *user, size_t i, spa_error *err),
                        void (*done)(void *user, size_t n_done), spa_error *err)
{
    pool p = {.count = count, .failed_at = count, .user = user, .item = item, .done = done};
    pthread_t *threads = NULL;
    size_t started = 0;
    if (jobs > count) jobs = count;
    if (jobs > 1) SPA_TRY(spa_alloc(&threads, jobs - 1, sizeof *threads, err));
    pthread_mutex_init(&p.lock, NULL);
    /* This thread works too, so that a machine that gives no threads only takes longer. */
    while (started + 1 < jobs && pthread_create(&threads[started], NULL, work, &p) == 0) started++;
    work(&p);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&p.lock);
    free(threads);
    if (p.failed_at == count) return SPA_OK;
    if (err) *err = p.error;
    return p.error.status;
}
