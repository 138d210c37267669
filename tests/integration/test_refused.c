//  test_refused.c - files that cannot be served: a client and `zactor status` are told which, where and why
//  SPDX-License-Identifier: Apache-2.0
//
//  A damaged log, and objects that do not say whose they are. A refusal leaves the files as they are: put
//  back, they serve again with every row. A damaged or lost index is not: it is built anew, with no command.
#include "tests/claims/client.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, SPOTS = 400, READY_MS = 60000, TEXT = 4096 };

//  Indexes from 100 rows on; one fits, two do not
#define CLUSTER_LINES "    index_rows_min = 100\n    index_memory = 120000\n"

typedef struct {
    claim_t *claim;
    const char *endpoint, *config, *data;
    pid_t server;
} s_run_t;

static int
s_zactor (const s_run_t *run, char *out, const char *line)
{
    out [0] = 0;
    return claim_shell (out, TEXT, "%s --connect %s %s 2>&1", claim_zactor (),
                        run->endpoint, line);
}

static void
s_done (s_run_t *run, const char *line)
{
    char out [TEXT];
    if (s_zactor (run, out, line) != 0)
        claim_fail (run->claim, "zactor %s: %s", line, out);
}

static void
s_says (s_run_t *run, const char *line, int status, const char *const *words)
{
    char out [TEXT];
    const int result = s_zactor (run, out, line);
    if (result != status)
        claim_fail (run->claim, "zactor %s ended with %d, not %d: %s", line, result,
                    status, out);
    for (; *words; words++)
        if (!strstr (out, *words))
            claim_fail (run->claim, "zactor %s does not say '%s': %s", line, *words, out);
}

static void
s_start (s_run_t *run)
{
    run->server = claim_run (run->claim, run->config);
    s_done (run, "--timeout 60s status");
}

static void
s_file (s_run_t *run, const char *command)
{
    if (claim_shell (NULL, 0, "cd '%s' && %s", run->data, command) != 0)
        claim_fail (run->claim, "%s in %s failed", command, run->data);
}

static void
s_whole (s_run_t *run)
{
    claim_wait_ready (run->claim, run->endpoint, READY_MS);
    s_says (run, "query docs --count", 0, (const char *const []){"40", NULL});
}

//  `damage` is done to the files of a server that is down, `repair` undoes it
static void
s_refused (s_run_t *run, const char *damage, const char *repair, const char *code,
           const char *const *words)
{
    const char *const asks [] = {"--timeout 20s query docs --count --json",
                                 "--timeout 20s insert docs '{\"id\": 1, \"v\": [1, 2]}' "
                                 "--json"};
    char quoted [64];
    snprintf (quoted, sizeof quoted, "\"code\": \"%s\"", code);
    claim_stop (run->claim, &run->server);
    s_file (run, damage);
    s_start (run);
    for (size_t i = 0; i < sizeof asks / sizeof asks [0]; i++) {
        s_says (run, asks [i], 1, words);
        s_says (run, asks [i], 1, (const char *const []){quoted, "data_node/0", NULL});
    }
    s_says (run, "status", 0, words);
    s_says (run, "status", 0,
            (const char *const []){"cannot open it", "not ready", NULL});
    s_says (run, "status --json", 0, words);
    claim_stop (run->claim, &run->server);
    s_file (run, repair);
    s_start (run);
    s_whole (run);
}

//  A collection large enough here to have an index
static void
s_spots (s_run_t *run, const char *name)
{
    char line [512];
    snprintf (line, sizeof line,
              "collection create %s 'id int64 key' 'v float_vector(4) l2'", name);
    s_done (run, line);
    const char *path = claim_path (run->claim, "spots.jsonl");
    FILE *file = fopen (path, "w");
    if (!file)
        claim_fail (run->claim, "%s cannot be written", path);
    for (int id = 0; id < SPOTS; id++)
        fprintf (file, "{\"id\": %d, \"v\": [%d, %d, %d, %d]}\n", id, id * 7 % 101,
                 id * 13 % 97, id * 29 % 89, id % 11);
    fclose (file);
    snprintf (line, sizeof line, "insert %s '@%s'", name, path);
    s_done (run, line);
}

//  An index that there is no room for is said to be built but not used, and is used once there is room
static void
s_no_room (s_run_t *run)
{
    s_spots (run, "more");
    s_says (run, "--timeout 30s index create more v graph", 1,
            (const char *const []){"is built, but not used", "query_node/0",
                                   "index_memory", NULL});
    s_says (run, "index describe more", 0,
            (const char *const []){"failed: query_node/0", NULL});
    s_done (run, "index drop spots v");
    char out [TEXT];
    const double until_ms = claim_now_ms () + READY_MS;
    while (s_zactor (run, out, "search more --key 7 -k 3 --explain") == 0
           && !strstr (out, "graph") && claim_now_ms () < until_ms)
        ;
    s_done (run, "--timeout 30s index create more v graph");
    s_done (run, "collection drop more --yes");
}

//  The index serves again after `damage` was done to its file: asked for with the same words, and seen in a search
static void
s_built_anew (s_run_t *run, const char *damage, const char *said)
{
    claim_stop (run->claim, &run->server);
    s_file (run, damage);
    s_start (run);
    claim_wait_ready (run->claim, run->endpoint, READY_MS);
    s_done (run, "--timeout 60s index create spots v graph");
    s_says (run, "search spots --key 7 -k 3 --explain", 0,
            (const char *const []){"graph", NULL});
    char log [512];
    snprintf (log, sizeof log, "grep -q '%s' ../server-*.txt", said);
    s_file (run, log);
}

//  Files of indexes that were refused, replaced or dropped go by themselves
static void
s_swept (s_run_t *run)
{
    char files [64];
    const char *const commands [] = {"status", "index create spots v ivf",
                                     "index drop spots v"};
    for (int left = 1; left >= 0; left--) {
        s_done (run, left ? commands [1] : commands [2]);
        const double until_ms = claim_now_ms () + READY_MS;
        do {
            s_done (run, commands [0]);
            files [0] = 0;
            claim_shell (files, sizeof files, "find '%s/objects' -name 'index-*' | wc -l",
                         run->data);
        } while (strtol (files, NULL, 10) != left && claim_now_ms () < until_ms);
        if (strtol (files, NULL, 10) != left)
            claim_fail (run->claim, "%d index files are in use, not %s", left, files);
        s_says (run, "search spots --key 7 -k 3 --explain", 0,
                (const char *const []){left ? "ivf" : "flat", NULL});
    }
}

static void
s_fill (s_run_t *run)
{
    char row [128];
    s_done (run, "collection create docs 'id int64 key' 'v float_vector(2) l2'");
    for (int id = 1; id <= ROWS; id++) {
        snprintf (row, sizeof row, "insert docs '{\"id\": %d, \"v\": [%d, 1]}'", id, id);
        s_done (run, row);
        if (id == ROWS / 2)
            s_done (run, "flush docs");
    }
    s_whole (run);
}

int
main (void)
{
    s_run_t run = {.claim = claim_new ("refused")};
    char found [512] = "";
    run.config =
        claim_config (run.claim, "configs/standalone.zpl", CLUSTER_LINES, &run.endpoint);
    s_start (&run);
    s_fill (&run);
    if (claim_shell (found, sizeof found, "find '%s' -maxdepth 2 -name log-0",
                     claim_path (run.claim, "."))
            != 0
        || !strchr (found, '\n'))
        claim_fail (run.claim, "no log below %s", claim_path (run.claim, "."));
    *strrchr (found, '/') = 0;
    run.data = found;
    //  A byte in the middle of the newest file, with whole records behind it
    s_refused (
        &run,
        "f=$(ls log-0/*.log | tail -1) && cp $f kept && "
        "printf '\\377' | dd of=$f bs=1 seek=$(($(stat -c %s $f) / 2)) conv=notrunc "
        "2>dd.txt",
        "cp kept $(ls log-0/*.log | tail -1)", "corrupt",
        (const char *const []){"log-0/", ".log at byte ", NULL});
    //  Objects without the one that names their cluster
    s_refused (&run, "mv objects mine && mkdir objects && cp -r mine/0* objects/",
               "rm -r objects && mv mine objects", "cluster",
               (const char *const []){"object cluster", "missing", NULL});
    s_spots (&run, "spots");
    s_done (&run, "index create spots v graph");
    s_built_anew (&run,
                  "f=$(find objects -name 'index-*') && "
                  "printf '\\377' | dd of=$f bs=1 seek=$(($(stat -c %s $f) / 2)) "
                  "conv=notrunc 2>dd.txt",
                  "cannot open it, it is built anew");
    s_built_anew (&run, "find objects -name 'index-*' -exec rm {} +", "is not there");
    s_no_room (&run);
    s_done (&run, "index create spots v graph");
    s_swept (&run);
    claim_stop (run.claim, &run.server);
    claim_say (
        "refused: a damaged log and objects of nobody are told by name, and serve again "
        "when they are put back; a damaged or lost index is built anew, and one that "
        "there is no room for waits for some");
    claim_destroy (&run.claim);
    return 0;
}
