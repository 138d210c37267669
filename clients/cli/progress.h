//  progress.h - how far a long command is: a bar on a terminal, lines otherwise, always on standard error
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_PROGRESS_H
#define KITH_PROGRESS_H

#include "base/base.h"

typedef enum {
    KITH_PROGRESS_NONE,     //  --quiet
    KITH_PROGRESS_BAR,      //  one line, written again and again
    KITH_PROGRESS_LINES,    //  a line now and then
    KITH_PROGRESS_JSON      //  {"progress": {"rows": 10, "of": 100}} now and then
} kith_progress_mode_t;

typedef struct kith_progress kith_progress_t;

//  what: "importing words". of: rows in all; 0: not known, then share (see below) draws the bar.
kith_progress_t *kith_progress_new (kith_progress_mode_t mode, const char *what);

//  Ends the line of a bar.

//  What is counted ("rows" if nobody says otherwise); static text.
void kith_progress_unit (kith_progress_t *self, const char *unit);
void kith_progress_destroy (kith_progress_t **self_p);

//  rows done of `of` (0: not known); share: 0 to 1, negative: rows / of.
void kith_progress_show (kith_progress_t *self, uint64_t rows, uint64_t of, double share);

//  Takes the bar away, so that a message may be printed.
void kith_progress_clear (kith_progress_t *self);

#endif
