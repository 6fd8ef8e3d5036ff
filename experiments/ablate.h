/* Ablations: components of simulator and policies that can be switched off one by one. */
#ifndef SPA_EXPERIMENTS_ABLATE_H
#define SPA_EXPERIMENTS_ABLATE_H

#include "experiments/options.h"

/* As bits, in the order in which they are named. */
enum {
    SPA_ABLATE_PREDICTOR = 1 << 0,  /* no predictions: fixed thresholds, none to observe */
    SPA_ABLATE_CONTENTION = 1 << 1, /* what runs at once does not slow each other down */
    SPA_ABLATE_OVERLAP = 1 << 2,    /* launches and transfers block: nothing runs beside them */
    SPA_ABLATE_BATCHING = 1 << 3,   /* batcher none */
    SPA_ABLATE_SPARSITY = 1 << 4,   /* zeros save no time */
    SPA_ABLATE_NOISE = 1 << 5,
    SPA_ABLATE_COST = 1 << 6 /* decisions are free */
};
#define SPA_ABLATE_TEXT 80 /* bytes for all names */

/* "none", or names joined by '+' ("contention+noise") into bits. SPA_E_NOT_FOUND names the nearest;
 * a name given twice is an error. */
spa_status spa_ablate_parse(const char *text, unsigned *bits, spa_error *err);
/* The other way around; "none" for 0. */
const char *spa_ablate_text(unsigned bits, char text[SPA_ABLATE_TEXT]);
/* Sets the options' switches that `bits` stand for, and notes the bits. */
void spa_ablate_apply(spa_options *options, unsigned bits);
/* The same of the names of --ablate. SPA_E_USAGE. */
spa_status spa_ablate_options(spa_options *options, spa_error *err);

#endif
