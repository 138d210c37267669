//  reading.h - options that search, query and delete share: keys, filter, output, consistency
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_READING_H
#define KITH_READING_H

#include "clients/cli/cli.h"
#include "clients/rows.h"

//  Appends keys to rows that hold keys: "king,queen", a JSON array of keys, or (single) one key as it is. INVALID, TYPE_MISMATCH.
int
kith_reading_keys (kith_rows_t *rows, const char *text, bool single, kith_error_t *error);

//  Fields of --output (comma-separated), in the arena; *count of them.
const char **
kith_reading_output (const kith_cli_t *cli, kith_arena_t *arena, size_t *count);

//  Names of --partition (may be given several times), in the arena; *count of them.
const char **
kith_reading_partitions (const kith_cli_t *cli, kith_arena_t *arena, size_t *count);

//  --consistency, --token: the level; joins the token into the session. A token alone means session.
int kith_reading_level (kith_cli_t *cli, kith_level_t *level, uint32_t *bounded_ms,
                        kith_error_t *error);

//  Options of the tables
#define KITH_READING_PARTITION_OPTION                                                    \
    {                                                                                    \
        "partition", 0, KITH_OPTION_TEXT, "NAME", NULL, NULL,                            \
            "only rows of this partition", true                                          \
    }
#define KITH_READING_LEVEL_OPTIONS                                                       \
    {"consistency",                                                                      \
     0,                                                                                  \
     KITH_OPTION_CHOICE,                                                                 \
     "LEVEL",                                                                            \
     "strong",                                                                           \
     "strong session bounded eventually",                                                \
     "what the answer must have seen",                                                   \
     false},                                                                             \
        {"bounded",                                                                      \
         0,                                                                              \
         KITH_OPTION_TIME,                                                               \
         "TIME",                                                                         \
         "5s",                                                                           \
         NULL,                                                                           \
         "with --consistency bounded: writes older than this are seen",                  \
         false},                                                                         \
    {                                                                                    \
        "token", 0, KITH_OPTION_TEXT, "TOKEN", NULL, NULL,                               \
            "see the write that printed this token (means --consistency session)", false \
    }

#endif
