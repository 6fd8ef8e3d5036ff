/* Steps of fused operators: what they may be, what they bring, and their text in *.graph.csv. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traces/table.h"

size_t spa_steps_operands(const spa_op_step *steps, size_t n)
{
    size_t operands = 0;
    for (size_t i = 0; i < n; i++) operands += steps[i].from_input;
    return operands;
}

size_t spa_steps_params(const spa_op *op, spa_op_param params[SPA_MAX_PARAMS], size_t count)
{
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const spa_op_step *s = &op->steps[i];
        if (s->param_shape.rank == 0) continue;
        params[count++] = (spa_op_param){
            .shape = s->param_shape, .learned = s->param_learned, .role = "constant"};
    }
    return count;
}

/* ---- checking ---------------------------------------------------------------------------- */

static spa_status fail_step(const spa_op_request *r, size_t i, const char *what, spa_error *err)
{
    return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): step %zu (%s) %s", r->name,
                    spa_op_kind_name(r->kind), i + 1, spa_op_kind_name(r->steps[i].kind), what);
}

static size_t n_own_params(const spa_op_request *r)
{
    switch (r->kind) {
    case SPA_OP_CONV:
    case SPA_OP_LINEAR:
        return r->attrs.has_bias ? 2 : 1;
    case SPA_OP_BATCH_NORM:
        return 4;
    default:
        return r->attrs.param_shape.rank > 0;
    }
}

/* Does it broadcast to `out` without making it larger? */
static bool broadcasts_to(const spa_shape *s, const spa_shape *out)
{
    if (s->rank > out->rank) return false;
    for (int32_t i = 1; i <= s->rank; i++) {
        int32_t dim = s->dim[s->rank - i];
        if (dim != 1 && dim != out->dim[out->rank - i]) return false;
    }
    return true;
}

/* add and mul: a tensor, a constant tensor or, of mul, a factor; one of them. */
static spa_status check_operand(const spa_op_request *r, size_t i, size_t input,
                                const spa_shape *out, spa_error *err)
{
    const spa_op_step *s = &r->steps[i];
    bool factor = s->kind == SPA_OP_MUL && s->alpha != 0;
    if (s->from_input + (s->param_shape.rank != 0) + factor != 1)
        return fail_step(r, i, "needs one second operand: an input, a parameter or alpha", err);
    if (s->param_shape.rank != 0)
        SPA_TRY(spa_shape_check(&s->param_shape, "a parameter of a step", err));
    const spa_shape *operand = s->from_input ? r->in[input] : &s->param_shape;
    if (!factor && !broadcasts_to(operand, out))
        return fail_step(r, i, "has an operand that does not fit its output", err);
    return SPA_OK;
}

static spa_status check_fold(const spa_op_request *r, size_t i, const spa_shape *out,
                             spa_error *err)
{
    bool linear = r->kind == SPA_OP_LINEAR && out->rank == 2;
    if (i != 0 || (r->kind != SPA_OP_CONV && !linear))
        return fail_step(r, i, "must come directly behind a convolution or linear layer", err);
    if (!r->attrs.has_bias) return fail_step(r, i, "is folded into a bias; give it one", err);
    return SPA_OK;
}

static spa_status check_step(const spa_op_request *r, size_t i, size_t input, const spa_shape *out,
                             spa_error *err)
{
    const spa_op_step *s = &r->steps[i];
    bool binary = s->kind == SPA_OP_ADD || s->kind == SPA_OP_MUL;
    bool has_alpha = s->kind == SPA_OP_LEAKY_RELU || s->kind == SPA_OP_MUL;
    if ((unsigned)s->kind >= SPA_OP_KIND_COUNT || !spa_op_kind_is_elementwise(s->kind))
        return fail_step(r, i, "does not work element by element", err);
    if ((s->alpha != 0 && !has_alpha) || !isfinite(s->alpha))
        return fail_step(r, i, "has no alpha, or one that is not finite", err);
    if (!binary && (s->from_input || s->param_shape.rank != 0))
        return fail_step(r, i, "has no second operand", err);
    if (s->param_learned && s->param_shape.rank == 0)
        return fail_step(r, i, "is learned without a parameter", err);
    if (s->adds_bias && s->kind != SPA_OP_BATCH_NORM) return fail_step(r, i, "adds no bias", err);
    if (s->kind == SPA_OP_BATCH_NORM) return check_fold(r, i, out, err);
    return binary ? check_operand(r, i, input, out, err) : SPA_OK;
}

spa_status spa_op_check_steps(const spa_op_request *r, const spa_shape *out, spa_error *err)
{
    size_t operands = spa_steps_operands(r->steps, r->n_steps), input = r->n_in - operands;
    size_t n_params = n_own_params(r);
    bool reduces = spa_op_kind_is_reduction(r->kind);
    bool can = r->kind == SPA_OP_CONV || r->kind == SPA_OP_LINEAR || r->kind == SPA_OP_MATMUL ||
               spa_op_kind_is_elementwise(r->kind) || reduces;
    if (!can || r->n_steps > SPA_MAX_STEPS)
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' (%s): %zu steps; at most %d, of convolutions, products, "
                        "elementwise kinds and reductions",
                        r->name, spa_op_kind_name(r->kind), r->n_steps, SPA_MAX_STEPS);
    /* Kernels tell the second operand of add and mul from their number of inputs. */
    if (operands > 0 && input == 1 && (r->kind == SPA_OP_ADD || r->kind == SPA_OP_MUL))
        return spa_fail(err, SPA_E_INVALID,
                        "operator '%s' (%s): with one input it has no steps with inputs of theirs",
                        r->name, spa_op_kind_name(r->kind));
    for (size_t i = 0; i < r->n_steps; i++) {
        if (reduces && (r->steps[i].from_input || r->steps[i].param_shape.rank != 0))
            return fail_step(r, i, "comes before a reduction and has no tensor to read", err);
        SPA_TRY(check_step(r, i, input, out, err));
        input += r->steps[i].from_input;
        n_params += r->steps[i].param_shape.rank != 0;
    }
    if (n_params > SPA_MAX_PARAMS)
        return spa_fail(err, SPA_E_INVALID, "operator '%s' (%s): %zu parameters; %d are possible",
                        r->name, spa_op_kind_name(r->kind), n_params, SPA_MAX_PARAMS);
    return SPA_OK;
}

/* ---- text: "batch_norm:bias@1 relu@2 add:input@3 mul:alpha=0.5@4 add:param=1x768:learned@5" -----
 */

bool spa_op_is_rewritten(const spa_graph *graph)
{
    for (size_t i = 0; i < graph->n_ops; i++)
        if (graph->ops[i].n_steps > 0 || graph->ops[i].stream != i) return true;
    return false;
}

void spa_steps_put(spa_string *out, const spa_op *op)
{
    char text[SPA_SHAPE_TEXT];
    for (uint32_t i = 0; i < op->n_steps; i++) {
        const spa_op_step *s = &op->steps[i];
        spa_string_append(out, "%s%s%s%s", i > 0 ? " " : "", spa_op_kind_name(s->kind),
                          s->adds_bias ? ":bias" : "", s->from_input ? ":input" : "");
        if (s->param_shape.rank > 0)
            spa_string_append(out, ":param=%s%s", spa_shape_text(&s->param_shape, text),
                              s->param_learned ? ":learned" : "");
        if (s->alpha != 0 || s->kind == SPA_OP_LEAKY_RELU) {
            spa_string_append(out, ":alpha=");
            spa_put_double(out, s->alpha);
        }
        spa_string_append(out, "@%u", (unsigned)s->stream);
    }
}

static spa_status parse_field(const char *field, spa_op_step *s, spa_error *err)
{
    static const char *const names[] = {"bias", "input", "param=", "learned", "alpha="};
    if (strcmp(field, "bias") == 0)
        s->adds_bias = true;
    else if (strcmp(field, "input") == 0)
        s->from_input = true;
    else if (strcmp(field, "learned") == 0)
        s->param_learned = true;
    else if (strncmp(field, "param=", 6) == 0 && field[6] != '\0')
        return spa_shape_parse(field + 6, &s->param_shape, err);
    else if (strncmp(field, "alpha=", 6) != 0 || !spa_parse_double(field + 6, &s->alpha))
        return spa_fail_unknown(err, "field of a step", field, names, 5);
    return SPA_OK;
}

static spa_status parse_kind(const char *name, spa_op_step *s, spa_error *err)
{
    const char *names[SPA_OP_KIND_COUNT];
    size_t n = 0;
    for (int k = 0; k < SPA_OP_KIND_COUNT; k++) {
        if (!spa_op_kind_is_elementwise((spa_op_kind)k)) continue;
        names[n] = spa_op_kind_name((spa_op_kind)k);
        if (strcmp(names[n++], name) != 0) continue;
        s->kind = (spa_op_kind)k;
        return SPA_OK;
    }
    return spa_fail_unknown(err, "kind of a step", name, names, n);
}

static spa_status parse_step(char *word, spa_op_step *s, spa_error *err)
{
    char *at = strchr(word, '@');
    int64_t stream = -1;
    spa_error why;
    *s = (spa_op_step){0};
    if (at == NULL || spa_parse_i64_in(at + 1, 0, (int64_t)SPA_MAX_OPERATORS, &stream, &why))
        return spa_fail(err, SPA_E_PARSE, "step '%.60s': write KIND@NUMBER, e.g. relu@2", word);
    *at = '\0';
    s->stream = (uint32_t)stream;
    char *field = strchr(word, ':');
    if (field != NULL) *field++ = '\0';
    SPA_TRY(parse_kind(word, s, err));
    while (field != NULL) {
        char *next = strchr(field, ':');
        if (next != NULL) *next++ = '\0';
        SPA_TRY(parse_field(field, s, err));
        field = next;
    }
    if (s->alpha == 0) s->alpha = 0.0; /* -0 */
    return SPA_OK;
}

spa_status spa_steps_parse(const char *text, spa_op_step steps[SPA_MAX_STEPS], size_t *n,
                           spa_error *err)
{
    char word[256];
    bool cut;
    *n = 0;
    while (spa_next_word(&text, word, sizeof word, &cut)) {
        if (cut) return spa_fail(err, SPA_E_PARSE, "step '%.60s...' is too long", word);
        if (*n == SPA_MAX_STEPS)
            return spa_fail(err, SPA_E_PARSE, "more than %d steps", SPA_MAX_STEPS);
        SPA_TRY(parse_step(word, &steps[(*n)++], err));
    }
    return SPA_OK;
}
