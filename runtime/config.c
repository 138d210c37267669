//  config - the configuration: ZPL text, checked against one table of known keys
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config_state.h"
#include <errno.h>
#include <unistd.h>

#define FILE_BYTES_MAX (1u << 20)    //  of a configuration file
#define INDENT 4u

//  --------------------------------------------------------------------------
//  Errors

int
kith_config_error (const kith_config_t *self, size_t line, kith_error_t *error,
                   const char *format, ...)
{
    char text [400];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    if (line)
        return kith_error_set (error, KITH_ERR_CONFIG, "%s:%zu: %s", self->name, line,
                               text);
    return kith_error_set (error, KITH_ERR_CONFIG, "%s: %s", self->name, text);
}

//  Edits between two names (Levenshtein)
static size_t
s_distance (const char *left, const char *right)
{
    size_t row [72];
    size_t width = strlen (right);
    if (width >= 71)
        return SIZE_MAX;
    for (size_t column = 0; column <= width; column++)
        row [column] = column;
    for (size_t line = 0; left [line]; line++) {
        size_t corner = row [0];
        row [0] = line + 1;
        for (size_t column = 1; column <= width; column++) {
            size_t change = corner + (left [line] != right [column - 1]);
            corner = row [column];
            size_t edit =
                (row [column] < row [column - 1] ? row [column] : row [column - 1]) + 1;
            row [column] = change < edit ? change : edit;
        }
    }
    return row [width];
}

//  Adds "did you mean" for an unknown key of a section
static void
s_hint_key (kith_section_t section, const char *name, kith_error_t *error)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    const char *best = NULL;
    size_t least = strlen (name) + 4;
    char all [200] = "";
    for (size_t place = 0; place < count; place++) {
        if (keys [place].section != section)
            continue;
        size_t used = strlen (all);
        snprintf (all + used, sizeof all - used, "%s%s", used ? ", " : "",
                  keys [place].name);
        //  Of two that are equally far, the one of the same length: letters that changed places
        size_t distance = 2 * s_distance (name, keys [place].name)
                          + (strlen (name) != strlen (keys [place].name));
        if (distance < least) {
            least = distance;
            best = keys [place].name;
        }
    }
    if (best)
        kith_error_hint (error, "did you mean %s?", best);
    else
        kith_error_hint (error, "keys of %s: %s", kith_section_name (section), all);
}

//  --------------------------------------------------------------------------
//  Values

static int
s_scaled (const char *text, const char *const *units, const uint64_t *factors,
          uint64_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return -1;
    errno = 0;
    unsigned long long number = strtoull (text, &end, 10);
    if (errno)
        return -1;
    for (size_t place = 0; units [place]; place++) {
        if (strcmp (end, units [place]) != 0)
            continue;
        return __builtin_mul_overflow ((uint64_t) number, factors [place], out) ? -1 : 0;
    }
    return -1;
}

int
kith_config_duration_ms (const char *text, uint64_t *ms)
{
    static const char *const units [] = {"ms", "s", "m", "h", NULL};
    static const uint64_t factors [] = {1, 1000, 60000, 3600000};
    return s_scaled (text, units, factors, ms);
}

int
kith_config_size (const char *text, uint64_t *bytes)
{
    static const char *const units [] = {"", "B", "KB", "MB", "GB", "TB", NULL};
    static const uint64_t factors [] = {1, 1, 1u << 10, 1u << 20, 1u << 30, 1ull << 40};
    return s_scaled (text, units, factors, bytes);
}

static int
s_count (const char *text, uint64_t *count)
{
    static const char *const units [] = {"", "k", "M", NULL};
    static const uint64_t factors [] = {1, 1000, 1000000};
    return s_scaled (text, units, factors, count);
}

static bool
s_is_choice (const char *choices, const char *text)
{
    size_t size = strlen (text);
    for (const char *at = choices; at; at = strchr (at, ' ')) {
        at += *at == ' ';
        if (size && strncmp (at, text, size) == 0 && (at [size] == ' ' || at [size] == 0))
            return true;
    }
    return false;
}

static bool
s_is_endpoint (const char *text)
{
    if (strncmp (text, "ipc://", 6) == 0)
        return text [6] != 0 && strlen (text) < 100;
    if (strncmp (text, "tcp://", 6) != 0 || strlen (text) > 256)
        return false;
    const char *port = strrchr (text, ':');
    if (port <= text + 6)
        return false;
    uint64_t number;
    if (strcmp (port + 1, "*") == 0)
        return true;
    return s_count (port + 1, &number) == 0 && number >= 1 && number <= 65535
           && strspn (port + 1, "0123456789") == strlen (port + 1);
}

static bool
s_fits (const kith_key_t *key, kith_value_t *value)
{
    switch (key->type) {
        case KITH_KEY_TEXT:
            return strlen (value->text) >= key->min && strlen (value->text) <= key->max;
        case KITH_KEY_CHOICE:
            return s_is_choice (key->choices, value->text);
        case KITH_KEY_ENDPOINT:
            return s_is_endpoint (value->text);
        case KITH_KEY_COUNT:
            if (s_count (value->text, &value->number) != 0)
                return false;
            break;
        case KITH_KEY_SIZE:
            if (kith_config_size (value->text, &value->number) != 0)
                return false;
            break;
        case KITH_KEY_DURATION:
            if (kith_config_duration_ms (value->text, &value->number) != 0)
                return false;
            break;
    }
    return value->number >= key->min && value->number <= key->max;
}

int
kith_config_check (const kith_config_t *self, const kith_key_t *key, kith_value_t *value,
                   const char *where, kith_error_t *error)
{
    if (s_fits (key, value))
        return 0;
    char allowed [160];
    kith_key_allowed (key, allowed, sizeof allowed);
    if (key->type == KITH_KEY_SIZE || key->type == KITH_KEY_DURATION) {
        size_t used = strlen (allowed);
        snprintf (allowed + used, sizeof allowed - used,
                  ", from %" PRIu64 " to %" PRIu64 " %s", key->min, key->max,
                  key->type == KITH_KEY_SIZE ? "bytes" : "ms");
    }
    return kith_config_error (self, value->line, error, "%s%s.%s = \"%s\": allowed is %s",
                              where, kith_section_name (key->section), key->name,
                              value->text, allowed);
}

//  --------------------------------------------------------------------------
//  Lines

//  What zconfig would refuse without saying where, or take for something else
static int
s_check_line (const kith_config_t *self, const char *line, size_t number, size_t *depth,
              kith_error_t *error)
{
    size_t blanks = strspn (line, " ");
    const char *at = line + blanks;
    if (*at == '\t')
        return kith_config_error (self, number, error, "a tab: indent by %u blanks",
                                  INDENT);
    if (blanks % INDENT != 0 || blanks / INDENT > *depth + 1)
        return kith_config_error (
            self, number, error,
            "indented by %zu blanks: a section's content stands %u further in", blanks,
            INDENT);
    size_t name =
        strspn (at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    const char *rest = at + name;
    rest += strspn (rest, " ");
    if (name == 0 || (*rest && *rest != '=' && *rest != '#'))
        return kith_config_error (self, number, error,
                                  "neither a section nor KEY = VALUE: \"%.40s\"", at);
    if (*rest == '=') {
        rest += 1 + strspn (rest + 1, " ");
        if ((*rest == '"' || *rest == '\'') && !strchr (rest + 1, *rest))
            return kith_config_error (self, number, error, "the quote is not closed");
        if (*rest == 0 || *rest == '#')
            return kith_config_error (self, number, error, "no value after =");
    }
    *depth = blanks / INDENT;
    return 0;
}

//  Lines that hold a name, in order: the n-th is the n-th node of the tree. *lines is the caller's.
static int
s_scan_lines (const kith_config_t *self, size_t **lines, kith_error_t *error)
{
    size_t room = 0;
    for (const char *at = self->text; *at; at++)
        room += *at == '\n';
    *lines = kith_new ((room + 2) * sizeof (size_t));
    size_t count = 0;
    size_t depth = 0;
    size_t number = 0;
    int rc = 0;
    for (const char *at = self->text; rc == 0 && *at;) {
        size_t size = strcspn (at, "\n");
        char line [1024];
        number++;
        if (size >= sizeof line)
            return kith_config_error (self, number, error, "a line of over %zu bytes",
                                      sizeof line - 1);
        memcpy (line, at, size);
        line [size] = 0;
        line [strcspn (line, "\r")] = 0;
        at += size + (at [size] == '\n');
        const char *text = line + strspn (line, " \t");
        if (*text == 0 || *text == '#')
            continue;
        if (count == 0 && text != line)
            rc = kith_config_error (self, number, error, "the first section is indented");
        else
            rc = s_check_line (self, line, number, &depth, error);
        (*lines) [count++] = number;
    }
    return rc;
}

//  --------------------------------------------------------------------------
//  The tree

//  A walk through the tree that knows the line of each node
typedef struct {
    kith_config_t *config;
    const size_t *lines;
    size_t next;
    kith_error_t *error;
} s_walk_t;

static kith_part_t *
s_add_part (kith_config_t *self, kith_section_t kind, zconfig_t *node, size_t line)
{
    self->parts = realloc (self->parts, (self->part_count + 1) * sizeof (kith_part_t));
    assert (self->parts);
    kith_part_t *part = &self->parts [self->part_count++];
    memset (part, 0, sizeof *part);
    part->kind = kind;
    part->node = node;
    part->line = line;
    if (kind == KITH_SECTION_PROCESS)
        self->topology.process_count++;
    part->process = self->topology.process_count ? self->topology.process_count - 1 : 0;
    return part;
}

static int
s_take_key (s_walk_t *walk, size_t part, zconfig_t *node, size_t line)
{
    kith_config_t *self = walk->config;
    kith_section_t kind = self->parts [part].kind;
    const char *name = zconfig_name (node);
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    size_t place = 0;
    while (place < count
           && (keys [place].section != kind || strcmp (keys [place].name, name) != 0))
        place++;
    if (place == count) {
        kith_config_error (self, line, walk->error, "%s has no key \"%s\"",
                           kith_section_name (kind), name);
        s_hint_key (kind, name, walk->error);
        return -1;
    }
    kith_value_t *value = &self->parts [part].values [place];
    if (value->text)
        return kith_config_error (self, line, walk->error,
                                  "%s stands at line %zu already", name, value->line);
    value->text = zconfig_value (node) ? zconfig_value (node) : "";
    value->origin = KITH_ORIGIN_FILE;
    value->line = line;
    return kith_config_check (self, &keys [place], value, "", walk->error);
}

static int s_walk (s_walk_t *walk, zconfig_t *node, size_t part);

//  A section below another one (part) or at the top (SIZE_MAX)
//  NOLINTBEGIN(misc-no-recursion): three levels: only a process section holds sections
static int
s_take_section (s_walk_t *walk, zconfig_t *node, size_t part, size_t line)
{
    kith_config_t *self = walk->config;
    const char *name = zconfig_name (node);
    bool top = part == SIZE_MAX;
    bool in_process = !top && self->parts [part].kind == KITH_SECTION_PROCESS;
    if (top && strcmp (name, "cluster") == 0) {
        if (self->parts [0].node)
            return kith_config_error (
                self, line, walk->error,
                "a second cluster section; the first is at line %zu",
                self->parts [0].line);
        self->parts [0].node = node;
        self->parts [0].line = line;
        return s_walk (walk, node, 0);
    }
    if (top && strcmp (name, "process") == 0)
        s_add_part (self, KITH_SECTION_PROCESS, node, line);
    else if (in_process && strcmp (name, "actor") == 0)
        s_add_part (self, KITH_SECTION_ACTOR, node, line);
    else {
        kith_config_error (self, line, walk->error, "no section \"%s\" %s", name,
                           top ? "at the top" : "here");
        kith_error_hint (walk->error, "%s",
                         top ? "sections at the top: cluster, process"
                             : "a process section holds actor sections");
        return -1;
    }
    return s_walk (walk, node, self->part_count - 1);
}

static int
s_walk (s_walk_t *walk, zconfig_t *node, size_t part)
{
    for (zconfig_t *child = zconfig_child (node); child; child = zconfig_next (child)) {
        size_t line = walk->lines [walk->next++];
        //  zconfig has "" for a name without a value
        bool key = zconfig_value (child) && *zconfig_value (child);
        if (key && part == SIZE_MAX)
            return kith_config_error (walk->config, line, walk->error,
                                      "%s stands in no section", zconfig_name (child));
        int rc = key ? s_take_key (walk, part, child, line)
                     : s_take_section (walk, child, part, line);
        if (rc != 0)
            return -1;
        if (key && zconfig_child (child))
            return kith_config_error (walk->config, walk->lines [walk->next], walk->error,
                                      "%s is a key, nothing stands in it",
                                      zconfig_name (child));
    }
    return 0;
}
//  NOLINTEND(misc-no-recursion)

//  --------------------------------------------------------------------------
//  The environment

static int
s_override (kith_config_t *self, const kith_key_t *key, size_t place, const char *name,
            const char *text, kith_error_t *error)
{
    size_t matches = 0;
    kith_value_t given = {.text = text, .origin = KITH_ORIGIN_ENVIRONMENT};
    char where [100];
    snprintf (where, sizeof where, "%s, ", name);
    if (kith_config_check (self, key, &given, where, error) != 0)
        return -1;
    given.text = kith_arena_strdup (&self->arena, text);
    for (size_t part = 0; part < self->part_count; part++) {
        kith_part_t *at = &self->parts [part];
        if (at->kind != key->section)
            continue;
        //  Only proxies listen
        const kith_value_t *role =
            at->kind == KITH_SECTION_ACTOR ? kith_config_value (at, "role") : NULL;
        if (strcmp (key->name, "listen") == 0 && role && role->text
            && strcmp (role->text, "proxy") != 0)
            continue;
        matches++;
        at->values [place] = given;
    }
    if (key->own && matches > 1)
        return kith_config_error (
            self, 0, error,
            "%s would give %zu sections the same %s: write it into the file", name,
            matches, key->name);
    return 0;
}

//  One KEY=value of the environment; those of other programs are left alone
static int
s_take_variable (kith_config_t *self, const char *variable, kith_error_t *error)
{
    for (kith_section_t section = 0; section < KITH_SECTION_COUNT; section++) {
        char name [96];
        char key_name [64] = "";
        size_t size = strcspn (variable, "=");
        if (variable [size] != '=' || size >= sizeof name)
            return 0;
        int prefix =
            snprintf (name, sizeof name, "KITH_%s_", kith_section_name (section));
        for (char *at = name; *at; at++)
            *at = (char) toupper ((unsigned char) *at);
        if (strncmp (variable, name, (size_t) prefix) != 0)
            continue;
        for (size_t at = (size_t) prefix; at < size && at - (size_t) prefix < 63; at++)
            key_name [at - (size_t) prefix] =
                (char) tolower ((unsigned char) variable [at]);
        snprintf (name, sizeof name, "%.*s", (int) size, variable);
        size_t count;
        const kith_key_t *keys = kith_config_keys (&count);
        for (size_t place = 0; place < count; place++)
            if (keys [place].section == section
                && strcmp (keys [place].name, key_name) == 0)
                return s_override (self, &keys [place], place, name, variable + size + 1,
                                   error);
        kith_error_set (error, KITH_ERR_CONFIG, "environment: %s names no key of %s",
                        name, kith_section_name (section));
        s_hint_key (section, key_name, error);
        return -1;
    }
    return 0;
}

//  --------------------------------------------------------------------------
//  All together

const kith_value_t *
kith_config_value (const kith_part_t *part, const char *key)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    size_t place = 0;
    while (
        place < count
        && (keys [place].section != part->kind || strcmp (keys [place].name, key) != 0))
        place++;
    assert (place < count);
    return &part->values [place];
}

static int
s_defaults (kith_config_t *self, kith_error_t *error)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    assert (count <= KITH_CONFIG_KEYS_MAX);
    for (size_t part = 0; part < self->part_count; part++) {
        for (size_t place = 0; place < count; place++) {
            kith_part_t *at = &self->parts [part];
            kith_value_t *value = &at->values [place];
            if (keys [place].section != at->kind || value->text)
                continue;
            if (!keys [place].standard)
                return kith_config_error (self, at->line, error, "%s needs %s",
                                          kith_section_name (at->kind),
                                          keys [place].name);
            if (!*keys [place].standard)
                continue;
            value->text = keys [place].standard;
            if (kith_config_check (self, &keys [place], value, "default of ", error) != 0)
                return -1;
        }
    }
    return 0;
}

static int
s_load (kith_config_t *self, const char *const *environment, kith_error_t *error)
{
    size_t *lines = NULL;
    int rc = s_scan_lines (self, &lines, error);
    if (rc == 0) {
        zchunk_t *chunk = zchunk_new (self->text, strlen (self->text));
        self->root = zconfig_chunk_load (chunk);
        zchunk_destroy (&chunk);
        if (!self->root)
            rc = kith_config_error (self, 0, error, "not ZPL text");
    }
    s_add_part (self, KITH_SECTION_CLUSTER, NULL, 0);
    if (rc == 0) {
        s_walk_t walk = {self, lines, 0, error};
        rc = s_walk (&walk, self->root, SIZE_MAX);
    }
    free (lines);
    for (const char *const *variable = environment; rc == 0 && variable && *variable;
         variable++)
        rc = s_take_variable (self, *variable, error);
    if (rc == 0)
        rc = s_defaults (self, error);
    return rc == 0 ? kith_config_build (self, error) : rc;
}

kith_config_t *
kith_config_parse (const char *text, const char *name, const char *const *environment,
                   kith_error_t *error)
{
    assert (text && name);
    kith_config_t *self = kith_new (sizeof *self);
    self->name = kith_strdup (name);
    self->text = kith_strdup (text);
    if (s_load (self, environment, error) != 0)
        kith_config_destroy (&self);
    return self;
}

void
kith_config_destroy (kith_config_t **self_p)
{
    assert (self_p);
    kith_config_t *self = *self_p;
    if (!self)
        return;
    zconfig_destroy (&self->root);
    kith_arena_free (&self->arena);
    free (self->topology.processes);
    free (self->topology.actors);
    free (self->parts);
    free (self->text);
    free (self->name);
    free (self);
    *self_p = NULL;
}

static char *
s_read_file (const char *path, kith_error_t *error)
{
    FILE *file = fopen (path, "re");
    if (!file) {
        kith_error_errno (error, errno, "configuration %s", path);
        return NULL;
    }
    char *text = kith_new (FILE_BYTES_MAX + 1);
    size_t size = fread (text, 1, FILE_BYTES_MAX + 1, file);
    const char *fault = ferror (file)            ? "cannot be read"
                        : size > FILE_BYTES_MAX  ? "is larger than 1 MB"
                        : memchr (text, 0, size) ? "holds a zero byte"
                                                 : NULL;
    fclose (file);
    if (!fault)
        return text;
    kith_error_set (error, KITH_ERR_CONFIG, "configuration %s %s", path, fault);
    free (text);
    return NULL;
}

kith_config_t *
kith_config_load (const char *path, kith_error_t *error)
{
    if (!path)
        return kith_config_parse (kith_config_standalone (), "standalone.zpl",
                                  (const char *const *) environ, error);
    char *text = s_read_file (path, error);
    kith_config_t *self =
        text ? kith_config_parse (text, path, (const char *const *) environ, error)
             : NULL;
    free (text);
    return self;
}

const kith_topology_t *
kith_config_topology (const kith_config_t *self)
{
    return &self->topology;
}

uint32_t
kith_config_process (const kith_config_t *self, const char *name)
{
    uint32_t place = 0;
    while (place < self->topology.process_count
           && strcmp (self->topology.processes [place].name, name) != 0)
        place++;
    return place;
}
