//  seeds.c - runs seeds of the simulator: smoke A B, replay A B, kept FILE ..., bug NAME A B, one SEED [CLASSES] [trace]
//  SPDX-License-Identifier: Apache-2.0
#include "clients/sim/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    printf ("seed %" PRIu64 ": %.1f s, %" PRIu64 " events, %" PRIu64 " acks, %" PRIu64
            " unknown, %" PRIu64 " reads, %" PRIu64 " rows, %" PRIu64 " retries, %" PRIu64
            " flushes, %" PRIu64 " indexes, %" PRIu64 " drops, %" PRIu64
            " crashes, %" PRIu64 " lost, %" PRIu64 " twice, %" PRIu64
            " torn, digest %016" PRIx64 "\n",
            report->seed, (double) report->cluster_us / 1e6, stats->events, report->acks,
            report->unknown, report->reads, report->rows, report->retries,
            report->flushes, report->indexes, report->drops, stats->crashes, stats->lost,
            stats->duplicated, stats->writes_torn, report->digest);
    if (report->violated)
        printf ("  VIOLATION %s\n", report->violation);
}

static int
s_smoke (uint64_t from, uint64_t to, const char *faults)
{
    int failed = 0;
    for (uint64_t seed = from; seed <= to; seed++) {
        kith_sim_report_t report;
        kith_sim_scenario_t options = {.seed = seed, .faults = faults};
        double began = s_seconds ();
        int result = kith_sim_scenario (&options, &report);
        if (result)
            printf ("seed %" PRIu64 " (%.2f s): %s\n", seed, s_seconds () - began,
                    report.violation);
        fflush (stdout);
        failed += result != 0;
    }
    return failed ? 1 : 0;
}

int
main (int argc, char **argv)
{
    if (argc >= 3 && strcmp (argv [1], "one") == 0) {
        kith_sim_report_t report;
        kith_sim_scenario_t options = {.seed = strtoull (argv [2], NULL, 10)};
        options.faults = argc > 3 && strcmp (argv [3], "all") ? argv [3] : NULL;
        options.trace = argc > 4;
        double began = s_seconds ();
        int result = kith_sim_scenario (&options, &report);
        s_print (&report);
        printf ("%.3f s\n", s_seconds () - began);
        return result;
    }
    if (argc >= 4 && strcmp (argv [1], "smoke") == 0)
        return s_smoke (strtoull (argv [2], NULL, 10), strtoull (argv [3], NULL, 10),
                        argc > 4 ? argv [4] : NULL);
    return 2;
}
