/* Samples: what campaigns keep of each inference. */
#include "kernels/samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define MOST_ISSUE_NS 50000 /* two operators that far apart were not enqueued at a stretch */

spa_status spa_samples_init(spa_samples *s, const spa_costs *costs, size_t n_lanes, size_t capacity,
                            spa_error *err)
{
    *s = (spa_samples){.n_ops = costs->n_ops,
                       .n_tensors = costs->n_tensors,
                       .n_lanes = n_lanes,
                       .capacity = capacity};
    SPA_TRY(spa_alloc(&s->raw, capacity, sizeof *s->raw, err));
    SPA_TRY(spa_alloc(&s->total, capacity, sizeof *s->total, err));
    SPA_TRY(spa_alloc(&s->mood, capacity, sizeof *s->mood, err));
    SPA_TRY(spa_alloc(&s->round, capacity, sizeof *s->round, err));
    SPA_TRY(spa_alloc(&s->slot, capacity, sizeof *s->slot, err));
    SPA_TRY(spa_alloc(&s->kept, capacity, sizeof *s->kept, err));
    SPA_TRY(spa_alloc(&s->typical, capacity, sizeof *s->typical, err));
    SPA_TRY(spa_alloc(&s->begin, capacity, s->n_ops * sizeof *s->begin, err));
    SPA_TRY(spa_alloc(&s->kernel, capacity, s->n_ops * sizeof *s->kernel, err));
    SPA_TRY(spa_alloc(&s->lead, capacity, s->n_ops * sizeof *s->lead, err));
    SPA_TRY(spa_alloc(&s->moved, capacity, s->n_ops * sizeof *s->moved, err));
    SPA_TRY(spa_alloc(&s->issue, capacity, sizeof *s->issue, err));
    SPA_TRY(spa_alloc(&s->gap, capacity, s->n_ops * sizeof *s->gap, err));
    SPA_TRY(spa_alloc(&s->copy, capacity, s->n_tensors * n_lanes * sizeof *s->copy, err));
    for (int k = 0; k < 2; k++)
        SPA_TRY(spa_alloc(&s->part[k], capacity, s->n_ops * sizeof *s->part[k], err));
    SPA_TRY(spa_alloc(&s->lanes, capacity, s->n_ops * sizeof *s->lanes, err));
    SPA_TRY(spa_alloc(&s->second, s->n_ops, sizeof *s->second, err));
    SPA_TRY(spa_alloc(&s->together, s->n_ops, sizeof *s->together, err));
    return spa_alloc(&s->lane, s->n_ops, sizeof *s->lane, err);
}

void spa_samples_fini(spa_samples *s)
{
    free(s->raw);
    free(s->total);
    free(s->mood);
    free(s->round);
    free(s->slot);
    free(s->kept);
    free(s->typical);
    free(s->begin);
    free(s->kernel);
    free(s->lead);
    free(s->moved);
    free(s->issue);
    free(s->gap);
    free(s->copy);
    for (int k = 0; k < 2; k++) free(s->part[k]);
    free(s->lanes);
    free(s->second);
    free(s->lane);
    free(s->together);
    *s = (spa_samples){0};
}

/* ---- adding ---------------------------------------------------------------------------------- */

/* What an operator waited for: its producers (through views), and tensors on their way. */
typedef struct arrival {
    int64_t end_ns;
    int64_t moved_ns; /* of what came last, if it was moved from or to an asynchronous lane */
} arrival;

static arrival last_arrival(const spa_graph *graph, const spa_hardware_record *record, uint64_t q,
                            size_t op)
{
    const spa_op *o = &graph->ops[op];
    const spa_hardware_op *ops = spa_hardware_ops(record, q);
    arrival last = {0, 0};
    for (uint32_t i = 0; i < o->n_inputs && ops[op].lane >= 0; i++) {
        int32_t from = spa_graph_behind_views(graph, graph->inputs[o->first_input + i]);
        size_t tensor = from >= 0 ? (size_t)from : graph->n_ops + (size_t)~from;
        const spa_hardware_copy *c =
            &record->copies[(q * record->n_tensors + tensor) * record->n_lanes +
                            (size_t)ops[op].lane];
        bool by_link = record->async_lanes >> ops[op].lane & 1u ||
                       (from >= 0 && record->async_lanes >> ops[from].lane & 1u);
        arrival a = {from >= 0 ? ops[from].end_ns : 0, 0};
        if (by_link && c->there_ns > 0) a = (arrival){c->there_ns, spa_hardware_copy_ns(c)};
        if (a.end_ns > last.end_ns) last = a;
    }
    return last;
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

/* Gap before an operator, and what it waited for that was moved. */
static void note_waits(spa_samples *s, size_t at, const spa_graph *graph,
                       const spa_hardware_record *record, uint64_t q, size_t op)
{
    const spa_hardware_op *ops = spa_hardware_ops(record, q);
    arrival last = last_arrival(graph, record, q, op);
    int64_t ready = last.end_ns, free_ns = lane_free_ns(ops, graph->n_ops, op);
    if (free_ns > ready) ready = free_ns;
    if (record->arrive_ns[q] > ready) ready = record->arrive_ns[q];
    s->gap[at] = (float)(ops[op].begin_ns - ops[op].copy_ns - ready) * 1e-3f;
    s->moved[at] = ready == last.end_ns ? (float)last.moved_ns * 1e-3f : 0;
}

static float issue_us(const spa_hardware_record *record, uint64_t q)
{
    const spa_hardware_op *ops = spa_hardware_ops(record, q), *before = NULL;
    int64_t sum = 0, n = 0;
    for (size_t i = 0; i < record->n_ops; i++) {
        if (ops[i].lane < 0 || !(record->async_lanes >> ops[i].lane & 1u)) continue;
        int64_t took = before ? ops[i].posted_ns - before->posted_ns : 0;
        before = &ops[i];
        if (took <= 0 || took > MOST_ISSUE_NS) continue;
        sum += took;
        n++;
    }
    return n > 0 ? (float)sum / (float)n * 1e-3f : NAN;
}

void spa_samples_add(spa_samples *s, const spa_graph *graph, const spa_hardware_record *record,
                     uint64_t q, uint16_t round, const spa_mood *mood)
{
    const spa_hardware_op *ops = spa_hardware_ops(record, q),
                          *seconds = record->seconds + q * s->n_ops;
    size_t row = s->count++, n_copies = s->n_tensors * s->n_lanes;
    s->raw[row] = s->total[row] = (double)(record->finish_ns[q] - record->arrive_ns[q]) * 1e-3;
    s->mood[row] = *mood;
    s->round[row] = round;
    s->slot[row] = record->slot[q];
    s->kept[row] = s->typical[row] = true;
    s->digest = SPA_HASH_SEED;
    for (size_t i = 0; i < s->n_ops; i++) {
        bool view = ops[i].lane < 0;
        s->lane[i] = s->lanes[row * s->n_ops + i] = (int8_t)ops[i].lane;
        s->second[i] = (int8_t)seconds[i].lane;
        s->part[0][row * s->n_ops + i] = (float)ops[i].part_ns * 1e-3f;
        s->part[1][row * s->n_ops + i] = (float)seconds[i].part_ns * 1e-3f;
        s->together[i] = ops[i].together;
        s->digest = spa_hash_u64(s->digest, (uint64_t)(ops[i].lane + 1));
        s->begin[row * s->n_ops + i] = (float)(ops[i].begin_ns - record->arrive_ns[q]) * 1e-3f;
        s->kernel[row * s->n_ops + i] = (float)(ops[i].end_ns - ops[i].begin_ns) * 1e-3f;
        s->lead[row * s->n_ops + i] = (float)ops[i].copy_ns * 1e-3f;
        s->gap[row * s->n_ops + i] = NAN;
        if (!view) note_waits(s, row * s->n_ops + i, graph, record, q, i);
    }
    s->issue[row] = issue_us(record, q);
    for (size_t k = 0; k < n_copies; k++)
        s->copy[row * n_copies + k] =
            (float)spa_hardware_copy_ns(&record->copies[q * n_copies + k]) * 1e-3f;
}

/* ---- pace ------------------------------------------------------------------------------------ */

/* The lane on which a tensor was made, -1: it is a graph input. */
static int lane_of(const spa_graph *graph, const int8_t *lane, int32_t producer)
{
    producer = spa_graph_behind_views(graph, producer);
    return producer >= 0 ? lane[producer] : -1;
}

double spa_crossing_bytes(const spa_graph *graph, const int8_t *lane)
{
    double bytes = 0;
    for (size_t from = 0; from < graph->n_ops; from++) {
        uint64_t readers = 0;
        int own = lane_of(graph, lane, (int32_t)from);
        for (uint32_t i = graph->first_consumer[from]; i < graph->first_consumer[from + 1]; i++) {
            int32_t reader = graph->consumers[i];
            if (graph->ops[reader].kind != SPA_OP_RESHAPE) readers |= UINT64_C(1) << lane[reader];
        }
        if (own >= 0) readers &= ~(UINT64_C(1) << own);
        bytes += __builtin_popcountll(readers) * (double)graph->ops[from].bytes_out;
    }
    return bytes;
}

static void scale_columns(spa_samples *s, size_t row, float factor)
{
    size_t n_copies = s->n_tensors * s->n_lanes;
    float *columns[] = {s->begin, s->kernel, s->lead, s->moved, s->gap, s->part[0], s->part[1]};
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        for (size_t i = 0; i < s->n_ops; i++) columns[c][row * s->n_ops + i] *= factor;
    for (size_t i = 0; i < n_copies; i++) s->copy[row * n_copies + i] *= factor;
}

void spa_samples_pace(spa_samples *s, const spa_graph *graph, const spa_anchors *anchors,
                      const spa_mood *usual, double turn_bytes)
{
    for (; s->n_paced < s->count; s->n_paced++) {
        size_t row = s->n_paced;
        double share[SPA_MAX_PROCESSORS] = {0}, sum = 0, crossing = 0;
        for (size_t i = 0; i < s->n_ops; i++) {
            size_t at = row * s->n_ops + i;
            bool split = s->part[1][at] > 0;
            double own = (double)(split ? s->part[0][at] : s->kernel[at]);
            if (s->lanes[at] < 0) continue;
            share[s->lanes[at]] += own;
            if (split) share[s->second[i]] += (double)s->part[1][at];
            sum += own + (double)s->part[1][at];
        }
        for (int l = 0; l < SPA_MAX_PROCESSORS && sum > 0; l++) share[l] /= sum;
        if (turn_bytes > 0)
            crossing = spa_crossing_bytes(graph, s->lanes + row * s->n_ops) / turn_bytes;
        double factor = spa_mood_factor(anchors, &s->mood[row], usual, share, crossing);
        s->total[row] = s->raw[row] / factor;
        scale_columns(s, row, (float)(1 / factor));
    }
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
    for (size_t r = 0; r < s->count; r++) s->kept[r] = true;
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
