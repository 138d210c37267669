//  cmd_run.c - zactor run: a server, as one process or as several
//  SPDX-License-Identifier: Apache-2.0
#include "actors/roles.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/json.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/kernels.h"
#include "runtime/config.h"
#include "runtime/node.h"
#include "runtime/parent.h"
#include "storage/fs.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_NAME "zactor.log"    //  in the data directory, with --detach
#define LOG_LINES_PER_SECOND 100
#define PATH_BYTES 4096

//  A server being started
typedef struct {
    kith_cli_t *cli;
    kith_config_t *config;
    const kith_topology_t *topology;
    const char *file;    //  configuration; null: the one compiled in
    uint32_t ordinal;    //  the process that runs here
    int ready_fd;        //  to a parent, which does the talking; -1: it has none
    bool several;        //  children run it
    bool detach;
    int told_fd;    //  --detach: a byte when ready; -1: none
    char log_path [PATH_BYTES];
} run_t;

static int64_t
s_since_start_ms (const run_t *self)
{
    return (kith_client_now_us () - self->cli->start_us) / 1000;
}

static const char *
s_file (const kith_cli_t *cli)
{
    const char *file = kith_cli_argument (cli, 0);
    return file ? file : kith_cli_text (cli, "config");
}

//  --- What a person is told

//  Directory that all data directories of this run lie in, as long as it goes; without the slash at its end
static void
s_data (const run_t *self, char *text, size_t size)
{
    const kith_topology_t *topology = self->topology;
    snprintf (text, size, "%s", topology->processes [self->ordinal].data);
    for (uint32_t index = 0; self->several && index < topology->process_count; index++) {
        const char *data = topology->processes [index].data;
        size_t same = strlen (text);
        while (
            same
            && (strncmp (text, data, same) != 0 || (data [same] && data [same] != '/'))) {
            text [same] = 0;
            char *slash = strrchr (text, '/');
            same = slash ? (size_t) (slash - text) : 0;
        }
        text [same] = 0;
    }
    if (!text [0])
        snprintf (text, size, ".");
}

static void
s_tell_json (const run_t *self, const char *listen)
{
    kith_bytes_t out = {0};
    char data [PATH_BYTES];
    s_data (self, data, sizeof data);
    kith_bytes_printf (&out,
                       "{\"ready\": true, \"version\": \"%s\", \"pid\": %d, \"listen\": ",
                       KITH_VERSION, (int) getpid ());
    kith_json_put_string (&out, listen, strlen (listen));
    kith_bytes_printf (&out, ", \"data\": ");
    kith_json_put_string (&out, data, strlen (data));
    kith_bytes_printf (&out, ", \"ms\": %" PRId64 "}", s_since_start_ms (self));
    kith_cli_print (&out);
}

static void
s_tell_ready (const run_t *self, const char *listen)
{
    const kith_topology_t *topology = self->topology;
    uint32_t processes = self->several ? topology->process_count : 1, actors = 0;
    if (self->cli->json) {
        s_tell_json (self, listen);
        return;
    }
    if (self->cli->quiet)
        return;
    for (uint32_t index = 0; index < topology->actor_count; index++)
        actors += self->several || topology->actors [index].process == self->ordinal;
    char data [PATH_BYTES];
    s_data (self, data, sizeof data);
    printf ("Kith %s: %" PRIu32 " process%s, %" PRIu32
            " actors, ready in %.2f s (data in %s/)\n",
            KITH_VERSION, processes, processes == 1 ? "" : "es", actors,
            (double) s_since_start_ms (self) / 1000, data);
    if (listen [0])
        printf ("clients connect to %s; ", listen);
    if (self->detach)
        printf ("pid %d, log in %s; `zactor stop` ends it\n", (int) getpid (),
                self->log_path);
    else
        printf ("Ctrl-C or `zactor stop` ends it\n");
    fflush (stdout);
}

//  --- Leaving the terminal

static int
s_open_log (run_t *self, kith_error_t *error)
{
    const char *data = self->topology->processes [self->ordinal].data;
    if (kith_fs_mkdirs (kith_fs_os (), data, error) != 0)
        return -1;
    snprintf (self->log_path, sizeof self->log_path, "%s/%s", data, LOG_NAME);
    int fd = open (self->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        kith_error_errno (error, errno, "%s cannot be written", self->log_path);
    return fd;
}

//  In the one that was asked: waits until the server is ready or has ended. Does not return in it.
static void
s_wait_detached (const run_t *self, int fd, pid_t child)
{
    char byte;
    ssize_t got;
    do
        got = read (fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got == 1)
        _exit (KITH_EXIT_DONE);
    int status = 0;
    waitpid (child, &status, 0);
    if (!WIFEXITED (status))
        fprintf (stderr, "zactor: run: the server died while it started; %s\n",
                 self->log_path);
    _exit (WIFEXITED (status) && WEXITSTATUS (status) ? WEXITSTATUS (status)
                                                      : KITH_EXIT_FAILED);
}

//  The server goes on in a child that has no terminal
static int
s_detach (run_t *self, kith_error_t *error)
{
    int pipes [2];
    if (pipe2 (pipes, O_CLOEXEC) != 0)
        return kith_error_errno (error, errno, "no pipe");
    fflush (NULL);
    pid_t child = fork ();
    if (child < 0)
        return kith_error_errno (error, errno, "no new process");
    if (child > 0) {
        close (pipes [1]);
        s_wait_detached (self, pipes [0], child);
    }
    close (pipes [0]);
    self->told_fd = pipes [1];
    setsid ();
    return 0;
}

//  Ready: the terminal is let go, and who asked may end
static void
s_let_go (run_t *self, int log_fd)
{
    int null_fd = open ("/dev/null", O_RDWR | O_CLOEXEC);
    fflush (NULL);
    if (null_fd >= 0)
        dup2 (null_fd, STDIN_FILENO);
    dup2 (log_fd, STDOUT_FILENO);
    dup2 (log_fd, STDERR_FILENO);
    ssize_t written = write (self->told_fd, "r", 1);
    (void) written;
    close (self->told_fd);
    self->told_fd = -1;
}

//  --- One process

static char
s_level (const kith_cli_t *cli)
{
    return kith_cli_text (cli, "log-level") [0];
}

//  Waits for the end and stops in order; a second signal ends at once
static void
s_serve (run_t *self, kith_node_t *node, int signals_fd)
{
    bool asked = kith_node_wait (node, signals_fd);
    if (signals_fd >= 0 && !asked)
        kith_node_signals_default (signals_fd);
    int64_t began_us = kith_client_now_us ();
    kith_node_stop (node);
    if (!self->cli->json && !self->cli->quiet && !self->detach && self->ready_fd < 0)
        printf ("stopped in %.2f s; every acknowledged row is in %s/\n",
                (double) (kith_client_now_us () - began_us) / 1e6,
                self->topology->processes [self->ordinal].data);
}

//  Big buffers (rows on their way, parts of a log being flushed) go back to the system when they are freed: the allocator
//  would raise its threshold with the first of them, and keep the rest for good.
static void
s_tune_memory (void)
{
    //  NOLINTBEGIN(concurrency-mt-unsafe): there is one thread yet
    mallopt (M_MMAP_THRESHOLD, 256 << 10);
    mallopt (M_TRIM_THRESHOLD, 1 << 20);
    mallopt (M_ARENA_MAX, 4);
    //  NOLINTEND(concurrency-mt-unsafe)
}

//  Searches stay right without it, but batches lose much of their speed
static void
s_warn_of_blas (kith_log_line_t *log, const char *blas)
{
    char text [256];
    snprintf (text, sizeof text, "the BLAS fails its check and is not used: %s", blas);
    kith_log_line_write (log, 'w', (kith_address_t){.role = KITH_ROLE_COUNT}, text);
}

static int
s_run_node (run_t *self, int log_fd, kith_error_t *error)
{
    s_tune_memory ();
    if (kith_kernels_choose (self->topology->cluster.kernels) != 0)
        return kith_error_set (error, KITH_ERR_CONFIG,
                               "cluster/kernels: '%s' is not known or not in this CPU",
                               self->topology->cluster.kernels);
    int signals_fd = kith_node_signals ();
    uint32_t role_count;
    const kith_behaviour_t *const *roles = kith_roles (&role_count);
    const char *name = self->topology->processes [self->ordinal].name;
    kith_log_line_t *log =
        kith_log_line_new (log_fd, name, s_level (self->cli),
                           self->cli->json && self->detach, LOG_LINES_PER_SECOND);
    kith_node_options_t options = {.topology = self->topology,
                                   .ordinal = self->ordinal,
                                   .behaviours = roles,
                                   .behaviour_count = role_count,
                                   .kernels = kith_kernels ()->says,
                                   .blas = kith_gemm_init (),
                                   .log = log};
    if (!kith_gemm_by_blas ())
        s_warn_of_blas (log, options.blas);
    kith_node_t *node = kith_node_new (&options, error);
    int result = node ? kith_node_start (node, error) : -1;
    if (result == 0) {
        //  A child of several tells its parent, which tells the person
        if (self->ready_fd >= 0)
            kith_parent_tell_ready (self->ready_fd, kith_node_listen (node));
        else
            s_tell_ready (self, kith_node_listen (node));
        if (self->detach)
            s_let_go (self, log_fd);
        s_serve (self, node, signals_fd);
    }
    kith_node_destroy (&node);
    kith_log_line_destroy (&log);
    if (signals_fd >= 0)
        close (signals_fd);
    return result;
}

//  --- Several processes

typedef struct {
    run_t *run;
    int log_fd;
} several_t;

static void
s_all_ready (void *arg, const char *listen)
{
    several_t *several = arg;
    s_tell_ready (several->run, listen);
    if (several->run->detach)
        s_let_go (several->run, several->log_fd);
}

static int
s_run_several (run_t *self, int log_fd, kith_error_t *error)
{
    several_t several = {self, log_fd};
    const char *arguments [] = {"zactor",
                                "run",
                                self->file,
                                "--log-level",
                                kith_cli_text (self->cli, "log-level"),
                                "--process",
                                NULL};
    kith_log_line_t *log = kith_log_line_new (log_fd, "parent", s_level (self->cli),
                                              false, LOG_LINES_PER_SECOND);
    kith_parent_options_t options = {.topology = self->topology,
                                     .program = "/proc/self/exe",
                                     .arguments = arguments,
                                     .log = log,
                                     .ready = s_all_ready,
                                     .arg = &several};
    kith_parent_t *parent = kith_parent_new (&options);
    int result = kith_parent_run (parent, error);
    kith_parent_destroy (&parent);
    kith_log_line_destroy (&log);
    return result;
}

//  --- The command

static int
s_print (const run_t *self)
{
    kith_bytes_t out = {0};
    kith_config_print (self->config, &out);
    if (out.size && out.data [out.size - 1] == '\n')
        out.size--;
    return kith_cli_print (&out);
}

static int
s_no_process (const run_t *self, const char *name, kith_error_t *error)
{
    const char *names [KITH_PROCESSES_MAX + 1] = {NULL};
    for (uint32_t index = 0;
         index < self->topology->process_count && index < KITH_PROCESSES_MAX; index++)
        names [index] = self->topology->processes [index].name;
    const char *nearest = kith_nearest (name, names);
    kith_error_set (error, KITH_ERR_CONFIG, "%s has no process '%.64s'", self->file,
                    name);
    if (nearest)
        kith_error_hint (error, "did you mean '%.64s'?", nearest);
    return -1;
}

//  Which of it runs here
static int
s_choose (run_t *self, kith_error_t *error)
{
    const char *name = kith_cli_text (self->cli, "process");
    if (kith_cli_flag (self->cli, "one-process")) {
        kith_config_t *merged = kith_config_merge (self->config, error);
        if (!merged)
            return -1;
        kith_config_destroy (&self->config);
        self->config = merged;
        self->topology = kith_config_topology (merged);
    }
    if (name) {
        self->ordinal = kith_config_process (self->config, name);
        if (self->ordinal >= self->topology->process_count)
            return s_no_process (self, name, error);
    }
    self->several = !name && self->topology->process_count > 1;
    return 0;
}

static int
s_run_chosen (run_t *self, kith_error_t *error)
{
    int log_fd = STDERR_FILENO;
    if (self->detach) {
        log_fd = s_open_log (self, error);
        if (log_fd < 0 || s_detach (self, error) != 0)
            return -1;
    }
    return self->several ? s_run_several (self, log_fd, error)
                         : s_run_node (self, log_fd, error);
}

static int
s_run (kith_cli_t *cli)
{
    kith_error_t error = {0};
    run_t self = {.cli = cli, .told_fd = -1, .file = s_file (cli)};
    self.detach = kith_cli_flag (cli, "detach");
    self.ready_fd = kith_parent_ready_fd ();
    //  What runs on must not die of a client that is gone
    signal (SIGPIPE, SIG_IGN);
    self.config = kith_config_load (self.file, &error);
    if (!self.config)
        return kith_cli_fail (cli, &error, NULL);
    self.topology = kith_config_topology (self.config);
    int status = KITH_EXIT_DONE;
    const bool chosen = s_choose (&self, &error) == 0;
    if (chosen && kith_cli_flag (cli, "print"))
        status = s_print (&self);
    else if (!chosen || s_run_chosen (&self, &error) != 0)
        status = kith_cli_fail (cli, &error, NULL);
    kith_config_destroy (&self.config);
    return status;
}

const kith_command_t kith_cmd_run = {
    .name = "run",
    .purpose = "start a server; without a file: one process, data in ./data",
    .arguments = (const kith_argument_t []){{"FILE", "configuration", true, false}, {0}},
    .options =
        (const kith_option_t []){
            {"process", 0, KITH_OPTION_TEXT, "NAME", NULL, NULL,
             "run this process of the file, in the foreground", false},
            {"one-process", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "run all processes of the file as one", false},
            {"detach", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "go on in the background once it is ready, log in the data directory",
             false},
            {"print", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "print the configuration in force and where each value comes from", false},
            {"log-level", 0, KITH_OPTION_CHOICE, "LEVEL", "warning",
             "error warning info debug", "least important lines that are written", false},
            {0}},
    .detail = "A file with several process sections starts a child for each and restarts "
              "one that\n"
              "dies. Ctrl-C or `zactor stop` ends everything in order; a second Ctrl-C "
              "at once.\n",
    .examples = {"zactor run", "zactor run configs/local-cluster.zpl",
                 "zactor run configs/local-cluster.zpl --process query-1", NULL},
    .run = s_run};
