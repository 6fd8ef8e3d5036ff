/* Inside the claims: finding the two rows that a quantity compares. */
#ifndef SPA_EXPERIMENTS_CLAIM_ROWS_H
#define SPA_EXPERIMENTS_CLAIM_ROWS_H

#include "experiments/claims.h"

/* A model on a device. */
typedef struct claim_slice {
    const char *model, *device, *mode;
} claim_slice;

/* What is assumed of all that is not measured. */
typedef struct claim_point {
    const char *range; /* "low", "mid", "high" */
    double scales[SPA_SCALE_COUNT];
} claim_point;

/* Where a row may come from. */
typedef struct claim_place {
    const char *experiment; /* NULL = any */
    const char *ablate;     /* exactly these components are off; "" = none */
    const char *batcher;    /* NULL = any */
} claim_place;

/* The first of `names` ("a|b") that ran, at this point; or one that was skipped; or NULL. */
const spa_record *claim_pick(const spa_evidence *e, const claim_place *place, const char *names,
                             const claim_slice *slice, const claim_point *point);
/* Slices that the claim is about; of a device the first mode that occurs. Returns their number. */
size_t claim_slices(const spa_evidence *e, const spa_claim *claim,
                    claim_slice slices[SPA_FINDING_MODELS]);
/* Points at which rows of these names are there, the nominal one first; only those within the range
 * that is taken for what is scaled: half to twice, of sparsity 0 to 2 times. */
size_t claim_points(const spa_evidence *e, const char *subject, const char *other,
                    claim_point points[SPA_FINDING_POINTS]);
/* Nothing scaled, baselines' factors in the middle. */
extern const claim_point claim_nominal;
/* Is `r` the same policy, stack and case as `nominal`, at this point? */
bool claim_is_twin(const spa_record *r, const spa_record *nominal, const claim_point *point);
/* "launch x 2, baselines at their fastest"; "the nominal assumptions". */
void claim_point_text(const claim_point *point, char text[64]);

/* A row's metric with its 95 % interval. Beyond the stored ones: exposed_transfer_ms, transfers
 * while no kernel ran. NaN for NULL and for rows that were skipped. */
spa_estimate claim_value(const spa_record *r, const char *metric);
/* a / b with its interval: relative errors add in quadrature, as if the two were independent. */
spa_estimate claim_ratio(spa_estimate a, spa_estimate b);
/* The same of a metric of two rows. Where both have replications, and the metric is the latency or
 * the energy, ratio and interval are of the pairs (delta method, Student's t): noise that both
 * share cancels. Either may be NULL. */
spa_estimate claim_row_ratio(const spa_record *a, const spa_record *b, const char *metric);
/* The mean of n estimates, `geometric` or not; what is not known is left out. */
spa_estimate claim_mean(const spa_estimate *estimates, size_t n, bool geometric);

/* Is `name` in a list such as "a|b" or "a,b"? */
bool claim_has_name(const char *names, const char *name);
/* Adds to a list "a / b" of what occurs. */
void claim_add_text(char text[SPA_FINDING_TEXT], const char *part);
/* Device, stack and origin of a row that was used. */
void claim_used(spa_finding *finding, const spa_record *r);

/* ---- claims that compute themselves (tensions.c) ---- */
spa_status claim_own_engine_floor(const spa_evidence *e, spa_finding *finding, spa_error *err);
spa_status claim_own_rho_inert(const spa_evidence *e, spa_finding *finding, spa_error *err);
spa_status claim_own_hybrid_gain(const spa_evidence *e, spa_finding *finding, spa_error *err);
spa_status claim_own_heavy_placed(const spa_evidence *e, spa_finding *finding, spa_error *err);
spa_status claim_own_light_placed(const spa_evidence *e, spa_finding *finding, spa_error *err);

#endif
