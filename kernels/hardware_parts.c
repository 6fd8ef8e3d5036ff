/* The hardware executor's parts of split operators.
 *
 * Both parts write into the operator's row-major output, so nothing is copied to join them. Their
 * inputs are made row-major by whichever lane comes first; the other one waits for it. */
#include <stdlib.h>

#include "kernels/hardware_lane.h"
#include "kernels/relax.h"

enum { INPUTS_UNKNOWN, INPUTS_CHANGING, INPUTS_PLAIN };
enum { PARTS_OF_LANE = 2 * (SPA_TENTHS - 1) }; /* first and second ones of 1 .. 9 tenths */

uint32_t spa_hardware_part(const spa_hardware *hw, uint32_t lane, uint32_t op, uint32_t tenths,
                           bool second)
{
    uint32_t of_lane = 2 * (tenths - 1) + second;
    return (op * (uint32_t)hw->lanes.count + lane) * PARTS_OF_LANE + of_lane;
}

bool spa_hardware_part_is_second(uint32_t part)
{
    return part % 2;
}

static size_t part_count(const spa_hardware *hw)
{
    return hw->model->graph->n_ops * hw->lanes.count * PARTS_OF_LANE;
}

/* ---- making them -------------------------------------------------------------------------------
 */

static spa_status grow_workspace(hardware_lane *lane, size_t bytes, spa_error *err)
{
    void *larger;
    if (bytes <= lane->workspace_bytes) return SPA_OK;
    SPA_TRY(spa_alloc_aligned(&larger, bytes, err));
    free(lane->workspace);
    lane->workspace = larger;
    lane->workspace_bytes = bytes;
    return SPA_OK;
}

static spa_status make(spa_hardware *hw, uint32_t index, hardware_lane *lane, uint32_t op,
                       size_t begin, size_t end, spa_error *err)
{
    if (hw->parts[index]) return SPA_OK;
    spa_part_kernel *part = NULL;
    SPA_TRY(spa_alloc(&part, 1, sizeof *part, err));
    spa_status status =
        spa_part_kernel_init(part, hw->model, op, begin, end, lane->lane->backend, err);
    if (!status && (status = grow_workspace(lane, part->workspace_bytes, err)))
        spa_part_kernel_fini(part);
    if (status)
        free(part);
    else
        hw->parts[index] = part; /* from now on the lane can run it */
    return status;
}

static spa_status add_op(spa_hardware *hw, const spa_schedule *schedule, uint32_t op,
                         spa_error *err)
{
    const spa_graph *graph = hw->model->graph;
    uint32_t p = schedule->processor[op], q = schedule->second[op], share = schedule->share[op];
    double fractions[2] = {(SPA_TENTHS - share) / (double)SPA_TENTHS, share / (double)SPA_TENTHS};
    size_t bounds[3];
    spa_cut cut;
    if (hw->lane[p].team || hw->lane[q].team)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "operator '%s' is split, and a lane of several cores runs whole operators "
                        "only; give lanes of one core",
                        graph->ops[op].name);
    if (hw->lane[p].device || hw->lane[q].device)
        return spa_fail(err, SPA_E_UNSUPPORTED,
                        "operator '%s' is split, and asynchronous lanes run whole operators only; "
                        "take lanes of cores",
                        graph->ops[op].name);
    SPA_TRY(spa_cut_of(graph, &graph->ops[op], &cut, err));
    SPA_TRY(spa_cut_bounds(&cut, fractions, 2, bounds, err));
    SPA_TRY(make(hw, spa_hardware_part(hw, p, op, SPA_TENTHS - share, false), &hw->lane[p], op, 0,
                 bounds[1], err));
    return make(hw, spa_hardware_part(hw, q, op, share, true), &hw->lane[q], op, bounds[1],
                bounds[2], err);
}

spa_status spa_hardware_parts_add(spa_hardware *hw, const spa_schedule *schedule, spa_error *err)
{
    if (!spa_schedule_splits(schedule)) return SPA_OK;
    if (!hw->parts) SPA_TRY(spa_alloc(&hw->parts, part_count(hw), sizeof(spa_part_kernel *), err));
    for (uint32_t op = 0; op < schedule->n_ops; op++)
        if (schedule->share[op]) SPA_TRY(add_op(hw, schedule, op, err));
    return SPA_OK;
}

void spa_hardware_parts_free(spa_hardware *hw)
{
    for (size_t i = 0; hw->parts && i < part_count(hw); i++) {
        if (hw->parts[i]) spa_part_kernel_fini(hw->parts[i]);
        free(hw->parts[i]);
    }
    free(hw->parts);
    hw->parts = NULL;
}

/* ---- running them ------------------------------------------------------------------------------
 */

static void make_plain(hardware_slot *slot, uint32_t op)
{
    unsigned char unknown = INPUTS_UNKNOWN;
    atomic_uchar *state = &slot->plain[op];
    if (atomic_compare_exchange_strong(state, &unknown, INPUTS_CHANGING)) {
        spa_session_plain_io(&slot->session, op);
        atomic_store_explicit(state, INPUTS_PLAIN, memory_order_release);
        return;
    }
    while (atomic_load_explicit(state, memory_order_acquire) != INPUTS_PLAIN) spa_relax();
}

spa_status spa_hardware_part_run(hardware_lane *lane, hardware_slot *slot, spa_error *err)
{
    const spa_part_kernel *part = lane->hardware->parts[lane->tensor];
    make_plain(slot, lane->op);
    return spa_part_kernel_run(part, &slot->session, lane->workspace, err);
}
