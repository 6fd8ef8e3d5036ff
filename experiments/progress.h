/* A progress bar, on terminals only. */
#ifndef SPA_EXPERIMENTS_PROGRESS_H
#define SPA_EXPERIMENTS_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

typedef struct spa_progress {
    FILE *stream; /* NULL = silent */
    const char *what;
    size_t total;
} spa_progress;

/* Silent when `quiet` or when `stream` is no terminal. */
void spa_progress_begin(spa_progress *progress, FILE *stream, bool quiet, const char *what,
                        size_t total);
void spa_progress_show(const spa_progress *progress, size_t done);
/* Wipes the bar. */
void spa_progress_end(const spa_progress *progress);

#endif
