/* Segments: runs of operators that an asynchronous device can be given at once.
 *
 * A queue (a stream of a device) runs its segments in the order in which they are given to it. Only
 * the first operator of a segment reads what another queue or the host made; every further one
 * reads something made in the segment, and else only what the first one depends on or reads. Only
 * the last one makes what others read. So one graph per segment suffices, with events at its two
 * ends alone, and a segment may be given to its queue as soon as its first operator may run,
 * whatever order a dispatcher comes upon first operators in: all that it waits for was dispatched
 * before, or is on its way.
 *
 * Views (reshapes) are no operators of a segment: what reads a view reads what it shows. */
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
    /* What must have arrived before it starts, each once per queue: what its first operator reads
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
    uint32_t *segment_of; /* [n_ops]; SPA_SEGMENT_NONE on the host; a view's is that of what it
                             shows */
} spa_segments;

/* queue[op]: 0 .. n_queues - 1, or -1 for operators of the host; a view's is not looked at.
 * order[n_ops]: the dispatch order, producers first (SPA_E_INVALID otherwise), or NULL for the
 * graph's own. O(queues * (operators + graph inputs) + segments * edges). */
SPA_API spa_status spa_segments_init(spa_segments *segments, const spa_graph *graph,
                                     const int32_t *queue, size_t n_queues, const uint32_t *order,
                                     spa_error *err);
SPA_API void spa_segments_fini(spa_segments *segments);

#ifdef __cplusplus
}
#endif
#endif
