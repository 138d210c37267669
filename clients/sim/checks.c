//  checks - answers of the simulated cluster against the oracle
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/driver.h"

#include <math.h>

#define SCORE_SLACK 1e-4    //  float32 sums against double ones

//  An answer, opened
typedef struct {
    kith_seen_t seen;
    kith_seen_row_t rows [KITH_DRIVER_ROWS_MAX + 64];
    uint32_t count;
} answer_t;

static void
s_violate (const kith_lane_t *lane, const char *what, const kith_error_t *error)
{
    static const char *const levels [] = {"strong", "session", "bounded", "eventually"};
    kith_driver_violate (lane->driver, "%s (%s, lane %u): %s: %s [%s]",
                         kith_op_name (lane->op), levels [lane->level], lane->number,
                         what, error->message, error->hint);
}

static void
s_wrong (const kith_lane_t *lane, kith_error_t *error, const char *what)
{
    error->hint [0] = 0;
    s_violate (lane, what, error);
}

//  --------------------------------------------------------------------------
//  Opening

static bool
s_rows (const kith_lane_t *lane, const kith_frame_t *frame, answer_t *answer)
{
    const kith_driver_t *driver = lane->driver;
    kith_error_t error;
    kith_batch_t batch;
    if (!frame)
        return true;
    if (kith_batch_open (&batch, kith_frame_data (frame), kith_frame_size (frame),
                         &error)) {
        s_wrong (lane, &error, "rows do not open");
        return false;
    }
    const kith_column_t *keys = kith_batch_field (&batch, driver->key_field);
    const kith_column_t *seqs = kith_batch_field (&batch, KITH_FIELD_SEQ);
    const kith_column_t *payloads = kith_batch_field (&batch, driver->payload_field);
    if (!keys || !seqs || !payloads
        || batch.rows > sizeof answer->rows / sizeof answer->rows [0]) {
        kith_error_set (&error, KITH_ERR_INTERNAL,
                        "%u rows; key %d, seq %d, payload %d there", batch.rows,
                        keys != NULL, seqs != NULL, payloads != NULL);
        s_wrong (lane, &error, "the answer has the wrong shape");
        return false;
    }
    for (uint32_t row = 0; row < batch.rows; row++)
        answer->rows [row] =
            (kith_seen_row_t){.key = (uint32_t) kith_column_int (keys, row),
                              .seq = (uint64_t) kith_column_int (seqs, row),
                              .payload = (uint64_t) kith_column_int (payloads, row)};
    answer->count = batch.rows;
    return true;
}

//  What was read at, by shard; the session goes on from there
static bool
s_token (kith_lane_t *lane, const kith_proto_position_t *token, uint32_t count,
         answer_t *answer)
{
    kith_driver_t *driver = lane->driver;
    kith_error_t error;
    answer->seen.floors = lane->floors;
    answer->seen.drops = lane->drops;
    if (count != driver->workload.shards) {
        kith_error_set (&error, KITH_ERR_INTERNAL, "%u positions for %u shards", count,
                        driver->workload.shards);
        s_wrong (lane, &error, "the token is not whole");
        return false;
    }
    answer->seen.at_known = true;
    for (uint32_t shard = 0; shard < count; shard++) {
        const uint32_t log = token [shard].log;
        if (log != driver->log_of [shard]) {
            kith_error_set (&error, KITH_ERR_INTERNAL, "shard %u is of log %u, not %u",
                            shard, driver->log_of [shard], log);
            s_wrong (lane, &error, "the token is of other logs");
            return false;
        }
        answer->seen.at [shard] = token [shard].seq;
        if (token [shard].seq > lane->token [log].seq)
            lane->token [log] = token [shard];
        if (token [shard].seq > driver->known [lane->client][log])
            driver->known [lane->client][log] = token [shard].seq;
    }
    return true;
}

//  --------------------------------------------------------------------------
//  Rows

//  Each row may be there, none twice. shown: by key.
static bool
s_check_rows (kith_lane_t *lane, const answer_t *answer, bool *shown)
{
    kith_driver_t *driver = lane->driver;
    kith_error_t error;
    for (uint32_t row = 0; row < answer->count; row++) {
        const kith_seen_row_t *what = &answer->rows [row];
        if (kith_oracle_row (driver->oracle, &answer->seen, what, &error)) {
            s_violate (lane, "a row that must not be seen", &error);
            return false;
        }
        if (lane->only != UINT32_MAX
            && kith_oracle_partition (driver->oracle, what->payload) != lane->only) {
            kith_error_set (&error, KITH_ERR_INTERNAL,
                            "key %u, version %" PRIu64 " is of partition %u, not %u",
                            what->key, what->payload,
                            kith_oracle_partition (driver->oracle, what->payload),
                            lane->only);
            s_wrong (lane, &error, "a row of another partition");
            return false;
        }
        if (shown [what->key]) {
            kith_error_set (&error, KITH_ERR_INTERNAL, "key %u stands twice in an answer",
                            what->key);
            s_wrong (lane, &error, "duplicate");
            return false;
        }
        shown [what->key] = true;
        driver->report->rows++;
    }
    return true;
}

//  The version that an answer must show of a key, if it is asked for: who names a partition is told nothing of rows in others, nor in one of
//  that name that is dropped by now. 0: none.
static uint64_t
s_wanted (const kith_lane_t *lane, const answer_t *answer, uint32_t key)
{
    const kith_oracle_t *oracle = lane->driver->oracle;
    const uint64_t version = kith_oracle_certain (oracle, &answer->seen, key);
    const bool other = version && lane->only != UINT32_MAX
                       && (kith_oracle_partition (oracle, version) != lane->only
                           || kith_oracle_may_be_gone (oracle, version));
    return other ? 0 : version;
}

static bool
s_check_absent (kith_lane_t *lane, const answer_t *answer, const bool *shown,
                uint32_t key)
{
    kith_error_t error;
    if (shown [key])
        return true;
    if (lane->only != UINT32_MAX) {
        const uint64_t version = s_wanted (lane, answer, key);
        if (!version)
            return true;
        kith_error_set (&error, KITH_ERR_INTERNAL,
                        "key %u, version %" PRIu64 " of partition %u", key, version,
                        lane->only);
        s_wrong (lane, &error, "a row of the partition is missing");
        return false;
    }
    if (kith_oracle_absent (lane->driver->oracle, &answer->seen, key, &error)) {
        s_violate (lane, "a row is missing", &error);
        return false;
    }
    kith_oracle_saw_absent (lane->driver->oracle, &answer->seen, lane->session, key);
    return true;
}

static void
s_saw_rows (kith_lane_t *lane, const answer_t *answer)
{
    for (uint32_t row = 0; row < answer->count; row++)
        kith_oracle_saw_row (lane->driver->oracle, lane->session, &answer->rows [row]);
}

//  Keys, or a range of them: every one is in the answer or may be absent, no other is
static void
s_check_query (kith_lane_t *lane, const answer_t *answer)
{
    const uint32_t keys = kith_oracle_keys (lane->driver->oracle);
    bool *shown = kith_new (keys * sizeof *shown);
    bool *asked = kith_new (keys * sizeof *asked);
    if (lane->op == KITH_OP_GET)
        for (uint32_t row = 0; row < lane->count; row++)
            asked [lane->keys [row]] = true;
    else
        for (uint32_t key = lane->low; key < lane->high; key++)
            asked [key] = true;
    bool right = s_check_rows (lane, answer, shown);
    for (uint32_t key = 0; key < keys && right; key++) {
        if (shown [key] && !asked [key]) {
            kith_error_t error;
            kith_error_set (&error, KITH_ERR_INTERNAL, "key %u was not asked for", key);
            s_wrong (lane, &error, "an answer to something else");
            right = false;
        }
        else if (asked [key])
            right = s_check_absent (lane, answer, shown, key);
    }
    if (right)
        s_saw_rows (lane, answer);
    free (asked);
    free (shown);
}

static void
s_check_count (kith_lane_t *lane, const answer_t *answer, uint64_t count)
{
    const kith_oracle_t *oracle = lane->driver->oracle;
    uint64_t least = 0, most = 0;
    for (uint32_t key = lane->low; key < lane->high; key++) {
        least += kith_oracle_absent (oracle, &answer->seen, key, NULL) != 0;
        most += kith_oracle_possible (oracle, &answer->seen, key);
    }
    if (count >= least && count <= most)
        return;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_INTERNAL,
                    "%" PRIu64 " keys of %u to %u, at least %" PRIu64
                    " and at most %" PRIu64 " are there",
                    count, lane->low, lane->high, least, most);
    s_wrong (lane, &error, "a wrong count");
}

//  --------------------------------------------------------------------------
//  Search

static bool
s_check_scores (kith_lane_t *lane, const answer_t *answer, const float *scores)
{
    const kith_oracle_t *oracle = lane->driver->oracle;
    kith_error_t error;
    for (uint32_t row = 0; row < answer->count; row++) {
        const kith_seen_row_t *what = &answer->rows [row];
        const double score = kith_oracle_score (oracle, what->payload, lane->query);
        const double told = (double) scores [row];
        if (!(fabs (score - told) <= SCORE_SLACK * (1 + fabs (score)))) {
            kith_error_set (&error, KITH_ERR_INTERNAL,
                            "key %u, version %" PRIu64 ": score %g, it is %g", what->key,
                            what->payload, told, score);
            s_wrong (lane, &error, "a wrong score");
            return false;
        }
        if (row
            && kith_oracle_better (oracle, (double) scores [row],
                                   (double) scores [row - 1])) {
            kith_error_set (&error, KITH_ERR_INTERNAL, "row %u is better than row %u",
                            row, row - 1);
            s_wrong (lane, &error, "the answer is not in order");
            return false;
        }
        if (what->key < lane->low || what->key >= lane->high) {
            kith_error_set (&error, KITH_ERR_INTERNAL, "key %u does not pass the filter",
                            what->key);
            s_wrong (lane, &error, "a row that the filter refuses");
            return false;
        }
    }
    return true;
}

//  No row that is certainly there and nearer may be missing; a graph may miss a few
static void
s_check_nearest (kith_lane_t *lane, const answer_t *answer, const float *scores,
                 const bool *shown)
{
    kith_driver_t *driver = lane->driver;
    const bool full = answer->count == lane->k;
    const double worst = full ? (double) scores [answer->count - 1] : 0;
    uint64_t missing = 0;
    kith_error_t error;
    for (uint32_t key = lane->low; key < lane->high; key++) {
        const uint64_t version = shown [key] ? 0 : s_wanted (lane, answer, key);
        if (!version)
            continue;
        const double score = kith_oracle_score (driver->oracle, version, lane->query);
        const double slack = SCORE_SLACK * (1 + fabs (score));
        const double near =
            driver->workload.metric == KITH_METRIC_L2 ? score + slack : score - slack;
        if (full && !kith_oracle_better (driver->oracle, near, worst))
            continue;
        if (!missing++)
            kith_error_set (&error, KITH_ERR_INTERNAL,
                            "key %u, version %" PRIu64
                            " of score %g is not among %u of %u, the worst of which has "
                            "%g",
                            key, version, score, answer->count, lane->k, worst);
    }
    if (missing && !driver->indexed)
        s_wrong (lane, &error, "a nearer row is missing");
    if (driver->indexed) {
        driver->report->near_wanted += answer->count + (missing < lane->k ? missing : 0);
        driver->report->near_found += answer->count;
    }
}

static void
s_check_search (kith_lane_t *lane, const kith_msg_t *msg, const answer_t *answer)
{
    const kith_proto_found_t *found = msg->body;
    const kith_frame_t *frame = kith_msg_frame (msg, found->scores);
    const kith_frame_t *counts = kith_msg_frame (msg, found->counts);
    kith_error_t error;
    if (answer->count > lane->k || !counts || kith_frame_size (counts) != 4
        || kith_get_u32 (kith_frame_data (counts)) != answer->count
        || (answer->count
            && (!frame || kith_frame_size (frame) != answer->count * sizeof (float)))
        || found->partial) {
        kith_error_set (&error, KITH_ERR_INTERNAL, "%u rows for k %u, partial %d",
                        answer->count, lane->k, found->partial);
        s_wrong (lane, &error, "the answer has the wrong shape");
        return;
    }
    float *scores = kith_new ((answer->count + 1) * sizeof *scores);
    if (answer->count)
        memcpy (scores, kith_frame_data (frame), answer->count * sizeof *scores);
    bool *shown = kith_new (kith_oracle_keys (lane->driver->oracle) * sizeof *shown);
    if (s_check_rows (lane, answer, shown) && s_check_scores (lane, answer, scores)) {
        s_check_nearest (lane, answer, scores, shown);
        s_saw_rows (lane, answer);
    }
    free (shown);
    free (scores);
}

//  --------------------------------------------------------------------------
//  Writes

//  The token has a position for each shard that has rows, by shard
static void
s_check_mutated (kith_lane_t *lane, const kith_msg_t *msg)
{
    kith_driver_t *driver = lane->driver;
    const kith_proto_mutated_t *mutated = msg->body;
    kith_error_t error;
    uint64_t seqs [KITH_ORACLE_SHARDS_MAX] = {0};
    bool used [KITH_ORACLE_SHARDS_MAX] = {false};
    for (uint32_t row = 0; row < lane->count; row++)
        used [kith_oracle_shard (driver->oracle, lane->keys [row])] = true;
    uint32_t place = 0;
    for (uint32_t shard = 0; shard < driver->workload.shards; shard++) {
        if (!used [shard])
            continue;
        if (place == mutated->token_count
            || mutated->token [place].log != driver->log_of [shard]) {
            kith_error_set (&error, KITH_ERR_INTERNAL, "shard %u has no position", shard);
            s_wrong (lane, &error, "the token is not whole");
            return;
        }
        const kith_proto_position_t *position = &mutated->token [place++];
        seqs [shard] = position->seq;
        if (position->seq > lane->token [position->log].seq)
            lane->token [position->log] = *position;
        if (position->seq > driver->known [lane->client][position->log])
            driver->known [lane->client][position->log] = position->seq;
    }
    for (uint32_t row = 0; row < lane->count; row++) {
        const uint64_t seq = seqs [kith_oracle_shard (driver->oracle, lane->keys [row])];
        if (kith_oracle_acked (driver->oracle, lane->versions [row], seq, &error)) {
            s_wrong (lane, &error, "twice");
            return;
        }
        kith_oracle_raise (driver->oracle, lane->session, lane->versions [row]);
    }
    driver->report->acks++;
}

void
kith_lane_check (kith_lane_t *lane, const kith_msg_t *msg)
{
    if (msg->kind == KITH_KIND_MUTATED) {
        s_check_mutated (lane, msg);
        return;
    }
    answer_t *answer = kith_new (sizeof *answer);
    const kith_proto_rows_t *rows = msg->body;
    const kith_proto_found_t *found = msg->body;
    const bool search = msg->kind == KITH_KIND_FOUND;
    lane->driver->report->reads++;
    if (s_token (lane, search ? found->token : rows->token,
                 search ? found->token_count : rows->token_count, answer)
        && s_rows (lane, kith_msg_frame (msg, search ? found->rows : rows->rows),
                   answer)) {
        if (search)
            s_check_search (lane, msg, answer);
        else if (lane->op == KITH_OP_COUNT)
            s_check_count (lane, answer, rows->count);
        else
            s_check_query (lane, answer);
    }
    free (answer);
}
