//  oracle - what clients know of each key, and what a read may therefore say of it
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/oracle.h"

#include "base/random.h"
#include <math.h>

#define DIM_MAX 64u

typedef enum { STATE_OPEN, STATE_ACKED, STATE_UNKNOWN, STATE_HIDDEN } state_t;

typedef struct {
    uint32_t key;
    uint32_t partition;
    bool remove;
    state_t state;
    uint32_t life;     //  drops of its partition before it
    uint64_t seq;      //  0: not known
    uint64_t older;    //  version of the same key before it; 0: none
    uint64_t gone;     //  number of the drop after which it cannot be there; 0: none
} version_t;

struct kith_oracle {
    uint32_t keys, shards, dim;
    kith_metric_t metric;
    version_t *versions;    //  version n stands at n - 1
    uint64_t count, capacity;
    uint64_t first;          //  of the present collection
    uint64_t *newest;        //  by key: version; 0: none
    kith_floor_t *floors;    //  by key
    //  by partition: the newest version when its newest drop ended, or has not; how many ended
    uint64_t dropped [KITH_ORACLE_PARTITIONS_MAX];
    uint32_t lives [KITH_ORACLE_PARTITIONS_MAX];
    uint64_t drops;    //  that ended, of all
    //  by shard: the greatest seq that is known; and, by partition, that was when its newest drop began
    uint64_t known [KITH_ORACLE_SHARDS_MAX];
    uint64_t drop_above [KITH_ORACLE_PARTITIONS_MAX][KITH_ORACLE_SHARDS_MAX];
};

kith_oracle_t *
kith_oracle_new (uint32_t keys, uint32_t shards, uint32_t dim, kith_metric_t metric)
{
    assert (keys && shards && shards <= KITH_ORACLE_SHARDS_MAX && dim <= DIM_MAX);
    kith_oracle_t *self = kith_new (sizeof *self);
    self->keys = keys;
    self->shards = shards;
    self->dim = dim;
    self->metric = metric;
    self->first = 1;
    self->newest = kith_new (keys * sizeof *self->newest);
    self->floors = kith_new (keys * sizeof *self->floors);
    return self;
}

void
kith_oracle_destroy (kith_oracle_t **self_p)
{
    assert (self_p);
    kith_oracle_t *self = *self_p;
    if (!self)
        return;
    free (self->versions);
    free (self->newest);
    free (self->floors);
    free (self);
    *self_p = NULL;
}

void
kith_oracle_reset (kith_oracle_t *self)
{
    self->first = self->count + 1;
    memset (self->newest, 0, self->keys * sizeof *self->newest);
    memset (self->floors, 0, self->keys * sizeof *self->floors);
    memset (self->dropped, 0, sizeof self->dropped);
    memset (self->lives, 0, sizeof self->lives);
    memset (self->known, 0, sizeof self->known);
    memset (self->drop_above, 0, sizeof self->drop_above);
}

uint32_t
kith_oracle_keys (const kith_oracle_t *self)
{
    return self->keys;
}

uint32_t
kith_oracle_shard (const kith_oracle_t *self, uint32_t key)
{
    const int64_t value = key;
    return (uint32_t) (kith_hash64 (&value, sizeof value) % self->shards);
}

static version_t *
s_version (const kith_oracle_t *self, uint64_t version)
{
    assert (version && version <= self->count);
    return &self->versions [version - 1];
}

uint64_t
kith_oracle_begin (kith_oracle_t *self, const kith_oracle_write_t *write)
{
    assert (write->key < self->keys && write->partition < KITH_ORACLE_PARTITIONS_MAX);
    if (self->count == self->capacity) {
        self->capacity = self->capacity ? 2 * self->capacity : 256;
        version_t *grown = kith_new (self->capacity * sizeof *grown);
        if (self->count)
            memcpy (grown, self->versions, self->count * sizeof *grown);
        free (self->versions);
        self->versions = grown;
    }
    self->versions [self->count++] =
        (version_t){.key = write->key,
                    .partition = write->partition,
                    .remove = write->remove,
                    .state = write->hidden ? STATE_HIDDEN : STATE_OPEN,
                    .life = self->lives [write->partition],
                    .older = self->newest [write->key]};
    self->newest [write->key] = self->count;
    return self->count;
}

uint32_t
kith_oracle_partition (const kith_oracle_t *self, uint64_t version)
{
    return s_version (self, version)->partition;
}

bool
kith_oracle_may_be_gone (const kith_oracle_t *self, uint64_t version)
{
    const version_t *what = s_version (self, version);
    return !what->remove && version <= self->dropped [what->partition];
}

void
kith_oracle_drop_begin (kith_oracle_t *self, uint32_t partition)
{
    self->dropped [partition] = UINT64_MAX;
    memcpy (self->drop_above [partition], self->known, sizeof self->known);
}

void
kith_oracle_drop_end (kith_oracle_t *self, uint32_t partition, bool again)
{
    self->dropped [partition] = self->count;
    self->lives [partition]++;
    self->drops++;
    for (uint64_t version = self->first; version <= self->count; version++) {
        version_t *what = s_version (self, version);
        if (what->remove || what->partition != partition || what->gone)
            continue;
        if (!again || what->state != STATE_OPEN)
            what->gone = self->drops;
    }
}

uint64_t
kith_oracle_drops (const kith_oracle_t *self)
{
    return self->drops;
}

//  --------------------------------------------------------------------------
//  Floors

static void
s_raise (kith_floor_t *floor, bool remove, uint64_t seq)
{
    uint64_t min_seq = remove ? seq + 1 : seq;
    if (min_seq > floor->min_seq)
        *floor = (kith_floor_t){min_seq, !remove};
    else if (min_seq == floor->min_seq && !remove)
        floor->must = true;
}

const kith_floor_t *
kith_oracle_floors (const kith_oracle_t *self)
{
    return self->floors;
}

void
kith_oracle_raise (const kith_oracle_t *self, kith_floor_t *floors, uint64_t version)
{
    const version_t *what = s_version (self, version);
    if (what->seq && what->state != STATE_HIDDEN)
        s_raise (&floors [what->key], what->remove, what->seq);
}

static void
s_know (kith_oracle_t *self, version_t *what, uint64_t seq)
{
    uint64_t *known = &self->known [kith_oracle_shard (self, what->key)];
    what->seq = seq;
    *known = seq > *known ? seq : *known;
}

int
kith_oracle_acked (kith_oracle_t *self, uint64_t version, uint64_t seq,
                   kith_error_t *error)
{
    version_t *what = s_version (self, version);
    if (what->state == STATE_HIDDEN)
        return 0;
    if (what->seq && what->seq != seq)
        return kith_error_set (error, KITH_ERR_INTERNAL,
                               "key %u: version %" PRIu64 " was seen at seq %" PRIu64
                               " and is acknowledged at seq %" PRIu64
                               ": it was applied twice",
                               what->key, version, what->seq, seq);
    what->state = STATE_ACKED;
    s_know (self, what, seq);
    s_raise (&self->floors [what->key], what->remove, seq);
    return 0;
}

void
kith_oracle_unknown (kith_oracle_t *self, uint64_t version)
{
    version_t *what = s_version (self, version);
    if (what->state == STATE_OPEN)
        what->state = STATE_UNKNOWN;
}

static uint64_t
s_at (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key)
{
    return seen->at_known ? seen->at [kith_oracle_shard (self, key)] : UINT64_MAX;
}

//  What is known to have been in the log before the drop began was read, and no more: the row is not gone yet
static bool
s_before_drop (const kith_oracle_t *self, const kith_seen_t *seen, const version_t *what)
{
    const uint32_t shard = kith_oracle_shard (self, what->key);
    const uint32_t partition = what->partition;
    const bool ended = self->dropped [partition] != UINT64_MAX;
    return seen->at_known && what->seq && what->life + ended == self->lives [partition]
           && seen->at [shard] <= self->drop_above [partition][shard];
}

//  What an answer has to show of a key: the floor when it began, and all that is known up to where it was read
static kith_floor_t
s_floor (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key)
{
    kith_floor_t floor = {0};
    if (seen->floors)
        floor = seen->floors [key];
    const uint64_t at = s_at (self, seen, key);
    for (uint64_t version = self->newest [key]; version && seen->at_known;) {
        const version_t *what = s_version (self, version);
        if (what->seq && what->seq <= at && what->state != STATE_HIDDEN)
            s_raise (&floor, what->remove, what->seq);
        version = what->older;
    }
    //  A row that was dropped, or may have been replaced by one that was, need not be there
    for (uint64_t version = self->newest [key]; version && floor.must;) {
        const version_t *what = s_version (self, version);
        if (kith_oracle_may_be_gone (self, version) && what->state != STATE_HIDDEN
            && !s_before_drop (self, seen, what)
            && (!what->seq || (what->seq >= floor.min_seq && what->seq <= at)))
            floor.must = false;
        version = what->older;
    }
    return floor;
}

//  --------------------------------------------------------------------------
//  Checks

//  What is known of a key, for people
static void
s_tell (const kith_oracle_t *self, uint32_t key, kith_error_t *error)
{
    char text [256] = "";
    size_t used = 0;
    for (uint64_t version = self->newest [key]; version && used + 48 < sizeof text;) {
        const version_t *what = s_version (self, version);
        static const char *const states [] = {"open", "acked", "unknown", "hidden"};
        used += (size_t) snprintf (
            text + used, sizeof text - used, " %s%" PRIu64 "@%" PRIu64 " %s;",
            what->remove ? "-" : "+", version, what->seq, states [what->state]);
        version = what->older;
    }
    kith_error_hint (error, "key %u, newest first:%s", key, text);
}

static bool
s_is_gone (const kith_seen_t *seen, const version_t *what)
{
    return what->gone && what->gone <= seen->drops;
}

int
kith_oracle_row (kith_oracle_t *self, const kith_seen_t *seen, const kith_seen_row_t *row,
                 kith_error_t *error)
{
    if (row->key >= self->keys)
        return kith_error_set (error, KITH_ERR_INTERNAL,
                               "phantom: key %u was never written", row->key);
    if (!row->payload || row->payload > self->count || row->payload < self->first) {
        kith_error_set (error, KITH_ERR_INTERNAL,
                        "phantom: key %u shows payload %" PRIu64
                        ", this collection's are %" PRIu64 " to %" PRIu64,
                        row->key, row->payload, self->first, self->count);
        s_tell (self, row->key, error);
        return -1;
    }
    version_t *what = s_version (self, row->payload);
    const kith_floor_t floor = s_floor (self, seen, row->key);
    const uint64_t at = s_at (self, seen, row->key);
    const char *wrong = NULL;
    if (what->key != row->key || what->remove)
        wrong = "is not a row of that key";
    else if (what->state == STATE_HIDDEN)
        wrong = "was replaced within its own record";
    else if (what->seq && what->seq != row->seq)
        wrong = "was acknowledged or seen at another seq: it was applied twice";
    else if (s_is_gone (seen, what))
        wrong = "is of a partition that was dropped before the read began";
    else if (row->seq > at)
        wrong = "is newer than what the answer was read at";
    else if (row->seq < floor.min_seq)
        wrong = floor.must ? "is stale: a newer row is known"
                           : "is stale: it was deleted since";
    if (!wrong) {
        s_know (self, what, row->seq);
        return 0;
    }
    kith_error_set (error, KITH_ERR_INTERNAL,
                    "key %u: version %" PRIu64 " at seq %" PRIu64
                    " %s (known seq %" PRIu64 ", needed at least %" PRIu64
                    ", read at %" PRIu64 ")",
                    row->key, row->payload, row->seq, wrong, what->seq, floor.min_seq,
                    seen->at_known ? at : 0);
    s_tell (self, row->key, error);
    return -1;
}

//  A version of the kind that may lie above a seq, and be in the answer
static bool
s_may_be (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key, bool remove,
          uint64_t above)
{
    const uint64_t at = s_at (self, seen, key);
    for (uint64_t version = self->newest [key]; version;) {
        const version_t *what = s_version (self, version);
        const bool may = what->seq ? what->seq > above && what->seq <= at : true;
        if (what->remove == remove && what->state != STATE_HIDDEN && may
            && !s_is_gone (seen, what))
            return true;
        version = what->older;
    }
    return false;
}

static bool
s_absent (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key,
          const kith_floor_t *floor)
{
    return !floor->must || s_may_be (self, seen, key, true, floor->min_seq);
}

int
kith_oracle_absent (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key,
                    kith_error_t *error)
{
    const kith_floor_t floor = s_floor (self, seen, key);
    if (s_absent (self, seen, key, &floor))
        return 0;
    kith_error_set (error, KITH_ERR_INTERNAL,
                    "lost: key %u has no row, one of seq %" PRIu64
                    " or above is known (read at %" PRIu64 ")",
                    key, floor.min_seq, seen->at_known ? s_at (self, seen, key) : 0);
    s_tell (self, key, error);
    return -1;
}

void
kith_oracle_saw_row (kith_oracle_t *self, kith_floor_t *session,
                     const kith_seen_row_t *row)
{
    //  One that is gone at a later seq says only that nothing older is seen again
    const bool gone = kith_oracle_may_be_gone (self, row->payload);
    kith_floor_t *floors [] = {&self->floors [row->key], &session [row->key]};
    for (int i = 0; i < 2; i++)
        if (!gone)
            s_raise (floors [i], false, row->seq);
        else if (row->seq > floors [i]->min_seq)
            *floors [i] = (kith_floor_t){row->seq, false};
}

void
kith_oracle_saw_absent (kith_oracle_t *self, const kith_seen_t *seen,
                        kith_floor_t *session, uint32_t key)
{
    const kith_floor_t floor = s_floor (self, seen, key);
    if (!floor.must)
        return;
    //  A delete above the row was applied, whatever its client knows
    s_raise (&self->floors [key], true, floor.min_seq);
    s_raise (&session [key], true, floor.min_seq);
}

uint64_t
kith_oracle_certain (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key)
{
    const kith_floor_t floor = s_floor (self, seen, key);
    if (!floor.must || s_may_be (self, seen, key, true, floor.min_seq)
        || s_may_be (self, seen, key, false, floor.min_seq))
        return 0;
    for (uint64_t version = self->newest [key]; version;) {
        const version_t *what = s_version (self, version);
        if (what->seq == floor.min_seq && !what->remove && what->state != STATE_HIDDEN)
            return version;
        version = what->older;
    }
    return 0;
}

bool
kith_oracle_possible (const kith_oracle_t *self, const kith_seen_t *seen, uint32_t key)
{
    const kith_floor_t floor = s_floor (self, seen, key);
    return floor.must
           || s_may_be (self, seen, key, false, floor.min_seq ? floor.min_seq - 1 : 0);
}

//  --------------------------------------------------------------------------
//  Vectors

void
kith_oracle_vector (const kith_oracle_t *self, uint64_t payload, float *out)
{
    kith_random_t random;
    kith_random_seed (&random, payload);
    for (uint32_t place = 0; place < self->dim; place++)
        out [place] = (float) kith_random_normal (&random);
}

double
kith_oracle_score (const kith_oracle_t *self, uint64_t payload, const float *query)
{
    float vector [DIM_MAX];
    kith_oracle_vector (self, payload, vector);
    double dot = 0, l2 = 0, norm = 0, query_norm = 0;
    for (uint32_t place = 0; place < self->dim; place++) {
        const double a = (double) vector [place], b = (double) query [place];
        dot += a * b;
        l2 += (a - b) * (a - b);
        norm += a * a;
        query_norm += b * b;
    }
    switch (self->metric) {
        case KITH_METRIC_L2:
            return l2;
        case KITH_METRIC_IP:
            return dot;
        case KITH_METRIC_COSINE:
            return dot / sqrt (norm * query_norm);
        case KITH_METRIC_HAMMING:
        case KITH_METRIC_JACCARD:
            break;    //  the workloads have vectors of numbers
    }
    return 0;
}

bool
kith_oracle_better (const kith_oracle_t *self, double a, double b)
{
    return self->metric == KITH_METRIC_L2 ? a < b : a > b;
}
