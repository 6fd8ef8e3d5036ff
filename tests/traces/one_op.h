/* What the tests of traces/ share: a graph of one operator, messages that must hold a text. */
#ifndef SPA_TESTS_TRACES_ONE_OP_H
#define SPA_TESTS_TRACES_ONE_OP_H

#include "tests/base/check.h"
#include "traces/graph.h"

/* The call (which uses `err`) fails with this status and a message that contains the text. */
#define expect_refusal(call, wanted, text)                                                         \
    do {                                                                                           \
        spa_error err_ = {0};                                                                      \
        spa_error *err = &err_;                                                                    \
        cr_assert_eq((call), (wanted), "status %d, message: %s", (int)err_.status, err_.message);  \
        cr_assert_not_null(strstr(err_.message, (text)), "message: %s", err_.message);             \
    } while (0)

/* One operator on graph inputs of the given shapes, fp32, batch 1. */
static inline spa_status one_op(spa_graph *g, spa_op_kind kind, const spa_op_attrs *attrs,
                                const spa_shape *in, size_t n_in, const spa_shape *out,
                                spa_error *err)
{
    int32_t inputs[4] = {SPA_GRAPH_INPUT(0), SPA_GRAPH_INPUT(1), SPA_GRAPH_INPUT(2),
                         SPA_GRAPH_INPUT(3)};
    spa_graph_init(g, "one", 1, SPA_FP32);
    g->n_graph_inputs = n_in;
    for (size_t i = 0; i < n_in; i++) g->graph_inputs[i] = in[i];
    spa_status status = spa_graph_add(g, "x", kind, attrs, inputs, n_in, out, NULL, err);
    if (status == SPA_OK) status = spa_graph_finish(g, err);
    return status;
}

#define expect_shape(shape, ...)                                                                   \
    do {                                                                                           \
        const int32_t wanted_[] = {__VA_ARGS__};                                                   \
        const spa_shape *shape_ = &(shape);                                                        \
        cr_assert_eq(shape_->rank, (int32_t)(sizeof wanted_ / sizeof wanted_[0]));                 \
        for (int32_t i_ = 0; i_ < shape_->rank; i_++)                                              \
            cr_assert_eq(shape_->dim[i_], wanted_[i_], "dimension %d is %d", (int)i_,              \
                         (int)shape_->dim[i_]);                                                    \
    } while (0)

#endif
