//  options.h - commands and options as tables: parsed, explained, completed from the same ones
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_OPTIONS_H
#define KITH_OPTIONS_H

#include "base/error.h"

typedef enum {
    KITH_OPTION_FLAG,    //  no value
    KITH_OPTION_TEXT,
    KITH_OPTION_COUNT,     //  10, 10k, 2M
    KITH_OPTION_NUMBER,    //  a count, but not 0: to the library that is what was not said
    KITH_OPTION_SHARE,     //  above 0, at most 1
    KITH_OPTION_TIME,      //  10ms, 5s, 2m, 1h; a bare number is seconds
    KITH_OPTION_SIZE,      //  64KB, 2GB
    KITH_OPTION_CHOICE,    //  one word of `choices`
    KITH_OPTION_FILE       //  a text that completion fills with file names
} kith_option_kind_t;

//  NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which tables are written
typedef struct {
    const char *name;    //  "filter"; null ends a table
    char letter;         //  'k'; 0: none
    kith_option_kind_t kind;
    const char *value;       //  how the value is called in help; null: FLAG
    const char *fallback;    //  default, as text; null: none
    const char *choices;     //  "strong session": for CHOICE
    const char *doc;         //  one line
    bool many;               //  may be given several times
} kith_option_t;

typedef struct {
    const char *name;    //  "COLLECTION"; null ends a table
    const char *doc;
    bool optional;
    bool many;    //  the last one may repeat
} kith_argument_t;

struct kith_cli;

typedef struct {
    const char *name;       //  "collection create"
    const char *purpose;    //  one line
    const kith_argument_t *arguments;
    const kith_option_t *options;
    const char *detail;                   //  a few lines; null: none
    const char *examples [4];             //  at least two, null at the end
    int (*run) (struct kith_cli *cli);    //  returns the exit status
} kith_command_t;

#define KITH_OPTIONS_GIVEN_MAX 256u
#define KITH_ARGUMENTS_MAX 256u

typedef struct {
    const kith_option_t *option;
    const char *text;    //  null: FLAG
} kith_given_t;

//  What a command line said. Texts point into it.
typedef struct {
    const kith_command_t *command;    //  null: none was named
    const kith_option_t *globals;
    kith_given_t given [KITH_OPTIONS_GIVEN_MAX];
    uint32_t given_count;
    const char *arguments [KITH_ARGUMENTS_MAX];
    uint32_t argument_count;
    char words [64];    //  the words of the command, also when there is no such
} kith_parsed_t;

//  Parses a command line against the tables (commands: null-terminated list). INVALID: wrong usage, with the nearest name. After
//  --help or --version missing arguments are no error.
int kith_options_parse (kith_parsed_t *self, const kith_command_t *const *commands,
                        const kith_option_t *globals, int argc, char **argv,
                        kith_error_t *error);

//  Values: what was given last, else the default, else null, false, 0. The name must be in the tables.
const char *kith_option_text (const kith_parsed_t *self, const char *name);
bool kith_option_flag (const kith_parsed_t *self, const char *name);
bool kith_option_given (const kith_parsed_t *self, const char *name);
uint64_t kith_option_count (const kith_parsed_t *self, const char *name);
double kith_option_real (const kith_parsed_t *self, const char *name);
int kith_option_ms (const kith_parsed_t *self, const char *name);

//  The index-th time that an option was given; null: not so often.
const char *
kith_option_each (const kith_parsed_t *self, const char *name, uint32_t index);

//  Numbers as a person writes them; false: not one.
bool kith_parse_count (const char *text, uint64_t *value);
bool kith_parse_size (const char *text, uint64_t *value);
bool kith_parse_ms (const char *text, uint64_t *value);
bool kith_parse_real (const char *text, double *value);

#endif
