/* Threads that do the parts of one training run together.
 *
 * What is to be done is cut into numbered parts whose results do not depend on who does them: the
 * number of threads then changes the time, not the outcome. Parts of a step of learning take some
 * ten microseconds, so threads that have nothing to do look for work for a while before they sleep.
 */
#ifndef SPA_POLICIES_LEARN_CREW_H
#define SPA_POLICIES_LEARN_CREW_H

#include <stddef.h>
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_CREW_MOST 256 /* threads */

typedef struct spa_crew spa_crew;

/* `threads` of them, the caller's counted: 1 starts none, and *crew is then NULL, with which
 * spa_crew_run works too. A machine that gives fewer threads only takes longer. */
SPA_API spa_status spa_crew_new(spa_crew **crew, size_t threads, spa_error *err);
SPA_API void spa_crew_free(spa_crew *crew); /* accepts NULL */

/* Calls part(user, i) once for each i < count (below 2^24) and returns when all are done. Called by
 * one thread at a time; parts must not call it. Allocates nothing. */
SPA_API void spa_crew_run(spa_crew *crew, size_t count, void (*part)(void *user, size_t i),
                          void *user);

#ifdef __cplusplus
}
#endif
#endif
