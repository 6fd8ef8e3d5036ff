#define _DEFAULT_SOURCE /* wait4 */
#include "experiments/isolate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---------------------------------------------------------------- bytes */
spa_status spa_bytes_put(spa_bytes *b, const void *data, size_t size, spa_error *err)
{
    size_t need;
    if (!spa_add_size(b->length, size, &need))
        return spa_fail(err, SPA_E_RANGE, "a reply is too large");
    SPA_TRY(spa_grow(&b->data, &b->capacity, need, 1, err));
    if (size) memcpy(b->data + b->length, data, size);
    b->length = need;
    return SPA_OK;
}

spa_status spa_bytes_take(const spa_bytes *b, size_t *at, void *data, size_t size, spa_error *err)
{
    if (*at > b->length || size > b->length - *at)
        return spa_fail(err, SPA_E_PARSE, "a process of its own sent too little");
    if (size) memcpy(data, b->data + *at, size);
    *at += size;
    return SPA_OK;
}

void spa_bytes_fini(spa_bytes *b)
{
    free(b->data);
    *b = (spa_bytes){0};
}

/* ---------------------------------------------------------------- the child */
typedef struct head {
    uint64_t magic;
    spa_error error;
    spa_status status;
    size_t length;
} head;
#define MAGIC UINT64_C(0x5350415245504c59)

static bool write_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static void set_limit(int what, rlim_t value)
{
    struct rlimit limit;
    if (getrlimit(what, &limit) != 0) return;
    if (limit.rlim_max != RLIM_INFINITY && value > limit.rlim_max) value = limit.rlim_max;
    if (limit.rlim_cur == RLIM_INFINITY || value < limit.rlim_cur) limit.rlim_cur = value;
    setrlimit(what, &limit);
}

/* Faults end the child as the system has it, whatever handlers the program has; the processor-time
 * limit ends it even if nobody is left to wait for it. */
static void confine(const spa_limits *limits)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE,  SIGILL,  SIGABRT, SIGTRAP,
                                 SIGSYS,  SIGINT, SIGTERM, SIGPIPE, SIGXCPU};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) signal(faults[i], SIG_DFL);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_CPU, (rlim_t)ceil(limits->seconds) + 1);
#ifndef __SANITIZE_ADDRESS__ /* its own memory, terabytes, counts too */
    set_limit(RLIMIT_DATA, (rlim_t)limits->memory_bytes);
#endif
}

static void be_child(int fd, const spa_limits *limits,
                     spa_status (*work)(void *user, spa_bytes *reply, spa_error *err), void *user)
{
    spa_bytes reply = {0};
    head h = {.magic = MAGIC};
    confine(limits);
    h.status = work(user, &reply, &h.error);
    h.length = h.status ? 0 : reply.length;
    bool sent = write_all(fd, &h, sizeof h) && write_all(fd, reply.data, h.length);
    _exit(sent ? 0 : 1);
}

/* ---------------------------------------------------------------- the parent */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Reads to the end of what the child sends. False: the time is over. */
static bool listen_to(int fd, double deadline_s, spa_bytes *in, spa_status *status, spa_error *err)
{
    char part[65536];
    *status = SPA_OK;
    for (;;) {
        double left_s = deadline_s - now_s();
        if (left_s <= 0) return false;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, left_s > 3600 ? 3600000 : (int)ceil(left_s * 1e3));
        if (ready <= 0) continue; /* over, or a signal */
        ssize_t n = read(fd, part, sizeof part);
        if (n == 0) return true;
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) {
            *status = spa_fail(err, SPA_E_IO, "a process of its own cannot be heard: %s",
                               strerror(errno));
            return true;
        }
        *status = spa_bytes_put(in, part, (size_t)n, err);
        if (*status) return true;
    }
}

/* Bytes of data that this process has and of memory that it uses: what a child begins with. 0 where
 * the system does not say. */
static void measure_self(double *data_bytes, double *used_bytes)
{
    long pages[6] = {0}; /* size, resident, shared, text, library, data and stack */
    FILE *f = fopen("/proc/self/statm", "r");
    int n = f ? fscanf(f, "%ld %ld %ld %ld %ld %ld", &pages[0], &pages[1], &pages[2], &pages[3],
                       &pages[4], &pages[5])
              : 0;
    if (f) fclose(f);
    double page = n == 6 ? (double)sysconf(_SC_PAGESIZE) : 0;
    *data_bytes = (double)pages[5] * page;
    *used_bytes = (double)pages[1] * page;
}

/* Did it use most of what was free under its limit? */
static bool took_all(const struct rusage *used, const spa_limits *limits)
{
    double data_bytes, used_bytes;
#ifdef __SANITIZE_ADDRESS__
    return false; /* there was no limit */
#endif
    measure_self(&data_bytes, &used_bytes);
    double free_bytes = (double)limits->memory_bytes - data_bytes;
    return (double)used->ru_maxrss * 1024 - used_bytes >= 0.8 * free_bytes;
}

static spa_status say_how(int state, const struct rusage *used, const spa_limits *limits, bool late,
                          spa_error *err)
{
    bool cpu = WIFSIGNALED(state) && WTERMSIG(state) == SIGXCPU;
    if (late || cpu)
        return spa_fail(err, SPA_E_UNSUPPORTED, "did not end within %g s", limits->seconds);
    if (took_all(used, limits))
        return spa_fail(err, SPA_E_UNSUPPORTED, "exhausted the memory (limit %.0f MiB)",
                        (double)limits->memory_bytes / (1 << 20));
    if (WIFSIGNALED(state))
        return spa_fail(err, SPA_E_UNSUPPORTED, "crashed: %s", strsignal(WTERMSIG(state)));
    return spa_fail(err, SPA_E_UNSUPPORTED, "ended the program with exit code %d",
                    WEXITSTATUS(state));
}

/* Between making the pipe and closing its far end here nobody else may fork, or the end of the
 * child could not be told from the end of a later one. */
static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER;

static pid_t start_child(const spa_limits *limits,
                         spa_status (*work)(void *user, spa_bytes *reply, spa_error *err),
                         void *user, int *fd, spa_error *err)
{
    int ends[2];
    pid_t child = -1;
    int cause;
    pthread_mutex_lock(&forking);
    if (pipe(ends) == 0) {
        fcntl(ends[0], F_SETFD, FD_CLOEXEC);
        fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        child = fork();
        cause = errno;
        if (child == 0) {
            close(ends[0]);
            be_child(ends[1], limits, work, user);
        }
        close(ends[1]);
        if (child < 0) close(ends[0]);
        *fd = ends[0];
    } else {
        cause = errno;
    }
    pthread_mutex_unlock(&forking);
    if (child < 0) spa_fail(err, SPA_E_IO, "no process can be started: %s", strerror(cause));
    return child;
}

/* What arrived: the head, then the reply, which is moved to the front. */
static spa_status unpack(spa_bytes *in, head *h)
{
    size_t at = 0;
    if (spa_bytes_take(in, &at, h, sizeof *h, NULL) || h->magic != MAGIC ||
        in->length - at != h->length)
        return SPA_E_PARSE;
    memmove(in->data, in->data + at, h->length);
    in->length = h->length;
    return SPA_OK;
}

/* Waits for the child's end. One that sent nothing whole and goes on all the same (its own doing)
 * is ended at the deadline: true. */
static bool reap(pid_t child, bool whole, double deadline_s, int *state, struct rusage *used)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    bool late = false;
    for (;;) {
        pid_t ended = wait4(child, state, whole || late ? 0 : WNOHANG, used);
        if (ended == child || (ended < 0 && errno != EINTR)) return late;
        if (ended != 0) continue;
        late = now_s() >= deadline_s;
        if (late) kill(child, SIGKILL);
        if (!late) nanosleep(&pause, NULL);
    }
}

spa_status spa_isolate(const spa_limits *limits,
                       spa_status (*work)(void *user, spa_bytes *reply, spa_error *err), void *user,
                       spa_bytes *reply, bool *died, spa_error *err)
{
    int fd = -1, state = 0;
    struct rusage used = {0};
    spa_status heard;
    head h;
    *reply = (spa_bytes){0};
    *died = false;
    double deadline_s = now_s() + limits->seconds;
    pid_t child = start_child(limits, work, user, &fd, err);
    if (child < 0) return SPA_E_IO;
    bool ended = listen_to(fd, deadline_s, reply, &heard, err);
    close(fd);
    if (!ended || heard) kill(child, SIGKILL);
    bool whole = ended && !heard && unpack(reply, &h) == SPA_OK;
    bool late = reap(child, whole || !ended || heard, deadline_s, &state, &used) || !ended;
    if (heard) return heard;
    if (whole) {
        if (h.status && err) *err = h.error;
        return h.status;
    }
    *died = true;
    spa_bytes_fini(reply);
    return say_how(state, &used, limits, late, err);
}
