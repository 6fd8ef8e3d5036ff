/* Cost tables in other power modes and at other clocks. */
#include <string.h>
#include "base/text.h"
#include "devices/costs.h"

spa_status spa_costs_add_modes(spa_costs *c, uint32_t n_modes, spa_error *err)
{
    size_t n = c->n_processors;
    SPA_TRY(spa_arena_alloc(&c->arena, &c->modes, n_modes, sizeof *c->modes, err));
    for (uint32_t m = 0; m < n_modes; m++) {
        spa_cost_mode *mode = &c->modes[m];
        SPA_TRY(spa_arena_alloc(&c->arena, &mode->ops, c->n_ops * n, sizeof *mode->ops, err));
        SPA_TRY(spa_arena_alloc(&c->arena, &mode->transfer_ns, c->n_tensors * n * n,
                                sizeof *mode->transfer_ns, err));
    }
    c->n_modes = n_modes;
    return SPA_OK;
}

double spa_cost_speed(const spa_costs *c, uint32_t mode, double ratio, size_t op, uint32_t p)
{
    const spa_op_speed *s;
    double bound, ns, own_ns = (double)spa_cost(c, op, p)->kernel_ns;
    if (mode == c->own_mode && ratio == 1) return 1;
    if (c->n_modes == 0) return ratio;
    s = &c->modes[mode].ops[op * c->n_processors + p];
    bound = s->bound_ns / ratio;
    ns = s->clocked_ns / ratio + (bound > s->memory_ns ? bound : s->memory_ns);
    return ns > 0 && own_ns > 0 ? own_ns / ns : 1;
}

double spa_transfer_speed(const spa_costs *c, uint32_t mode, size_t tensor, uint32_t from,
                          uint32_t to)
{
    size_t at = (tensor * c->n_processors + from) * c->n_processors + to;
    int64_t ns;
    if (mode == c->own_mode || c->n_modes == 0) return 1;
    ns = c->modes[mode].transfer_ns[at];
    return ns > 0 && c->transfer_ns[at] > 0 ? (double)c->transfer_ns[at] / (double)ns : 1;
}

double spa_cost_power(const spa_costs *c, uint32_t mode, size_t op, uint32_t p)
{
    if (mode == c->own_mode || c->n_modes == 0) return spa_cost(c, op, p)->dynamic_w;
    return c->modes[mode].ops[op * c->n_processors + p].dynamic_w;
}

spa_status spa_costs_add_zeros(spa_costs *c, spa_error *err)
{
    size_t n = c->n_ops * c->n_processors * SPA_ZEROS;
    SPA_TRY(spa_arena_alloc(&c->arena, &c->zeros_factor, n, sizeof *c->zeros_factor, err));
    for (size_t i = 0; i < n; i++) c->zeros_factor[i] = 1;
    return SPA_OK;
}

double spa_zeros_factor(const spa_costs *c, size_t op, uint32_t p, double zeros)
{
    const float *at;
    double x = zeros * (SPA_ZEROS - 1);
    uint32_t k = x > 0 ? (uint32_t)x : 0;
    if (!c->zeros_factor) return 1;
    if (k > SPA_ZEROS - 2) k = SPA_ZEROS - 2;
    at = &c->zeros_factor[(op * c->n_processors + p) * SPA_ZEROS + k];
    return (double)at[0] + (x - k) * ((double)at[1] - (double)at[0]);
}

double spa_dispatch_power(const spa_costs *c, uint32_t mode, uint32_t p)
{
    if (mode == c->own_mode || c->n_modes == 0) return c->processors[p].dispatch_w;
    return c->modes[mode].dispatch_w[p];
}

double spa_mode_base(const spa_costs *c, uint32_t mode)
{
    return mode == c->own_mode || c->n_modes == 0 ? c->base_w : c->modes[mode].base_w;
}

static uint64_t hash_double(uint64_t h, double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return spa_hash_u64(h, bits);
}

uint64_t spa_costs_modes_hash(const spa_costs *c, uint64_t h)
{
    size_t n = c->n_processors;
    h = spa_hash_u64(h, (uint64_t)c->n_modes << 32 | c->own_mode);
    if (c->zeros_factor)
        h = spa_hash_bytes(h, c->zeros_factor, c->n_ops * n * SPA_ZEROS * sizeof *c->zeros_factor);
    for (uint32_t m = 0; m < c->n_modes; m++) {
        const spa_cost_mode *mode = &c->modes[m];
        h = spa_hash_bytes(h, mode->name, strlen(mode->name) + 1);
        h = hash_double(spa_hash_u64(h, mode->unusable != NULL), mode->base_w);
        for (size_t p = 0; p < n; p++)
            h = hash_double(hash_double(h, mode->clock_ratio[p]), (double)mode->dispatch_w[p]);
        for (size_t i = 0; i < c->n_ops * n; i++) {
            const spa_op_speed *s = &mode->ops[i];
            h = hash_double(hash_double(hash_double(h, s->clocked_ns), s->bound_ns), s->memory_ns);
            h = hash_double(hash_double(h, (double)s->dynamic_w), (double)s->dram_share);
            h = hash_double(hash_double(h, (double)s->pressure), (double)s->capacity_share);
        }
        for (size_t i = 0; i < c->n_tensors * n * n; i++)
            h = spa_hash_u64(h, (uint64_t)mode->transfer_ns[i]);
    }
    return h;
}
