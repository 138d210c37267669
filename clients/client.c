//  client.c - calls of a client: sent, sent again, answered, ended once
//  SPDX-License-Identifier: Apache-2.0
//
//  A call is waiting (its time to be sent has not come, or no connection takes it) or out (its answer is awaited).
//
//        start --> waiting --sent--> out --answer--------------------> ended
//                     ^               |--refused without effect, lost
//                     |               |  or too late: due again -----+
//                     +---------------+------------------------------+
//
//  What changes nothing when it is repeated (reads, and writes by their request id) is sent again after a time-out or a lost
//  connection; everything else only when the peer said that nothing was done.
#include "clients/client.h"

#include "base/limits.h"
#include "base/random.h"
#include "clients/client_private.h"
#include "clients/link.h"
#include <sys/random.h>
#include <time.h>

#define TIMEOUT_MS 30000
#define ATTEMPT_MS 2000
#define ATTEMPT_MAX_MS 16000
#define BACKOFF_US 5000
#define BACKOFF_MAX_US 500000
#define LOST_WAIT_US 20000    //  until a request of a lost connection is sent again
#define WINDOW 8
#define SLOTS 1024u    //  of the table of calls; a power of 2
#define BURST 256      //  answers handled in one poll
#define OUT_MAX                                                                          \
    400u    //  calls that wait for an answer: a proxy keeps a thousand answers for a client that does not fetch them

typedef struct call {
    uint64_t id;            //  request id of the envelope
    kith_msg_t *request;    //  kept until the end
    kith_answer_fn *fn;
    void *arg;
    int64_t start_us;
    int64_t deadline_us;    //  the caller's
    int64_t due_us;         //  waiting: send then; out: too late then
    int64_t attempt_us;     //  how long the next attempt may take
    int64_t backoff_us;     //  how long to wait after the next refusal
    uint32_t attempts;      //  times sent
    bool out;               //  sent, no answer yet
    bool repeatable;        //  may be sent again after an unknown outcome
    bool unknown;           //  some attempt may have been carried out
    kith_error_t last;      //  why the last attempt failed
    struct call *next;      //  in its slot
} call_t;

struct kith_client {
    kith_link_t *link;
    kith_client_options_t options;    //  with defaults filled in
    char *db;
    uint64_t incarnation;    //  of this client, random
    uint8_t uuid [16];       //  first part of request ids
    uint64_t writes;         //  counts request ids
    uint64_t keys;           //  keys given out: seconds and count, as one number
    uint64_t requests;       //  envelope ids given out
    kith_random_t random;
    call_t *slots [SLOTS];    //  by id
    uint32_t calls;           //  under way
    uint32_t out;             //  of them: sent, no answer yet
    uint32_t unsent;    //  of them: due, but no connection takes them, or OUT_MAX are out
    int64_t due_us;     //  nothing has to be done before
    uint32_t ended;     //  calls ended in this poll
    kith_token_t session;
    kith_token_t known;
    kith_bytes_t token_text;    //  what kith_client_token returned last
    kith_opened_cache_t *opened;
};

int64_t
kith_client_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int
s_or (int value, int fallback)
{
    return value > 0 ? value : fallback;
}

//  Ids must differ from every other client's, so they come from the system
static void
s_random_ids (kith_client_t *self)
{
    uint64_t seeds [4] = {0};
    uint8_t *at = (uint8_t *) seeds;
    for (size_t got = 0; got < sizeof seeds;) {
        ssize_t part = getrandom (at + got, sizeof seeds - got, 0);
        if (part > 0)
            got += (size_t) part;
    }
    memcpy (self->uuid, seeds, sizeof self->uuid);
    self->incarnation = seeds [2] | 1;
    kith_random_seed (&self->random, seeds [3]);
}

kith_client_t *
kith_client_create_at (const char *endpoints, const kith_client_options_t *options,
                       kith_error_t *error)
{
    kith_client_t *self = kith_new (sizeof *self);
    if (options)
        self->options = *options;
    self->options.timeout_ms = s_or (self->options.timeout_ms, TIMEOUT_MS);
    self->options.attempt_ms = s_or (self->options.attempt_ms, ATTEMPT_MS);
    self->options.connect_ms = s_or (self->options.connect_ms, self->options.timeout_ms);
    self->options.window = s_or (self->options.window, WINDOW);
    self->db = kith_strdup (self->options.db ? self->options.db : "");
    self->due_us = INT64_MAX;
    self->opened = kith_opened_cache_new ();
    s_random_ids (self);
    self->link = kith_link_new (endpoints ? endpoints : KITH_CLIENT_ENDPOINT,
                                self->options.context, error);
    if (!self->link)
        kith_client_destroy (&self);
    return self;
}

//  --- Calls

static bool
s_repeatable (const kith_msg_t *request)
{
    const kith_kind_t kind = request->kind;
    if (kind == KITH_KIND_COLLECTION_CREATE) {
        const kith_proto_collection_create_t *create = request->body;
        return create->ok_if_same;
    }
    return kind != KITH_KIND_COLLECTION_DROP && kind != KITH_KIND_PARTITION_CREATE
           && kind != KITH_KIND_PARTITION_DROP && kind != KITH_KIND_INDEX_DROP
           && kind != KITH_KIND_STOP;
}

//  Refusals after which nothing was done, or (repeatable) after which doing it again is harmless
static bool
s_again (const call_t *call, kith_code_t code, bool retry)
{
    if (code == KITH_ERR_BUSY || code == KITH_ERR_UNREACHABLE
        || code == KITH_ERR_NOT_OWNER)
        return true;
    bool passing = code == KITH_ERR_TIMEOUT || code == KITH_ERR_NOT_LOADED
                   || code == KITH_ERR_PARTIAL || code == KITH_ERR_TRIMMED
                   || code == KITH_ERR_DIVERGED || code == KITH_ERR_CONFLICT;
    return call->repeatable && retry && passing;
}

static call_t **
s_slot (kith_client_t *self, uint64_t id)
{
    call_t **place = &self->slots [id % SLOTS];
    while (*place && (*place)->id != id)
        place = &(*place)->next;
    return place;
}

static void
s_due (kith_client_t *self, call_t *call, int64_t due_us)
{
    call->due_us = due_us;
    if (due_us < self->due_us)
        self->due_us = due_us;
}

static void
s_set_out (kith_client_t *self, call_t *call, bool out)
{
    self->out += out;
    self->out -= call->out;
    call->out = out;
}

//  The one end of a call: out of the table first, so that fn may start others
static void
s_end (kith_client_t *self, call_t *call, kith_msg_t **answer_p,
       const kith_error_t *error)
{
    call_t **place = s_slot (self, call->id);
    assert (*place == call);
    *place = call->next;
    s_set_out (self, call, false);
    self->calls--;
    self->ended++;
    kith_msg_t *none = NULL;
    call->fn (call->arg, answer_p ? answer_p : &none, error);
    if (answer_p)
        kith_msg_destroy (answer_p);
    kith_msg_destroy (&call->request);
    free (call);
}

//  No time is left: what is known of the outcome?
static void
s_end_late (kith_client_t *self, call_t *call)
{
    kith_error_t error;
    double seconds = (double) (kith_client_now_us () - call->start_us) / 1e6;
    const char *why = kith_link_trouble (self->link);
    if (!call->attempts && kith_link_connected (self->link))
        kith_error_set (&error, KITH_ERR_BUSY,
                        "%s: not sent in %.1f s: %" PRIu32
                        " calls before it have no answer yet",
                        kith_kind_name (call->request->kind), seconds, self->out);
    else if (!call->attempts) {
        kith_error_set (&error, KITH_ERR_UNREACHABLE, "nothing answers at %s%s%s",
                        kith_link_endpoints (self->link), why [0] ? ": " : "", why);
        kith_error_hint (&error,
                         "is the server up? `zactor run` starts one; --connect or "
                         "ZACTOR_CONNECT names another");
    }
    else if (call->last.code != KITH_OK && !call->unknown && !call->out)
        error = call->last;
    else {
        if (call->last.code != KITH_OK)
            why = call->last.message;
        kith_error_set (&error, KITH_ERR_TIMEOUT,
                        "%s: no answer in %.1f s%s%.380s%s; the outcome is unknown",
                        kith_kind_name (call->request->kind), seconds,
                        why [0] ? " (" : "", why, why [0] ? ")" : "");
    }
    s_end (self, call, NULL, &error);
}

static void
s_send (kith_client_t *self, call_t *call, int64_t now_us)
{
    int64_t until_us = now_us + call->attempt_us;
    if (!call->repeatable || until_us > call->deadline_us)
        until_us = call->deadline_us;
    call->request->deadline_us = until_us;
    if (self->out >= OUT_MAX || !kith_link_send (self->link, call->request, now_us)) {
        //  Asked again as soon as a connection takes it and others have their answers
        self->unsent++;
        int64_t connect_us = call->start_us + (int64_t) self->options.connect_ms * 1000;
        bool early = !call->attempts && connect_us < call->deadline_us;
        s_due (self, call, early && connect_us > now_us ? connect_us : call->deadline_us);
        return;
    }
    call->attempts++;
    s_set_out (self, call, true);
    call->attempt_us *= 2;
    if (call->attempt_us > (int64_t) ATTEMPT_MAX_MS * 1000)
        call->attempt_us = (int64_t) ATTEMPT_MAX_MS * 1000;
    s_due (self, call, until_us);
}

//  Back to waiting, with some disorder so that many clients do not come back together
static void
s_wait_again (kith_client_t *self, call_t *call, int64_t now_us)
{
    int64_t jitter_us =
        (int64_t) kith_random_below (&self->random, (uint64_t) call->backoff_us / 2 + 1);
    int64_t due_us = now_us + call->backoff_us + jitter_us;
    s_set_out (self, call, false);
    call->backoff_us *= 2;
    if (call->backoff_us > BACKOFF_MAX_US)
        call->backoff_us = BACKOFF_MAX_US;
    s_due (self, call, due_us < call->deadline_us ? due_us : call->deadline_us);
}

//  A new call in the table; the request is taken
static call_t *
s_call_new (kith_client_t *self, kith_msg_t **request_p, kith_answer_fn *fn, void *arg)
{
    call_t *call = kith_new (sizeof *call);
    call->id = ++self->requests;
    call->request = *request_p;
    *request_p = NULL;
    call->request->from = (kith_address_t){KITH_ROLE_CLIENT, 0, self->incarnation};
    call->request->to = (kith_address_t){KITH_ROLE_PROXY, 0, 0};
    call->request->request = call->id;
    call->fn = fn;
    call->arg = arg;
    call->start_us = kith_client_now_us ();
    call->attempt_us = (int64_t) self->options.attempt_ms * 1000;
    call->backoff_us = BACKOFF_US;
    call->repeatable = s_repeatable (call->request);
    call_t **slot = &self->slots [call->id % SLOTS];
    call->next = *slot;
    *slot = call;
    self->calls++;
    return call;
}

//  Ends in the next poll
static void
s_refuse (kith_client_t *self, call_t *call, const kith_error_t *error)
{
    call->last = *error;
    call->attempts = 1;
    call->deadline_us = call->start_us;
    s_due (self, call, call->start_us);
}

void
kith_client_refuse (kith_client_t *self, const kith_error_t *error, kith_answer_fn *fn,
                    void *arg)
{
    kith_msg_t *none = kith_msg_new (KITH_KIND_PING);
    s_refuse (self, s_call_new (self, &none, fn, arg), error);
}

void
kith_client_start (kith_client_t *self, kith_msg_t **request_p, int timeout_ms,
                   kith_answer_fn *fn, void *arg)
{
    assert (self && request_p && *request_p && fn);
    call_t *call = s_call_new (self, request_p, fn, arg);
    call->deadline_us =
        call->start_us + (int64_t) s_or (timeout_ms, self->options.timeout_ms) * 1000;
    if (self->calls > KITH_CALLS_MAX) {
        kith_error_t error;
        kith_error_set (&error, KITH_ERR_BUSY, "%u calls are under way", KITH_CALLS_MAX);
        s_refuse (self, call, &error);
    }
    else
        s_send (self, call, call->start_us);
}

//  An answer has come
static void
s_answer (kith_client_t *self, kith_msg_t **answer_p)
{
    kith_msg_t *answer = *answer_p;
    call_t *call = answer->answer ? *s_slot (self, answer->request) : NULL;
    if (!call) {
        kith_msg_destroy (answer_p);    //  of a call that has ended
        return;
    }
    kith_error_t error = {0};
    if (!kith_msg_is_failed (answer, &error)) {
        if (answer->kind == kith_kind_answer (call->request->kind)) {
            s_end (self, call, answer_p, NULL);
            return;
        }
        kith_error_set (&error, KITH_ERR_PROTOCOL, "%s was answered with %s",
                        kith_kind_name (call->request->kind),
                        kith_kind_name (answer->kind));
        s_end (self, call, NULL, &error);
        kith_msg_destroy (answer_p);
        return;
    }
    const kith_proto_failed_t *failed = answer->body;
    bool again = s_again (call, error.code, failed->retry);
    kith_msg_destroy (answer_p);
    int64_t now_us = kith_client_now_us ();
    call->unknown = call->unknown || error.code == KITH_ERR_TIMEOUT;
    if (again && now_us < call->deadline_us) {
        call->last = error;
        if (call->out)
            s_wait_again (self, call, now_us);
    }
    else
        s_end (self, call, NULL, &error);
}

//  A call's time has come
static void
s_handle_due (kith_client_t *self, call_t *call, int64_t now_us)
{
    bool connect_late =
        !call->attempts && !kith_link_connected (self->link)
        && now_us >= call->start_us + (int64_t) self->options.connect_ms * 1000;
    if (now_us >= call->deadline_us || connect_late)
        s_end_late (self, call);
    else if (call->out) {
        //  A reason that came before says more
        if (!call->last.code)
            kith_error_set (&call->last, KITH_ERR_TIMEOUT, "no answer");
        call->unknown = true;
        s_set_out (self, call, false);
        s_send (self, call, now_us);
    }
    else
        s_send (self, call, now_us);
}

//  Ids of calls that `wanted` picks: callbacks change the table while they are handled
static uint64_t *
s_collect (kith_client_t *self, bool (*wanted) (const call_t *call, int64_t now_us),
           int64_t now_us, uint32_t *count)
{
    uint64_t *ids = kith_new ((self->calls + 1) * sizeof *ids);
    *count = 0;
    for (uint32_t slot = 0; slot < SLOTS && *count < self->calls; slot++) {
        for (call_t *call = self->slots [slot]; call; call = call->next) {
            if (wanted (call, now_us))
                ids [(*count)++] = call->id;
        }
    }
    return ids;
}

static int
s_compare_ids (const void *a, const void *b)
{
    uint64_t left = kith_get_u64 (a), right = kith_get_u64 (b);
    return left < right ? -1 : left > right;
}

static bool
s_is_due (const call_t *call, int64_t now_us)
{
    return call->due_us <= now_us;
}

static bool
s_is_unsent (const call_t *call, int64_t now_us)
{
    (void) now_us;
    return !call->out;
}

static bool
s_is_out (const call_t *call, int64_t now_us)
{
    (void) now_us;
    return call->out;
}

//  Handles every call whose time has come, oldest first
static void
s_run_due (kith_client_t *self, int64_t now_us)
{
    uint32_t count;
    uint64_t *ids = s_collect (self, s_is_due, now_us, &count);
    qsort (ids, count, sizeof *ids, s_compare_ids);
    self->due_us = INT64_MAX;
    for (uint32_t index = 0; index < count; index++) {
        call_t *call = *s_slot (self, ids [index]);
        if (call)
            s_handle_due (self, call, now_us);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        for (call_t *call = self->slots [slot]; call; call = call->next) {
            if (call->due_us < self->due_us)
                self->due_us = call->due_us;
        }
    }
    free (ids);
}

//  A connection takes messages again: what waited for one is sent
static void
s_run_unsent (kith_client_t *self, int64_t now_us)
{
    uint32_t count;
    uint64_t *ids = s_collect (self, s_is_unsent, now_us, &count);
    qsort (ids, count, sizeof *ids, s_compare_ids);
    self->unsent = 0;
    for (uint32_t index = 0; index < count && !self->unsent; index++) {
        call_t *call = *s_slot (self, ids [index]);
        //  Those that wait after a refusal have their own time
        if (call && (call->attempts == 0 || call->due_us >= call->deadline_us))
            s_send (self, call, now_us);
    }
    if (self->unsent)
        self->unsent = count;
    free (ids);
}

//  A connection is gone: answers to what went over it will not come
static void
s_run_lost (kith_client_t *self, int64_t now_us)
{
    uint32_t count;
    uint64_t *ids = s_collect (self, s_is_out, now_us, &count);
    for (uint32_t index = 0; index < count; index++) {
        call_t *call = *s_slot (self, ids [index]);
        if (!call)
            continue;
        kith_error_set (&call->last, KITH_ERR_TIMEOUT, "the connection was lost");
        call->unknown = true;
        if (call->repeatable) {
            s_set_out (self, call, false);
            s_due (self, call, now_us + LOST_WAIT_US);
        }
        else if (kith_link_count (self->link) == 1)
            s_end_late (self, call);
    }
    free (ids);
}

//  Calls wait for a connection only, not for answers of others
static bool
s_takes_more (const kith_client_t *self)
{
    return self->unsent && self->out < OUT_MAX;
}

//  How long a wait may be
static int
s_wait_ms (const kith_client_t *self, int timeout_ms, int64_t now_us)
{
    if (self->due_us == INT64_MAX)
        return timeout_ms;
    int64_t left_ms = (self->due_us - now_us + 999) / 1000;
    if (left_ms < 0)
        left_ms = 0;
    if (left_ms > INT32_MAX)
        left_ms = INT32_MAX;
    return timeout_ms >= 0 && timeout_ms < left_ms ? timeout_ms : (int) left_ms;
}

static void
s_turn (kith_client_t *self)
{
    int64_t now_us = kith_client_now_us ();
    uint32_t lost = kith_link_watch (self->link);
    for (int count = 0; count < BURST; count++) {
        kith_msg_t *answer = kith_link_recv (self->link, now_us);
        if (!answer)
            break;
        s_answer (self, &answer);
    }
    now_us = kith_client_now_us ();
    if (lost)
        s_run_lost (self, now_us);
    if (s_takes_more (self) && kith_link_connected (self->link))
        s_run_unsent (self, now_us);
    if (now_us >= self->due_us)
        s_run_due (self, now_us);
}

int
kith_client_poll (kith_client_t *self, int timeout_ms)
{
    assert (self);
    self->ended = 0;
    int64_t start_us = kith_client_now_us ();
    s_turn (self);
    while (!self->ended && timeout_ms != 0) {
        int64_t now_us = kith_client_now_us ();
        int left_ms = timeout_ms;
        if (timeout_ms > 0) {
            left_ms = timeout_ms - (int) ((now_us - start_us) / 1000);
            if (left_ms <= 0)
                break;
        }
        if (timeout_ms < 0 && !self->calls)
            break;
        kith_link_wait (self->link, s_wait_ms (self, left_ms, now_us),
                        s_takes_more (self));
        s_turn (self);
    }
    return (int) self->ended;
}

int
kith_client_fd (kith_client_t *self)
{
    return kith_link_fd (self->link);
}

int
kith_client_next_ms (kith_client_t *self)
{
    return s_wait_ms (self, -1, kith_client_now_us ());
}

//  --- Waiting for one call

typedef struct {
    bool done;
    kith_msg_t *answer;
    kith_error_t *error;
} waiting_t;

static void
s_waited (void *arg, kith_msg_t **answer_p, const kith_error_t *error)
{
    waiting_t *waiting = arg;
    waiting->done = true;
    waiting->answer = *answer_p;
    *answer_p = NULL;
    if (error && waiting->error)
        *waiting->error = *error;
}

kith_msg_t *
kith_client_call (kith_client_t *self, kith_msg_t **request_p, int timeout_ms,
                  kith_error_t *error)
{
    waiting_t waiting = {.error = error};
    kith_client_start (self, request_p, timeout_ms, s_waited, &waiting);
    while (!waiting.done)
        kith_client_poll (self, -1);
    return waiting.answer;
}

void
kith_client_destroy (kith_client_t **self_p)
{
    assert (self_p);
    kith_client_t *self = *self_p;
    if (!self)
        return;
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_CANCELLED, "the client was closed");
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        while (self->slots [slot])
            s_end (self, self->slots [slot], NULL, &error);
    }
    kith_link_destroy (&self->link);
    kith_opened_cache_destroy (&self->opened);
    kith_token_free (&self->session);
    kith_token_free (&self->known);
    kith_bytes_free (&self->token_text);
    free (self->db);
    free (self);
    *self_p = NULL;
}

//  --- What others ask of a client

kith_token_t *
kith_client_session (kith_client_t *self)
{
    return &self->session;
}

kith_token_t *
kith_client_known (kith_client_t *self)
{
    return &self->known;
}

kith_opened_cache_t *
kith_client_cache (kith_client_t *self)
{
    return self->opened;
}

const char *
kith_client_db (const kith_client_t *self)
{
    return self->db;
}

int
kith_client_timeout_ms (const kith_client_t *self)
{
    return self->options.timeout_ms;
}

int
kith_client_window (const kith_client_t *self)
{
    return self->options.window;
}

const uint8_t *
kith_client_uuid (const kith_client_t *self)
{
    return self->uuid;
}

uint64_t
kith_client_next_write (kith_client_t *self)
{
    return ++self->writes;
}

int64_t
kith_client_next_key (kith_client_t *self)
{
    //  31 bits of seconds since 2020, 20 random bits, 12 bits of count: a client that makes more than 4,096 keys a second
    //  runs ahead in time, alone in its 20 bits
    const int64_t since = 1577836800;
    uint64_t now = (uint64_t) (time (NULL) - since) << 12;
    self->keys = self->keys + 1 > now ? self->keys + 1 : now;
    uint64_t client = kith_get_u32 (self->uuid) & 0xfffff;
    uint64_t key = (self->keys >> 12) << 32 | client << 12 | (self->keys & 0xfff);
    return (int64_t) (key & INT64_MAX);
}

bool
kith_client_connected (const kith_client_t *self)
{
    return kith_link_connected (self->link);
}

const char *
kith_client_trouble (const kith_client_t *self)
{
    return kith_link_trouble (self->link);
}

const char *
kith_client_token (kith_client_t *self)
{
    kith_bytes_clear (&self->token_text);
    kith_token_print (&self->session, &self->token_text);
    return (const char *) self->token_text.data;
}
