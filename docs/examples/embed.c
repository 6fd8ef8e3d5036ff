/* A program that embeds the engine: compares policies, looks at one schedule, and plays one episode
 * of the scheduling environment.
 *
 *   cc -std=c17 embed.c $(pkg-config --cflags --libs sparoa) -o embed
 */
#include <sparoa.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const sparoa_error *err)
{
    fprintf(stderr, "embed: %s\n", err->message);
    return 1;
}

static sparoa_status compare(sparoa *lib, sparoa_error *err)
{
    const char *models[] = {"resnet18"}, *devices[] = {"agx-orin"};
    const char *policies[] = {"gpu-only", "heft", "threshold:intensity=1e8"};
    sparoa_options options;
    sparoa_results *results;
    sparoa_options_init(&options, sizeof options);
    options.reps = 5;
    sparoa_status status =
        sparoa_compare(lib, models, 1, devices, 1, policies, 3, &options, &results, err);
    if (status) return status;
    for (size_t i = 0; i < sparoa_results_count(results); i++) {
        sparoa_row row = {.struct_size = sizeof row};
        sparoa_results_row(results, i, &row, NULL);
        printf("%-24s %.3f ms +- %.3f  (%s)\n", row.policy, row.latency_ms, row.ci95_ms,
               row.origin);
    }
    sparoa_results_free(results);
    return SPAROA_OK;
}

static sparoa_status first_kernels(sparoa *lib, sparoa_error *err)
{
    sparoa_results *results;
    sparoa_status status =
        sparoa_simulate(lib, "resnet18", "agx-orin", "heft", NULL, &results, err);
    if (status) return status;
    for (size_t i = 0, shown = 0; i < sparoa_results_n_intervals(results) && shown < 3; i++) {
        sparoa_interval v = {.struct_size = sizeof v};
        sparoa_results_interval(results, i, &v, NULL);
        if (v.kind != SPAROA_INTERVAL_KERNEL) continue;
        printf("%s on %s: %.1f us\n", v.op, v.processor, (double)(v.end_ns - v.begin_ns) * 1e-3);
        shown++;
    }
    sparoa_results_free(results);
    return SPAROA_OK;
}

/* Places every operator on the last slot that can run it. */
static sparoa_status play(sparoa *lib, sparoa_error *err)
{
    const char *models[] = {"mobilenet_v2"}, *devices[] = {"crossover"};
    sparoa_environment *e;
    sparoa_status status = sparoa_environment_new(lib, models, 1, devices, 1, NULL, NULL, &e, err);
    if (status) return status;
    size_t n_actions = sparoa_environment_n_actions(e);
    float *obs = malloc(sparoa_environment_n_obs(e) * sizeof *obs), reward, total = 0;
    uint8_t *mask = malloc(n_actions), terminated = 0, truncated = 0;
    int steps = 0;
    if (!obs || !mask) status = SPAROA_E_NOMEM;
    if (!status) status = sparoa_environment_begin(e, 0, 7, obs, mask, err);
    while (!status && !terminated) {
        uint32_t action = (uint32_t)n_actions - 1;
        while (!mask[action]) action--;
        status = sparoa_environment_decide(e, 0, &action, obs, mask, &reward, &terminated,
                                           &truncated, err);
        total += reward;
        steps++;
    }
    if (!status) printf("episode of %d decisions: reward %.3f\n", steps, (double)total);
    free(obs);
    free(mask);
    sparoa_environment_free(e);
    return status;
}

int main(void)
{
    sparoa *lib;
    sparoa_error err = {0};
    if (sparoa_open(&lib, NULL, &err)) return failed(&err);
    sparoa_status status = compare(lib, &err);
    if (!status) status = first_kernels(lib, &err);
    if (!status) status = play(lib, &err);
    sparoa_close(lib);
    return status ? failed(&err) : 0;
}
