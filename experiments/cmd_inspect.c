/* sparoa inspect: a model's operators, and what they cost on a device. */
#include <math.h>
#include <string.h>
#include "experiments/cli.h"
#include "experiments/json.h"
#include "experiments/quadrant.h"
#include "experiments/study.h"
#include "experiments/table.h"

/* Time alone on the machine, launch included, us; NaN = cannot run there. */
static double time_us(const spa_costs *costs, size_t op, uint32_t p)
{
    if (!spa_cost_can_run(costs, op, p)) return NAN;
    return (double)spa_cost_total_ns(costs, op, p) * 1e-3;
}

/* The least trustworthy of the times. */
static const char *origin_of(const spa_costs *costs, size_t op)
{
    unsigned worst = SPA_ORIGIN_MEASURED;
    for (uint32_t p = 0; p < costs->n_processors; p++) {
        const spa_op_cost *k = spa_cost(costs, op, p);
        if (k->kernel_ns >= 0 && k->origin < worst) worst = k->origin;
    }
    return spa_origin_name((spa_origin)worst);
}

/* "conv+batch_norm+relu" */
static spa_status put_kind(const spa_op *op, spa_string *out, spa_error *err)
{
    spa_string_append(out, "%s", spa_op_kind_name(op->kind));
    for (uint32_t i = 0; i < op->n_steps; i++)
        spa_string_append(out, "+%s", spa_op_kind_name(op->steps[i].kind));
    return spa_string_ok(out, err);
}

static void json_steps(spa_json *j, json_t *row, const spa_op *op)
{
    if (op->n_steps == 0) return;
    json_t *list = spa_json_array(j, row, "steps");
    for (uint32_t i = 0; i < op->n_steps; i++)
        spa_json_add(j, list, spa_json_text(j, spa_op_kind_name(op->steps[i].kind)));
}

static spa_status print_json(spa_cli *cli, const spa_case *c, spa_error *err)
{
    spa_json j;
    const spa_costs *costs = c->device ? &c->costs : NULL;
    spa_json_init(&j, "inspect");
    spa_json_set(&j, j.root, "model", spa_json_text(&j, c->graph.name));
    spa_json_set(&j, j.root, "device", spa_json_text(&j, costs ? costs->device : NULL));
    spa_json_set(&j, j.root, "stack", spa_json_text(&j, costs ? costs->stack : NULL));
    json_t *list = spa_json_array(&j, j.root, "operators");
    for (size_t i = 0; i < c->graph.n_ops; i++) {
        const spa_op *op = &c->graph.ops[i];
        json_t *row = spa_json_row(&j, list);
        spa_json_set(&j, row, "name", spa_json_text(&j, op->name));
        spa_json_set(&j, row, "kind", spa_json_text(&j, spa_op_kind_name(op->kind)));
        json_steps(&j, row, op);
        spa_json_set(&j, row, "macs", json_integer(op->macs));
        spa_json_set(&j, row, "bytes_in", json_integer(op->bytes_in));
        spa_json_set(&j, row, "bytes_w", json_integer(op->bytes_weight));
        spa_json_set(&j, row, "bytes_out", json_integer(op->bytes_out));
        spa_json_set(&j, row, "sparsity", spa_json_number(op->sparsity));
        spa_json_set(&j, row, "input_sparsity", spa_json_number(op->input_sparsity));
        spa_json_set(&j, row, "rho_origin", spa_json_text(&j, spa_origin_name(op->rho_origin)));
        spa_json_set(&j, row, "quadrant", spa_json_text(&j, spa_quadrant(op)));
        json_t *times = spa_json_member(&j, row, "time_us");
        for (uint32_t p = 0; costs && p < costs->n_processors; p++) {
            spa_json_set(&j, times, costs->processors[p].name,
                         spa_json_number(time_us(costs, i, p)));
        }
        spa_json_set(&j, row, "origin", spa_json_text(&j, costs ? origin_of(costs, i) : NULL));
    }
    spa_status status = spa_json_print(&j, &cli->out, err);
    spa_json_fini(&j);
    return status;
}

static void put_head(spa_cli *cli, const spa_case *c)
{
    const spa_graph *g = &c->graph;
    char origin[128];
    spa_string_append(&cli->out, "%s: %zu operators, %.1f MMACs, %.3f M parameters, %s, batch %d\n",
                      g->name, g->n_ops, (double)g->total_macs * 1e-6,
                      (double)g->total_params * 1e-6, spa_dtype_name(g->dtype), g->batch);
    if (!c->device) return;
    spa_string_append(&cli->out, "on %s@%s, stack %s, lanes %s; times %s\n", c->costs.device,
                      c->costs.mode, c->costs.stack, c->costs.lanes,
                      spa_case_origin_text(c, origin));
}

static spa_status print_table(spa_cli *cli, const spa_case *c, spa_error *err)
{
    spa_table t;
    uint32_t n = c->device ? c->costs.n_processors : 0;
    char heads[400] = "operator|kind|MMACs|in KiB|weights KiB|out KiB|rho|input rho|quadrant";
    char align[24] = "llrrrrrrl";
    for (uint32_t p = 0; p < n; p++) {
        size_t used = strlen(heads);
        snprintf(heads + used, sizeof heads - used, "|%.40s us", c->costs.processors[p].name);
        strcat(align, "r");
    }
    put_head(cli, c);
    spa_table_init(&t, heads, align);
    for (size_t i = 0; i < c->graph.n_ops; i++) {
        const spa_op *op = &c->graph.ops[i];
        spa_table_put(&t, "%s", op->name);
        spa_string kind = {0};
        if (put_kind(op, &kind, NULL) == SPA_OK) spa_table_put(&t, "%s", kind.text);
        spa_string_fini(&kind);
        spa_table_number(&t, (double)op->macs * 1e-6, 2);
        spa_table_number(&t, (double)op->bytes_in / 1024, 1);
        spa_table_number(&t, (double)op->bytes_weight / 1024, 1);
        spa_table_number(&t, (double)op->bytes_out / 1024, 1);
        spa_table_number(&t, op->sparsity, 2);
        spa_table_number(&t, op->input_sparsity, 2);
        spa_table_put(&t, "%s", spa_quadrant(op));
        for (uint32_t p = 0; p < n; p++) spa_table_number(&t, time_us(&c->costs, i, p), 1);
    }
    spa_status status = spa_table_print(&t, 0, &cli->out, err);
    spa_table_fini(&t);
    SPA_TRY(status);
    bool assumed = false;
    for (size_t i = 0; i < c->graph.n_ops; i++) {
        assumed |= c->graph.ops[i].rho_origin == SPA_ORIGIN_ASSUMED;
    }
    if (assumed) spa_string_append(&cli->out, "rho is assumed, not measured\n");
    return spa_string_ok(&cli->out, err);
}

spa_status spa_cmd_inspect(spa_cli *cli, spa_options *options, spa_error *err)
{
    spa_paths paths;
    spa_case c;
    SPA_TRY(spa_cli_operands(options, 1, 1, "one model", err));
    if (options->devices.count > 1) {
        return spa_fail(err, SPA_E_USAGE, "'inspect' takes one --device");
    }
    const char *device = options->devices.count ? options->devices.items[0] : NULL;
    if (!device && (options->stack || options->lanes || options->missing_model)) {
        return spa_fail(err, SPA_E_USAGE, "--stack, --lanes and --missing need --device D");
    }
    SPA_TRY(spa_paths_find(&paths, err));
    SPA_TRY(spa_case_open(&c, options, &paths, options->operands.items[0], device, err));
    spa_case_note_opaque(&c, cli, options);
    spa_status status = SPA_OK;
    if (options->output) status = spa_graph_write_csv(&c.graph, options->output, err);
    if (!status) status = options->json ? print_json(cli, &c, err) : print_table(cli, &c, err);
    spa_case_close(&c);
    return status;
}
