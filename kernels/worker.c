/* Pinned threads. */
#define _GNU_SOURCE /* pthread_attr_setaffinity_np, sched_getaffinity */
#include "kernels/worker.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct spa_worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    spa_worker_job *job; /* NULL = idle */
    void *context;
    bool quit;
};

bool spa_core_allowed(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core < 0 || core >= CPU_SETSIZE) return false;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_ISSET(core, &set);
}

static void *work(void *argument)
{
    spa_worker *worker = argument;
    pthread_mutex_lock(&worker->mutex);
    for (;;) {
        while (worker->job == NULL && !worker->quit)
            pthread_cond_wait(&worker->changed, &worker->mutex);
        if (worker->job == NULL) break;
        spa_worker_job *job = worker->job;
        void *context = worker->context;
        pthread_mutex_unlock(&worker->mutex);
        job(context);
        pthread_mutex_lock(&worker->mutex);
        worker->job = NULL;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static int start_thread(spa_worker *worker, int core)
{
    pthread_attr_t attributes;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    int code = pthread_attr_init(&attributes);
    if (code != 0) return code;
    code = pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
    if (code == 0) code = pthread_create(&worker->thread, &attributes, work, worker);
    pthread_attr_destroy(&attributes);
    return code;
}

spa_status spa_worker_new(spa_worker **out, int core, spa_error *err)
{
    spa_worker *worker;
    *out = NULL;
    if (!spa_core_allowed(core))
        return spa_fail(err, SPA_E_UNSUPPORTED, "core %d is not one this process may use", core);
    SPA_TRY(spa_alloc(&worker, 1, sizeof *worker, err));
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    int code = start_thread(worker, core);
    if (code != 0) {
        pthread_cond_destroy(&worker->changed);
        pthread_mutex_destroy(&worker->mutex);
        free(worker);
        return spa_fail(err, SPA_E_UNSUPPORTED, "cannot start a thread on core %d: %s", core,
                        strerror(code));
    }
    *out = worker;
    return SPA_OK;
}

void spa_worker_free(spa_worker *worker)
{
    if (worker == NULL) return;
    pthread_mutex_lock(&worker->mutex);
    worker->quit = true;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    free(worker);
}

void spa_worker_start(spa_worker *worker, spa_worker_job *job, void *context)
{
    pthread_mutex_lock(&worker->mutex);
    worker->job = job;
    worker->context = context;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

void spa_worker_wait(spa_worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    while (worker->job != NULL) pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}
