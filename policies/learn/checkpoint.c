/* Saving and resuming a training run; the format is in learner.h. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "policies/learn/learner.h"

#define MAGIC           "SPALEARN"
#define BYTE_ORDER_MARK UINT32_C(0x01020304)
#define NAME_BYTES      24
#define MAX_BYTES       ((size_t)4 << 30)

typedef struct header {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t made, n_regions;
} header;
typedef struct entry {
    char name[NAME_BYTES];
    uint64_t bytes;
} entry;

static uint64_t hash_text(uint64_t h, const char *text)
{
    return spa_hash_bytes(h, text, strlen(text) + 1);
}

/* Hash of what must be equal for a state to make sense. */
static uint64_t made_of(const spa_learner *l)
{
    const spa_problem_shape *s = &l->envs.shape;
    uint64_t h = hash_text(hash_text(SPA_HASH_SEED, l->type->name), l->setup.problem->name);
    for (size_t i = 0; i < l->type->n_params; i++) {
        h = spa_hash_bytes(h, &l->values.number[i], sizeof l->values.number[i]);
        h = hash_text(h, l->values.text[i]);
    }
    h = spa_hash_u64(spa_hash_u64(h, l->setup.seed), l->setup.total_steps);
    h = spa_hash_u64(spa_hash_u64(h, s->n_obs), s->n_actions);
    if (l->setup.tag) h = spa_hash_u64(h, l->setup.tag);
    return spa_hash_u64(spa_hash_u64(h, s->action_dim), s->hash);
}

static void entry_of(const spa_region *r, entry *e)
{
    memset(e, 0, sizeof *e);
    strncpy(e->name, r->name, NAME_BYTES - 1);
    e->bytes = r->bytes;
}

static size_t contents_at(const spa_learner *l)
{
    return sizeof(header) + l->n_regions * sizeof(entry);
}

static size_t file_size(const spa_learner *l)
{
    size_t size = contents_at(l) + sizeof(uint64_t);
    for (size_t i = 0; i < l->n_regions; i++) size += l->regions[i].bytes;
    return size;
}

spa_status spa_learner_save(const spa_learner *learner, const char *path, spa_error *err)
{
    unsigned char *file = NULL;
    size_t size = file_size(learner), at = contents_at(learner);
    SPA_TRY(spa_alloc(&file, size, 1, err));
    header h = {.version = SPA_CHECKPOINT_VERSION,
                .byte_order = BYTE_ORDER_MARK,
                .made = made_of(learner),
                .n_regions = learner->n_regions};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(file, &h, sizeof h);
    for (size_t i = 0; i < learner->n_regions; i++) {
        const spa_region *r = &learner->regions[i];
        entry e;
        entry_of(r, &e);
        memcpy(file + sizeof h + i * sizeof e, &e, sizeof e);
        if (r->bytes) memcpy(file + at, r->data, r->bytes);
        at += r->bytes;
    }
    uint64_t sum = spa_hash_bytes(SPA_HASH_SEED, file, at);
    memcpy(file + at, &sum, sizeof sum);
    spa_status status = spa_write_file(path, file, size, err);
    free(file);
    return status;
}

/* ---- loading ---- */

static spa_status check_header(const spa_learner *l, const char *path, const char *file,
                               size_t size, spa_error *err)
{
    header h = {.version = 0};
    uint64_t sum;
    if (size >= sizeof h) memcpy(&h, file, sizeof h);
    if (size < sizeof h + sizeof sum || memcmp(h.magic, MAGIC, sizeof h.magic) != 0)
        return spa_fail_at(err, SPA_E_PARSE, path, 0, "not a checkpoint of a training run");
    if (h.byte_order != BYTE_ORDER_MARK) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "a checkpoint of a machine with another byte order");
    }
    if (h.version != SPA_CHECKPOINT_VERSION) {
        return spa_fail_at(err, SPA_E_UNSUPPORTED, path, 0,
                           "a checkpoint of version %u; this program reads version %u", h.version,
                           SPA_CHECKPOINT_VERSION);
    }
    memcpy(&sum, file + size - sizeof sum, sizeof sum);
    if (sum != spa_hash_bytes(SPA_HASH_SEED, file, size - sizeof sum)) {
        return spa_fail_at(err, SPA_E_PARSE, path, 0,
                           "the checksum is wrong: the checkpoint is damaged or cut off");
    }
    if (h.made == made_of(l) && h.n_regions == l->n_regions) return SPA_OK;
    return spa_fail_at(err, SPA_E_INVALID, path, 0,
                       "a checkpoint of another training run: algorithm, parameters, problem, seed"
                       " and total steps must be those of %s on '%s' as set up here",
                       l->type->name, l->setup.problem->name);
}

static spa_status check_regions(const spa_learner *l, const char *path, const char *file,
                                size_t size, spa_error *err)
{
    for (size_t i = 0; i < l->n_regions; i++) {
        entry want, got;
        entry_of(&l->regions[i], &want);
        if (size >= contents_at(l))
            memcpy(&got, file + sizeof(header) + i * sizeof got, sizeof got);
        if (size >= contents_at(l) && !memcmp(&want, &got, sizeof got)) continue;
        return spa_fail_at(err, SPA_E_INVALID, path, 0,
                           "array '%s' is not as large as here (%llu bytes)", want.name,
                           (unsigned long long)want.bytes);
    }
    if (size == file_size(l)) return SPA_OK;
    return spa_fail_at(err, SPA_E_PARSE, path, 0, "%zu bytes, but %zu were expected", size,
                       file_size(l));
}

/* Stored choices are indices; the checksum keeps accidents out, not a file that was made up. */
static spa_status check_choices(const spa_learner *l, const char *path, spa_error *err)
{
    for (size_t i = 0; i < l->n_regions; i++) {
        const uint32_t *choice = l->regions[i].data;
        if (strcmp(l->regions[i].name, "buffer/choice") != 0) continue;
        for (size_t k = 0; k < l->regions[i].bytes / sizeof *choice; k++)
            if (choice[k] >= l->envs.shape.n_actions)
                return spa_fail_at(err, SPA_E_RANGE, path, 0, "a stored choice is %u of %zu",
                                   choice[k], l->envs.shape.n_actions);
    }
    return SPA_OK;
}

spa_status spa_learner_load(spa_learner *learner, const char *path, spa_error *err)
{
    char *file = NULL;
    size_t size = 0, at = contents_at(learner);
    SPA_TRY(spa_read_file(path, MAX_BYTES, true, &file, &size, err));
    spa_status status = check_header(learner, path, file, size, err);
    if (!status) status = check_regions(learner, path, file, size, err);
    for (size_t i = 0; !status && i < learner->n_regions; i++) {
        const spa_region *r = &learner->regions[i];
        if (r->bytes) memcpy(r->data, file + at, r->bytes);
        at += r->bytes;
    }
    if (!status) status = check_choices(learner, path, err);
    if (!status) status = spa_envs_replay(&learner->envs, err);
    free(file);
    return status;
}
