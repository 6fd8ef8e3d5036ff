/* Random and tiny graphs for property tests of all rooms. */
#ifndef SPA_TESTS_RANDOM_GRAPH_H
#define SPA_TESTS_RANDOM_GRAPH_H

#include "traces/graph.h"

/* A finished graph of exactly n_ops >= 1 operators that depends on (seed, n_ops) alone: mixed
 * kinds that kernels can run (not host, not other), branches and joins, tensors of at most some
 * ten thousand elements, batch 1 or 2, fp32, one graph input, random sparsities marked assumed.
 * Operator 0 reads the graph input. Fini it on success. */
spa_status random_graph(spa_graph *graph, uint64_t seed, size_t n_ops, spa_error *err);

/* conv -> batch_norm -> relu -> global_avg_pool -> reshape -> linear on 1x3x8x8:
 *   conv    3x3, 3 -> 4 channels, stride 1, padding 1, no bias: out 1x4x8x8
 *   linear  4 -> 10 with bias
 * macs: 4*8*8 outputs * 27 = 6912, and 10 * 4 = 40. parameters: 108 + 8 + 50 = 166. */
spa_status tiny_chain(spa_graph *graph, spa_error *err);

/* A diamond on 1x8x6x6: relu "stem" into "left" (conv 1x1, 8 -> 8) and "right" (conv 3x3, 8 -> 8,
 * padding 1), joined by add "join". macs: 288 * 8 = 2304 and 288 * 72 = 20736. */
spa_status tiny_branch(spa_graph *graph, spa_error *err);

#endif
