//  node - everything of one process of Kith: loops, exchange, pools, storage
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/node.h"
#include "runtime/exchange.h"
#include "runtime/supervisor.h"
#include "runtime/thread.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define IO_THREADS 2u    //  when the configuration does not say
#define BUILDS 3u    //  at once: a flush, an index of sealed rows, one of growing rows
#define NOTE_BYTES 160u

//  An actor of this process
typedef struct {
    kith_role_t role;
    uint32_t index;
    kith_thread_t *thread;
    size_t number;    //  in its loop
    bool started;
    const char *state;         //  a literal; under lock
    char note [NOTE_BYTES];    //  likewise
} s_actor_t;

struct kith_node {
    kith_node_options_t options;
    const kith_process_spec_t *spec;
    kith_process_t *process;
    kith_parallel_t *parallel;
    kith_pool_t *pools [KITH_POOLS];
    kith_metrics_t metrics;
    s_actor_t actors [KITH_ACTORS_MAX];    //  the supervisor is the last
    size_t actor_count;
    kith_thread_t *threads [KITH_ACTORS_MAX];
    size_t thread_count;
    kith_exchange_t *exchange;    //  null: the only process
    char *listen;                 //  of the first proxy
    char *listen_inproc;
    int stop_fd;    //  eventfd: the stop was asked for
    int64_t started_us;
    pthread_mutex_t lock;    //  of the actors' states
};

static int64_t
s_now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static s_actor_t *
s_find (kith_node_t *self, kith_role_t role, uint32_t index)
{
    for (size_t place = 0; place < self->actor_count; place++)
        if (self->actors [place].role == role && self->actors [place].index == index)
            return &self->actors [place];
    return NULL;
}

//  --------------------------------------------------------------------------
//  What the threads and the process ask of the node

static kith_thread_t *
s_find_thread (void *arg, kith_role_t role, uint32_t index)
{
    s_actor_t *actor = s_find (arg, role, index);
    return actor ? actor->thread : NULL;
}

static void
s_changed (void *arg, kith_address_t who, const char *state, const char *note)
{
    kith_node_t *self = arg;
    s_actor_t *actor = s_find (self, who.role, who.index);
    assert (actor);
    pthread_mutex_lock (&self->lock);
    actor->state = state;
    snprintf (actor->note, sizeof actor->note, "%s", note);
    pthread_mutex_unlock (&self->lock);
}

static int
s_receive (void *arg, kith_address_t to, kith_parcel_t **parcel_p)
{
    kith_node_t *self = arg;
    s_actor_t *actor = s_find (self, to.role, to.index);
    //  Who asks for somebody that is not here is told so: by the supervisor's loop, which finds no such actor
    if (!actor)
        actor = &self->actors [self->actor_count - 1];
    return kith_thread_put_parcel (actor->thread, parcel_p);
}

static uint64_t
s_resident_bytes (void)
{
    uint64_t resident = 0;
    FILE *file = fopen ("/proc/self/statm", "re");
    if (file) {
        //  Pages: the total, then those that are resident
        char line [128];
        const char *second = fgets (line, sizeof line, file) ? strchr (line, ' ') : NULL;
        if (second)
            resident = strtoull (second, NULL, 10);
        fclose (file);
    }
    return resident * (uint64_t) sysconf (_SC_PAGESIZE);
}

static void
s_describe_actors (kith_node_t *self, kith_proto_process_info_t *info,
                   kith_arena_t *arena)
{
    info->actors = kith_arena_alloc (arena, self->actor_count * sizeof *info->actors);
    pthread_mutex_lock (&self->lock);
    for (size_t place = 0; place < self->actor_count; place++) {
        const s_actor_t *actor = &self->actors [place];
        if (actor->role == KITH_ROLE_SUPERVISOR)
            continue;
        kith_proto_actor_status_t *status = &info->actors [info->actors_count++];
        status->role = kith_role_name (actor->role);
        status->index = actor->index;
        status->state = actor->state;
        status->note = kith_arena_strdup (arena, actor->note);
    }
    pthread_mutex_unlock (&self->lock);
}

static void
s_describe (void *arg, kith_proto_process_info_t *info, kith_arena_t *arena)
{
    kith_node_t *self = arg;
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    info->endpoint = kith_arena_strdup (arena, kith_node_endpoint (self));
    info->pid = (uint32_t) getpid ();
    info->up_ms = (uint64_t) (s_now_us () - self->started_us) / 1000;
    info->cpu = (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
                + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    info->rss = s_resident_bytes ();
    s_describe_actors (self, info, arena);
    info->loops = kith_arena_alloc (arena, self->thread_count * sizeof *info->loops);
    for (size_t place = 0; place < self->thread_count; place++) {
        kith_loop_stats_t stats = kith_thread_stats (self->threads [place]);
        kith_proto_loop_status_t *status = &info->loops [info->loops_count++];
        status->name =
            kith_arena_strdup (arena, kith_thread_name (self->threads [place]));
        status->events = stats.events;
        status->slow = stats.slow;
        status->queue = (uint32_t) stats.queued;
    }
    info->inproc = kith_metrics_get (&self->metrics.inproc);
    info->tcp = kith_metrics_get (&self->metrics.tcp);
    info->ipc = kith_metrics_get (&self->metrics.ipc);
    info->kernels =
        kith_arena_strdup (arena, self->options.kernels ? self->options.kernels : "");
    info->blas = kith_arena_strdup (arena, self->options.blas ? self->options.blas : "");
    info->listen = kith_arena_strdup (arena, kith_node_listen (self));
}

static void
s_stop (void *arg)
{
    kith_node_ask_stop (arg);
}

//  --------------------------------------------------------------------------
//  Making

static const kith_behaviour_t *
s_behaviour (const kith_node_t *self, kith_role_t role)
{
    for (size_t place = 0; place < self->options.behaviour_count; place++)
        if (self->options.behaviours [place]->role == role)
            return self->options.behaviours [place];
    return NULL;
}

//  The thread of a loop of that name; made when it is new
static kith_thread_t *
s_thread (kith_node_t *self, const char *name, kith_error_t *error)
{
    for (size_t place = 0; place < self->thread_count; place++)
        if (strcmp (kith_thread_name (self->threads [place]), name) == 0)
            return self->threads [place];
    kith_thread_options_t options = {.name = name,
                                     .process = self->process,
                                     .pools = self->pools,
                                     .log = self->options.log,
                                     .metrics = &self->metrics,
                                     .find = s_find_thread,
                                     .changed = s_changed,
                                     .arg = self};
    kith_thread_t *thread = kith_thread_new (&options, error);
    if (thread)
        self->threads [self->thread_count++] = thread;
    return thread;
}

static int
s_add_door (kith_node_t *self, const kith_actor_spec_t *spec, kith_thread_t *thread,
            kith_error_t *error)
{
    char inproc [320];
    snprintf (inproc, sizeof inproc, "inproc://kith-%s-proxy-%u", self->spec->name,
              spec->index);
    kith_address_t owner = {.role = spec->role, .index = spec->index};
    kith_door_t *door = kith_door_new (spec->listen, inproc, owner, error);
    if (!door)
        return -1;
    if (!self->listen_inproc) {
        self->listen = kith_strdup (kith_door_endpoint (door));
        self->listen_inproc = kith_strdup (inproc);
    }
    kith_thread_add_door (thread, &door);
    return 0;
}

static s_actor_t *
s_place (kith_node_t *self, kith_role_t role, uint32_t index, kith_thread_t *thread)
{
    assert (self->actor_count < KITH_ACTORS_MAX);
    s_actor_t *actor = &self->actors [self->actor_count++];
    actor->role = role;
    actor->index = index;
    actor->thread = thread;
    actor->state = "ended";
    return actor;
}

static int
s_add_actor (kith_node_t *self, const kith_actor_spec_t *spec, kith_error_t *error)
{
    const kith_behaviour_t *behaviour = s_behaviour (self, spec->role);
    if (!behaviour)
        return kith_error_set (error, KITH_ERR_CONFIG, "this program has no role %s",
                               kith_role_name (spec->role));
    char own [64];
    snprintf (own, sizeof own, "%s-%u", kith_role_name (spec->role), spec->index);
    kith_thread_t *thread = s_thread (self, *spec->loop ? spec->loop : own, error);
    if (!thread)
        return -1;
    s_actor_t *actor = s_place (self, spec->role, spec->index, thread);
    actor->number =
        kith_thread_add (thread, behaviour, spec->role, spec->index, spec->config);
    return spec->role == KITH_ROLE_PROXY ? s_add_door (self, spec, thread, error) : 0;
}

static int
s_add_actors (kith_node_t *self, kith_error_t *error)
{
    const kith_topology_t *topology = self->options.topology;
    for (uint32_t number = 0; number < topology->actor_count; number++) {
        const kith_actor_spec_t *spec = &topology->actors [number];
        if (spec->process == self->options.ordinal
            && s_add_actor (self, spec, error) != 0)
            return -1;
    }
    if (self->thread_count == 0)
        return kith_error_set (error, KITH_ERR_CONFIG, "process %s has no actors",
                               self->spec->name);
    //  It shares the last loop, which is not the data path's in the usual order
    kith_thread_t *thread = self->threads [self->thread_count - 1];
    const kith_behaviour_t *behaviour = kith_supervisor_behaviour ();
    s_actor_t *actor =
        s_place (self, KITH_ROLE_SUPERVISOR, self->options.ordinal, thread);
    actor->number = kith_thread_add (thread, behaviour, KITH_ROLE_SUPERVISOR,
                                     self->options.ordinal, NULL);
    return 0;
}

static void
s_make_pools (kith_node_t *self)
{
    uint32_t cores = (uint32_t) sysconf (_SC_NPROCESSORS_ONLN);
    uint32_t query = self->spec->query_threads ? self->spec->query_threads : cores;
    uint32_t io = self->spec->io_threads ? self->spec->io_threads : IO_THREADS;
    self->pools [KITH_POOL_QUERY] =
        kith_pool_new ("kith-query", query, KITH_WORK_MAX, kith_thread_work);
    //  A build takes threads for itself (kith_parallel_t); a flush need not wait for one that takes long
    self->pools [KITH_POOL_BUILD] =
        kith_pool_new ("kith-build", BUILDS, KITH_WORK_MAX, kith_thread_work);
    self->pools [KITH_POOL_IO] =
        kith_pool_new ("kith-io", io, KITH_WORK_MAX, kith_thread_work);
}

static int
s_make (kith_node_t *self, kith_error_t *error)
{
    self->stop_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->stop_fd == -1)
        return kith_error_errno (error, errno, "no descriptor for process %s",
                                 self->spec->name);
    self->parallel = kith_parallel_threads_new (self->spec->build_threads);
    kith_process_options_t options = {.topology = self->options.topology,
                                      .ordinal = self->options.ordinal,
                                      .fs = kith_fs_os (),
                                      .describe = s_describe,
                                      .stop = s_stop,
                                      .arg = self,
                                      .parallel = self->parallel};
    self->process = kith_process_new (&options, error);
    if (!self->process)
        return -1;
    s_make_pools (self);
    if (s_add_actors (self, error) != 0)
        return -1;
    if (*self->spec->endpoint) {
        self->exchange = kith_exchange_new (self->spec->endpoint, s_receive, self, error);
        if (!self->exchange)
            return -1;
    }
    for (size_t place = 0; place < self->thread_count; place++)
        kith_thread_run (self->threads [place]);
    return 0;
}

kith_node_t *
kith_node_new (const kith_node_options_t *options, kith_error_t *error)
{
    assert (options && options->topology);
    assert (options->ordinal < options->topology->process_count);
    //  Signals are for who waits for the node (kith_node_signals)
    zsys_handler_set (NULL);
    kith_node_t *self = kith_new (sizeof *self);
    self->options = *options;
    self->spec = &options->topology->processes [options->ordinal];
    self->started_us = s_now_us ();
    pthread_mutex_init (&self->lock, NULL);
    if (s_make (self, error) != 0)
        kith_node_destroy (&self);
    return self;
}

void
kith_node_destroy (kith_node_t **self_p)
{
    assert (self_p);
    kith_node_t *self = *self_p;
    if (!self)
        return;
    kith_node_stop (self);
    kith_exchange_destroy (&self->exchange);
    //  Workers, then loops, may be in the middle of handing something over: all end before the first one goes
    for (size_t pool = 0; pool < KITH_POOLS; pool++)
        kith_pool_destroy (&self->pools [pool]);
    for (size_t place = 0; place < self->thread_count; place++)
        kith_thread_end (self->threads [place]);
    for (size_t place = 0; place < self->thread_count; place++)
        kith_thread_destroy (&self->threads [place]);
    kith_process_destroy (&self->process);
    kith_parallel_threads_destroy (&self->parallel);
    if (self->stop_fd != -1)
        close (self->stop_fd);
    pthread_mutex_destroy (&self->lock);
    free (self->listen);
    free (self->listen_inproc);
    free (self);
    *self_p = NULL;
}

//  --------------------------------------------------------------------------
//  Starting and stopping

int
kith_node_start (kith_node_t *self, kith_error_t *error)
{
    assert (self);
    for (int rank = 0; rank < KITH_RANKS; rank++) {
        for (size_t place = 0; place < self->actor_count; place++) {
            s_actor_t *actor = &self->actors [place];
            if (kith_role_rank (actor->role) != rank)
                continue;
            if (kith_thread_start_actor (actor->thread, actor->number, error) != 0) {
                kith_error_prefix (error, "%s/%u does not start",
                                   kith_role_name (actor->role), actor->index);
                kith_node_stop (self);
                return -1;
            }
            actor->started = true;
        }
    }
    return 0;
}

void
kith_node_stop (kith_node_t *self)
{
    assert (self);
    for (int rank = KITH_RANKS; rank-- > 0;) {
        for (size_t place = 0; place < self->actor_count; place++) {
            s_actor_t *actor = &self->actors [place];
            if (kith_role_rank (actor->role) != rank || !actor->started)
                continue;
            kith_thread_stop_actor (actor->thread, actor->number);
            actor->started = false;
        }
    }
}

void
kith_node_ask_stop (kith_node_t *self)
{
    uint64_t one = 1;
    ssize_t written = write (self->stop_fd, &one, sizeof one);
    (void) written;
}

bool
kith_node_wait (kith_node_t *self, int wait_fd)
{
    struct pollfd fds [2] = {{self->stop_fd, POLLIN, 0}, {wait_fd, POLLIN, 0}};
    for (;;) {
        //  A negative descriptor is left out
        if (poll (fds, 2, -1) == -1 && errno != EINTR)
            return true;
        if (fds [0].revents)
            return true;
        if (fds [1].revents)
            return false;
    }
}

//  Threads that a library made before main () block nothing, and the kernel may give them the signal: they hand it
//  to the main thread, which has it blocked and reads it from its descriptor
static void
s_hand_over (int number)
{
    (void) syscall (SYS_tgkill, getpid (), getpid (), number);
}

static void
s_signals_handler (void (*handler) (int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset (&action.sa_mask);
    sigaction (SIGINT, &action, NULL);
    sigaction (SIGTERM, &action, NULL);
}

int
kith_node_signals (void)
{
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGTERM);
    if (pthread_sigmask (SIG_BLOCK, &signals, NULL) != 0)
        return -1;
    s_signals_handler (s_hand_over);
    return signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
}

void
kith_node_signals_default (int fd)
{
    struct signalfd_siginfo info;
    //  The signal that was waited for is taken, so that it does not end the process now. It may be on its way
    //  through another thread just then (s_hand_over).
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (read (fd, &info, sizeof info) < 0 && errno == EAGAIN)
        if (poll (&item, 1, 1000) <= 0)
            break;
    s_signals_handler (SIG_DFL);
    sigset_t signals;
    sigemptyset (&signals);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGTERM);
    pthread_sigmask (SIG_UNBLOCK, &signals, NULL);
}

//  --------------------------------------------------------------------------
//  What it is

const char *
kith_node_listen (const kith_node_t *self)
{
    return self->listen ? self->listen : "";
}

const char *
kith_node_listen_inproc (const kith_node_t *self)
{
    return self->listen_inproc ? self->listen_inproc : "";
}

const char *
kith_node_endpoint (const kith_node_t *self)
{
    return self->exchange ? kith_exchange_endpoint (self->exchange) : "";
}

uint32_t
kith_node_actors (const kith_node_t *self)
{
    return (uint32_t) self->actor_count - 1;
}

void
kith_node_describe (kith_node_t *self, kith_proto_process_info_t *info,
                    kith_arena_t *arena)
{
    kith_process_describe (self->process, info, arena);
}
