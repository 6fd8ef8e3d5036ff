/* Work in a process of its own, so that code of somebody else's can crash, loop for ever or take
 * all memory, and the program says who it was. */
#ifndef SPA_EXPERIMENTS_ISOLATE_H
#define SPA_EXPERIMENTS_ISOLATE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/memory.h"

/* Bytes on their way from the child. */
typedef struct spa_bytes {
    char *data;
    size_t length, capacity;
} spa_bytes;
spa_status spa_bytes_put(spa_bytes *bytes, const void *data, size_t size, spa_error *err);
/* The next `size` bytes from *at; SPA_E_PARSE if there are fewer. */
spa_status spa_bytes_take(const spa_bytes *bytes, size_t *at, void *data, size_t size,
                          spa_error *err);
void spa_bytes_fini(spa_bytes *bytes);

/* What a child may use. */
typedef struct spa_limits {
    double seconds;       /* of wall clock and of processor time, > 0 */
    int64_t memory_bytes; /* of data, > 0 */
} spa_limits;
#define SPA_LIMIT_SECONDS 300.0
#define SPA_LIMIT_BYTES   (INT64_C(4) << 30)

/* Runs work(user, reply, err) in a child and gives what it returned: status, error and reply. If
 * the child did not come to its end, *died is true and the error (SPA_E_UNSUPPORTED) says how:
 * "crashed: Segmentation fault", "did not end within 60 s", "exhausted the memory (limit 4096
 * MiB)", "ended the program with exit code 0". SPA_E_IO: no child could be made. Threads may call
 * it at the same time. Free the reply with spa_bytes_fini in any case. */
spa_status spa_isolate(const spa_limits *limits,
                       spa_status (*work)(void *user, spa_bytes *reply, spa_error *err), void *user,
                       spa_bytes *reply, bool *died, spa_error *err);

#endif
