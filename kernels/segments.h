/* Segments: runs of operators that an asynchronous device can be given at once.
 *
 * A queue (a stream of a device) runs its operators in dispatch order. A segment is a maximal run
 * of them between crossings: only its first operator reads what another queue or the host made,
 * only its last one makes what they read. So one graph per segment suffices, with events at its
 * two ends alone, and no order of segments can lock up: what a segment waits for was dispatched
 * before its first operator. */
#ifndef SPA_KERNELS_SEGMENTS_H
#define SPA_KERNELS_SEGMENTS_H

#include "traces/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_SEGMENT_NONE UINT32_MAX

typedef struct spa_segment {
    int32_t queue;
    uint32_t first_op, n_ops; /* in spa_segments.ops, in dispatch order */
    /* What must have arrived before it starts, each once per queue: producers as in graph->inputs
     * (an operator of another queue or of the host, or ~k for graph input k). */
    uint32_t first_arrival, n_arrivals; /* in spa_segments.arrivals */
    bool departs; /* something outside the queue reads its last operator, or nothing does (a result
                     of the model) */
} spa_segment;

typedef struct spa_segments {
    spa_segment *segments; /* in the order of their first operators */
    size_t n_segments;
    uint32_t *ops;
    int32_t *arrivals;
    uint32_t *segment_of; /* [n_ops]; SPA_SEGMENT_NONE on the host */
} spa_segments;

/* queue[op]: 0 .. n_queues - 1, or -1 for operators of the host. order[n_ops]: the dispatch order,
 * producers first (SPA_E_INVALID otherwise), or NULL for the graph's own. A reshape counts as an
 * operator of its queue, as it does for the engine. O(queues * (operators + graph inputs) +
 * edges). */
SPA_API spa_status spa_segments_init(spa_segments *segments, const spa_graph *graph,
                                     const int32_t *queue, size_t n_queues, const uint32_t *order,
                                     spa_error *err);
SPA_API void spa_segments_fini(spa_segments *segments);

#ifdef __cplusplus
}
#endif
#endif
