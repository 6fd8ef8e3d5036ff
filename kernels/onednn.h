/* Parts of the backend on oneDNN: onednn_library.c (the library, loaded at run time),
 * onednn_layout.c (which tensors are channel-blocked), onednn_describe.c (operators as oneDNN
 * primitives), onednn_primitive.c (running those), onednn_blocked.c (our loops over blocked
 * tensors), onednn.c (the choice between them, and the table). */
#ifndef SPA_KERNELS_ONEDNN_H
#define SPA_KERNELS_ONEDNN_H

#include "kernels/backend.h"

/* The same layouts with oneDNN's own primitives for everything that it has one for: what the
 * backend is measured against. Not in the table of backends. */
extern const spa_backend spa_backend_onednn_primitives;

/* ---- layouts (plain C, also without the library) --------------------------------------------- */

/* Channels per block: 16 with AVX-512, else 8; what oneDNN's convolutions want. */
size_t spa_onednn_block(void);
/* For tests: another block (8 or 16); 0 = what the machine wants. Not while anything runs. */
void spa_onednn_set_block(size_t block);

spa_layout spa_onednn_layout(const spa_graph *graph, size_t op);
size_t spa_onednn_layout_bytes(const spa_graph *graph, size_t op);
void spa_onednn_to_plain(const spa_graph *graph, size_t op, const float *blocked, float *plain);
void spa_onednn_from_plain(const spa_graph *graph, size_t op, const float *plain, float *blocked);

/* Bytes of an image tensor [N,C,H,W] whose channels are filled up to whole blocks, and the two
 * conversions (missing channels become 0). */
size_t spa_onednn_blocked_bytes(const spa_shape *shape);
void spa_onednn_block_image(const spa_shape *shape, const float *plain, float *blocked);
void spa_onednn_unblock_image(const spa_shape *shape, const float *blocked, float *plain);

/* Layout in which input `i` of an operator arrives; an operator outside graph->ops and graph
 * inputs are plain. */
spa_layout spa_onednn_input_layout(const spa_graph *graph, const spa_op *op, size_t i);
spa_layout spa_onednn_output_layout(const spa_graph *graph, const spa_op *op);

/* Blocked and plain are the same bytes: whole blocks of channels over one position. */
bool spa_onednn_same_bytes(const spa_shape *shape);

/* ---- our loops over blocked tensors ---------------------------------------------------------- */

/* Inputs and output blocked (of add and mul, one operand may be [N,C,1,1]); `state` as blas. */
bool spa_onednn_has_loop(const spa_graph *graph, const spa_op *op);
void spa_onednn_loop(const spa_kernel_args *args);

#endif
