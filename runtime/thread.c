//  thread - a loop in a thread: its inbox, its doors, its ways to other loops and processes
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/thread.h"
#include "base/random.h"
#include "runtime/inbox.h"
#include "runtime/peer.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>

#define DOORS_MAX 8u          //  of one loop
#define TURN_MESSAGES 256u    //  of one turn of the loop
#define DOOR_MESSAGES 64u     //  taken from one door in a turn
#define LINGER_US 300         //  awake after an event: about a search and its answer

//  Something that another thread asks of the loop and waits for
typedef struct s_order {
    enum { ORDER_START, ORDER_STOP, ORDER_END } kind;
    size_t number;    //  which actor
    int rc;
    kith_error_t error;
    bool done;
    struct s_order *next;    //  stops that go on
} s_order_t;

struct kith_thread {
    kith_thread_options_t options;
    char *name;
    kith_loop_t *loop;
    kith_inbox_t *inbox;
    kith_door_t *doors [DOORS_MAX];
    size_t door_actors [DOORS_MAX];    //  the proxy behind each
    size_t door_count;
    int64_t awake_us;    //  no sleep before
    kith_peer_t *peers [KITH_PROCESSES_MAX];
    kith_random_t random;
    zactor_t *actor;    //  the thread; null before it runs
    s_order_t *stops;
    bool ending;
    s_order_t *end;             //  told so by the last act of the thread
    pthread_mutex_t lock;       //  of orders' ends and of stats
    pthread_cond_t done;        //  an order is
    kith_loop_stats_t stats;    //  as of the last turn
};

//  --------------------------------------------------------------------------
//  The host of the loop

static int64_t
s_now_us (void *arg)
{
    (void) arg;
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t
s_wall_ms (void *arg)
{
    (void) arg;
    struct timespec now;
    clock_gettime (CLOCK_REALTIME, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static uint64_t
s_random (void *arg)
{
    kith_thread_t *self = arg;
    return kith_random_next (&self->random);
}

static void
s_refuse (void *arg, kith_msg_t **msg_p, kith_end_t end)
{
    kith_thread_t *self = arg;
    kith_loop_refuse (self->loop, msg_p, end);
}

static kith_end_t
s_to_client (kith_thread_t *self, kith_msg_t **msg_p)
{
    kith_end_t end = KITH_END_UNREACHABLE;
    for (size_t door = 0; door < self->door_count && end == KITH_END_UNREACHABLE; door++)
        end = kith_door_send (self->doors [door], msg_p, s_now_us (NULL));
    if (end == KITH_END_OK)
        kith_metrics_add (&self->options.metrics->clients, 1);
    return end;
}

static kith_end_t
s_to_process (kith_thread_t *self, uint32_t process, kith_msg_t **msg_p)
{
    const kith_topology_t *topology = kith_process_topology (self->options.process);
    if (process >= topology->process_count)
        return KITH_END_UNREACHABLE;
    const char *endpoint = topology->processes [process].endpoint;
    if (!*endpoint || process == kith_process_ordinal (self->options.process))
        return KITH_END_UNREACHABLE;
    if (!self->peers [process])
        self->peers [process] = kith_peer_new (endpoint, s_refuse, self);
    kith_peer_t *peer = self->peers [process];
    kith_end_t end = kith_peer_send (peer, msg_p, s_now_us (NULL));
    if (end == KITH_END_OK)
        kith_metrics_add (kith_peer_is_tcp (peer) ? &self->options.metrics->tcp
                                                  : &self->options.metrics->ipc,
                          1);
    return end;
}

static kith_end_t
s_transmit (void *arg, kith_msg_t **msg_p)
{
    kith_thread_t *self = arg;
    kith_msg_t *msg = *msg_p;
    if (msg->to.role == KITH_ROLE_CLIENT)
        return s_to_client (self, msg_p);
    kith_thread_t *other =
        self->options.find (self->options.arg, msg->to.role, msg->to.index);
    if (!other)
        return s_to_process (
            self,
            kith_topology_process (kith_process_topology (self->options.process),
                                   msg->to.role, msg->to.index),
            msg_p);
    msg->hops++;
    if (kith_thread_put (other, msg_p) != 0)
        return KITH_END_BUSY;
    kith_metrics_add (&self->options.metrics->inproc, 1);
    return KITH_END_OK;
}

static int
s_submit (void *arg, kith_work_t *work)
{
    kith_thread_t *self = arg;
    //  Into the worker, and out of it
    work->hops += 2;
    work->link = self;
    return kith_pool_submit (self->options.pools [work->pool], work);
}

void
kith_thread_work (void *arg)
{
    kith_work_t *work = arg;
    kith_thread_t *self = work->link;
    work->fn (work->arg);
    int rc = kith_inbox_put (self->inbox, (kith_item_t){KITH_ITEM_WORK, work});
    assert (rc == 0);
}

static void
s_log (void *arg, char level, kith_address_t who, const char *text)
{
    kith_thread_t *self = arg;
    if (self->options.log)
        kith_log_line_write (self->options.log, level, who, text);
}

static void
s_changed (void *arg, size_t number, const char *state, const char *note)
{
    kith_thread_t *self = arg;
    if (self->options.changed)
        self->options.changed (self->options.arg, kith_loop_address (self->loop, number),
                               state, note);
}

//  --------------------------------------------------------------------------
//  Making

kith_thread_t *
kith_thread_new (const kith_thread_options_t *options, kith_error_t *error)
{
    assert (options && options->process && options->pools && options->find);
    kith_inbox_t *inbox = kith_inbox_new (KITH_QUEUE_MAX);
    if (!inbox) {
        kith_error_errno (error, errno, "no descriptor for loop %s", options->name);
        return NULL;
    }
    kith_thread_t *self = kith_new (sizeof *self);
    self->options = *options;
    self->name = kith_strdup (options->name);
    self->inbox = inbox;
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->done, NULL);
    uint64_t seed = 0;
    if (getrandom (&seed, sizeof seed, 0) != (ssize_t) sizeof seed)
        seed = (uint64_t) s_now_us (NULL) ^ kith_mix64 ((uint64_t) (uintptr_t) self);
    kith_random_seed (&self->random, seed);
    kith_host_t host = {.arg = self,
                        .now_us = s_now_us,
                        .wall_ms = s_wall_ms,
                        .random = s_random,
                        .transmit = s_transmit,
                        .submit = s_submit,
                        .log = s_log,
                        .changed = s_changed,
                        .process = options->process};
    self->loop = kith_loop_new (&host, options->name);
    return self;
}

//  Gives an order and waits until it is carried out
static void
s_give (kith_thread_t *self, s_order_t *order)
{
    int rc = kith_inbox_put (self->inbox, (kith_item_t){KITH_ITEM_ORDER, order});
    assert (rc == 0);
    pthread_mutex_lock (&self->lock);
    while (!order->done)
        pthread_cond_wait (&self->done, &self->lock);
    pthread_mutex_unlock (&self->lock);
}

static void
s_tell (kith_thread_t *self, s_order_t *order)
{
    pthread_mutex_lock (&self->lock);
    order->done = true;
    pthread_cond_broadcast (&self->done);
    pthread_mutex_unlock (&self->lock);
}

//  What came after the loop's last turn
static void
s_empty (kith_thread_t *self)
{
    const kith_item_t *items;
    size_t count = kith_inbox_take (self->inbox, &items);
    for (size_t place = 0; place < count; place++) {
        kith_msg_t *msg =
            items [place].kind == KITH_ITEM_MESSAGE ? items [place].data : NULL;
        kith_parcel_t *parcel =
            items [place].kind == KITH_ITEM_PARCEL ? items [place].data : NULL;
        kith_msg_destroy (&msg);
        kith_parcel_destroy (&parcel);
    }
}

void
kith_thread_end (kith_thread_t *self)
{
    if (!self->actor)
        return;
    s_order_t order = {.kind = ORDER_END};
    s_give (self, &order);
    zactor_destroy (&self->actor);
}

void
kith_thread_destroy (kith_thread_t **self_p)
{
    assert (self_p);
    kith_thread_t *self = *self_p;
    if (!self)
        return;
    kith_thread_end (self);
    for (size_t process = 0; process < KITH_PROCESSES_MAX; process++)
        kith_peer_destroy (&self->peers [process]);
    s_empty (self);
    kith_loop_destroy (&self->loop);
    for (size_t door = 0; door < self->door_count; door++)
        kith_door_destroy (&self->doors [door]);
    kith_inbox_destroy (&self->inbox);
    pthread_cond_destroy (&self->done);
    pthread_mutex_destroy (&self->lock);
    free (self->name);
    free (self);
    *self_p = NULL;
}

size_t
kith_thread_add (kith_thread_t *self, const kith_behaviour_t *behaviour, kith_role_t role,
                 uint32_t index, zconfig_t *config)
{
    assert (!self->actor);
    return kith_loop_add (self->loop, behaviour, role, index, config);
}

void
kith_thread_add_door (kith_thread_t *self, kith_door_t **door_p)
{
    assert (!self->actor);
    assert (self->door_count < DOORS_MAX);
    size_t place = self->door_count++;
    self->doors [place] = *door_p;
    *door_p = NULL;
    kith_address_t owner = kith_door_owner (self->doors [place]);
    size_t number = 0;
    while (kith_loop_address (self->loop, number).role != owner.role
           || kith_loop_address (self->loop, number).index != owner.index)
        number++;
    self->door_actors [place] = number;
}

//  --------------------------------------------------------------------------
//  Turning

static void
s_obey (kith_thread_t *self, s_order_t *order)
{
    switch (order->kind) {
        case ORDER_START:
            order->rc = kith_loop_start (self->loop, order->number, &order->error);
            //  A failed start may still have work out; it is done once that is back
            if (order->rc != 0) {
                order->next = self->stops;
                self->stops = order;
            }
            else
                s_tell (self, order);
            break;
        case ORDER_STOP:
            kith_loop_stop (self->loop, order->number);
            order->next = self->stops;
            self->stops = order;
            break;
        case ORDER_END:
            self->ending = true;
            self->end = order;
            break;
    }
}

static void
s_tell_stops (kith_thread_t *self)
{
    s_order_t **link = &self->stops;
    while (*link) {
        s_order_t *order = *link;
        if (kith_loop_stopped (self->loop, order->number)) {
            *link = order->next;
            s_tell (self, order);
        }
        else
            link = &order->next;
    }
}

static void
s_item (kith_thread_t *self, const kith_item_t *item)
{
    kith_msg_t *msg = NULL;
    kith_work_t *work = NULL;
    kith_parcel_t *parcel = NULL;
    kith_error_t error;
    switch (item->kind) {
        case KITH_ITEM_MESSAGE:
            msg = item->data;
            kith_loop_deliver (self->loop, &msg);
            break;
        case KITH_ITEM_PARCEL:
            parcel = item->data;
            msg = kith_parcel_open (&parcel, s_now_us (NULL), &error);
            if (msg)
                kith_loop_deliver (self->loop, &msg);
            else
                s_log (self, 'w', (kith_address_t){.role = KITH_ROLE_COUNT},
                       error.message);
            break;
        case KITH_ITEM_WORK:
            work = item->data;
            kith_loop_work_back (self->loop, &work);
            break;
        case KITH_ITEM_ORDER:
            s_obey (self, item->data);
            break;
    }
}

//  True if something came
static bool
s_take_items (kith_thread_t *self)
{
    const kith_item_t *items;
    size_t count = kith_inbox_take (self->inbox, &items);
    for (size_t place = 0; place < count; place++)
        s_item (self, &items [place]);
    return count > 0;
}

//  True if there may be more
static bool
s_open_door (kith_thread_t *self, size_t place)
{
    //  Nobody is let in before the proxy is there: clients wait in their sockets
    if (!kith_loop_up (self->loop, self->door_actors [place]))
        return false;
    bool more = true;
    int64_t now_us = s_now_us (NULL);
    for (size_t count = 0; more && count < DOOR_MESSAGES; count++) {
        kith_msg_t *msg = kith_door_recv (self->doors [place], now_us, &more);
        if (msg)
            kith_loop_deliver (self->loop, &msg);
    }
    return more;
}

static int64_t
s_flush_peers (kith_thread_t *self)
{
    int64_t next_us = INT64_MAX;
    int64_t now_us = 0;
    for (size_t process = 0; process < KITH_PROCESSES_MAX; process++) {
        if (!self->peers [process])
            continue;
        if (!now_us)
            now_us = s_now_us (NULL);
        int64_t again_us = kith_peer_flush (self->peers [process], now_us);
        if (again_us < next_us)
            next_us = again_us;
    }
    return next_us;
}

static void
s_publish (kith_thread_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->stats = kith_loop_stats (self->loop);
    pthread_mutex_unlock (&self->lock);
}

//  Asks which doors have something, and waits for it if timeout is not zero (null: for ever)
static void
s_poll (kith_thread_t *self, const struct timespec *timeout)
{
    struct pollfd fds [1 + 2 * DOORS_MAX] = {{kith_inbox_fd (self->inbox), POLLIN, 0}};
    size_t doors [1 + 2 * DOORS_MAX] = {0};
    size_t places [1 + 2 * DOORS_MAX] = {0};
    nfds_t count = 1;
    for (size_t door = 0; door < self->door_count; door++) {
        int door_fds [2];
        if (!kith_loop_up (self->loop, self->door_actors [door]))
            continue;
        size_t more = kith_door_fds (self->doors [door], door_fds);
        for (size_t place = 0; place < more; place++) {
            doors [count] = door;
            places [count] = place;
            fds [count++] = (struct pollfd){door_fds [place], POLLIN, 0};
        }
    }
    if (ppoll (fds, count, timeout, NULL) <= 0)
        return;
    for (nfds_t place = 1; place < count; place++)
        if (fds [place].revents)
            kith_door_heard (self->doors [doors [place]], places [place]);
}

static bool
s_any_door_ready (const kith_thread_t *self)
{
    for (size_t door = 0; door < self->door_count; door++)
        if (kith_loop_up (self->loop, self->door_actors [door])
            && kith_door_ready (self->doors [door]))
            return true;
    return false;
}

//  Sleeps until there is something to do, next_us at the latest
static void
s_sleep (kith_thread_t *self, int64_t next_us)
{
    s_publish (self);
    if (s_any_door_ready (self) || !kith_inbox_sleep (self->inbox))
        return;
    struct timespec wait = {0, 0};
    if (next_us != INT64_MAX) {
        int64_t left_us = next_us - s_now_us (NULL);
        left_us = left_us > 0 ? left_us : 0;
        wait = (struct timespec){left_us / 1000000, left_us % 1000000 * 1000};
    }
    s_poll (self, next_us == INT64_MAX ? NULL : &wait);
    kith_inbox_wake (self->inbox);
}

static void
s_turn (kith_thread_t *self)
{
    bool busy = s_take_items (self);
    for (size_t door = 0; door < self->door_count; door++)
        busy = s_open_door (self, door) || busy;
    busy = kith_loop_run (self->loop, TURN_MESSAGES) || busy;
    int64_t next_us = s_flush_peers (self);
    if (self->stops)
        s_tell_stops (self);
    if (self->ending)
        return;
    //  A loop with clients stays awake a little after each event, giving its core to whoever wants it: the next
    //  one is likely to follow at once, and a wake costs more than a short search
    const bool lingers = self->door_count && !busy && s_now_us (NULL) < self->awake_us;
    if (busy || lingers) {
        static const struct timespec now = {0, 0};
        if (busy && self->door_count)
            self->awake_us = s_now_us (NULL) + LINGER_US;
        if (lingers)
            sched_yield ();
        if (self->door_count)
            s_poll (self, &now);
        return;
    }
    int64_t timer_us = kith_loop_next_us (self->loop);
    s_sleep (self, timer_us < next_us ? timer_us : next_us);
}

static void
s_run (zsock_t *pipe, void *arg)
{
    kith_thread_t *self = arg;
    char name [16];
    snprintf (name, sizeof name, "kith-%s", self->name);
    pthread_setname_np (pthread_self (), name);
    zsock_signal (pipe, 0);
    while (!self->ending)
        s_turn (self);
    s_tell (self, self->end);
}

void
kith_thread_run (kith_thread_t *self)
{
    assert (!self->actor);
    self->actor = zactor_new (s_run, self);
    assert (self->actor);
}

int
kith_thread_start_actor (kith_thread_t *self, size_t number, kith_error_t *error)
{
    s_order_t order = {.kind = ORDER_START, .number = number};
    s_give (self, &order);
    if (order.rc != 0 && error)
        *error = order.error;
    return order.rc;
}

void
kith_thread_stop_actor (kith_thread_t *self, size_t number)
{
    s_order_t order = {.kind = ORDER_STOP, .number = number};
    s_give (self, &order);
}

int
kith_thread_put (kith_thread_t *self, kith_msg_t **msg_p)
{
    if (kith_inbox_put (self->inbox, (kith_item_t){KITH_ITEM_MESSAGE, *msg_p}) != 0)
        return -1;
    *msg_p = NULL;
    return 0;
}

int
kith_thread_put_parcel (kith_thread_t *self, kith_parcel_t **parcel_p)
{
    if (kith_inbox_put (self->inbox, (kith_item_t){KITH_ITEM_PARCEL, *parcel_p}) != 0)
        return -1;
    *parcel_p = NULL;
    return 0;
}

const char *
kith_thread_name (const kith_thread_t *self)
{
    return self->name;
}

kith_loop_stats_t
kith_thread_stats (kith_thread_t *self)
{
    pthread_mutex_lock (&self->lock);
    kith_loop_stats_t stats = self->stats;
    pthread_mutex_unlock (&self->lock);
    stats.queued += kith_inbox_count (self->inbox);
    return stats;
}
