/* Schedules: a placement of every operator plus an order. Savable as CSV with the graph's hash. */
#ifndef SPA_SIM_SCHEDULE_H
#define SPA_SIM_SCHEDULE_H

#include "devices/costs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SPA_LANE_ANY ((int8_t)-1)

typedef struct spa_schedule {
    size_t n_ops;
    uint8_t *processor; /* [n_ops] */
    int8_t *lane;       /* [n_ops] lane within the processor, or SPA_LANE_ANY */
    uint32_t *order;    /* [n_ops] operators in dispatch order; a topological order */
    uint8_t *share;     /* [n_ops] tenths of the output that another processor computes, its last
                           ones; 0: `processor` computes all */
    uint8_t *second;    /* [n_ops] that processor, where share > 0 */
    uint16_t *chunk; /* [n_ops] samples that run at once, one chunk of the batch after another; 0:
                        the whole batch. Not of operators that are split */
} spa_schedule;

/* All on processor 0, any lane, graph order. */
SPA_API spa_status spa_schedule_init(spa_schedule *schedule, size_t n_ops, spa_error *err);
SPA_API void spa_schedule_fini(spa_schedule *schedule);
SPA_API void spa_schedule_copy(spa_schedule *to, const spa_schedule *from); /* equal n_ops */

SPA_API bool spa_schedule_splits(const spa_schedule *schedule); /* any operator? O(operators) */

SPA_API bool spa_schedule_chunks(const spa_schedule *schedule); /* any in chunks? O(operators) */

/* Legal for this table? Each operator once, no input after its consumer, processors and lanes
 * exist and can run the operator or their part of it. SPA_E_ILLEGAL names the operator. */
SPA_API spa_status spa_schedule_check(const spa_schedule *schedule, const spa_costs *costs,
                                      spa_error *err);

/* Notes where a run placed an operator (an event of kind SPA_EV_PLACE of one request, in order; a
 * split operator has two). *placed counts operators, from 0; for a schedule as spa_schedule_init
 * left it. */
struct spa_event;
SPA_API void spa_schedule_note_place(spa_schedule *schedule, const struct spa_event *place,
                                     size_t *placed);

/* CSV: a comment line with the graph's name, batch, dtype and hash, then op,processor,lane rows in
 * dispatch order (an empty lane: any), with second,share too where an operator is split and with
 * chunk where one runs in chunks. Reading
 * accepts what is legal for this table and nothing else; errors name file, line and column. Writing
 * what was read gives a text that reads and writes to itself. */
SPA_API spa_status spa_schedule_write_csv(const spa_schedule *schedule, const spa_costs *costs,
                                          const char *path, spa_error *err);
SPA_API spa_status spa_schedule_read_csv(spa_schedule *schedule, const spa_costs *costs,
                                         const char *path, spa_error *err);
/* The same in memory: appends to *out; reads a text. */
struct spa_string;
SPA_API spa_status spa_schedule_put_csv(const spa_schedule *schedule, const spa_costs *costs,
                                        struct spa_string *out, spa_error *err);
SPA_API spa_status spa_schedule_parse_csv(spa_schedule *schedule, const spa_costs *costs,
                                          const char *path_for_messages, const char *text,
                                          size_t size, spa_error *err);

#ifdef __cplusplus
}
#endif
#endif
