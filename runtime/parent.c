//  parent - a small parent that runs one child for each process section of this host
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/parent.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 5000
#define STEADY_MS 10000    //  a child that ran so long starts over at the least back-off
#define READY_VARIABLE "KITH_READY_FD"
#define ARGUMENTS_MAX 32u

typedef enum {
    CHILD_RUNNING,
    CHILD_WAITING,    //  for its next start
    CHILD_ENDED
} s_child_state_t;

typedef struct {
    const char *name;
    int rank;    //  those with a greater one stop first
    s_child_state_t state;
    pid_t pid;
    int ready_fd;      //  read end; -1: none
    bool was_ready;    //  once
    uint32_t starts;
    int64_t started_ms;
    int64_t again_ms;    //  WAITING: until
    int64_t backoff_ms;
} s_child_t;

struct kith_parent {
    kith_parent_options_t options;
    s_child_t *children;
    uint32_t count;
    char listen [256];
    bool told;    //  that all are ready
    bool stopping;
    bool killed;
    uint32_t gave_up;    //  1 + the child that never started
};

static int64_t
s_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

//  A process is needed as long as the actor that stops last
static int
s_rank (const kith_topology_t *topology, uint32_t process)
{
    int rank = KITH_RANKS;
    for (uint32_t number = 0; number < topology->actor_count; number++) {
        const kith_actor_spec_t *actor = &topology->actors [number];
        if (actor->process == process && kith_role_rank (actor->role) < rank)
            rank = kith_role_rank (actor->role);
    }
    return rank;
}

kith_parent_t *
kith_parent_new (const kith_parent_options_t *options)
{
    assert (options && options->topology && options->program && options->arguments);
    kith_parent_t *self = kith_new (sizeof *self);
    self->options = *options;
    self->count = options->topology->process_count;
    self->children = kith_new (self->count * sizeof (s_child_t));
    for (uint32_t number = 0; number < self->count; number++) {
        s_child_t *child = &self->children [number];
        child->name = options->topology->processes [number].name;
        child->rank = s_rank (options->topology, number);
        child->state = CHILD_WAITING;
        child->ready_fd = -1;
    }
    return self;
}

void
kith_parent_destroy (kith_parent_t **self_p)
{
    assert (self_p);
    kith_parent_t *self = *self_p;
    if (!self)
        return;
    for (uint32_t number = 0; number < self->count; number++)
        if (self->children [number].ready_fd != -1)
            close (self->children [number].ready_fd);
    free (self->children);
    free (self);
    *self_p = NULL;
}

static void
s_log (const kith_parent_t *self, char level, const char *format, const char *name,
       int value)
{
    char text [160];
    snprintf (text, sizeof text, "event=%s process=%s value=%d", format, name, value);
    if (self->options.log)
        kith_log_line_write (self->options.log, level,
                             (kith_address_t){.role = KITH_ROLE_COUNT}, text);
}

//  --------------------------------------------------------------------------
//  One child

//  Between fork and exec; does not return
static void
s_become (const kith_parent_t *self, const s_child_t *child, int ready_fd, pid_t parent)
{
    char variable [16];
    const char *arguments [ARGUMENTS_MAX + 2];
    sigset_t none;
    sigemptyset (&none);
    pthread_sigmask (SIG_SETMASK, &none, NULL);
    //  An orderly end, also when the parent was killed; it may have died before we asked for the signal
    prctl (PR_SET_PDEATHSIG, SIGTERM);
    if (getppid () != parent)
        _exit (1);
    //  Its own group: a Ctrl-C of the terminal is for the parent, who stops the children in order
    setpgid (0, 0);
    snprintf (variable, sizeof variable, "%d", ready_fd);
    //  NOLINTNEXTLINE(concurrency-mt-unsafe): of the parent's threads fork took only this one along
    setenv (READY_VARIABLE, variable, 1);
    fcntl (ready_fd, F_SETFD, 0);
    size_t count = 0;
    while (self->options.arguments [count] && count < ARGUMENTS_MAX) {
        arguments [count] = self->options.arguments [count];
        count++;
    }
    arguments [count++] = child->name;
    arguments [count] = NULL;
    //  exec changes none of them; its signature is older than const
    execv (self->options.program, kith_unconst (arguments));
    kith_error_t error;
    kith_error_errno (&error, errno, "cannot run %s", self->options.program);
    fprintf (stderr, "zactor: %s\n", error.message);
    _exit (127);
}

static void
s_retry (s_child_t *child)
{
    if (s_now_ms () - child->started_ms > STEADY_MS)
        child->backoff_ms = 0;
    child->backoff_ms = child->backoff_ms ? child->backoff_ms * 2 : BACKOFF_MIN_MS;
    if (child->backoff_ms > BACKOFF_MAX_MS)
        child->backoff_ms = BACKOFF_MAX_MS;
    child->again_ms = s_now_ms () + child->backoff_ms;
    child->state = CHILD_WAITING;
}

static void
s_start (kith_parent_t *self, s_child_t *child)
{
    int fds [2];
    child->starts++;
    child->started_ms = s_now_ms ();
    if (pipe2 (fds, O_CLOEXEC | O_NONBLOCK) != 0) {
        s_retry (child);
        return;
    }
    pid_t parent = getpid ();
    pid_t pid = fork ();
    if (pid == 0)
        s_become (self, child, fds [1], parent);
    close (fds [1]);
    if (pid == -1) {
        close (fds [0]);
        s_log (self, 'e', "fork_failed", child->name, errno);
        s_retry (child);
        return;
    }
    child->pid = pid;
    child->ready_fd = fds [0];
    child->state = CHILD_RUNNING;
}

//  The child said something on its pipe, or closed it
static void
s_hear (kith_parent_t *self, s_child_t *child)
{
    char text [256];
    ssize_t size = read (child->ready_fd, text, sizeof text - 1);
    if (size == -1 && (errno == EAGAIN || errno == EINTR))
        return;
    close (child->ready_fd);
    child->ready_fd = -1;
    if (size <= 0)
        return;
    text [size] = 0;
    text [strcspn (text, "\n")] = 0;
    child->was_ready = true;
    if (*text && !*self->listen)
        snprintf (self->listen, sizeof self->listen, "%s", text);
}

static void
s_bury (kith_parent_t *self, uint32_t number, int status)
{
    s_child_t *child = &self->children [number];
    //  What it said last
    if (child->ready_fd != -1)
        s_hear (self, child);
    if (child->ready_fd != -1)
        close (child->ready_fd);
    child->ready_fd = -1;
    child->pid = 0;
    bool meant = WIFEXITED (status) && WEXITSTATUS (status) == 0;
    //  Our signal came before the child had begun to listen for it: it had nothing to stop
    if (self->stopping && WIFSIGNALED (status) && WTERMSIG (status) == SIGTERM)
        meant = true;
    if (meant || self->stopping) {
        child->state = CHILD_ENDED;
        self->killed = self->killed || !meant;
        return;
    }
    if (!child->was_ready && WIFEXITED (status)) {
        //  It said why itself
        child->state = CHILD_ENDED;
        self->gave_up = number + 1;
        return;
    }
    s_log (self, 'w', "child_died", child->name,
           WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    s_retry (child);
}

//  --------------------------------------------------------------------------
//  All of them

//  Stops the next ones: those with the greatest rank, once all greater ones have ended. True: none is left.
static bool
s_stop_next (kith_parent_t *self, int signal)
{
    int rank = -1;
    for (uint32_t number = 0; number < self->count; number++) {
        s_child_t *child = &self->children [number];
        if (child->state == CHILD_WAITING)
            child->state = CHILD_ENDED;
        if (child->state == CHILD_RUNNING && child->rank > rank)
            rank = child->rank;
    }
    for (uint32_t number = 0; number < self->count; number++) {
        const s_child_t *child = &self->children [number];
        if (child->state == CHILD_RUNNING && (child->rank == rank || signal == SIGKILL))
            kill (child->pid, signal);
    }
    return rank == -1;
}

static void
s_take_signals (kith_parent_t *self, int fd)
{
    struct signalfd_siginfo info;
    bool buried = false;
    while (read (fd, &info, sizeof info) == (ssize_t) sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        s_stop_next (self, self->stopping ? SIGKILL : SIGTERM);
        self->stopping = true;
    }
    //  One SIGCHLD may stand for several children
    for (uint32_t number = 0; number < self->count; number++) {
        int status;
        s_child_t *child = &self->children [number];
        if (child->state != CHILD_RUNNING
            || waitpid (child->pid, &status, WNOHANG) != child->pid)
            continue;
        s_bury (self, number, status);
        buried = true;
    }
    if (buried && self->gave_up && !self->stopping) {
        self->stopping = true;
        s_stop_next (self, SIGTERM);
    }
    else if (buried && self->stopping)
        s_stop_next (self, SIGTERM);
}

static bool
s_all_ended (const kith_parent_t *self)
{
    for (uint32_t number = 0; number < self->count; number++)
        if (self->children [number].state != CHILD_ENDED)
            return false;
    return true;
}

static void
s_tell_if_ready (kith_parent_t *self)
{
    for (uint32_t number = 0; number < self->count; number++)
        if (!self->children [number].was_ready)
            return;
    if (!self->told && self->options.ready)
        self->options.ready (self->options.arg, self->listen);
    self->told = true;
}

//  Starts those whose time has come; returns ms until the next one, -1: none waits
static int
s_start_due (kith_parent_t *self)
{
    int64_t wait_ms = -1;
    int64_t now_ms = s_now_ms ();
    for (uint32_t number = 0; number < self->count; number++) {
        s_child_t *child = &self->children [number];
        if (child->state == CHILD_WAITING && child->again_ms <= now_ms)
            s_start (self, child);
        int64_t left_ms = child->again_ms - now_ms;
        if (child->state == CHILD_WAITING && (wait_ms == -1 || left_ms < wait_ms))
            wait_ms = left_ms > 0 ? left_ms : 0;
    }
    return (int) wait_ms;
}

static void
s_turn (kith_parent_t *self, struct pollfd *fds, int signal_fd)
{
    int wait_ms = self->stopping ? -1 : s_start_due (self);
    fds [0] = (struct pollfd){signal_fd, POLLIN, 0};
    for (uint32_t number = 0; number < self->count; number++)
        fds [number + 1] = (struct pollfd){self->children [number].ready_fd, POLLIN, 0};
    if (poll (fds, self->count + 1, wait_ms) <= 0)
        return;
    for (uint32_t number = 0; number < self->count; number++)
        if (fds [number + 1].revents)
            s_hear (self, &self->children [number]);
    if (fds [0].revents)
        s_take_signals (self, signal_fd);
    s_tell_if_ready (self);
}

int
kith_parent_run (kith_parent_t *self, kith_error_t *error)
{
    sigset_t signals;
    sigset_t before;
    sigemptyset (&signals);
    sigaddset (&signals, SIGINT);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGCHLD);
    pthread_sigmask (SIG_BLOCK, &signals, &before);
    int signal_fd = signalfd (-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signal_fd == -1)
        return kith_error_errno (error, errno, "no descriptor for signals");
    struct pollfd *fds = kith_new ((self->count + 1) * sizeof *fds);
    while (!s_all_ended (self))
        s_turn (self, fds, signal_fd);
    free (fds);
    close (signal_fd);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    if (self->gave_up)
        return kith_error_set (error, KITH_ERR_CONFIG, "process %s does not start",
                               self->children [self->gave_up - 1].name);
    if (self->killed)
        return kith_error_set (error, KITH_ERR_CANCELLED,
                               "processes were killed before they had "
                               "stopped");
    return 0;
}

int
kith_parent_pid (const kith_parent_t *self, uint32_t process)
{
    assert (process < self->count);
    return (int) self->children [process].pid;
}

uint32_t
kith_parent_starts (const kith_parent_t *self, uint32_t process)
{
    assert (process < self->count);
    return self->children [process].starts;
}

int
kith_parent_ready_fd (void)
{
    //  NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    const char *text = getenv (READY_VARIABLE);
    if (!text)
        return -1;
    char *end;
    const long fd = strtol (text, &end, 10);
    const bool good = end != text && !*end && fd > 2 && fd <= INT_MAX;
    //  NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    unsetenv (READY_VARIABLE);
    return good ? (int) fd : -1;
}

void
kith_parent_tell_ready (int ready_fd, const char *listen)
{
    char line [300];
    int size = snprintf (line, sizeof line, "%.255s\n", listen);
    ssize_t written = write (ready_fd, line, (size_t) size);
    (void) written;
    close (ready_fd);
}
