/* Writes the power models as includes of device files, and the residuals as tables. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "experiments/fit_power.h"

static void print_sources(const fit_power *p, spa_string *out)
{
    spa_string_append(out, "# SHA-256 of what was read:\n");
    for (size_t i = 0; i < p->data.n_sources; i++)
        spa_string_append(out, "#   %s %s\n", p->data.sources[i].sha256, p->data.sources[i].path);
}

static void print_law(spa_string *out, const char *what, const fit_power_law *law)
{
    spa_string_append(
        out,
        "#   %s = %.4g * GHz^%.3f, fitted to AGX Orin's four modes; residuals: median "
        "%.1f %%, max %.1f %%\n",
        what, law->factor, law->exponent, 100 * law->quality.median, 100 * law->quality.max);
}

static void print_rows(const fit_power *p, const char *device, spa_string *out)
{
    spa_string_append(out, "# The model beside samples of tegrastats (medians; the board, W):\n");
    for (size_t i = 0; i < p->n_rows; i++) {
        const fit_power_row *r = &p->rows[i];
        if (strcmp(r->device, device) != 0) continue;
        spa_string_append(out, "#   %s: n %zu, measured %.2f, model %.2f (%+.1f %%)\n", r->what,
                          r->n, r->measured_w, r->model_w, 100 * r->error);
    }
}

static void print_line(spa_string *out, const char *key, double value, const char *kind,
                       const char *source)
{
    spa_string_append(out, "%s = %.4g # %s: %s\n", key, value, kind, source);
}

static void print_ranged(spa_string *out, const char *key, double value, fit_range range,
                         const char *kind, const char *source)
{
    spa_string_append(out, "%s = %.4g # %s: %s; between %.4g and %.4g\n", key, value, kind, source,
                      range.low, range.high);
}

/* ---- AGX Orin ------------------------------------------------------------------------------- */

static void print_agx_head(const fit_power *p, spa_string *out)
{
    spa_string_append(
        out,
        "# Facts and logs of BroncoSpace scales-hardware: rails GPU_SOC, CPU_CV, SYS5V and DDR. "
        "The "
        "board is their sum.\n"
        "#   idle_w           sum of the middles of the rails at rest\n"
        "#   core_w_per_ghz   slope of CPU_CV in this mode, times 1 + %.3f: what the rest of a "
        "board "
        "draws more per W of its cores\n"
        "#   busy_w           GPU_SOC at 99 %% less its rest, times 1 + %.3f: the same per W of "
        "GPU "
        "and SoC\n"
        "# Both factors are an Orin Nano's at full load (`make fit-power` says which); this "
        "board's "
        "own log, at up to 5 W of\n"
        "# cores and 6 W of GPU, gives %.3f and %.3f, which the upper ends use: there the memory's "
        "clock has just risen.\n"
        "# Upper ends in kind: the loads of GPU_SOC were stress at 99 %%. Inference that leaves "
        "the "
        "GPU idle in part draws less\n"
        "# than the model says, because its governor then lowers clock and voltage (see the "
        "residuals).\n",
        p->cpu_rest_full, p->gpu_rest_full.high, p->cpu_rest_light, p->gpu_rest_light);
}

static void print_agx_mode(const fit_power *p, const fit_power_mode *m, spa_string *out)
{
    const fit_power_board *b = &p->agx;
    char source[160];
    spa_string_append(out, "\n[power %s]\n", m->name);
    print_ranged(out, "idle_w", b->idle_w, b->idle_range, "derived",
                 "BroncoSpace, sum of the four rails' middles");
    print_line(out, "cpu.idle_w", b->cpu_idle_w, "measured", "BroncoSpace, CPU_CV at rest");
    print_line(out, "gpu.idle_w", b->gpu_idle_w, "measured", "BroncoSpace, GPU_SOC at rest");
    snprintf(source, sizeof source, "BroncoSpace, CPU_CV %.2f W, and the rest of the board",
             fit_middle(m->rail_core));
    print_ranged(out, "cpu.core_w_per_ghz", m->core_w_per_ghz, m->core_range, "fitted", source);
    snprintf(source, sizeof source, "BroncoSpace, GPU_SOC %.4g to %.4g W above rest, and the rest",
             m->rail_busy.low, m->rail_busy.high);
    print_ranged(out, "gpu.busy_w", m->busy_w, m->busy_range, "fitted", source);
}

/* ---- Orin Nano ------------------------------------------------------------------------------ */

static void print_nano_head(const fit_power *p, spa_string *out)
{
    spa_string_append(out,
                      "# Logs of gwonxhj in 25W: VDD_IN, the board. Measured are 25W only:\n"
                      "#   idle_w           VDD_IN at rest\n"
                      "#   core_w_per_ghz   (VDD_IN with six busy cores - at rest) / 6 / 1.344 "
                      "GHz. One busy core "
                      "alone draws more (see the residuals)\n"
                      "#   busy_w           VDD_IN less rest and cores, over the GPU's load: %.2f "
                      "and %.2f W of two "
                      "loads; the middle\n"
                      "# In the other modes by the laws below; the ends of a range are the law or "
                      "the clock alone, "
                      "and the law's largest residual.\n",
                      p->nano_busy.low, p->nano_busy.high);
    print_law(out, "W per core and GHz", &p->core_law);
    print_law(out, "W per SM", &p->gpu_law);
}

static void print_nano_mode(const fit_power *p, const fit_power_mode *m, spa_string *out)
{
    bool here = strcmp(m->name, "25W") == 0;
    const fit_power_board *b = &p->nano;
    spa_string_append(out, "\n[power %s]\n", m->name);
    print_line(out, "idle_w", b->idle_w, here ? "measured" : "assumed",
               here ? "gwonxhj, VDD_IN at rest" : "as in 25W");
    print_line(out, "cpu.idle_w", b->cpu_idle_w, "assumed",
               "half of CPU_GPU_CV at rest; between 0 and all of it");
    print_line(out, "gpu.idle_w", b->gpu_idle_w, "assumed", "the other half");
    if (here) {
        print_line(out, "cpu.core_w_per_ghz", m->core_w_per_ghz, "derived",
                   "gwonxhj, VDD_IN with six busy cores");
        print_ranged(out, "gpu.busy_w", m->busy_w, m->busy_range, "fitted",
                     "gwonxhj, VDD_IN with a full GPU, two loads");
        return;
    }
    print_ranged(out, "cpu.core_w_per_ghz", m->core_w_per_ghz, m->core_range, "derived",
                 "from 25W by the law of cores");
    print_ranged(out, "gpu.busy_w", m->busy_w, m->busy_range, "derived",
                 "from 25W by the law of SMs");
}

spa_status fit_power_print(const fit_power *p, const fit_power_board *b, spa_string *out,
                           spa_error *err)
{
    bool is_agx = b == &p->agx;
    spa_string_append(out,
                      "# Power of %s. Generated by `make fit-power`: do not edit. "
                      "docs/model-fit.md, \"Power\".\n#\n",
                      b->device);
    if (is_agx)
        print_agx_head(p, out);
    else
        print_nano_head(p, out);
    print_rows(p, b->device, out);
    print_sources(p, out);
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        if (is_agx)
            print_agx_mode(p, &b->modes[i], out);
        else
            print_nano_mode(p, &b->modes[i], out);
    }
    return spa_string_ok(out, err);
}

/* ---- the report ----------------------------------------------------------------------------- */

/* Everything busy at once. */
static double envelope_w(const fit_power_board *b, const fit_power_mode *m)
{
    fit_sample all = {.core_ghz = m->cores * m->cpu_ghz, .gpu_busy = 1};
    return fit_power_model_w(b, m, &all);
}

static void report_board(const fit_power_board *b, spa_string *out)
{
    for (int i = 0; i < FIT_POWER_MODES; i++) {
        const fit_power_mode *m = &b->modes[i];
        spa_string_append(
            out, "| %s | %s | %.2f | %.3f (%.3f to %.3f) | %.2f (%.2f to %.2f) | %.1f |\n",
            b->device, m->name, b->idle_w, m->core_w_per_ghz, m->core_range.low, m->core_range.high,
            m->busy_w, m->busy_range.low, m->busy_range.high, envelope_w(b, m));
    }
}

spa_status fit_power_report(const fit_power *p, spa_string *out, spa_error *err)
{
    spa_string_append(out,
                      "| device | mode | idle W | W per core and GHz | W of a full GPU | all busy "
                      "W |\n|---|---|---|---|---|---|\n");
    report_board(&p->agx, out);
    report_board(&p->nano, out);
    spa_string_append(out, "\n| samples of tegrastats | n | measured W | model W | error |\n"
                           "|---|---|---|---|---|\n");
    for (size_t i = 0; i < p->n_rows; i++) {
        const fit_power_row *r = &p->rows[i];
        spa_string_append(out, "| %s: %s | %zu | %.2f | %.2f | %+.1f %% |\n", r->device, r->what,
                          r->n, r->measured_w, r->model_w, 100 * r->error);
    }
    spa_string_append(
        out,
        "\nW per core and GHz = %.3f GHz^%.2f (four modes of agx-orin; largest residual %.0f %%); "
        "W per SM = %.3f GHz^%.2f (%.0f %%).\nThe rest of the board, per W: of cores %.2f at full "
        "load, %.2f in light; of GPU and SoC %.2f to %.2f at full load, %.2f in light.\n",
        p->core_law.factor, p->core_law.exponent, 100 * p->core_law.quality.max, p->gpu_law.factor,
        p->gpu_law.exponent, 100 * p->gpu_law.quality.max, p->cpu_rest_full, p->cpu_rest_light,
        p->gpu_rest_full.low, p->gpu_rest_full.high, p->gpu_rest_light);
    return spa_string_ok(out, err);
}
