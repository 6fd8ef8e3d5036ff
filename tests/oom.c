#include "tests/oom.h"

#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

/* Atomic: code under test may allocate in threads of its own. */
static atomic_long allocations, fail_at = LONG_MAX;
static atomic_bool failed, from_there_on;

static void start(long n, bool all)
{
    atomic_store(&allocations, 0);
    atomic_store(&failed, false);
    atomic_store(&from_there_on, all);
    atomic_store(&fail_at, n < 0 ? LONG_MAX : n);
}

void oom_fail_at(long n)
{
    start(n, false);
}

void oom_fail_from(long n)
{
    start(n, true);
}

void oom_off(void)
{
    atomic_store(&fail_at, LONG_MAX);
}

bool oom_failed(void)
{
    return atomic_load(&failed);
}

long oom_count(void)
{
    return atomic_load(&allocations);
}

static bool must_fail(void)
{
    long n = atomic_fetch_add(&allocations, 1), first = atomic_load(&fail_at);
    if (n < first || (n > first && !atomic_load(&from_there_on))) return false;
    atomic_store(&failed, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return must_fail() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return must_fail() ? NULL : __real_realloc(old, size);
}
