//  cli.h - what every command of zactor has: its options, a connection, the way to answer and to fail
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CLI_H
#define KITH_CLI_H

#include "clients/cli/options.h"
#include "clients/cli/progress.h"
#include "clients/cli/table.h"
#include "clients/client.h"

//  Exit status
enum {
    KITH_EXIT_DONE = 0,
    KITH_EXIT_FAILED = 1,
    KITH_EXIT_USAGE = 2,
    KITH_EXIT_NOTHING = 3,    //  nothing found where something was asked for by key
    KITH_EXIT_TIMEOUT = 124
};

typedef struct kith_cli {
    kith_parsed_t parsed;
    bool json;        //  --json
    bool quiet;       //  --quiet
    bool color;       //  standard output is a terminal and colour is allowed
    bool terminal;    //  standard output is a terminal
    int width;        //  columns of it; 0: no terminal
    int64_t start_us;
    kith_client_t *client;    //  after kith_cli_connect
    const kith_command_t *const *commands;
    const kith_option_t *globals;
} kith_cli_t;

//  All commands, null at the end; the options that all have.
const kith_command_t *const *kith_cli_commands (void);
const kith_option_t *kith_cli_globals (void);

//  Short for the option functions
const char *kith_cli_text (const kith_cli_t *self, const char *name);
bool kith_cli_flag (const kith_cli_t *self, const char *name);
const char *
kith_cli_argument (const kith_cli_t *self, uint32_t index);    //  null: not given

//  Connects, as --connect and --timeout say; nothing is sent yet. Null: the failure was told, return KITH_EXIT_USAGE.
kith_client_t *kith_cli_connect (kith_cli_t *self);

//  Time-out of one call in ms: --timeout, or what the command wants without it.
int kith_cli_timeout_ms (const kith_cli_t *self, int fallback_ms);

//  Tells an error on standard error; returns the exit status that fits. filter (may be null): the text that error->at points into,
//  shown with a mark under the place.
int kith_cli_fail (const kith_cli_t *self, const kith_error_t *error, const char *filter);

//  Wrong usage: tells it, returns KITH_EXIT_USAGE.
int kith_cli_usage (const kith_cli_t *self, const char *format, ...) KITH_PRINTF (2, 3);

//  A note on standard error, unless --quiet or --json.
void kith_cli_note (const kith_cli_t *self, const char *format, ...) KITH_PRINTF (2, 3);

//  Prints what was gathered and a line end on standard output, and frees it; returns KITH_EXIT_DONE (FAILED: the output is closed).
int kith_cli_print (kith_bytes_t *text);

//  Before something that is hard to undo: true with --yes, or when a person on a terminal says yes; else tells why
//  not.
bool kith_cli_sure (const kith_cli_t *self, const char *question);

kith_progress_mode_t kith_cli_progress (const kith_cli_t *self);

//  ms since the command began
double kith_cli_ms (const kith_cli_t *self);

//  Reads a file, or standard input ("-"), whole, with a NUL after it that is not counted; at most `bytes_max`.
int kith_cli_read (const char *path, uint64_t bytes_max, kith_bytes_t *out,
                   kith_error_t *error);

#endif
