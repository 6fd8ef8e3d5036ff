/* The search for stages: dynamic programming over what is left of a block.
 *
 * Source: IOS (Ding et al., MLSys 2021), section 4.2, algorithm 1: dp[S] = min over the endings S'
 * of S (subsets that hold, with a node, all its readers in S) of dp[S - S'] + stage(S'). Here the
 * sets are walked from the whole block downwards: cost(S) is the least that the stages after S
 * take, and an ending of S leads to S - S'. Sets are visited by falling size, so that each is final
 * when its turn comes; no recursion over sets. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "policies/stages.h"

#define NONE        UINT32_MAX
#define BLOCK_WORDS 2
#define MOST_NODES  (SPA_STAGE_GROUPS * SPA_GROUP_NODES) /* of a stage */
static_assert(SPA_BLOCK_NODES <= BLOCK_WORDS * 64, "a set of a block's nodes");

typedef struct node_set {
    uint64_t word[BLOCK_WORDS];
} node_set;

/* What is left of the block, or the operators of a stage: with its value in a table. */
typedef struct entry {
    node_set set, ending; /* the ending that led here: it runs right after what is left */
    double ns;
    uint32_t parent, next; /* the set it was taken from; another set of this size */
} entry;

typedef struct table {
    entry *items;
    size_t n, capacity;
    uint32_t *slots; /* open addressing: index + 1, 0 = empty */
    size_t mask;
} table;

typedef struct search {
    const spa_flow *flow;
    uint32_t first, n, accelerator; /* the block: nodes first .. first + n - 1 */
    spa_stage_limits limits;
    uint64_t tries;
    node_set readers[SPA_BLOCK_NODES];     /* in the block */
    uint32_t by_size[SPA_BLOCK_NODES + 1]; /* of `left`: lists */
    table left, stages;
    spa_error *err;
} search;

/* An ending as it grows: nodes are added by falling index, so each set comes by once. */
typedef struct growing {
    node_set set, group[MOST_NODES];
    uint32_t n_groups, n, last;
} growing;

/* ---- sets --------------------------------------------------------------------------------- */

static bool has(const node_set *s, uint32_t i)
{
    return s->word[i / 64] >> (i % 64) & 1u;
}

static void add(node_set *s, uint32_t i)
{
    s->word[i / 64] |= UINT64_C(1) << (i % 64);
}

static uint32_t size_of(const node_set *s)
{
    uint32_t n = 0;
    for (int w = 0; w < BLOCK_WORDS; w++) n += (uint32_t)__builtin_popcountll(s->word[w]);
    return n;
}

static bool overlap(const node_set *a, const node_set *b)
{
    uint64_t both = 0;
    for (int w = 0; w < BLOCK_WORDS; w++) both |= a->word[w] & b->word[w];
    return both != 0;
}

static node_set without(const node_set *a, const node_set *b)
{
    node_set s;
    for (int w = 0; w < BLOCK_WORDS; w++) s.word[w] = a->word[w] & ~b->word[w];
    return s;
}

static node_set within(const node_set *a, const node_set *b)
{
    node_set s;
    for (int w = 0; w < BLOCK_WORDS; w++) s.word[w] = a->word[w] & b->word[w];
    return s;
}

static void join(node_set *a, const node_set *b)
{
    for (int w = 0; w < BLOCK_WORDS; w++) a->word[w] |= b->word[w];
}

/* ---- tables ------------------------------------------------------------------------------- */

static void empty(table *t)
{
    t->n = 0;
    if (t->slots) memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
}

static size_t slot_of(const table *t, const node_set *s)
{
    size_t at = (size_t)(spa_hash_bytes(SPA_HASH_SEED, s, sizeof *s) >> 7) & t->mask;
    while (t->slots[at] && memcmp(&t->items[t->slots[at] - 1].set, s, sizeof *s) != 0)
        at = (at + 1) & t->mask;
    return at;
}

static spa_status make_room(table *t, spa_error *err)
{
    uint32_t *slots = NULL;
    size_t size = t->slots ? (t->mask + 1) * 2 : 256;
    SPA_TRY(spa_grow(&t->items, &t->capacity, t->n + 1, sizeof *t->items, err));
    if (t->slots && t->n * 2 <= t->mask) return SPA_OK;
    SPA_TRY(spa_alloc(&slots, size, sizeof *slots, err));
    free(t->slots);
    t->slots = slots;
    t->mask = size - 1;
    for (size_t i = 0; i < t->n; i++) t->slots[slot_of(t, &t->items[i].set)] = (uint32_t)i + 1;
    return SPA_OK;
}

/* The entry of a set, and whether it is new (its ns are infinite then). */
static spa_status find(table *t, const node_set *s, uint32_t *index, bool *is_new, spa_error *err)
{
    SPA_TRY(make_room(t, err));
    size_t at = slot_of(t, s);
    *is_new = t->slots[at] == 0;
    if (*is_new) {
        t->items[t->n++] = (entry){.set = *s, .ns = INFINITY, .parent = NONE, .next = NONE};
        t->slots[at] = (uint32_t)t->n;
    }
    *index = t->slots[at] - 1;
    return SPA_OK;
}

/* ---- stages ------------------------------------------------------------------------------- */

static uint32_t lowest(const node_set *s)
{
    uint32_t w = 0;
    while (s->word[w] == 0) w++;
    return w * 64 + (uint32_t)__builtin_ctzll(s->word[w]);
}

/* Groups in the order of their first nodes. */
static void stage_of(const search *s, const growing *e, spa_stage *stage)
{
    uint32_t by_first[SPA_STAGE_GROUPS];
    assert(e->n_groups <= SPA_STAGE_GROUPS);
    *stage = (spa_stage){.n_groups = e->n_groups};
    for (uint32_t g = 0; g < e->n_groups; g++) {
        uint32_t at = g;
        for (; at > 0 && lowest(&e->group[by_first[at - 1]]) > lowest(&e->group[g]); at--)
            by_first[at] = by_first[at - 1];
        by_first[at] = g;
    }
    for (uint32_t g = 0; g < e->n_groups; g++) {
        node_set rest = e->group[by_first[g]];
        while (rest.word[0] | rest.word[1]) {
            uint32_t i = lowest(&rest);
            stage->node[g][stage->size[g]++] = s->first + i;
            rest.word[i / 64] &= rest.word[i / 64] - 1;
        }
    }
}

/* Takes an ending off `from`, and notes it if what is left was not reached as cheaply. */
static spa_status take(search *s, uint32_t from, const growing *e)
{
    node_set rest = without(&s->left.items[from].set, &e->set);
    uint32_t at, stage_at;
    bool is_new;
    SPA_TRY(find(&s->stages, &e->set, &stage_at, &is_new, s->err));
    if (is_new) {
        spa_stage stage;
        stage_of(s, e, &stage);
        s->stages.items[stage_at].ns = spa_stage_ns(s->flow, s->accelerator, &stage);
    }
    double ns = s->left.items[from].ns + s->stages.items[stage_at].ns;
    SPA_TRY(find(&s->left, &rest, &at, &is_new, s->err));
    entry *to = &s->left.items[at];
    if (is_new) {
        uint32_t *list = &s->by_size[size_of(&rest)];
        to->next = *list;
        *list = at;
    }
    if (!(ns < to->ns)) return SPA_OK;
    to->ns = ns;
    to->ending = e->set;
    to->parent = from;
    return SPA_OK;
}

/* Adds node i, whose readers in the set are all in the ending: it joins their groups. False if the
 * group would be too large; it cannot become smaller again. */
static bool grow(const search *s, growing *e, uint32_t i)
{
    node_set one = {{0}};
    uint32_t n = 0;
    add(&one, i);
    add(&e->set, i);
    for (uint32_t g = 0; g < e->n_groups; g++) {
        if (overlap(&e->group[g], &s->readers[i]))
            join(&one, &e->group[g]);
        else
            e->group[n++] = e->group[g];
    }
    e->group[n++] = one;
    e->n_groups = n;
    e->n++;
    e->last = i;
    return size_of(&one) <= s->limits.nodes;
}

/* Nodes below e->last that could still join two groups into one. */
static uint32_t joiners(const search *s, const node_set *left, uint32_t last)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < last; i++) {
        node_set readers = within(&s->readers[i], left);
        n += has(left, i) && size_of(&readers) > 1;
    }
    return n;
}

/* Every ending of left.items[from] that grows out of *e; as deep as a stage has nodes. */
static spa_status grow_all(search *s, uint32_t from, const growing *e)
{
    if (e->n == s->limits.groups * s->limits.nodes) return SPA_OK;
    for (uint32_t i = e->last; i-- > 0;) {
        node_set left = s->left.items[from].set, open;
        growing more = *e;
        if (!has(&left, i)) continue;
        open = within(&s->readers[i], &left);
        open = without(&open, &e->set);
        if (open.word[0] | open.word[1]) continue;
        if (++s->tries > s->limits.tries) return SPA_OK;
        if (!grow(s, &more, i)) continue;
        if (more.n_groups <= s->limits.groups)
            SPA_TRY(take(s, from, &more));
        else if (joiners(s, &left, i) < more.n_groups - s->limits.groups)
            continue;
        SPA_TRY(grow_all(s, from, &more));
    }
    return SPA_OK;
}

/* ---- blocks ------------------------------------------------------------------------------- */

static void start(search *s, uint32_t first, uint32_t end)
{
    const spa_flow *f = s->flow;
    s->first = first;
    s->n = end - first;
    s->tries = 0;
    empty(&s->left);
    empty(&s->stages);
    for (uint32_t k = 0; k <= s->n; k++) s->by_size[k] = NONE;
    for (uint32_t i = 0; i < s->n; i++) {
        s->readers[i] = (node_set){{0}};
        for (uint32_t e = f->first_next[first + i]; e < f->first_next[first + i + 1]; e++)
            if (f->next[e] < end) add(&s->readers[i], f->next[e] - first);
    }
}

/* From nothing left back to the whole block: the stages as they run. */
static spa_status append(const search *s, uint32_t at, spa_stages *out)
{
    out->ns += s->left.items[at].ns;
    for (; s->left.items[at].parent != NONE; at = s->left.items[at].parent) {
        const node_set *set = &s->left.items[at].ending;
        growing e = {.last = s->n};
        for (uint32_t i = s->n; i-- > 0;)
            if (has(set, i)) grow(s, &e, i);
        SPA_TRY(spa_grow(&out->items, &out->capacity, out->n + 1, sizeof *out->items, s->err));
        stage_of(s, &e, &out->items[out->n++]);
    }
    return SPA_OK;
}

static spa_status solve(search *s, uint32_t first, uint32_t end, spa_stages *out)
{
    node_set all = {{0}};
    uint32_t at;
    bool is_new;
    start(s, first, end);
    for (uint32_t i = 0; i < s->n; i++) add(&all, i);
    SPA_TRY(find(&s->left, &all, &at, &is_new, s->err));
    s->left.items[at].ns = 0;
    s->by_size[s->n] = at;
    for (uint32_t size = s->n; size > 0; size--)
        for (at = s->by_size[size]; at != NONE; at = s->left.items[at].next) {
            growing nothing = {.last = s->n};
            SPA_TRY(grow_all(s, at, &nothing));
            if (s->tries > s->limits.tries && s->n > 1) {
                uint32_t middle = first + s->n / 2;
                out->cut = true;
                SPA_TRY(solve(s, first, middle, out)); /* as deep as log2 of a block */
                return solve(s, middle, end, out);
            }
        }
    return append(s, s->by_size[0], out);
}

spa_status spa_stages_find(spa_stages *stages, const spa_flow *flow, uint32_t accelerator,
                           const spa_stage_limits *limits, spa_error *err)
{
    uint32_t n_lanes = flow->costs->processors[accelerator].n_lanes;
    search *s = NULL;
    spa_status status = SPA_OK;
    *stages = (spa_stages){0};
    SPA_TRY(spa_alloc(&s, 1, sizeof *s, err));
    *s = (search){.flow = flow, .accelerator = accelerator, .limits = *limits, .err = err};
    if (s->limits.groups > n_lanes) s->limits.groups = n_lanes;
    for (uint32_t b = 0; b < flow->n_blocks && !status; b++)
        status = solve(s, flow->block[b], flow->block[b + 1], stages);
    free(s->left.items);
    free(s->left.slots);
    free(s->stages.items);
    free(s->stages.slots);
    free(s);
    return status;
}
