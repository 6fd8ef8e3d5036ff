/* Predictors of thresholds: fitting, files, determinism. */
#include "policies/learn/predictor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/text.h"
#include "tests/devices/scene.h"
#include "tests/oom.h"

enum { WIDTH = SPA_PREDICTOR_FEATURES, OUT = SPA_THRESHOLDS };

/* Sequences of random operators with labels by `law`, or random ones where it is NULL. */
static void make_data(spa_predictor_data *d, size_t n_sequences, size_t length,
                      double (*law)(const float *x, int t))
{
    spa_rng rng;
    spa_rng_init(&rng, 7, "test/predictor");
    *d = (spa_predictor_data){.n_rows = n_sequences * length, .n_sequences = n_sequences};
    expect_ok(spa_alloc(&d->rows, d->n_rows, sizeof *d->rows, err));
    expect_ok(spa_alloc(&d->x, d->n_rows * WIDTH, sizeof *d->x, err));
    expect_ok(spa_alloc(&d->first, n_sequences + 1, sizeof *d->first, err));
    for (size_t s = 0; s <= n_sequences; s++) d->first[s] = s * length;
    for (size_t i = 0; i < d->n_rows; i++) {
        float *x = d->x + i * WIDTH;
        for (int f = 0; f < WIDTH; f++) x[f] = (float)spa_rng_uniform(&rng);
        for (int t = 0; t < OUT; t++)
            d->rows[i].label.at[t] = law ? law(x, t) : 3 * spa_rng_uniform(&rng);
        d->rows[i].counts = true;
    }
}

static double line(const float *x, int t)
{
    return t ? 7 + 2 * (double)x[1] - (double)x[5] : 0.25 + 0.5 * (double)x[0];
}

static spa_predictor_fit quick(spa_predictor_kind kind)
{
    spa_predictor_fit fit = spa_predictor_fit_default(kind);
    fit.epochs = 3;
    fit.hidden = 4;
    return fit;
}

/* Mean squared error over everything, in units of the labels' variance. */
static double error_of(spa_predictor *p, const spa_predictor_data *d)
{
    double sum = 0;
    float *out = NULL;
    expect_ok(spa_alloc(&out, d->n_rows * OUT, sizeof *out, err));
    for (size_t s = 0; s < d->n_sequences; s++)
        spa_predictor_predict(p, d->x + d->first[s] * WIDTH, d->first[s + 1] - d->first[s],
                              out + d->first[s] * OUT);
    for (size_t i = 0; i < d->n_rows; i++)
        for (int t = 0; t < OUT; t++) {
            double e =
                ((double)out[i * OUT + (size_t)t] - d->rows[i].label.at[t]) / (double)p->sd[t];
            sum += e * e;
        }
    free(out);
    return sum / (double)(d->n_rows * OUT);
}

/* ---- fitting ---- */

Test(predictor, constant_is_the_mean)
{
    spa_predictor_data d;
    spa_predictor p;
    spa_predictor_fit fit = quick(SPA_PREDICT_CONSTANT);
    float out[OUT];
    double sum = 0;
    make_data(&d, 2, 10, line);
    d.rows[3].counts = false;
    expect_ok(spa_predictor_train(&p, &fit, &d, NULL, err));
    for (size_t i = 0; i < d.n_rows; i++) sum += i == 3 ? 0 : d.rows[i].label.at[1];
    spa_predictor_predict(&p, d.x, 1, out);
    cr_assert_float_eq(out[1], sum / 19, 1e-5);
    spa_predictor_fini(&p);
    spa_predictor_data_fini(&d);
}

Test(predictor, linear_recovers_a_linear_law_on_operators_it_has_not_seen)
{
    spa_predictor_data d;
    spa_predictor p;
    spa_predictor_fit fit = quick(SPA_PREDICT_LINEAR);
    make_data(&d, 3, 40, line); /* more than a window */
    bool use[120];
    for (size_t i = 0; i < d.n_rows; i++) use[i] = i % 2 == 0;
    expect_ok(spa_predictor_train(&p, &fit, &d, use, err));
    cr_assert_lt(error_of(&p, &d), 1e-10);
    spa_predictor_fini(&p);
    /* Fewer operators than unknowns: still a fit, through all of them. */
    for (size_t i = 0; i < d.n_rows; i++) d.rows[i].counts = i < 5;
    expect_ok(spa_predictor_train(&p, &fit, &d, NULL, err));
    float out[5 * OUT];
    spa_predictor_predict(&p, d.x, 5, out);
    for (int i = 0; i < 5; i++) cr_assert_float_eq(out[i * OUT], d.rows[i].label.at[0], 1e-5);
    spa_predictor_fini(&p);
    spa_predictor_data_fini(&d);
}

Test(predictor, every_network_can_learn_a_few_random_labels_by_heart)
{
    spa_predictor_data d;
    alarm(120);
    make_data(&d, 1, 12, NULL);
    for (int k = SPA_PREDICT_MLP; k < SPA_PREDICT_KINDS; k++) {
        spa_predictor p;
        spa_predictor_fit fit = spa_predictor_fit_default((spa_predictor_kind)k);
        fit.epochs = 2000;
        fit.rate = 1e-2;
        expect_ok(spa_predictor_train(&p, &fit, &d, NULL, err));
        double e = error_of(&p, &d);
        cr_assert_lt(e, 0.01, "%s: %g", spa_predictor_kind_name((spa_predictor_kind)k), e);
        spa_predictor_fini(&p);
    }
    spa_predictor_data_fini(&d);
}

Test(predictor, rows_left_out_do_not_matter)
{
    spa_predictor_data d;
    bool use[40];
    make_data(&d, 1, 40, line);
    for (size_t i = 0; i < 40; i++) use[i] = i % 4 != 0;
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_predictor a, b;
        spa_predictor_fit fit = quick((spa_predictor_kind)k);
        expect_ok(spa_predictor_train(&a, &fit, &d, use, err));
        double kept = d.rows[4].label.at[1];
        d.rows[4].label.at[1] = 1e6;
        expect_ok(spa_predictor_train(&b, &fit, &d, use, err));
        d.rows[4].label.at[1] = kept;
        cr_assert_eq(memcmp(a.params, b.params, a.net.n_params * sizeof(float)), 0);
        cr_assert_eq(a.mean[1], b.mean[1]);
        spa_predictor_fini(&a);
        spa_predictor_fini(&b);
    }
    spa_predictor_data_fini(&d);
}

Test(predictor, a_seed_gives_the_same_bits_and_another_one_others)
{
    spa_predictor_data d;
    make_data(&d, 3, 45, NULL);
    for (int k = SPA_PREDICT_MLP; k < SPA_PREDICT_KINDS; k++) {
        spa_predictor p[3];
        for (int i = 0; i < 3; i++) {
            spa_predictor_fit fit = quick((spa_predictor_kind)k);
            fit.seed += i == 2;
            expect_ok(spa_predictor_train(&p[i], &fit, &d, NULL, err));
        }
        size_t bytes = p[0].net.n_params * sizeof(float);
        cr_assert_eq(memcmp(p[0].params, p[1].params, bytes), 0);
        cr_assert_neq(memcmp(p[0].params, p[2].params, bytes), 0);
        for (int i = 0; i < 3; i++) spa_predictor_fini(&p[i]);
    }
    spa_predictor_data_fini(&d);
}

Test(predictor, nothing_to_learn_from_and_impossible_widths_are_refused)
{
    spa_predictor_data d;
    spa_predictor p;
    spa_predictor_fit fit = quick(SPA_PREDICT_MLP);
    spa_predictor_kind kind;
    make_data(&d, 1, 3, line);
    for (size_t i = 0; i < 3; i++) d.rows[i].counts = false;
    expect_error_with(spa_predictor_train(&p, &fit, &d, NULL, err), SPA_E_INVALID,
                      "no operator to learn");
    spa_predictor_fini(&p);
    fit.hidden = 6;
    expect_error_with(spa_predictor_train(&p, &fit, &d, NULL, err), SPA_E_RANGE, "width 6");
    spa_predictor_fini(&p);
    expect_error_with(spa_predictor_kind_find("lstn", &kind, err), SPA_E_NOT_FOUND,
                      "did you mean 'lstm'");
    spa_predictor_data_fini(&d);
}

Test(predictor, features_are_those_of_the_operator)
{
    spa_graph g;
    float x[WIDTH];
    devices_tiny(&g, 4, SPA_FP32);
    spa_predictor_features(&g, TINY_CONV, 0.5, x);
    const double want[] = {0.5, log10(1 + 4 * 294912.0) / 10, 2.0 / 8, 3.0 / 12, 4.0 / 8, 4.0 / 8,
                           1};
    for (int f = 0; f < 7; f++) cr_assert_float_eq(x[f], want[f], 1e-6, "%d", f);
    for (int f = 7; f < WIDTH; f++) cr_assert_eq(x[f], 0);
    spa_predictor_features(&g, TINY_LINEAR, NAN, x);
    cr_assert_eq(x[0], 0);
    cr_assert_eq(x[6], 0);
    cr_assert_eq(x[8], 1);
    spa_graph_fini(&g);
}

/* ---- files ---- */

static void path_of(char path[64], const char *name)
{
    snprintf(path, 64, "/tmp/spa_thresholds_%ld_%s", (long)getpid(), name);
}

static void some_predictor(spa_predictor *p, spa_predictor_kind kind)
{
    spa_predictor_data d;
    spa_predictor_fit fit = quick(kind);
    make_data(&d, 2, 40, NULL);
    expect_ok(spa_predictor_train(p, &fit, &d, NULL, err));
    strcpy(p->device, "toy");
    strcpy(p->mode, "fast");
    strcpy(p->stack, "own");
    spa_predictor_data_fini(&d);
}

Test(predictor, what_is_read_is_what_was_written)
{
    char path[64];
    path_of(path, "same");
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_predictor p, q;
        some_predictor(&p, (spa_predictor_kind)k);
        expect_ok(spa_predictor_write(&p, path, err));
        expect_ok(spa_predictor_read(&q, path, err));
        cr_assert_eq(memcmp(p.params, q.params, p.net.n_params * sizeof(float)), 0);
        cr_assert_eq(memcmp(p.mean, q.mean, sizeof p.mean), 0);
        cr_assert_eq(memcmp(p.sd, q.sd, sizeof p.sd), 0);
        cr_assert_eq(q.kind, (spa_predictor_kind)k);
        cr_assert_str_eq(q.device, "toy");
        cr_assert_str_eq(q.mode, "fast");
        cr_assert_str_eq(q.stack, "own");
        spa_predictor_fini(&p);
        spa_predictor_fini(&q);
    }
    unlink(path);
}

/* Writes the text with a right checksum, which is refused for another reason. */
static void refused(const char *path, const char *text, size_t size, bool sign, spa_status status,
                    const char *what)
{
    spa_string s = {0};
    spa_predictor p;
    spa_error e = {0};
    spa_string_append(&s, "%.*s", (int)size, text);
    if (sign)
        spa_string_append(&s, "checksum %016llx\n",
                          (unsigned long long)spa_hash_bytes(SPA_HASH_SEED, s.text, s.length));
    expect_ok(spa_write_file(path, s.text, s.length, err));
    cr_assert_eq(spa_predictor_read(&p, path, &e), status, "%s: %s", what, e.message);
    cr_assert(strstr(e.message, what) && strstr(e.message, path), "%s", e.message);
    cr_assert_null(p.params);
    spa_string_fini(&s);
}

static void refused_with(const char *path, const char *text, size_t signed_size, const char *from,
                         const char *to, spa_status status, const char *what)
{
    spa_string s = {0};
    const char *at = strstr(text, from);
    cr_assert_not_null(at, "%s", from);
    spa_string_append(&s, "%.*s%s%.*s", (int)(at - text), text, to,
                      (int)(signed_size - (size_t)(at - text) - strlen(from)), at + strlen(from));
    refused(path, s.text, s.length, true, status, what);
    spa_string_fini(&s);
}

Test(predictor, damaged_and_foreign_files_are_refused)
{
    char path[64], *text = NULL;
    size_t size;
    spa_predictor p;
    path_of(path, "damaged");
    some_predictor(&p, SPA_PREDICT_TRANSFORMER_LSTM);
    expect_ok(spa_predictor_write(&p, path, err));
    spa_predictor_fini(&p);
    expect_ok(spa_read_file(path, 1 << 24, false, &text, &size, err));
    spa_rng rng;
    spa_rng_init(&rng, 1, "test/flip");
    for (int i = 0; i < 60; i++) { /* any one bit but that which makes a NUL */
        size_t at = spa_rng_below(&rng, (uint32_t)size);
        char bit = (char)(1 << spa_rng_below(&rng, 7));
        if ((text[at] ^ bit) == 0) continue;
        text[at] ^= bit;
        refused(path, text, size, false, SPA_E_PARSE, "checksum");
        text[at] ^= bit;
    }
    refused(path, text, size - 1, false, SPA_E_PARSE, "checksum");
    refused(path, text, 5, false, SPA_E_PARSE, "not a predictor");
    size_t n = size - 26; /* without its checksum */
    static const struct {
        const char *from, *to;
        spa_status status;
        const char *what;
    } changes[] = {
        {"thresholds 1\n", "thresholds 2\n", SPA_E_UNSUPPORTED, ":1: version 2 of predictors"},
        {"kind transformer+lstm", "kind transforner+lstm", SPA_E_INVALID, "did you mean"},
        {"kind transformer+lstm", "kind lstm", SPA_E_INVALID, "network is not the 'lstm'"},
        {"features 14", "features 15", SPA_E_INVALID, "from 15 features"},
        {"hidden 4", "hidden 8", SPA_E_INVALID, "network is not"},
        {"hidden 4", "hidden 5", SPA_E_INVALID, "width 5"},
        {"hidden 4", "hidden x", SPA_E_PARSE, ":7: "},
        {"device toy\n", "", SPA_E_PARSE, "'device ...' must stand here"},
        {"mean ", "mean 1 ", SPA_E_PARSE, ":9: "},
        {"values ", "values 1", SPA_E_INVALID, "but this network has"},
        {"sd ", "sd x", SPA_E_PARSE, ":10: "},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        refused_with(path, text, n, changes[i].from, changes[i].to, changes[i].status,
                     changes[i].what);
    refused(path, text, n - 40, true, SPA_E_PARSE, "");
    free(text);
    unlink(path);
}

Test(predictor, failing_allocations_are_reported_and_leak_nothing)
{
    char path[64];
    spa_predictor_data d;
    long n = 0;
    path_of(path, "oom");
    make_data(&d, 2, 40, line);
    for (int k = 0; k < SPA_PREDICT_KINDS; k++) {
        spa_predictor_fit fit = quick((spa_predictor_kind)k);
        fit.epochs = 1;
        for (n = 0;; n++) {
            spa_predictor p, q = {0};
            spa_error e = {0};
            oom_fail_at(n);
            spa_status status = spa_predictor_train(&p, &fit, &d, NULL, &e);
            if (!status) status = spa_predictor_write(&p, path, &e);
            if (!status) status = spa_predictor_read(&q, path, &e);
            bool failed = oom_failed();
            oom_off();
            spa_predictor_fini(&p);
            spa_predictor_fini(&q);
            if (!failed) break;
            cr_assert_eq(status, SPA_E_NOMEM, "%d, %ld: %s", k, n, e.message);
        }
        cr_assert_gt(n, 4);
    }
    spa_predictor_data_fini(&d);
    unlink(path);
}
