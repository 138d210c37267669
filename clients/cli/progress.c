//  progress.c - how far a long command is: a bar on a terminal, lines otherwise, always on standard error
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/progress.h"

#include "base/bytes.h"
#include "clients/cli/table.h"
#include "clients/client.h"

#define BAR_WIDTH 20
#define BAR_EVERY_US 100000
#define LINE_EVERY_US 2000000
#define JSON_EVERY_US 500000

struct kith_progress {
    kith_progress_mode_t mode;
    char *what;
    const char *unit;
    int64_t start_us;
    int64_t shown_us;    //  when it was drawn last
    bool drawn;          //  a bar stands on the terminal
};

kith_progress_t *
kith_progress_new (kith_progress_mode_t mode, const char *what)
{
    kith_progress_t *self = kith_new (sizeof *self);
    self->mode = mode;
    self->what = kith_strdup (what);
    self->unit = "rows";
    self->start_us = kith_client_now_us ();
    self->shown_us = self->start_us;
    return self;
}

void
kith_progress_unit (kith_progress_t *self, const char *unit)
{
    self->unit = unit;
}

void
kith_progress_clear (kith_progress_t *self)
{
    if (self->drawn)
        fputs ("\r\033[K", stderr);
    self->drawn = false;
}

void
kith_progress_destroy (kith_progress_t **self_p)
{
    assert (self_p);
    kith_progress_t *self = *self_p;
    if (!self)
        return;
    kith_progress_clear (self);
    free (self->what);
    free (self);
    *self_p = NULL;
}

static void
s_draw (kith_progress_t *self, uint64_t rows, double share, double seconds)
{
    char bar [BAR_WIDTH + 1], count [32], rate [32], left [48] = "";
    int full = (int) (share * BAR_WIDTH);
    for (int at = 0; at < BAR_WIDTH; at++)
        bar [at] = at < full ? '#' : '-';
    bar [BAR_WIDTH] = 0;
    if (share > 0.01 && seconds > 0.3)
        snprintf (left, sizeof left, "  %.1f s left", seconds * (1 - share) / share);
    bool bars = self->mode == KITH_PROGRESS_BAR;
    fprintf (stderr, "%s%s  [%s] %.0f %%  %s %s  %s %s/s%s%s", bars ? "\r" : "",
             self->what, bar, share * 100, kith_show_count (rows, count), self->unit,
             kith_show_rate ((double) rows / (seconds > 0.001 ? seconds : 0.001), rate),
             self->unit, left, bars ? "\033[K" : "\n");
    fflush (stderr);
    self->drawn = bars;
}

void
kith_progress_show (kith_progress_t *self, uint64_t rows, uint64_t of, double share)
{
    static const int64_t every_us [] = {[KITH_PROGRESS_NONE] = INT64_MAX,
                                        [KITH_PROGRESS_BAR] = BAR_EVERY_US,
                                        [KITH_PROGRESS_LINES] = LINE_EVERY_US,
                                        [KITH_PROGRESS_JSON] = JSON_EVERY_US};
    int64_t now_us = kith_client_now_us ();
    if (now_us - self->shown_us < every_us [self->mode])
        return;
    self->shown_us = now_us;
    if (share < 0)
        share = of ? (double) rows / (double) of : 0;
    share = share > 1 ? 1 : share;
    if (self->mode == KITH_PROGRESS_JSON && of)
        fprintf (stderr, "{\"progress\": {\"rows\": %" PRIu64 ", \"of\": %" PRIu64 "}}\n",
                 rows, of);
    else if (self->mode == KITH_PROGRESS_JSON)
        fprintf (stderr, "{\"progress\": {\"rows\": %" PRIu64 ", \"of\": null}}\n", rows);
    else
        s_draw (self, rows, share, (double) (now_us - self->start_us) / 1e6);
}
