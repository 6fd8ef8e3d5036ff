/* The table of asynchronous devices, and what their implementations share. */
#include "kernels/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static const spa_stream_device *const devices[] = {
    &spa_stream_device_cuda,
    &spa_stream_device_emulated,
};
enum { DEVICE_COUNT = sizeof devices / sizeof devices[0] };

const spa_stream_device *const *spa_stream_devices(size_t *count)
{
    *count = DEVICE_COUNT;
    return devices;
}

spa_status spa_stream_device_find(const char *name, int32_t index, const spa_stream_device **out,
                                  spa_error *err)
{
    const char *names[DEVICE_COUNT];
    *out = NULL;
    for (size_t i = 0; i < DEVICE_COUNT; i++) {
        names[i] = devices[i]->name;
        if (strcmp(name, names[i]) != 0) continue;
        SPA_TRY(devices[i]->probe(index, err));
        *out = devices[i];
        return SPA_OK;
    }
    return spa_fail_unknown(err, "asynchronous device", name, names, DEVICE_COUNT);
}

spa_stream_config spa_stream_config_default(void)
{
    return (spa_stream_config){.workspace_limit_bytes = (size_t)64 << 20};
}

/* ---- ranges -------------------------------------------------------------------------------- */

spa_status spa_ranges_add(spa_ranges *ranges, const void *begin, size_t bytes, const void *device,
                          spa_error *err)
{
    uintptr_t first = (uintptr_t)begin;
    if (begin == NULL || bytes == 0 || bytes > UINTPTR_MAX - first)
        return spa_fail(err, SPA_E_INVALID, "a range of memory without bytes");
    for (size_t i = 0; i < ranges->count; i++) {
        if (first < ranges->range[i].end && ranges->range[i].begin < first + bytes)
            return spa_fail(err, SPA_E_INVALID,
                            "a range of %zu bytes overlaps one of %zu that is there", bytes,
                            (size_t)(ranges->range[i].end - ranges->range[i].begin));
    }
    SPA_TRY(spa_grow(&ranges->range, &ranges->capacity, ranges->count + 1, sizeof(spa_range), err));
    ranges->range[ranges->count++] = (spa_range){first, first + bytes, (uintptr_t)device};
    return SPA_OK;
}

size_t spa_ranges_remove(spa_ranges *ranges, const void *begin)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (ranges->range[i].begin != (uintptr_t)begin) continue;
        size_t bytes = (size_t)(ranges->range[i].end - ranges->range[i].begin);
        ranges->range[i] = ranges->range[--ranges->count];
        return bytes;
    }
    return 0;
}

const spa_range *spa_ranges_find(const spa_ranges *ranges, const void *begin, size_t bytes)
{
    uintptr_t first = (uintptr_t)begin;
    for (size_t i = 0; i < ranges->count; i++) {
        const spa_range *r = &ranges->range[i];
        if (first >= r->begin && first < r->end && bytes <= r->end - first) return r;
    }
    return NULL;
}

spa_status spa_stream_copy_check(const spa_ranges *pinned, const spa_stream_copy *copy,
                                 uintptr_t *device_address, spa_error *err)
{
    if (copy->elements == 0 || copy->elements > SIZE_MAX / sizeof(float))
        return spa_fail(err, SPA_E_INVALID, "a copy of %zu elements", copy->elements);
    const spa_range *r = spa_ranges_find(pinned, copy->host, copy->elements * sizeof(float));
    if (r == NULL)
        return spa_fail(err, SPA_E_INVALID,
                        "a copy of %zu elements from or to host memory that is not pinned",
                        copy->elements);
    *device_address = r->device + ((uintptr_t)copy->host - r->begin);
    return SPA_OK;
}
