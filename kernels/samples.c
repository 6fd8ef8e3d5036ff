/* Samples: what campaigns keep of each inference. */
#include "kernels/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define LEVEL_TOLERANCE 1.1

spa_status spa_samples_init(spa_samples *s, const spa_costs *costs, size_t n_lanes, size_t capacity,
                            spa_error *err)
{
    *s = (spa_samples){.n_ops = costs->n_ops,
                       .n_tensors = costs->n_tensors,
                       .n_lanes = n_lanes,
                       .capacity = capacity};
    SPA_TRY(spa_alloc(&s->total, capacity, sizeof *s->total, err));
    SPA_TRY(spa_alloc(&s->round, capacity, sizeof *s->round, err));
    SPA_TRY(spa_alloc(&s->slot, capacity, sizeof *s->slot, err));
    SPA_TRY(spa_alloc(&s->level, capacity, sizeof *s->level, err));
    SPA_TRY(spa_alloc(&s->is_near, capacity, sizeof *s->is_near, err));
    SPA_TRY(spa_alloc(&s->kept, capacity, sizeof *s->kept, err));
    SPA_TRY(spa_alloc(&s->typical, capacity, sizeof *s->typical, err));
    SPA_TRY(spa_alloc(&s->begin, capacity, s->n_ops * sizeof *s->begin, err));
    SPA_TRY(spa_alloc(&s->kernel, capacity, s->n_ops * sizeof *s->kernel, err));
    SPA_TRY(spa_alloc(&s->lead, capacity, s->n_ops * sizeof *s->lead, err));
    SPA_TRY(spa_alloc(&s->gap, capacity, s->n_ops * sizeof *s->gap, err));
    SPA_TRY(spa_alloc(&s->copy, capacity, s->n_tensors * n_lanes * sizeof *s->copy, err));
    return spa_alloc(&s->lane, s->n_ops, sizeof *s->lane, err);
}

void spa_samples_fini(spa_samples *s)
{
    free(s->total);
    free(s->round);
    free(s->slot);
    free(s->level);
    free(s->is_near);
    free(s->kept);
    free(s->typical);
    free(s->begin);
    free(s->kernel);
    free(s->lead);
    free(s->gap);
    free(s->copy);
    free(s->lane);
    *s = (spa_samples){0};
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* The end of what an operator waited for: its producers (through views) and whoever had its lane
 * before. */
static int64_t producer_end_ns(const spa_graph *graph, const spa_hardware_op *ops, size_t op)
{
    const spa_op *o = &graph->ops[op];
    int64_t end = 0;
    for (uint32_t i = 0; i < o->n_inputs; i++) {
        int32_t from = graph->inputs[o->first_input + i];
        while (from >= 0 && graph->ops[from].kind == SPA_OP_RESHAPE)
            from = graph->inputs[graph->ops[from].first_input];
        if (from >= 0 && ops[from].end_ns > end) end = ops[from].end_ns;
    }
    return end;
}

static int64_t lane_free_ns(const spa_hardware_op *ops, size_t n, size_t op)
{
    int64_t end = 0;
    for (size_t i = 0; i < n; i++)
        if (i != op && ops[i].lane == ops[op].lane && ops[i].end_ns <= ops[op].begin_ns &&
            ops[i].end_ns > end)
            end = ops[i].end_ns;
    return end;
}

static float gap_us(const spa_graph *graph, const spa_hardware_op *ops, size_t op, int64_t arrive)
{
    int64_t ready = producer_end_ns(graph, ops, op), free_ns = lane_free_ns(ops, graph->n_ops, op);
    if (free_ns > ready) ready = free_ns;
    if (arrive > ready) ready = arrive;
    return (float)(ops[op].begin_ns - ops[op].copy_ns - ready) * 1e-3f;
}

void spa_samples_add(spa_samples *s, const spa_graph *graph, const spa_hardware_record *record,
                     uint64_t q, uint16_t round, uint8_t slot, double level, bool is_near)
{
    const spa_hardware_op *ops = spa_hardware_ops(record, q);
    size_t row = s->count++, n_copies = s->n_tensors * s->n_lanes;
    s->total[row] = (double)(record->finish_ns[q] - record->arrive_ns[q]) * 1e-3;
    s->round[row] = round;
    s->slot[row] = slot;
    s->level[row] = (float)level;
    s->is_near[row] = is_near;
    s->kept[row] = s->typical[row] = true;
    s->digest = SPA_HASH_SEED;
    for (size_t i = 0; i < s->n_ops; i++) {
        bool view = ops[i].lane < 0;
        s->lane[i] = (int8_t)ops[i].lane;
        s->digest = spa_hash_u64(s->digest, (uint64_t)(ops[i].lane + 1));
        s->begin[row * s->n_ops + i] = (float)(ops[i].begin_ns - record->arrive_ns[q]) * 1e-3f;
        s->kernel[row * s->n_ops + i] = (float)(ops[i].end_ns - ops[i].begin_ns) * 1e-3f;
        s->lead[row * s->n_ops + i] = (float)ops[i].copy_ns * 1e-3f;
        s->gap[row * s->n_ops + i] = view ? NAN : gap_us(graph, ops, i, record->arrive_ns[q]);
    }
    for (size_t k = 0; k < n_copies; k++)
        s->copy[row * n_copies + k] = (float)spa_hardware_copy_ns(&record->copies[q * n_copies + k]) * 1e-3f;
}

/* ---- judging --------------------------------------------------------------------------------- */

/* slot < 0: of any. */
static size_t kept_totals(const spa_samples *s, int slot, double *out)
{
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++)
        if (s->kept[r] && (slot < 0 || s->slot[r] == slot)) out[n++] = s->total[r];
    return n;
}

static double quantile(const spa_samples *s, int slot, double q, double *scratch)
{
    size_t n = kept_totals(s, slot, scratch);
    if (n == 0) return NAN;
    spa_median(scratch, n); /* sorts */
    return spa_quantile_sorted(scratch, n, q);
}

double spa_samples_quantile(const spa_samples *s, double q, double *scratch)
{
    return quantile(s, -1, q, scratch);
}

double spa_samples_median(const spa_samples *s, double *scratch)
{
    return spa_samples_quantile(s, 0.5, scratch);
}

/* Leaves out what ran at another level than usual, unless that is most of it. */
static void judge_levels(spa_samples *s)
{
    size_t usual = 0;
    for (size_t r = 0; r < s->count; r++) {
        double ratio = (double)s->level[r] / s->usual_level;
        s->kept[r] = !(ratio > LEVEL_TOLERANCE || ratio < 1 / LEVEL_TOLERANCE);
        usual += s->kept[r];
    }
    for (size_t r = 0; r < s->count && usual < s->count / 3; r++) s->kept[r] = true;
}

/* Leaves out what ran while lanes were far from each other, unless that is nearly all of it. */
static void judge_distance(spa_samples *s)
{
    size_t kept = 0, near_by = 0;
    for (size_t r = 0; r < s->count; r++) {
        kept += s->kept[r];
        near_by += s->kept[r] && s->is_near[r];
    }
    for (size_t r = 0; r < s->count && near_by > kept / 4; r++) s->kept[r] &= s->is_near[r];
}

/* Requests of different slots may be different work (each on a lane of its own). */
static void judge_slot(spa_samples *s, int slot, double burst_factor, double *scratch)
{
    double limit = burst_factor * quantile(s, slot, 0.5, scratch);
    for (size_t r = 0; r < s->count; r++)
        if (s->slot[r] == slot && s->total[r] > limit) s->kept[r] = false;
    double low = quantile(s, slot, 0.25, scratch), high = quantile(s, slot, 0.75, scratch);
    bool few = kept_totals(s, slot, scratch) < 4; /* no middle half to speak of */
    for (size_t r = 0; r < s->count; r++)
        if (s->slot[r] == slot)
            s->typical[r] = s->kept[r] && (few || (s->total[r] >= low && s->total[r] <= high));
}

void spa_samples_judge(spa_samples *s, double burst_factor, double *scratch)
{
    int last_slot = 0;
    judge_levels(s);
    judge_distance(s);
    for (size_t r = 0; r < s->count; r++)
        if (s->slot[r] > last_slot) last_slot = s->slot[r];
    for (int slot = 0; slot <= last_slot; slot++) judge_slot(s, slot, burst_factor, scratch);
    s->n_kept = s->n_typical = 0;
    for (size_t r = 0; r < s->count; r++) {
        s->n_kept += s->kept[r];
        s->n_typical += s->typical[r];
    }
}

double spa_samples_typical(const spa_samples *s, int slot, const float *column, size_t stride)
{
    double sum = 0;
    size_t n = 0;
    for (size_t r = 0; r < s->count; r++) {
        double x = (double)column[r * stride];
        if (!s->typical[r] || isnan(x) || (slot >= 0 && s->slot[r] != slot)) continue;
        sum += x;
        n++;
    }
    return n ? sum / (double)n : NAN;
}
