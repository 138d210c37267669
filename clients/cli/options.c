//  options.c - commands and options as tables: parsed, explained, completed from the same ones
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/options.h"

#include "clients/client.h"
#include <limits.h>
#include <math.h>

#define NAMES_MAX 96

//  --- Numbers

//  A number with a unit; units: pairs of name and factor, null at the end
typedef struct {
    const char *name;
    double factor;
} unit_t;

static bool
s_parse_unit (const char *text, const unit_t *units, uint64_t *value)
{
    char *end = NULL;
    if (*text < '0' || *text > '9')
        return false;
    double number = strtod (text, &end);
    for (; units->name; units++) {
        if (strcmp (end, units->name) == 0)
            break;
    }
    if (!units->name || strpbrk (text, "xX"))
        return false;
    number *= units->factor;
    if (!(number >= 0 && number < 9e15))
        return false;
    *value = (uint64_t) llround (number);
    return true;
}

bool
kith_parse_count (const char *text, uint64_t *value)
{
    static const unit_t units [] = {{"", 1},    {"k", 1e3}, {"K", 1e3}, {"M", 1e6},
                                    {"m", 1e6}, {"G", 1e9}, {NULL, 0}};
    return s_parse_unit (text, units, value);
}

bool
kith_parse_size (const char *text, uint64_t *value)
{
    static const unit_t units [] = {{"", 1},
                                    {"B", 1},
                                    {"KB", 1024},
                                    {"K", 1024},
                                    {"MB", 1048576},
                                    {"M", 1048576},
                                    {"GB", 1073741824},
                                    {"G", 1073741824},
                                    {"TB", 1099511627776.0},
                                    {NULL, 0}};
    return s_parse_unit (text, units, value);
}

bool
kith_parse_ms (const char *text, uint64_t *value)
{
    static const unit_t units [] = {{"", 1e3},  {"ms", 1},    {"s", 1e3},
                                    {"m", 6e4}, {"h", 3.6e6}, {NULL, 0}};
    return s_parse_unit (text, units, value) && *value < INT_MAX;
}

bool
kith_parse_real (const char *text, double *value)
{
    char *end = NULL;
    *value = strtod (text, &end);
    return end != text && !*end && isfinite (*value);
}

//  --- Tables

static const kith_option_t *
s_find (const kith_option_t *table, const char *name, size_t size)
{
    for (; table && table->name; table++) {
        if (strlen (table->name) == size && strncmp (table->name, name, size) == 0)
            return table;
    }
    return NULL;
}

static const kith_option_t *
s_find_letter (const kith_option_t *table, char letter)
{
    for (; table && table->name; table++) {
        if (table->letter == letter)
            return table;
    }
    return NULL;
}

static const kith_option_t *
s_lookup (const kith_parsed_t *self, const char *name, size_t size)
{
    const kith_option_t *option =
        self->command ? s_find (self->command->options, name, size) : NULL;
    return option ? option : s_find (self->globals, name, size);
}

//  --- Parsing

static void
s_gather_names (const kith_option_t *table, const char **names, size_t *count)
{
    for (; table && table->name && *count + 1 < NAMES_MAX; table++)
        names [(*count)++] = table->name;
}

static int
s_unknown_option (const kith_parsed_t *self, const char *text, kith_error_t *error)
{
    const char *names [NAMES_MAX] = {NULL};
    size_t count = 0;
    char word [64];
    snprintf (word, sizeof word, "%.*s", (int) strcspn (text, "="), text);
    if (self->command)
        s_gather_names (self->command->options, names, &count);
    s_gather_names (self->globals, names, &count);
    const char *bare = word + strspn (word, "-");
    const char *nearest = *bare ? kith_nearest (bare, names) : NULL;
    kith_error_set (error, KITH_ERR_INVALID, "no option '%s'", word);
    if (nearest)
        kith_error_hint (error, "did you mean '--%s'? `zactor%s%s --help` lists them",
                         nearest, self->words [0] ? " " : "", self->words);
    else
        kith_error_hint (error, "`zactor%s%s --help` lists them",
                         self->words [0] ? " " : "", self->words);
    return -1;
}

//  As it is written on a command line: a name of one letter is that letter
static const char *
s_dashes (const kith_option_t *option)
{
    return option->name [1] ? "--" : "-";
}

static int
s_wrong_value (const kith_option_t *option, const char *text, kith_error_t *error)
{
    static const char *const allowed [] = {
        [KITH_OPTION_FLAG] = "",
        [KITH_OPTION_TEXT] = "",
        [KITH_OPTION_COUNT] = "a count such as 10, 10k or 2M",
        [KITH_OPTION_NUMBER] = "a number from 1 on such as 10, 10k or 2M",
        [KITH_OPTION_SHARE] = "a number above 0 and up to 1",
        [KITH_OPTION_TIME] = "a time such as 10ms, 5s, 2m or 1h",
        [KITH_OPTION_SIZE] = "a size such as 64KB or 2GB",
        [KITH_OPTION_CHOICE] = "one of: ",
        [KITH_OPTION_FILE] = "",
    };
    return kith_error_set (error, KITH_ERR_INVALID, "%s%s: '%s' is not %s%s",
                           s_dashes (option), option->name, text, allowed [option->kind],
                           option->kind == KITH_OPTION_CHOICE ? option->choices : "");
}

//  True if `word` is one of the blank-separated words
static bool
s_is_choice (const char *choices, const char *word)
{
    size_t size = strlen (word);
    for (const char *at = choices; size && (at = strstr (at, word)); at++) {
        bool begins = at == choices || at [-1] == ' ';
        if (begins && (at [size] == ' ' || !at [size]))
            return true;
    }
    return false;
}

static bool
s_value_valid (const kith_option_t *option, const char *text)
{
    uint64_t number;
    double real;
    switch (option->kind) {
        case KITH_OPTION_FLAG:
        case KITH_OPTION_TEXT:
        case KITH_OPTION_FILE:
            return true;
        case KITH_OPTION_COUNT:
            return kith_parse_count (text, &number);
        case KITH_OPTION_NUMBER:
            return kith_parse_count (text, &number) && number > 0;
        case KITH_OPTION_SHARE:
            return kith_parse_real (text, &real) && real > 0 && real <= 1;
        case KITH_OPTION_TIME:
            return kith_parse_ms (text, &number);
        case KITH_OPTION_SIZE:
            return kith_parse_size (text, &number);
        case KITH_OPTION_CHOICE:
            return s_is_choice (option->choices, text);
    }
    return false;
}

static int
s_give (kith_parsed_t *self, const kith_option_t *option, const char *text,
        kith_error_t *error)
{
    if (text && !s_value_valid (option, text))
        return s_wrong_value (option, text, error);
    if (!option->many && kith_option_given (self, option->name))
        return kith_error_set (error, KITH_ERR_INVALID, "%s%s is given twice",
                               s_dashes (option), option->name);
    if (self->given_count == KITH_OPTIONS_GIVEN_MAX)
        return kith_error_set (error, KITH_ERR_INVALID, "more than %u options",
                               KITH_OPTIONS_GIVEN_MAX);
    self->given [self->given_count++] = (kith_given_t){option, text};
    return 0;
}

//  --name, --name=value, --name value, -k value, -kvalue; *used: words taken
static int
s_parse_option (kith_parsed_t *self, int left, char **words, int *used,
                kith_error_t *error)
{
    const char *text = words [0];
    const kith_option_t *option;
    const char *value = NULL;
    if (text [1] == '-') {
        size_t size = strcspn (text + 2, "=");
        option = s_lookup (self, text + 2, size);
        if (text [2 + size])
            value = text + 3 + size;
    }
    else {
        option = self->command ? s_find_letter (self->command->options, text [1]) : NULL;
        option = option ? option : s_find_letter (self->globals, text [1]);
        if (text [2])
            value = text + 2 + (text [2] == '=');
    }
    *used = 1;
    if (!option)
        return s_unknown_option (self, text, error);
    if (option->kind == KITH_OPTION_FLAG) {
        if (value)
            return kith_error_set (error, KITH_ERR_INVALID, "%s%s takes no value",
                                   s_dashes (option), option->name);
        return s_give (self, option, NULL, error);
    }
    if (!value) {
        if (left < 2)
            return kith_error_set (error, KITH_ERR_INVALID, "%s%s needs a value: %s",
                                   s_dashes (option), option->name, option->value);
        value = words [1];
        *used = 2;
    }
    return s_give (self, option, value, error);
}

static int
s_unknown_command (const kith_parsed_t *self, const kith_command_t *const *commands,
                   kith_error_t *error)
{
    const char *names [NAMES_MAX] = {NULL};
    for (size_t index = 0; commands [index] && index + 1 < NAMES_MAX; index++)
        names [index] = commands [index]->name;
    const char *nearest = kith_nearest (self->words, names);
    kith_error_set (error, KITH_ERR_INVALID, "no command '%s'", self->words);
    if (nearest)
        kith_error_hint (error, "did you mean '%s'? `zactor help` lists them", nearest);
    else
        kith_error_hint (error, "`zactor help` lists them");
    return -1;
}

//  Adds a word to the command's name; finds the command once it is whole
static int
s_command_word (kith_parsed_t *self, const kith_command_t *const *commands,
                const char *word, kith_error_t *error)
{
    size_t used = strlen (self->words);
    snprintf (self->words + used, sizeof self->words - used, "%s%s", used ? " " : "",
              word);
    size_t size = strlen (self->words);
    for (size_t index = 0; commands [index]; index++) {
        const char *name = commands [index]->name;
        if (strcmp (name, self->words) == 0) {
            self->command = commands [index];
            return 0;
        }
        if (strncmp (name, self->words, size) == 0 && name [size] == ' ')
            return 0;    //  its first word
    }
    return s_unknown_command (self, commands, error);
}

static int
s_argument (kith_parsed_t *self, const char *text, kith_error_t *error)
{
    if (self->argument_count == KITH_ARGUMENTS_MAX)
        return kith_error_set (error, KITH_ERR_INVALID, "more than %u arguments",
                               KITH_ARGUMENTS_MAX);
    self->arguments [self->argument_count++] = text;
    return 0;
}

static int
s_check_arguments (const kith_parsed_t *self, kith_error_t *error)
{
    const kith_argument_t *table = self->command->arguments;
    uint32_t index = 0;
    for (; table && table->name; table++, index++) {
        if (index >= self->argument_count && !table->optional) {
            kith_error_set (error, KITH_ERR_INVALID, "%s is missing", table->name);
            kith_error_hint (error, "`zactor %s --help` shows how it is used",
                             self->command->name);
            return -1;
        }
        if (table->many)
            return 0;
    }
    if (index < self->argument_count) {
        kith_error_set (error, KITH_ERR_INVALID, "'%s' is one argument too many",
                        self->arguments [index]);
        kith_error_hint (error, "`zactor %s --help` shows how it is used",
                         self->command->name);
        return -1;
    }
    return 0;
}

int
kith_options_parse (kith_parsed_t *self, const kith_command_t *const *commands,
                    const kith_option_t *globals, int argc, char **argv,
                    kith_error_t *error)
{
    *self = (kith_parsed_t){.globals = globals};
    bool only_arguments = false;
    for (int place = 1; place < argc;) {
        const char *word = argv [place];
        int used = 1, result;
        if (!only_arguments && strcmp (word, "--") == 0) {
            only_arguments = true;
            result = 0;
        }
        else if (!only_arguments && word [0] == '-' && word [1])
            result = s_parse_option (self, argc - place, argv + place, &used, error);
        else if (!self->command)
            result = s_command_word (self, commands, word, error);
        else
            result = s_argument (self, word, error);
        if (result != 0)
            return -1;
        place += used;
    }
    bool asks = kith_option_flag (self, "help") || kith_option_flag (self, "version");
    if (!self->command && self->words [0] && !asks) {
        kith_error_set (error, KITH_ERR_INVALID, "'%s' needs a word more", self->words);
        kith_error_hint (error, "`zactor help` lists the commands");
        return -1;
    }
    return self->command && !asks ? s_check_arguments (self, error) : 0;
}

//  --- Values

//  What was given last
static const kith_given_t *
s_last (const kith_parsed_t *self, const char *name)
{
    for (uint32_t index = self->given_count; index > 0; index--) {
        if (strcmp (self->given [index - 1].option->name, name) == 0)
            return &self->given [index - 1];
    }
    return NULL;
}

const char *
kith_option_text (const kith_parsed_t *self, const char *name)
{
    const kith_given_t *given = s_last (self, name);
    if (given)
        return given->text;
    const kith_option_t *option = s_lookup (self, name, strlen (name));
    assert (option);
    return option->fallback;
}

bool
kith_option_given (const kith_parsed_t *self, const char *name)
{
    return s_last (self, name) != NULL;
}

bool
kith_option_flag (const kith_parsed_t *self, const char *name)
{
    return s_last (self, name) != NULL;
}

uint64_t
kith_option_count (const kith_parsed_t *self, const char *name)
{
    const char *text = kith_option_text (self, name);
    uint64_t value = 0;
    if (text)
        kith_parse_count (text, &value);
    return value;
}

double
kith_option_real (const kith_parsed_t *self, const char *name)
{
    const char *text = kith_option_text (self, name);
    double value = 0;
    if (text)
        kith_parse_real (text, &value);
    return value;
}

int
kith_option_ms (const kith_parsed_t *self, const char *name)
{
    const char *text = kith_option_text (self, name);
    uint64_t value = 0;
    if (text)
        kith_parse_ms (text, &value);
    return (int) value;
}

const char *
kith_option_each (const kith_parsed_t *self, const char *name, uint32_t index)
{
    for (uint32_t place = 0; place < self->given_count; place++) {
        if (strcmp (self->given [place].option->name, name) == 0 && index-- == 0)
            return self->given [place].text;
    }
    return NULL;
}
