//  common.h - what the programs behind the claims share: scratch folders, servers as child processes, clocks, figures
//  SPDX-License-Identifier: Apache-2.0
//
//  A claim runs from the root of the project. What it starts and makes is gone when it ends, also by a signal. A
//  step that must not fail ends the program with a reason: a claim that could not be tried does not hold.
#ifndef KITH_CLAIMS_COMMON_H
#define KITH_CLAIMS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CLAIM_PRINTF(at, first) __attribute__ ((format (printf, at, first)))

typedef struct claim claim_t;

//  Begins a claim: scratch folder, signals. `keep` in the environment (KITH_KEEP=1) leaves the folder.
claim_t *claim_new (const char *name);

//  Ends every server of the claim, removes the folder.
void claim_destroy (claim_t **self_p);

//  A path in the scratch folder; lives as long as the claim.
const char *claim_path (claim_t *self, const char *name);

//  Build folder (BUILD in the environment, else build), the launcher in it, the words' folder (fetched if need be).
const char *claim_build (void);
const char *claim_zactor (void);
const char *claim_words (claim_t *self);

//  Reports and ends the program with status 1.
void claim_fail (claim_t *self, const char *format, ...) CLAIM_PRINTF (2, 3)
    __attribute__ ((noreturn));

//  A line of what is being done; the last line: figure and limit, and whether the claim holds. Returns the exit status.
void claim_say (const char *format, ...) CLAIM_PRINTF (1, 2);
int
claim_figure (bool holds, const char *limit, const char *format, ...) CLAIM_PRINTF (3, 4);

//  A port that nobody listens on; the same number is not given twice.
int claim_port (claim_t *self);

//  Writes a file of the scratch folder; returns its path.
const char *claim_write (claim_t *self, const char *name, const char *format, ...)
    CLAIM_PRINTF (3, 4);

//  A copy of a configuration of configs/ with ports and data of the claim's own, and lines added to its cluster section
//  (null: none). *endpoint: where clients connect.
const char *claim_config (claim_t *self, const char *from, const char *cluster_lines,
                          const char **endpoint);

//  Starts `zactor run CONFIG`, output into a file of the scratch folder; returns at once.
pid_t claim_run (claim_t *self, const char *config);

//  Waits until the server at an endpoint answers and all that was there is searchable again; returns milliseconds.
double claim_wait_ready (claim_t *self, const char *endpoint, int timeout_ms);

//  Ends a server of claim_run: by SIGTERM and a wait, or by SIGKILL (with its children).
void claim_stop (claim_t *self, pid_t *pid_p);
void claim_kill (claim_t *self, pid_t *pid_p);

//  Last lines of the servers' output, for a claim that fails.
void claim_show_output (claim_t *self);

//  Runs a command line by the shell; output appended to out (may be null) up to size. Returns its exit status.
int claim_shell (char *out, size_t size, const char *format, ...) CLAIM_PRINTF (3, 4);

//  Children of a process; the process and all its descendants.
size_t claim_children (pid_t pid, pid_t *pids, size_t max);

//  Resident bytes and CPU seconds of a process; -1 when it is gone.
double claim_rss_mb (pid_t pid);
double claim_cpu_s (pid_t pid);

//  Monotonic milliseconds.
double claim_now_ms (void);
void claim_sleep_ms (double ms);

//  The value at a share (0.5: median) of values, which are sorted.
double claim_percentile (double *values, size_t count, double share);

//  Random numbers from a seed.
uint64_t claim_random (uint64_t *state);

#endif
