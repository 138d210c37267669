//  reading.c - options that search, query and delete share: keys, filter, output, consistency
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/reading.h"

#include "clients/json.h"

static int
s_put_key (kith_rows_t *rows, const char *text, size_t size, bool plain,
           kith_error_t *error)
{
    const kith_opened_t *opened = kith_rows_opened (rows);
    uint32_t column;
    if (kith_rows_place (rows, opened->key->name, &column, error) != 0)
        return -1;
    return kith_rows_put_value (rows, column, text, size, plain, error);
}

//  Each item of a JSON array is a key
static int
s_put_array (kith_rows_t *rows, const char *text, kith_error_t *error)
{
    kith_json_t json;
    bool first = true;
    kith_json_init (&json, text, strlen (text), error);
    if (!kith_json_open (&json, '['))
        return -1;
    while (kith_json_next_item (&json, &first)) {
        const char *item;
        size_t size;
        if (!kith_json_raw (&json, &item, &size)
            || s_put_key (rows, item, size, false, error) != 0)
            return -1;
    }
    if (json.failed)
        return -1;
    if (kith_json_done (&json))
        return 0;
    kith_json_fail (&json, "nothing after the array");
    return -1;
}

int
kith_reading_keys (kith_rows_t *rows, const char *text, bool single, kith_error_t *error)
{
    if (single)
        return s_put_key (rows, text, strlen (text), true, error);
    if (text [0] == '[')
        return s_put_array (rows, text, error);
    for (;;) {
        size_t size = strcspn (text, ",");
        if (s_put_key (rows, text, size, true, error) != 0)
            return -1;
        if (!text [size])
            return 0;
        text += size + 1;
    }
}

const char **
kith_reading_output (const kith_cli_t *cli, kith_arena_t *arena, size_t *count)
{
    const char *text = kith_cli_text (cli, "output");
    *count = 0;
    if (!text)
        return NULL;
    const char **names = kith_arena_alloc (arena, (strlen (text) + 1) * sizeof *names);
    char *rest = NULL;
    for (char *name = strtok_r (kith_arena_strdup (arena, text), ", ", &rest); name;
         name = strtok_r (NULL, ", ", &rest))
        names [(*count)++] = name;
    return names;
}

const char **
kith_reading_partitions (const kith_cli_t *cli, kith_arena_t *arena, size_t *count)
{
    *count = 0;
    while (kith_option_each (&cli->parsed, "partition", (uint32_t) *count))
        ++*count;
    const char **names = kith_arena_alloc (arena, (*count + 1) * sizeof *names);
    for (uint32_t index = 0; index < *count; index++)
        names [index] = kith_option_each (&cli->parsed, "partition", index);
    return names;
}

int
kith_reading_level (kith_cli_t *cli, kith_level_t *level, uint32_t *bounded_ms,
                    kith_error_t *error)
{
    static const char *const names [] = {"strong", "session", "bounded", "eventually"};
    const char *name = kith_cli_text (cli, "consistency");
    const char *token = kith_cli_text (cli, "token");
    for (int index = 0; index < 4; index++) {
        if (strcmp (names [index], name) == 0)
            *level = (kith_level_t) index;
    }
    if (token && !kith_option_given (&cli->parsed, "consistency"))
        *level = KITH_SESSION;
    *bounded_ms = (uint32_t) kith_option_ms (&cli->parsed, "bounded");
    return token ? kith_token_parse (kith_client_session (cli->client), token, error) : 0;
}
