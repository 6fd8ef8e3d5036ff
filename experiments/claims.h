/* The paper's claims (SparOA, arXiv 2511.19457), one table, and what the database says of each. */
#ifndef SPA_EXPERIMENTS_CLAIMS_H
#define SPA_EXPERIMENTS_CLAIMS_H

#include "experiments/evidence.h"
#include "experiments/verdict.h"

/* How a claim's quantity comes from rows. */
typedef enum spa_quantity {
    SPA_RATIO,   /* metric(other) / metric(subject): how many times better the subject is */
    SPA_CHANGE,  /* 100 * (metric(subject) / metric(other) - 1), percent */
    SPA_VALUE,   /* scale * metric(subject) */
    SPA_NOTHING, /* no row can tell; `assumes` says why */
    SPA_OWN      /* `own` computes it */
} spa_quantity;

/* How models are brought together, and several others. */
typedef enum spa_pool {
    SPA_MEAN,    /* over models: geometric of ratios, else arithmetic; others: one */
    SPA_LARGEST, /* over models and others */
    SPA_SMALLEST /* over others, of the mean over models */
} spa_pool;

struct spa_finding;
typedef struct spa_claim {
    const char *id;
    const char *text;   /* what is claimed */
    const char *source; /* where in the paper */
    const char *paper;  /* the paper's value, as it is written there */
    const char *unit;
    spa_rule rule;
    spa_quantity quantity;
    spa_pool pool;
    const char *experiment, *metric;
    const char *subject, *other; /* names of baselines or policies: alternatives are separated by
                                  * '|', the first that ran counts; several others by ',' */
    const char *model, *device;  /* NULL = all */
    const char *ablate;          /* what is off in both rows; NULL = nothing */
    const char *ablate_other;    /* in the other's row alone; NULL = as `ablate` */
    const char *batcher;         /* of the subject's row; NULL = any */
    double scale;                /* of SPA_VALUE; 0 = 1 */
    const char *other_same;      /* the other on the subject's own kernels: a second reading, where
                                  * the paper does not say what the subject runs on; NULL = none */
    double spread;               /* of host-clock values: how many times faster or slower the
                                  * paper's machine may be than ours; 0 = not asked */
    const char *assumes;         /* how we read it */
    spa_status (*own)(const spa_evidence *e, struct spa_finding *finding, spa_error *err);
    bool is_tension; /* of our reading of the paper, not of the paper */
} spa_claim;
const spa_claim *spa_claims(size_t *count);

enum { SPA_FINDING_TEXT = 256, SPA_FINDING_MODELS = 16, SPA_FINDING_POINTS = 64 };

/* What the database says of a claim. */
typedef struct spa_finding {
    const spa_claim *claim;
    spa_judgement judgement;
    spa_estimate nominal;                    /* NaN = none */
    spa_estimate pooled[SPA_FINDING_POINTS]; /* per assumption, the nominal one first */
    size_t n_pooled;
    spa_estimate models[SPA_FINDING_MODELS]; /* per model, nominal */
    size_t n_models;
    char device[SPA_FINDING_TEXT], stack[SPA_FINDING_TEXT], origin[SPA_FINDING_TEXT];
    char notes[2 * SPA_FINDING_TEXT];   /* stand-ins, unfinished experiments */
    char missing[SPA_REASON_BYTES];     /* why there is no estimate */
    char names[SPA_FINDING_POINTS][64]; /* owns the estimates' `where` */
} spa_finding;

/* Looks for the rows and judges; `finding` must stay where it is. */
spa_status spa_claim_judge(const spa_claim *claim, const spa_evidence *evidence,
                           spa_finding *finding, spa_error *err);

#endif
