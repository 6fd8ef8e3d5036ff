#include "sim/conditions.h"

#include <stdio.h>
#include <string.h>
#include "base/text.h"

#define HEADROOM 1.25 /* schedutil: util + (util >> 2) */

/* ---- names ----------------------------------------------------------------------------------- */

static const char *role_name(spa_role role)
{
    return role == SPA_ROLE_HOST ? "host" : "accelerator";
}

bool spa_background_loads(const spa_background *b, const spa_costs *costs, uint32_t p)
{
    return strcmp(b->processor, costs->processors[p].name) == 0 ||
           strcmp(b->processor, role_name(costs->processors[p].role)) == 0;
}

uint32_t spa_mode_find(const spa_costs *costs, const char *name)
{
    for (uint32_t m = 0; m < costs->n_modes; m++)
        if (strcmp(costs->modes[m].name, name) == 0) return m;
    return UINT32_MAX;
}

static spa_status check_background(const spa_background *b, const spa_costs *costs,
                                   const char *scenario, spa_error *err)
{
    const char *names[SPA_MAX_PROCESSORS + 2];
    size_t n = 0;
    spa_error why;
    for (uint32_t p = 0; p < costs->n_processors; p++)
        if (spa_background_loads(b, costs, p)) return SPA_OK;
    if (strcmp(b->processor, "accelerator") == 0) return SPA_OK; /* this run has none */
    for (uint32_t p = 0; p < costs->n_processors; p++) names[n++] = costs->processors[p].name;
    names[n++] = "host";
    names[n++] = "accelerator";
    spa_status status = spa_fail_unknown(&why, "processor", b->processor, names, n);
    return spa_fail(err, status, "scenario '%s', [background %s]: %s", scenario, b->processor,
                    why.message);
}

static spa_status check_change(const spa_mode_change *change, const spa_costs *costs,
                               const char *scenario, spa_error *err)
{
    const char *names[64];
    size_t n = 0;
    spa_error why;
    uint32_t m = spa_mode_find(costs, change->mode);
    if (costs->n_modes == 0)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' changes the power mode, and of this table none is known",
                        scenario);
    if (m != UINT32_MAX && costs->modes[m].unusable)
        return spa_fail(err, SPA_E_UNSUPPORTED, "scenario '%s': mode '%s': %s", scenario,
                        change->mode, costs->modes[m].unusable);
    if (m != UINT32_MAX) return SPA_OK;
    for (; n < costs->n_modes && n < 64; n++) names[n] = costs->modes[n].name;
    spa_status status = spa_fail_unknown(&why, "mode", change->mode, names, n);
    return spa_fail(err, status, "scenario '%s', [governor] modes: %s", scenario, why.message);
}

static bool within(double x, double above, double most)
{
    return x > above && x <= most;
}

/* What a file cannot say but a program can: times of 0, at which an event would follow itself. */
static const char *fault_of(const spa_conditions *c)
{
    const spa_thermal *t = &c->thermal;
    for (uint32_t i = 0; i < c->n_backgrounds; i++) {
        const spa_background *b = &c->backgrounds[i];
        if (!within(b->share, 0, 1) || !(b->dram_share >= 0 && b->dram_share <= 1))
            return "background: share must be above 0, dram_share 0 or more, both at most 1";
        if (!(b->on_ms > 0) || !(b->off_ms >= 0))
            return "background: on_ms must be above 0, off_ms 0 or more";
    }
    if (c->governor == SPA_GOVERNOR_SCHEDUTIL &&
        (llround(c->period_ms * 1e6) < 1 || !within(c->min_ratio, 0, 1) || !(c->delay_ms >= 0) ||
         !(c->delay_ms < c->period_ms)))
        return "schedutil: period_ms must be 1e-6 or more and above delay_ms, min_ratio above 0 "
               "and at most 1";
    if (c->governor == SPA_GOVERNOR_LIST && c->n_changes == 0)
        return "list: a change of the mode is missing";
    if (c->governor == SPA_GOVERNOR_LIST && c->repeat_ms != 0 &&
        !(llround((c->repeat_ms - c->changes[c->n_changes - 1].at_ms) * 1e6) >= 1))
        return "list: repeat_ms must be above the last change's at_ms";
    if (t->r_k_per_w != 0 && (!(t->r_k_per_w > 0) || !(t->c_j_per_k > 0) || !within(t->cap, 0, 1) ||
                              llround(t->poll_ms * 1e6) < 1))
        return "thermal: r_k_per_w and c_j_per_k must be above 0, cap above 0 and at most 1, "
               "poll_ms 1e-6 or more";
    if (!(c->zeros_sd >= 0 && c->zeros_sd <= SPA_MAX_ZEROS_SD))
        return "input: zeros_sd must be 0 to 0.06";
    return NULL;
}

spa_status spa_conditions_check(const spa_conditions *c, const spa_costs *costs,
                                const char *scenario, spa_error *err)
{
    const char *fault = fault_of(c);
    if (fault) return spa_fail(err, SPA_E_RANGE, "scenario '%s', %s", scenario, fault);
    for (uint32_t i = 0; i < c->n_backgrounds; i++)
        SPA_TRY(check_background(&c->backgrounds[i], costs, scenario, err));
    for (uint32_t i = 0; i < c->n_changes; i++)
        SPA_TRY(check_change(&c->changes[i], costs, scenario, err));
    if (c->zeros_sd > 0 && !costs->zeros_factor)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' varies zeros, but no response of kernels to them was "
                        "measured (or it is a mix)",
                        scenario);
    if (c->thermal.r_k_per_w > 0 && !(costs->base_w > 0))
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "scenario '%s' has a thermal limit, but the power of '%s' is not known",
                        scenario, costs->device);
    return SPA_OK;
}

/* ---- hash ------------------------------------------------------------------------------------ */

static uint64_t hash_double(uint64_t h, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return spa_hash_u64(h, bits);
}

static uint64_t hash_text(uint64_t h, const char *text)
{
    return spa_hash_bytes(h, text, strlen(text) + 1);
}

uint64_t spa_conditions_hash(uint64_t h, const spa_conditions *c)
{
    const spa_thermal *t = &c->thermal;
    if (!spa_conditions_any(c)) return h;
    h = spa_hash_u64(spa_hash_u64(h, c->n_backgrounds), (uint64_t)c->governor);
    for (uint32_t i = 0; i < c->n_backgrounds; i++) {
        const spa_background *b = &c->backgrounds[i];
        h = hash_double(hash_double(hash_text(h, b->processor), b->share), b->dram_share);
        h = hash_double(hash_double(hash_double(h, b->on_ms), b->off_ms), b->watts);
    }
    h = hash_double(hash_double(hash_double(h, c->period_ms), c->delay_ms), c->min_ratio);
    for (uint32_t i = 0; i < c->n_levels; i++) h = hash_double(h, c->levels[i]);
    for (uint32_t i = 0; i < c->n_changes; i++)
        h = hash_text(hash_double(h, c->changes[i].at_ms), c->changes[i].mode);
    h = hash_double(hash_double(h, c->repeat_ms), c->power_exponent);
    if (c->zeros_sd > 0) h = hash_double(h, c->zeros_sd);
    h = hash_double(hash_double(h, t->r_k_per_w), t->c_j_per_k);
    h = hash_double(hash_double(h, t->ambient_c), t->start_c);
    h = hash_double(hash_double(h, t->throttle_c), t->hysteresis_k);
    return hash_double(hash_double(h, t->cap), t->poll_ms);
}

/* ---- governor -------------------------------------------------------------------------------- */

uint32_t spa_schedutil_ppm(const spa_conditions *c, double utilisation)
{
    double wanted = HEADROOM * utilisation, ratio;
    if (wanted > 1) wanted = 1;
    if (wanted < c->min_ratio) wanted = c->min_ratio;
    ratio = wanted;
    for (uint32_t i = 0; i < c->n_levels; i++) {
        ratio = c->levels[i];
        if (ratio >= wanted - 1e-12) break;
    }
    return (uint32_t)lround(ratio * SPA_PPM);
}
