//  claim_idle - what a fresh server takes while nobody asks it anything
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/client.h"
#include <stdio.h>
#include <stdlib.h>

enum { STARTS = 5, SECONDS = 60 };

//  Milliseconds from the start of the program until a client gets an answer
static double
s_start (claim_t *claim, pid_t *server)
{
    const char *endpoint = NULL;
    const char *config = claim_config (claim, "configs/standalone.zpl", NULL, &endpoint);
    kith_failure_t failure = {.at = -1};
    claim_shell (NULL, 0, "rm -rf '%s'", claim_path (claim, "data"));
    double began = claim_now_ms ();
    *server = claim_run (claim, config);
    kith_client_t *client = kith_client_new (endpoint, NULL, &failure);
    if (!client || kith_client_ping (client, &failure) != 0)
        claim_fail (claim, "no answer: %s", failure.message);
    //  Ready: metadata answer too
    char *list = kith_client_list (client, &failure);
    double ms = claim_now_ms () - began;
    if (!list)
        claim_fail (claim, "no list: %s", failure.message);
    kith_text_free (&list);
    kith_client_destroy (&client);
    return ms;
}

int
main (void)
{
    claim_t *claim = claim_new ("idle");
    double ready [STARTS];
    pid_t server = 0;
    claim_say ("idle: a fresh server, %d starts, then %d s without a client", STARTS,
               SECONDS);
    for (int i = 0; i < STARTS; i++) {
        ready [i] = s_start (claim, &server);
        claim_say ("ready after %.0f ms", ready [i]);
        if (i + 1 < STARTS)
            claim_stop (claim, &server);
    }
    claim_sleep_ms (1000);
    double before = claim_cpu_s (server);
    claim_sleep_ms (SECONDS * 1000.0);
    double cpu = claim_cpu_s (server) - before, rss = claim_rss_mb (server);
    claim_stop (claim, &server);
    double median = claim_percentile (ready, STARTS, 0.5);
    int rc = claim_figure (rss <= 40 && cpu <= 0.2 && median < 500,
                           "<= 40 MB, <= 0.2 s CPU in 60 s, ready in < 0.5 s",
                           "%.1f MB resident, %.2f s of CPU in %d s, ready in %.2f s",
                           rss, cpu, SECONDS, median / 1000);
    claim_destroy (&claim);
    return rc;
}
