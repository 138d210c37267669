//  cmd_sim.c - zactor sim: seeds of the simulated cluster, several at a time
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/json.h"
#include "clients/sim/scenario.h"
#include <errno.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 64u

//  What many seeds gave together
typedef struct {
    uint64_t seeds;
    uint64_t violations;
    uint64_t cluster_us;
    uint64_t acks, unknown, reads, rows;
    uint64_t crashes, lost, duplicated, reordered, torn, partitions;
    uint64_t digest;    //  of all, in any order
} total_t;

//  A process that runs every jobs-th seed
typedef struct {
    pid_t pid;
    int fd;           //  its reports; -1: it has ended
    uint64_t seed;    //  the one it is at
} job_t;

typedef struct {
    kith_cli_t *cli;
    kith_sim_scenario_t options;
    uint64_t from, to;
    uint32_t job_count;
    job_t jobs [JOBS_MAX];
    total_t total;
    kith_progress_t *progress;
} sim_t;

static void
s_add (total_t *total, const kith_sim_report_t *report)
{
    total->seeds++;
    total->violations += report->violated;
    total->cluster_us += (uint64_t) report->cluster_us;
    total->acks += report->acks;
    total->unknown += report->unknown;
    total->reads += report->reads;
    total->rows += report->rows;
    total->crashes += report->stats.crashes;
    total->lost += report->stats.lost;
    total->duplicated += report->stats.duplicated;
    total->reordered += report->stats.reordered;
    total->torn += report->stats.writes_torn;
    total->partitions += report->stats.partitions;
    total->digest ^= report->digest;
}

static void
s_tell_violation (const sim_t *self, uint64_t seed, const char *text)
{
    kith_progress_clear (self->progress);
    fprintf (stderr, "seed %" PRIu64 ": %s\n", seed, text);
    fprintf (stderr,
             "hint: `zactor sim --seed %" PRIu64 "%s%s --trace` shows how it came\n",
             seed, self->options.config ? " --config " : "",
             self->options.config ? self->options.config : "");
}

static void
s_take (sim_t *self, const kith_sim_report_t *report)
{
    s_add (&self->total, report);
    if (report->violated || report->violation [0])
        s_tell_violation (self, report->seed, report->violation);
    uint64_t of = self->to - self->from + 1;
    if (self->cli->json || self->cli->quiet)
        return;
    kith_progress_show (self->progress, self->total.seeds, of, -1);
}

//  In a job: seeds one after another, a report each. Does not return.
static void
s_work (const sim_t *self, uint64_t first, int fd)
{
    for (uint64_t seed = first; seed <= self->to && seed >= first;
         seed += self->job_count) {
        kith_sim_report_t report;
        kith_sim_scenario_t options = self->options;
        memset (&report, 0, sizeof report);
        options.seed = seed;
        int result = kith_sim_scenario (&options, &report);
        report.seed = seed;
        report.violated = report.violated || result != 0;
        size_t sent = 0;
        while (sent < sizeof report) {
            ssize_t part =
                write (fd, (const uint8_t *) &report + sent, sizeof report - sent);
            if (part <= 0 && errno != EINTR)
                _exit (1);
            sent += part > 0 ? (size_t) part : 0;
        }
    }
    _exit (0);
}

static int
s_start_job (sim_t *self, job_t *job, uint64_t seed, kith_error_t *error)
{
    int pipes [2];
    job->seed = seed;
    if (pipe (pipes) != 0)
        return kith_error_errno (error, errno, "no pipe");
    fflush (NULL);
    job->pid = fork ();
    if (job->pid < 0) {
        close (pipes [0]);
        close (pipes [1]);
        return kith_error_errno (error, errno, "no new process");
    }
    if (job->pid == 0) {
        close (pipes [0]);
        s_work (self, job->seed, pipes [1]);
    }
    close (pipes [1]);
    job->fd = pipes [0];
    return 0;
}

//  One report of a job; false: it has ended
static bool
s_read_report (int fd, kith_sim_report_t *report)
{
    size_t got = 0;
    while (got < sizeof *report) {
        ssize_t part = read (fd, (uint8_t *) report + got, sizeof *report - got);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            return false;
        got += (size_t) part;
    }
    return true;
}

//  A job is over: in order, or in the middle of a seed, which is a violation too
static void
s_end_job (sim_t *self, job_t *job)
{
    int status = 0;
    close (job->fd);
    job->fd = -1;
    waitpid (job->pid, &status, 0);
    if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
        return;
    char text [80];
    snprintf (text, sizeof text, "the process ended by %s %d",
              WIFSIGNALED (status) ? "signal" : "status",
              WIFSIGNALED (status) ? WTERMSIG (status) : WEXITSTATUS (status));
    self->total.seeds++;
    self->total.violations++;
    s_tell_violation (self, job->seed, text);
    //  The seeds after it have their turn all the same
    kith_error_t error;
    if (self->to - job->seed >= self->job_count
        && s_start_job (self, job, job->seed + self->job_count, &error) != 0)
        s_tell_violation (self, job->seed, error.message);
}

static void
s_collect (sim_t *self)
{
    struct pollfd fds [JOBS_MAX];
    kith_sim_report_t report;
    for (;;) {
        bool running = false;
        for (uint32_t index = 0; index < self->job_count; index++) {
            fds [index] = (struct pollfd){self->jobs [index].fd, POLLIN, 0};
            running = running || self->jobs [index].fd >= 0;
        }
        if (!running)
            return;
        if (poll (fds, self->job_count, -1) < 0 && errno != EINTR)
            return;
        for (uint32_t index = 0; index < self->job_count; index++) {
            job_t *job = &self->jobs [index];
            if (job->fd < 0 || !fds [index].revents)
                continue;
            if (!s_read_report (job->fd, &report)) {
                s_end_job (self, job);
                continue;
            }
            job->seed += self->job_count;
            s_take (self, &report);
        }
    }
}

static int
s_run_jobs (sim_t *self, kith_error_t *error)
{
    self->progress = kith_progress_new (self->cli->json ? KITH_PROGRESS_NONE
                                                        : kith_cli_progress (self->cli),
                                        "simulating");
    kith_progress_unit (self->progress, "seeds");
    int result = 0;
    for (uint32_t index = 0; index < self->job_count; index++)
        self->jobs [index].fd = -1;
    for (uint32_t index = 0; index < self->job_count && result == 0; index++)
        result = s_start_job (self, &self->jobs [index], self->from + index, error);
    s_collect (self);
    kith_progress_destroy (&self->progress);
    return result;
}

//  --- What it says

static int
s_show (const sim_t *self, bool single)
{
    const total_t *total = &self->total;
    kith_bytes_t out = {0};
    double seconds = kith_cli_ms (self->cli) / 1000,
           cluster = (double) total->cluster_us / 1e6;
    char acks [32], crashes [32], lost [32], twice [32], seeds [32];
    if (self->cli->json) {
        kith_bytes_printf (&out, "{");
        if (single)
            kith_bytes_printf (&out, "\"seed\": %" PRIu64 ", ", self->from);
        kith_bytes_printf (&out,
                           "\"seeds\": %" PRIu64 ", \"violations\": %" PRIu64
                           ", \"cluster_s\": %.1f, \"s\": "
                           "%.2f, \"acks\": %" PRIu64 ", \"unknown\": %" PRIu64
                           ", \"reads\": %" PRIu64 ", \"rows\": %" PRIu64
                           ", \"crashes\": %" PRIu64 ", \"lost\": %" PRIu64
                           ", \"duplicated\": %" PRIu64 ", \"reordered\": %" PRIu64
                           ", \"torn\": %" PRIu64 ", \"partitions\": %" PRIu64
                           ", \"digest\": \"%016" PRIx64 "\"}",
                           total->seeds, total->violations, cluster, seconds, total->acks,
                           total->unknown, total->reads, total->rows, total->crashes,
                           total->lost, total->duplicated, total->reordered, total->torn,
                           total->partitions, total->digest);
        return kith_cli_print (&out);
    }
    kith_bytes_printf (
        &out,
        "%s seed%s, %.0f minutes of cluster time in %.1f s (%.0fx), %s acks, %s "
        "crashes, %s lost, %s duplicated messages: ",
        kith_show_count (total->seeds, seeds), total->seeds == 1 ? "" : "s", cluster / 60,
        seconds, cluster / (seconds > 0 ? seconds : 1),
        kith_show_count (total->acks, acks), kith_show_count (total->crashes, crashes),
        kith_show_count (total->lost, lost), kith_show_count (total->duplicated, twice));
    if (total->violations)
        kith_bytes_printf (&out, "%" PRIu64 " violated", total->violations);
    else
        kith_bytes_printf (&out, "no violation");
    if (single)
        kith_bytes_printf (&out, ", digest %016" PRIx64, total->digest);
    return kith_cli_print (&out);
}

//  "1..500"
static bool
s_parse_range (const char *text, uint64_t *from, uint64_t *to)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    *from = strtoull (text, &end, 10);
    if (strncmp (end, "..", 2) != 0 || end [2] < '0' || end [2] > '9')
        return false;
    *to = strtoull (end + 2, &end, 10);
    return !*end && *to >= *from && *to < UINT64_MAX - JOBS_MAX;
}

static uint32_t
s_job_count (const sim_t *self)
{
    uint64_t jobs = kith_option_count (&self->cli->parsed, "jobs");
    long cores = sysconf (_SC_NPROCESSORS_ONLN);
    if (!jobs)
        jobs = cores > 0 ? (uint64_t) cores : 1;
    uint64_t seeds = self->to - self->from + 1;
    jobs = jobs < seeds ? jobs : seeds;
    return (uint32_t) (jobs < JOBS_MAX ? jobs : JOBS_MAX);
}

static int
s_run (kith_cli_t *cli)
{
    sim_t self = {.cli = cli};
    kith_error_t error = {0};
    const char *seed = kith_cli_text (cli, "seed"), *seeds = kith_cli_text (cli, "seeds");
    if ((seed != NULL) == (seeds != NULL))
        return kith_cli_usage (cli, "--seed S or --seeds A..B is needed, not both");
    if (seed)
        self.from = self.to = kith_option_count (&cli->parsed, "seed");
    else if (!s_parse_range (seeds, &self.from, &self.to))
        return kith_cli_usage (cli, "--seeds: '%s' is no range such as 1..500", seeds);
    self.options.config = kith_cli_text (cli, "config");
    self.options.faults = kith_cli_text (cli, "faults");
    self.options.trace = kith_cli_flag (cli, "trace");
    self.job_count = s_job_count (&self);
    if (s_run_jobs (&self, &error) != 0)
        return kith_cli_fail (cli, &error, NULL);
    int status = s_show (&self, seed != NULL);
    return self.total.violations ? KITH_EXIT_FAILED : status;
}

const kith_command_t kith_cmd_sim = {
    .name = "sim",
    .purpose =
        "run seeds of the simulated cluster: crashes, losses, an oracle that checks",
    .options =
        (const kith_option_t []){
            {"seed", 0, KITH_OPTION_COUNT, "S", NULL, NULL,
             "this one; its digest is printed", false},
            {"seeds", 0, KITH_OPTION_TEXT, "A..B", NULL, NULL, "all of these", false},
            {"faults", 0, KITH_OPTION_TEXT, "CLASSES", NULL, NULL,
             "only these classes of faults: net disk busy crash power pause", false},
            {"trace", 0, KITH_OPTION_FLAG, NULL, NULL, NULL,
             "every event on standard error", false},
            {"jobs", 0, KITH_OPTION_COUNT, "N", NULL, NULL,
             "processes that share the seeds (default: as many as cores)", false},
            {0}},
    .detail = "The same seed gives the same events and the same digest.\n",
    .examples = {"zactor sim --seeds 1..500", "zactor sim --seed 7 --trace", NULL},
    .run = s_run};
