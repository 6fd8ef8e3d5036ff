/* Graph rewrites: what compilers make of a graph before they run it.
 *
 * A rewrite gives another graph whose operators took others in as steps (spa_op_step): the tensors
 * between them are gone, and with them their traffic and launches. MACs stay. Its operators run on
 * the kernels of this machine like any other, with the weights of the graph it came from. */
#ifndef SPA_TRACES_REWRITE_H
#define SPA_TRACES_REWRITE_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct spa_rewrite {
    const char *name, *summary, *source;
} spa_rewrite;

/* "none" first. */
SPA_API const spa_rewrite *spa_rewrites(size_t *count);

/* Rewrites by name into `out`, a finished graph of the same name (spa_graph_fini it); `in` stays.
 * What an operator was called is the name of its first part. Unknown names suggest the nearest.
 * SPA_E_UNSUPPORTED for a graph that was rewritten already: nothing is fused twice. O(edges). */
SPA_API spa_status spa_rewrite_apply(spa_graph *out, const spa_graph *in, const char *name,
                                     spa_error *err);

/* Batch norms directly behind a convolution, or behind a linear layer of two dimensions, whose only
 * reader they are, become part of its weights and bias. */
SPA_API spa_status spa_rewrite_fold_bn(spa_graph *out, const spa_graph *in, spa_error *err);
/* TVM: a convolution, linear layer or matrix product takes in the chain of elementwise operators
 * behind it, and so does an elementwise one; a reduction takes in the chain before it. Chen et al.,
 * OSDI 2018, section 3: "complex out fusable", "injective", "reduction". Differs: of injective
 * kinds only elementwise ones, before a reduction only activations and constant factors. */
SPA_API spa_status spa_rewrite_fuse_tvm(spa_graph *out, const spa_graph *in, spa_error *err);
/* TensorRT: batch norm folded; convolution, linear layer or product + bias or factor + residual +
 * one activation; chains of pointwise operators. NVIDIA TensorRT developer guide, "Types of
 * fusions". Differs: no concatenation elimination, no horizontal merging, no attention kernels. */
SPA_API spa_status spa_rewrite_fuse_tensorrt(spa_graph *out, const spa_graph *in, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
