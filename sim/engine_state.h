/* The engine's state: private to sim/. One block of plain memory, addressed by indices, so that a
 * copy is one memcpy and a saved state is its bytes.
 *
 * The parts of the event loop, each in a header of its own because the compiler must see all of it
 * at once: engine_emit.h (events), engine_lanes.h (rates, kernels), engine_ready.h (requests),
 * engine_links.h (transfers), engine_place.h (placing), engine_step.c (dispatch and the loop). */
#ifndef SPA_SIM_ENGINE_STATE_H
#define SPA_SIM_ENGINE_STATE_H

#include "sim/engine.h"
#include "sim/event_list.h"

#define SPA_NONE     UINT32_MAX
#define SPA_UNPLACED 0xffu

/* Why a request may not dispatch, and where it is. */
enum {
    BLOCK_SYNC = 1, /* a blocking synchronisation: a pulled output or an inline host operator */
    BLOCK_LOCK = 2, /* it waits for the critical section */
    BLOCK_ANY = BLOCK_SYNC | BLOCK_LOCK,
    /* Not blocking, but in the same word, so that one test finds a request without any: */
    IN_SECTION = 4, /* it is in the critical section */
    IN_QUEUE = 8    /* of its home lane */
};

/* Why the event loop stands still. */
enum { STOP_ENDED = 1, STOP_ASKS = 2 /* a stepped run waits for a decision */ };

/* What a lane does. */
enum { LANE_IDLE, LANE_KERNEL, LANE_DISPATCH, LANE_COPY };

/* The part of a split operator that its second processor computes is a node of its own, its twin,
 * numbered behind the tensors; it reads what the operator reads and nobody reads it. The operator
 * is finished when its own part is done and the twin's is where it belongs (join_part). */
typedef struct engine_lane {
    uint32_t head, tail; /* queue of issued operators (items), linked by engine_op.next */
    uint32_t slot, op;   /* what it runs (an operator or a twin) or, on the host, issues */
    int64_t started_ns;
    int64_t expected_end_ns; /* 0 when idle */
    int64_t backlog_ns;      /* isolated time of what was placed here and has not started */
    uint32_t request_head, request_tail; /* host: slots with something to dispatch */
    uint32_t doing;
    uint16_t processor, id;
    uint32_t name; /* for events: processor and index within it, see event_place() */
    uint32_t load; /* what it runs (index into engine->loads) */
} engine_lane;

typedef struct engine_link {
    uint32_t head, tail;   /* queue of transfers (moves), linked by move_next() */
    uint32_t slot, tensor; /* the transfer that runs, if `busy` */
    uint16_t to, busy;
    uint32_t pad;
    int64_t started_ns, free_ns;
    uint32_t load, name;
} engine_link;

/* A running kernel or transfer; each event slot (lane, or n_lanes + link) has one. */
typedef struct engine_activity {
    double remaining; /* isolated ns still to do, as of `since` */
    double rate;      /* isolated ns done per ns; 0 = not started yet */
    int64_t since;
    uint32_t load;   /* what it is (index into engine->loads) */
    uint32_t tensor; /* of a copy that a lane makes */
} engine_activity;

/* One operator of a request; for graph inputs only `present` and `next` are used. */
typedef struct engine_op {
    uint32_t next;        /* until it is finished: in a lane's queue, or the next view to
                             complete; then: in a link's queue (see move_next) */
    uint32_t wait : 8;    /* producers that are neither finished nor issued to a stream */
    uint32_t missing : 8; /* inputs that are not on its processor yet, plus 1 until issued */
    uint32_t lane : 8;
    uint32_t present : 8; /* bit p: its output is on processor p */
} engine_op;
#define OP_MISSING_HELD 0xffu /* more than any operator has inputs: see gather_inputs() */

/* Memory of a request: this, and the arrays that policies may see (see engine_layout). */
typedef struct engine_request {
    uint64_t number, number_hash;
    int64_t arrival_ns;
    uint32_t left;        /* operators not finished plus final outputs not on the host */
    uint32_t serial_left; /* critical section: operators and transfers still in it */
    uint32_t home;        /* lane that dispatches it */
    uint32_t next;        /* in a queue of requests */
    uint32_t first_word;  /* no ready bit is set in words before this one */
    uint32_t blocked_on;  /* tensor or operator behind BLOCK_SYNC */
    uint32_t flags;
    uint32_t program; /* of several */
    engine_op ops[];  /* [n_nodes] */
} engine_request;

/* A place in the stream of arrivals of an open loop. */
typedef struct engine_cursor {
    int64_t at_ns;
    int64_t phase_end_ns; /* bursty: of the phase that it is in */
    uint64_t draws;       /* bursty: random numbers used so far */
    uint32_t phase, pad;
} engine_cursor;

/* With a batcher: what it has let in, and one record for each run in flight. */
typedef struct engine_batch {
    engine_cursor first; /* at the arrival of its first sample */
    uint64_t number;     /* of that sample */
    int64_t let_in_ns;
    uint32_t samples, size; /* size: of its program */
    uint32_t queue, pad;
} engine_batch;

/* Samples of one model: a cursor of its own walks the stream and steps over the others'. */
typedef struct engine_queue {
    engine_cursor at; /* at the oldest sample that waits, else at the next one to come */
    uint64_t number;  /* of that sample among all; the number of requests: there is none */
    uint64_t waiting;
    uint64_t below;      /* a sample's draw is below this: of this queue, or of one before it */
    uint32_t first, end; /* programs */
} engine_queue;
#define ENGINE_MAX_QUEUES 16

typedef struct engine_batching {
    uint64_t let_in, served; /* samples */
    int64_t since_ns;        /* collecting is accounted up to here */
    uint32_t program;        /* of the batch that is being let in */
    uint32_t slot_freed;     /* since the batcher was asked last */
    uint32_t n_queues, pad;
    spa_batch_result result;
    engine_queue queues[ENGINE_MAX_QUEUES];
    engine_batch batches[]; /* [n_slots] */
} engine_batching;

#define ENGINE_MAX_LOADS       8 /* background loads */
#define ENGINE_CONDITION_SLOTS 4 /* event slots of conditions, beside one per load */

/* What conditions have made of the machine; part of the block where there are any. */
typedef struct engine_conditions {
    uint32_t mode, throttled, next_change, pad;
    uint32_t wanted_ppm[SPA_MAX_PROCESSORS];  /* by the governor, of the mode's clock */
    uint32_t pending_ppm[SPA_MAX_PROCESSORS]; /* chosen, not in force yet */
    uint32_t clock_ppm[SPA_MAX_PROCESSORS];   /* in force */
    uint32_t load_on[ENGINE_MAX_LOADS];
    uint64_t load_draws[ENGINE_MAX_LOADS]; /* random numbers used so far */
    double power_factor[SPA_MAX_PROCESSORS];
    double background_share[SPA_MAX_PROCESSORS]; /* of the loads that are on */
    double busy_ns[SPA_MAX_PROCESSORS];          /* utilisation summed since the governor looked */
    double host_ratio;                           /* host's clock over that of the table */
    double base_w, base_j;                       /* board and background: power, energy so far */
    double heat_j, temperature_c;                /* since, and at, the last look */
    int64_t polled_ns, round_ns;                 /* last look; begin of the list's present round */
} engine_conditions;

typedef struct engine_state {
    int64_t now;
    uint64_t now_hash;
    uint64_t sequence, digest;
    uint64_t admitted, finished;
    uint32_t n_active, kernels_running, transfers_running;
    uint32_t section_holder, section_head, section_tail; /* slots */
    uint32_t views_head; /* views to complete (items), linked by engine_op.next */
    uint32_t dirty;      /* the set of running things changed */
    uint32_t begun;
    uint32_t stopped; /* STOP_*: all is finished, or the policy failed; or it asks */
    uint32_t asked_slot, asked_op, asked_event; /* while it asks: for what, and in which step */
    uint32_t free_slot;         /* open loop: requests that are not in use, linked by next */
    uint64_t arrived;           /* open loop: arrivals that have happened; `admitted` were let in */
    engine_cursor next_arrival; /* at arrival number `arrived` */
    engine_cursor let_in;       /* at arrival number `admitted` */
    double run_factor;
    /* Processors whose lanes share power: what their kernels draw now, and since when. */
    double shared_w[SPA_MAX_PROCESSORS];
    int64_t shared_since[SPA_MAX_PROCESSORS];
    spa_run_result result;
} engine_state;

/* ---- tables made once per engine: the cost table and graph as the event loop wants them -------
 */

/* Something that runs: an operator on a processor, or a transfer between two. One cache line. */
typedef struct engine_load {
    int64_t expected_ns; /* isolated time on its lane, issuing included where it is a delay */
    int64_t issue_ns;    /* time it occupies the host, 0 if dispatch does not */
    double macs;
    float dram, capacity, pressure, corun, slow_a, slow_b;
    float dynamic_w;
    float sigma;      /* noise, of the logarithm */
    uint32_t busy;    /* kernels: 1 << processor; transfers: 0 */
    uint32_t can_run; /* kernels; transfers: the destination's lane makes the copy */
} engine_load;

enum {
    NODE_VIEW = 1,
    NODE_SINK = 2,
    NODE_PULLED = 4,
    NODE_INPUT = 8 /* a graph input of one of several programs */
};

/* A tensor: an operator and its output, or a graph input. */
typedef struct engine_node {
    uint32_t first_input, end_input; /* into engine->inputs */
    uint32_t first_user, end_user;   /* into engine->users */
    uint32_t rank;                   /* in dispatch order */
    uint32_t flags;
    uint32_t pad[2];
} engine_node;

/* A program of several: where it lies in the tables and in a request, and what a fresh request of
 * it has to do. A request's arrays have room for every program; it uses one stretch of them. */
typedef struct engine_program {
    uint32_t first, n_ops, end;    /* tensors */
    uint32_t first_word, end_word; /* of the ready bits: each program begins a word */
    uint32_t left;                 /* operators plus final outputs */
    uint64_t below;                /* a request's draw is below this: it, or one before it */
} engine_program;

/* Byte offsets of the arrays of a request and of the parts of the block. */
typedef struct engine_layout {
    size_t finish, where, placed, ready, more_next, share, joins;
    size_t request_bytes;
    size_t links, activities, active, events, memory, programs, batching, conditions, watts,
        requests;
    size_t total;
} engine_layout;

#define ENGINE_QUANTILES 4096u
#define ENGINE_LINE      64u /* cache line */

struct spa_engine {
    /* Parts of the block. */
    engine_link *links;
    engine_activity *activities; /* [n_lanes + n_links] */
    uint16_t *active;            /* event slots of what runs, in order of start */
    spa_event_list *events;
    engine_batching *batching; /* NULL: there is no batcher */
    unsigned char *requests;
    const engine_node *nodes; /* [n_nodes] */
    /* [n_ops * n_processors], then [from][to]; then, with splits, of parts, as costs->part_ns */
    const engine_load *loads;
    const uint32_t *inputs; /* tensors, one per edge */
    const uint32_t *users;  /* consumers of each tensor, one per edge */
    const uint32_t *op_at;  /* [n_ops] dispatch order; of several programs: with gaps */
    uint32_t n_ops, n_tensors, n_nodes, n_words, n_processors, n_lanes, n_links, n_slots, host;
    uint32_t op_bits, tensor_bits; /* widths within items and moves */
    engine_lane *home, *home_end;  /* lanes that dispatch */
    uint32_t serial_ops;
    bool occupies, blocking_sync, synchronous, contention, noise, workers, calls_place, observes,
        has_schedule;
    bool splits;           /* operators may be split: there are twins */
    bool lane_copies;      /* some link is on_lane */
    bool stepped;          /* the caller decides */
    spa_action decided;    /* by the caller of a stepped run */
    uint32_t arrival_slot; /* of the event list, open loop; else SPA_NONE; the batcher's is next */
    /* Conditions: what they are now, what each event slot draws and has drawn since it began;
     * NULL = there are none. Their event slots begin at condition_slot. */
    engine_conditions *conditions;
    double *watts, *joules; /* [n_lanes + n_links] */
    bool has_conditions;
    uint32_t n_event_slots, condition_slot, n_background;
    struct {
        uint8_t which, processor;
    } background[ENGINE_MAX_LOADS];
    uint32_t mode_of_change[SPA_MAX_MODE_CHANGES];
    const struct engine_loop *loop;
    int64_t deadline_ns; /* from a request's arrival; INT64_MAX = none */
    bool is_async[SPA_MAX_PROCESSORS];
    bool shares_power[SPA_MAX_PROCESSORS]; /* it has several lanes: see power_share */
    const spa_executor *executor;
    uint32_t lane_first[SPA_MAX_PROCESSORS];
    uint32_t only_lane[SPA_MAX_PROCESSORS]; /* or SPA_NONE: there is a choice, see best_lane() */
    engine_layout layout;
    const spa_graph *graph;
    const spa_costs *costs;
    spa_run_config config;
    spa_view view;         /* what stays the same from call to call is set once */
    spa_schedule schedule; /* own copy of the plan */
    uint64_t noise_key, arrival_key, mix_key, conditions_key, zeros_key;
    const engine_program *programs; /* [config.programs->count], or NULL: there is one */
    double *normal_quantiles;       /* [ENGINE_QUANTILES] */
    spa_histogram *latencies;
    spa_status failed;
    spa_error error;
    /* Storage. */
    bool shared, borrowed;         /* others use the tables, too; they are those of another one */
    void *allocation;              /* the engine begins at its first cache line */
    unsigned char *template_block; /* a fresh request */
    engine_node *node_table;
    engine_load *load_table;
    uint32_t *index_table; /* inputs, users, op_at */
    engine_program *program_table;
    int64_t policy_ns;
    spa_plan_context plan_context; /* for begin() */
    struct spa_audit *audit;       /* debug builds */
    /* The block: what changes during a run, layout.total bytes of plain memory. It stands here so
     * that the event loop reaches everything from one pointer. */
    _Alignas(ENGINE_LINE) engine_state state;
    _Alignas(ENGINE_LINE) engine_lane lanes[];
};

/* The event loop is a few large functions to the compiler, whatever the optimisation level: what
 * every step does is inlined, what is long or rare stands apart and leaves the registers alone. */
#define ENGINE_INLINE            static inline __attribute__((always_inline))
#define ENGINE_APART             static __attribute__((noinline))
#define ENGINE_RARELY(condition) __builtin_expect((condition) != 0, 0)

ENGINE_INLINE engine_request *request_of(const spa_engine *e, uint32_t slot)
{
    return (engine_request *)(e->requests + slot * e->layout.request_bytes);
}
#define REQUEST_ARRAY(e, r, type, name) ((type *)((unsigned char *)(r) + (e)->layout.name))
/* [n_words] operators that may be dispatched, by rank */
ENGINE_INLINE uint64_t *ready_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, uint64_t, ready);
}
ENGINE_INLINE int64_t *finish_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, int64_t, finish);
}
/* [n_tensors], like `where`: graph inputs are on the host. */
ENGINE_INLINE uint8_t *placed_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, uint8_t, placed);
}
ENGINE_INLINE uint8_t *where_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, uint8_t, where);
}

/* With splits only, [n_ops]: tenths that the twin computes, 0 = not split; parts to come. */
ENGINE_INLINE uint8_t *share_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, uint8_t, share);
}
ENGINE_INLINE uint8_t *joins_of(const spa_engine *e, engine_request *r)
{
    return REQUEST_ARRAY(e, r, uint8_t, joins);
}
ENGINE_INLINE bool is_twin(const spa_engine *e, uint32_t node)
{
    return node >= e->n_tensors;
}
/* The operator of which a node is all or a part. */
ENGINE_INLINE uint32_t whole_of(const spa_engine *e, uint32_t node)
{
    return is_twin(e, node) ? node - e->n_tensors : node;
}
/* Tenths of its operator that a node is; 0: all of it. */
ENGINE_INLINE uint32_t tenths_of(const spa_engine *e, engine_request *r, uint32_t node)
{
    uint32_t op = whole_of(e, node), share;
    if (!e->splits || op >= e->n_ops) return 0;
    share = share_of(e, r)[op];
    return share == 0 || node != op ? share : SPA_TENTHS - share;
}
/* What a node is to its lane: index into loads. */
ENGINE_INLINE uint32_t kernel_load(const spa_engine *e, engine_request *r, uint32_t node,
                                   uint32_t processor)
{
    uint32_t op, tenths;
    if (__builtin_expect(!e->splits, 1)) return node * e->n_processors + processor;
    op = whole_of(e, node);
    tenths = tenths_of(e, r, node);
    if (tenths == 0) return op * e->n_processors + processor;
    return (e->n_ops + e->n_processors) * e->n_processors +
           (op * e->n_processors + processor) * (SPA_TENTHS - 1) + tenths - 1;
}

/* Where an event happens, as it stands in the digest's words. */
static inline uint32_t event_place(uint32_t processor, uint32_t lane)
{
    return processor << 8 | lane << 16;
}

static inline unsigned char *block_of(const spa_engine *e)
{
    return (unsigned char *)e + offsetof(spa_engine, state);
}
static inline void *policy_memory(spa_engine *e)
{
    return block_of(e) + e->layout.memory;
}
/* Of one of several programs. */
static inline size_t policy_stride(const spa_engine *e)
{
    return e->config.policy ? (e->config.policy->memory_bytes + 15) & ~(size_t)15 : 0;
}
static inline void *program_memory(spa_engine *e, uint32_t program)
{
    return (unsigned char *)policy_memory(e) + program * policy_stride(e);
}
static inline uint32_t program_count(const spa_engine *e)
{
    return e->config.programs ? e->config.programs->count : 0;
}
static inline engine_batch *batches_of(const spa_engine *e)
{
    return e->batching->batches;
}
/* Event slots behind those of lanes and links. */
static inline uint32_t arrival_slots(const spa_engine *e)
{
    return e->arrival_slot == SPA_NONE ? 0 : e->config.batcher ? 2 : 1;
}
/* [program_count] latencies, part of the state */
static inline spa_moments *program_latency(const spa_engine *e)
{
    return (spa_moments *)(block_of(e) + e->layout.programs);
}

/* An item is an operator (or twin) of a request in flight, a move one of its tensors on the way to
 * a processor: packed into 32 bits (widths chosen at set-up), so that queues link by index. */
ENGINE_INLINE uint32_t item_of(const spa_engine *e, uint32_t slot, uint32_t op)
{
    return slot << e->op_bits | op;
}
ENGINE_INLINE uint32_t item_slot(const spa_engine *e, uint32_t item)
{
    return item >> e->op_bits;
}
ENGINE_INLINE uint32_t item_op(const spa_engine *e, uint32_t item)
{
    return item & ((1u << e->op_bits) - 1);
}
ENGINE_INLINE uint32_t move_of(const spa_engine *e, uint32_t slot, uint32_t tensor, uint32_t to)
{
    return (slot << e->tensor_bits | tensor) << 2 | to;
}
ENGINE_INLINE uint32_t move_slot(const spa_engine *e, uint32_t move)
{
    return move >> 2 >> e->tensor_bits;
}
ENGINE_INLINE uint32_t move_tensor(const spa_engine *e, uint32_t move)
{
    return move >> 2 & ((1u << e->tensor_bits) - 1);
}
ENGINE_INLINE uint32_t move_to(uint32_t move)
{
    return move & 3u;
}

/* engine_check.c */
spa_status engine_check_table(const spa_run_config *c, spa_error *err);
spa_status engine_check_config(const spa_run_config *c, spa_error *err);
double engine_service_ns(const spa_run_config *c); /* reference service time; 0 = not needed */
bool engine_splits(const spa_run_config *c);
uint32_t engine_bit_width(uint64_t n);

/* engine_tables.c */
spa_status engine_tables_build(spa_engine *e, spa_error *err);
void engine_tables_chunks(spa_engine *e); /* kernels, as the present schedule cuts them */
void engine_tables_order(spa_engine *e);  /* ranks and the fresh request, by the present schedule */
void engine_tables_free(spa_engine *e);

/* engine_conditions.c: once lanes, links and arrivals have their event slots; keys also after a
 * resume. */
spa_status engine_conditions_bind(spa_engine *e, spa_error *err);
void engine_conditions_reset(spa_engine *e);
void engine_conditions_keys(spa_engine *e);

void engine_queues_reset(spa_engine *e); /* which programs each queue has, and its share */

/* engine_step.c */
typedef enum engine_outcome {
    ENGINE_DONE,
    ENGINE_PAUSED,
    ENGINE_STUCK,
    ENGINE_FAILED,
    ENGINE_ASKS
} engine_outcome;
/* The event loop. It is compiled twice, without and with conditions. */
typedef struct engine_loop {
    /* Admits the first requests and starts what can start. */
    void (*begin)(spa_engine *e);
    /* With an executor: what ran in an event slot is done. */
    void (*complete)(spa_engine *e, uint32_t event_slot, int64_t now_ns);
    /* Stepped runs: what waits for a decision is placed as engine->decided says. */
    void (*decide)(spa_engine *e);
    /* What a dispatcher of a request knows now. */
    void (*fill_view)(spa_engine *e, engine_request *r, uint32_t slot);
    /* Runs until simulated time would pass until_ns, or to the end. */
    engine_outcome (*advance)(spa_engine *e, int64_t until_ns);
} engine_loop;
extern const engine_loop engine_loop_plain, engine_loop_conditions;

/* engine_run.c: goes on to the end, to until_ns, or to the next decision of a stepped run. */
spa_status engine_run_on(spa_engine *e, int64_t until_ns, bool *done, spa_error *err);

#endif
