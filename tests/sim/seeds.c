//  seeds.c - runs seeds of the simulated cluster
//  SPDX-License-Identifier: Apache-2.0
//
//      sim_seeds smoke A B            no seed violates anything, and every class of faults did happen
//      sim_seeds replay A B           the same seed gives the same events
//      sim_seeds kept FILE ...        seeds that once failed: a line "seed N", maybe one "faults CLASSES"
//      sim_seeds one N [CLASSES [trace]]
//      sim_bugs  bugs TRIES LIMIT [NAME ...]    each seeded bug (none: all) is found within LIMIT seeds, from TRIES places
#include "clients/sim/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 99u

static double
s_seconds (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void
s_print (const kith_sim_report_t *report)
{
    const kith_sim_stats_t *stats = &report->stats;
    printf ("seed %" PRIu64 ": %.1f s of cluster time, %" PRIu64
            " events, digest %016" PRIx64 "\n",
            report->seed, (double) report->cluster_us / 1e6, stats->events,
            report->digest);
    printf ("  acks %" PRIu64 ", unknown %" PRIu64 ", reads %" PRIu64 ", rows %" PRIu64
            ", retries %" PRIu64 ", flushes %" PRIu64 ", indexes %" PRIu64
            ", releases %" PRIu64 ", drops %" PRIu64 ", of partitions %" PRIu64 "\n",
            report->acks, report->unknown, report->reads, report->rows, report->retries,
            report->flushes, report->indexes, report->releases, report->drops,
            report->partition_drops);
    printf ("  crashes %" PRIu64 ", lost %" PRIu64 ", twice %" PRIu64
            ", reordered %" PRIu64 ", stale %" PRIu64 ", partitions %" PRIu64
            ", pauses %" PRIu64 ", writes lost %" PRIu64 ", torn %" PRIu64
            ", failed %" PRIu64 "\n",
            stats->crashes, stats->lost, stats->duplicated, stats->reordered,
            stats->stale, stats->partitions, stats->pauses, stats->writes_lost,
            stats->writes_torn, stats->io_errors + stats->no_spaces + stats->kv_errors);
    if (report->violation [0])
        printf ("  violation: %s\n", report->violation);
}

static bool
s_holds (uint64_t seed, const char *faults, kith_sim_report_t *report)
{
    const kith_sim_scenario_t options = {.seed = seed, .faults = faults};
    const bool holds = kith_sim_scenario (&options, report) == 0;
    if (!holds) {
        s_print (report);
        fflush (stdout);
    }
    return holds;
}

//  A simulator in which nothing happens would find nothing wrong
static bool
s_happened (const char *what, uint64_t times)
{
    if (!times)
        printf ("%s: never\n", what);
    return times > 0;
}

static int
s_smoke (uint64_t from, uint64_t to, const char *faults)
{
    kith_sim_report_t all = {0};
    kith_sim_stats_t *sum = &all.stats;
    bool right = true;
    for (uint64_t seed = from; seed <= to; seed++) {
        kith_sim_report_t report;
        right = s_holds (seed, faults, &report) && right;
        all.acks += report.acks;
        all.rows += report.rows;
        all.flushes += report.flushes;
        all.drops += report.drops;
        all.partition_drops += report.partition_drops;
        sum->crashes += report.stats.crashes;
        sum->lost += report.stats.lost;
        sum->duplicated += report.stats.duplicated;
        sum->stale += report.stats.stale;
        sum->partitions += report.stats.partitions;
        sum->pauses += report.stats.pauses;
        sum->writes_lost += report.stats.writes_lost;
        sum->writes_torn += report.stats.writes_torn;
        sum->io_errors += report.stats.io_errors + report.stats.kv_errors;
    }
    if (faults)
        return right ? 0 : 1;
    const struct {
        const char *name;
        uint64_t times;
    } counts [] = {{"acks", all.acks},
                   {"rows read", all.rows},
                   {"flushes", all.flushes},
                   {"drops", all.drops},
                   {"drops of partitions", all.partition_drops},
                   {"crashes", sum->crashes},
                   {"lost messages", sum->lost},
                   {"messages twice", sum->duplicated},
                   {"messages to a next life", sum->stale},
                   {"partitions", sum->partitions},
                   {"pauses", sum->pauses},
                   {"lost writes", sum->writes_lost},
                   {"torn writes", sum->writes_torn},
                   {"errors of disks", sum->io_errors}};
    for (size_t i = 0; i < sizeof counts / sizeof counts [0]; i++)
        right = s_happened (counts [i].name, counts [i].times) && right;
    return right ? 0 : 1;
}

static int
s_replay (uint64_t from, uint64_t to)
{
    bool right = true;
    uint64_t before = 0;
    for (uint64_t seed = from; seed <= to; seed++) {
        kith_sim_report_t one, two;
        right = s_holds (seed, NULL, &one) && s_holds (seed, NULL, &two) && right;
        if (one.digest != two.digest || one.digest == before
            || one.cluster_us != two.cluster_us || one.acks != two.acks) {
            printf ("seed %" PRIu64 ": digests %016" PRIx64 " and %016" PRIx64
                    ", of the seed before %016" PRIx64 "\n",
                    seed, one.digest, two.digest, before);
            right = false;
        }
        before = one.digest;
    }
    return right ? 0 : 1;
}

static bool
s_kept (const char *path)
{
    FILE *file = fopen (path, "r");
    if (!file) {
        printf ("%s cannot be read\n", path);
        return false;
    }
    char line [256], faults [64] = "";
    unsigned long long seed = 0;
    bool named = false;
    while (fgets (line, sizeof line, file)) {
        named = sscanf (line, "seed %llu", &seed) == 1 || named;
        if (sscanf (line, "faults %63[a-z ]", faults) == 1)
            continue;
    }
    fclose (file);
    if (!named) {
        printf ("%s names no seed\n", path);
        return false;
    }
    kith_sim_report_t report;
    return s_holds (seed, *faults ? faults : NULL, &report);
}

#ifdef KITH_BUGS

static int
s_compare (const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *) a, right = *(const uint64_t *) b;
    return left < right ? -1 : left > right;
}

//  In a process of its own: a bug may also run into an assertion
static bool
s_fails (uint64_t seed, kith_bug_t bug, kith_sim_report_t *report)
{
    const kith_sim_scenario_t options = {.seed = seed, .bug = bug};
    int pipes [2], status = 0;
    memset (report, 0, sizeof *report);
    if (pipe (pipes) != 0)
        abort ();
    const pid_t child = fork ();
    if (child == 0) {
        const int result = kith_sim_scenario (&options, report);
        const ssize_t sent = write (pipes [1], report, sizeof *report);
        _exit (result != 0 || sent != sizeof *report);
    }
    close (pipes [1]);
    if (read (pipes [0], report, sizeof *report) != sizeof *report)
        snprintf (report->violation, sizeof report->violation, "seed %" PRIu64 " died",
                  seed);
    close (pipes [0]);
    if (child < 0 || waitpid (child, &status, 0) != child)
        abort ();
    return status != 0;
}

//  Seeds until a bug is found, from a place of its own; limit + 1: it was not
static uint64_t
s_hunt (kith_bug_t bug, uint64_t from, uint64_t limit, kith_sim_report_t *report)
{
    for (uint64_t tried = 1; tried <= limit; tried++)
        if (s_fails (from + tried, bug, report))
            return tried;
    return limit + 1;
}

//  Among the names, or there are none
static bool
s_named (char **names, const char *name)
{
    bool named = !*names;
    for (; *names; names++)
        named = named || strcmp (*names, name) == 0;
    return named;
}

static int
s_bugs (uint32_t tries, uint64_t limit, char **names)
{
    bool right = true;
    for (char **name = names; *name; name++)
        if (kith_bug_of_name (*name) == KITH_BUG_COUNT) {
            printf ("there is no bug '%s'\n", *name);
            return 2;
        }
    for (int bug = KITH_BUG_NONE + 1; bug < KITH_BUG_COUNT; bug++) {
        const char *name = kith_bug_name ((kith_bug_t) bug);
        if (!s_named (names, name))
            continue;
        uint64_t needed [TRIES_MAX];
        kith_sim_report_t report = {0};
        const double began = s_seconds ();
        for (uint32_t i = 0; i < tries && i < TRIES_MAX; i++)
            needed [i] = s_hunt ((kith_bug_t) bug, 1000000ull * (i + 1), limit, &report);
        qsort (needed, tries, sizeof needed [0], s_compare);
        const bool found = needed [tries / 2] <= limit;
        printf ("%-22s %s, median %" PRIu64 " of %" PRIu64 " to %" PRIu64
                " seeds, %.1f s: %.200s\n",
                name, found ? "found" : "NOT FOUND", needed [tries / 2], needed [0],
                needed [tries - 1], s_seconds () - began, report.violation);
        fflush (stdout);
        right = right && found;
    }
    return right ? 0 : 1;
}

#else

static int
s_bugs (uint32_t tries, uint64_t limit, char **names)
{
    (void) tries;
    (void) limit;
    (void) names;
    printf ("this build has no seeded bugs\n");
    return 2;
}

#endif

static int
s_one (int argc, char **argv)
{
    kith_sim_report_t report;
    const kith_sim_scenario_t options = {
        .seed = strtoull (argv [2], NULL, 10),
        .faults = argc > 3 && strcmp (argv [3], "all") != 0 ? argv [3] : NULL,
        .trace = argc > 4};
    const double began = s_seconds ();
    const int result = kith_sim_scenario (&options, &report);
    s_print (&report);
    printf ("  %.3f s\n", s_seconds () - began);
    return result ? 1 : 0;
}

int
main (int argc, char **argv)
{
    const char *mode = argc > 1 ? argv [1] : "";
    const uint64_t first = argc > 2 ? strtoull (argv [2], NULL, 10) : 0;
    const uint64_t second = argc > 3 ? strtoull (argv [3], NULL, 10) : 0;
    if (argc > 3 && strcmp (mode, "smoke") == 0)
        return s_smoke (first, second, argc > 4 ? argv [4] : NULL);
    if (argc > 3 && strcmp (mode, "replay") == 0)
        return s_replay (first, second);
    if (argc > 2 && strcmp (mode, "one") == 0)
        return s_one (argc, argv);
    if (argc > 3 && strcmp (mode, "bugs") == 0 && first > 0 && first <= TRIES_MAX)
        return s_bugs ((uint32_t) first, second, argv + 4);
    if (argc > 2 && strcmp (mode, "kept") == 0) {
        bool right = true;
        for (int i = 2; i < argc; i++)
            right = s_kept (argv [i]) && right;
        return right ? 0 : 1;
    }
    printf (
        "usage: sim_seeds smoke A B | replay A B | kept FILE ... | one SEED | bugs TRIES "
        "LIMIT\n");
    return 2;
}
