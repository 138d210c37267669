//  model.c - reads protocol.zpl and refuses what the generator could not stand for
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/gen/model.h"

#include "base/bytes.h"

#include <ctype.h>
#include <czmq.h>

//  What a load needs beside the model. CZMQ's parser does not keep line numbers; but it makes one
//  node of each line that is neither blank nor a comment, so a walk in order can count them again.
typedef struct {
    kith_model_t *model;
    const char *path;
    FILE *file;
    uint32_t line;
    bool bad;
} load_t;

static void
    KITH_PRINTF (3, 4) s_mistake (load_t *self, uint32_t line, const char *format, ...)
{
    if (self->bad)
        return;
    self->bad = true;
    fprintf (stderr, "%s:%u: ", self->path, line);
    va_list arguments;
    va_start (arguments, format);
    vfprintf (stderr, format, arguments);
    va_end (arguments);
    fputc ('\n', stderr);
}

static uint32_t
s_next_line (load_t *self)
{
    char *text = NULL;
    size_t room = 0;
    bool found = false;
    while (!found && getline (&text, &room, self->file) >= 0) {
        self->line++;
        const char *at = text + strspn (text, " \t\r\n");
        found = *at != 0 && *at != '#';
    }
    free (text);
    return self->line;
}

static char *
s_copy (load_t *self, const char *text)
{
    return kith_arena_strdup (&self->model->arena, text);
}

//  Lower case, digits and underscores, no C keyword: names become C identifiers as they are.
static bool
s_name_is_good (const char *name)
{
    static const char *const words [] = {
        "auto",     "bool",     "break",    "case",     "char",     "const",
        "continue", "default",  "do",       "double",   "else",     "enum",
        "extern",   "float",    "for",      "goto",     "if",       "inline",
        "int",      "long",     "register", "restrict", "return",   "short",
        "signed",   "sizeof",   "static",   "struct",   "switch",   "typedef",
        "union",    "unsigned", "void",     "while",    "volatile", "none"};
    for (size_t index = 0; index < sizeof words / sizeof *words; index++)
        if (streq (name, words [index]))
            return false;
    if (!islower ((unsigned char) *name) || strlen (name) > 60)
        return false;
    for (const char *at = name; *at; at++)
        if (!islower ((unsigned char) *at) && !isdigit ((unsigned char) *at)
            && *at != '_')
            return false;
    return true;
}

static uint32_t
s_number (load_t *self, const char *text, uint32_t max)
{
    char *end = NULL;
    unsigned long value = strtoul (text, &end, 10);
    if (!isdigit ((unsigned char) *text) || *end || value > max)
        s_mistake (self, self->line, "\"%s\" is no number from 0 to %u", text, max);
    return (uint32_t) value;
}

static bool
s_scalar_of_name (const char *name, kith_model_kind_t *kind)
{
    static const char *const names [] = {"bool", "u32",    "u64",   "i64",  "f32",
                                         "f64",  "string", "bytes", "frame"};
    for (uint32_t index = 0; index < sizeof names / sizeof *names; index++)
        if (streq (name, names [index])) {
            *kind = (kith_model_kind_t) index;
            return true;
        }
    return false;
}

//  "type, what it is"
static void
s_load_field (load_t *self, kith_model_type_t *type, zconfig_t *node)
{
    if (type->count == KITH_MODEL_FIELDS_MAX) {
        s_mistake (self, self->line, "more than %u fields in \"%s\"",
                   KITH_MODEL_FIELDS_MAX, type->name);
        return;
    }
    kith_model_field_t *field = &type->fields [type->count++];
    field->name = s_copy (self, zconfig_name (node));
    field->line = self->line;
    char *text = s_copy (self, zconfig_value (node) ? zconfig_value (node) : "");
    char *comma = strstr (text, ", ");
    if (!comma || !comma [2]) {
        s_mistake (self, self->line, "field \"%s\" is not \"type, what it is\"",
                   field->name);
        return;
    }
    *comma = 0;
    field->doc = comma + 2;
    field->list = strncmp (text, "[]", 2) == 0;
    field->type_name = field->list ? text + 2 : text;
    if (!s_scalar_of_name (field->type_name, &field->kind))
        field->kind = KITH_MODEL_STRUCT;
    if (!s_name_is_good (field->name))
        s_mistake (self, self->line, "\"%s\" is no name for a field", field->name);
    if (strpbrk (field->doc, "\"\\|"))
        s_mistake (self, self->line, "quotes, backslashes and bars are not for \"%s\"",
                   field->name);
}

static void
s_load_type (load_t *self, zconfig_t *node, bool message)
{
    kith_model_t *model = self->model;
    if (model->count == KITH_MODEL_TYPES_MAX) {
        s_mistake (self, self->line, "more than %u types", KITH_MODEL_TYPES_MAX);
        return;
    }
    kith_model_type_t *type = kith_arena_alloc (&model->arena, sizeof *type);
    type->name = s_copy (self, zconfig_name (node));
    type->message = message;
    type->line = self->line;
    type->fields =
        kith_arena_alloc (&model->arena, KITH_MODEL_FIELDS_MAX * sizeof *type->fields);
    model->types [model->count++] = type;
    if (!s_name_is_good (type->name))
        s_mistake (self, self->line, "\"%s\" is no name for a type", type->name);
    for (zconfig_t *item = zconfig_child (node); item && !self->bad;
         item = zconfig_next (item)) {
        s_next_line (self);
        const char *name = zconfig_name (item);
        const char *value = zconfig_value (item) ? zconfig_value (item) : "";
        if (zconfig_child (item))
            s_mistake (self, self->line, "\"%s\" has something below it", name);
        else if (streq (name, "doc"))
            type->doc = s_copy (self, value);
        else if (message && streq (name, "number"))
            type->number = s_number (self, value, KITH_MODEL_NUMBER_MAX);
        else if (message && streq (name, "answer"))
            type->answer = s_copy (self, value);
        else
            s_load_field (self, type, item);
    }
    if (!type->doc || strpbrk (type->doc, "\"\\|"))
        s_mistake (self, type->line, "\"%s\" lacks a line of doc", type->name);
    if (message && !type->number)
        s_mistake (self, type->line, "message \"%s\" lacks a number", type->name);
}

//  Roles are counted from 0 without a gap: whoever decodes one compares with the count alone.
static void
s_load_role (load_t *self, zconfig_t *node)
{
    kith_model_t *model = self->model;
    const char *value = zconfig_value (node) ? zconfig_value (node) : "";
    kith_model_role_t *role = &model->roles [model->role_count];
    role->name = s_copy (self, zconfig_name (node));
    role->number = s_number (self, value, KITH_MODEL_ROLES_MAX - 1);
    if (role->number != model->role_count)
        s_mistake (self, self->line, "role \"%s\" is %u, %u comes next", role->name,
                   role->number, model->role_count);
    else if (!s_name_is_good (role->name))
        s_mistake (self, self->line, "\"%s\" is no name for a role", role->name);
    for (uint32_t index = 0; index < model->role_count; index++)
        if (streq (model->roles [index].name, role->name))
            s_mistake (self, self->line, "role \"%s\" is there twice", role->name);
    if (!self->bad)
        model->role_count++;
}

static void
s_load_section (load_t *self, zconfig_t *section)
{
    const char *name = zconfig_name (section);
    bool roles = streq (name, "roles");
    bool messages = streq (name, "messages");
    if (!roles && !messages && !streq (name, "structs")) {
        s_mistake (self, self->line, "no section \"%s\" is known", name);
        return;
    }
    zconfig_t *node = zconfig_child (section);
    for (; node && !self->bad; node = zconfig_next (node)) {
        s_next_line (self);
        if (roles)
            s_load_role (self, node);
        else
            s_load_type (self, node, messages);
    }
}

static kith_model_type_t *
s_find (const kith_model_t *model, const char *name)
{
    for (uint32_t index = 0; index < model->count; index++)
        if (streq (model->types [index]->name, name))
            return model->types [index];
    return NULL;
}

static void
s_check_names (load_t *self, uint32_t place)
{
    kith_model_type_t *type = self->model->types [place];
    for (uint32_t index = 0; index < place; index++) {
        const kith_model_type_t *other = self->model->types [index];
        if (streq (other->name, type->name))
            s_mistake (self, type->line, "\"%s\" is there already, in line %u",
                       type->name, other->line);
        else if (type->message && other->message && other->number == type->number)
            s_mistake (self, type->line, "number %u belongs to \"%s\"", type->number,
                       other->name);
    }
    for (uint32_t one = 0; one < type->count; one++)
        for (uint32_t two = 0; two < type->count; two++) {
            const kith_model_field_t *field = &type->fields [one];
            const kith_model_field_t *other = &type->fields [two];
            size_t length = strlen (field->name);
            bool same = two < one && streq (field->name, other->name);
            bool count = field->list && strncmp (other->name, field->name, length) == 0
                         && streq (other->name + length, "_count");
            if (same || count)
                s_mistake (self, field->line,
                           "\"%s\" and \"%s\" make the same member in C", field->name,
                           other->name);
        }
}

static void
s_resolve (load_t *self, kith_model_type_t *type)
{
    if (type->answer) {
        type->answered_by = s_find (self->model, type->answer);
        if (!type->answered_by || !type->answered_by->message)
            s_mistake (self, type->line, "answer \"%s\" of \"%s\" is no message",
                       type->answer, type->name);
    }
    for (uint32_t index = 0; index < type->count; index++) {
        kith_model_field_t *field = &type->fields [index];
        if (field->kind == KITH_MODEL_STRUCT)
            field->type = s_find (self->model, field->type_name);
        if (field->kind == KITH_MODEL_STRUCT && !field->type)
            s_mistake (self, field->line, "no type \"%s\" is known", field->type_name);
    }
}

//  Depth first; a type that holds itself could not be laid out.
//  NOLINTBEGIN(misc-no-recursion): as deep as types nest; one that holds itself is refused
static void
s_sort (load_t *self, kith_model_type_t *type, uint32_t *sorted)
{
    if (type->mark == 1)
        s_mistake (self, type->line, "\"%s\" holds itself", type->name);
    if (type->mark)
        return;
    type->mark = 1;
    for (uint32_t index = 0; index < type->count && !self->bad; index++)
        if (type->fields [index].type)
            s_sort (self, s_find (self->model, type->fields [index].type_name), sorted);
    type->mark = 2;
    self->model->sorted [(*sorted)++] = type;
}
//  NOLINTEND(misc-no-recursion)

static void
s_load (load_t *self, zconfig_t *root)
{
    kith_model_t *model = self->model;
    for (zconfig_t *node = zconfig_child (root); node && !self->bad;
         node = zconfig_next (node)) {
        s_next_line (self);
        if (streq (zconfig_name (node), "version"))
            model->version = s_number (self, zconfig_value (node), UINT16_MAX);
        else
            s_load_section (self, node);
    }
    for (uint32_t index = 0; index < model->count && !self->bad; index++)
        s_check_names (self, index);
    for (uint32_t index = 0; index < model->count && !self->bad; index++)
        s_resolve (self, model->types [index]);
    uint32_t sorted = 0;
    for (uint32_t index = 0; index < model->count && !self->bad; index++)
        s_sort (self, model->types [index], &sorted);
    if (!model->version)
        s_mistake (self, 1, "the version is missing");
    if (!model->role_count)
        s_mistake (self, 1, "there are no roles");
}

kith_model_t *
kith_model_load (const char *path)
{
    load_t load = {.path = path, .file = fopen (path, "r")};
    zconfig_t *root = load.file ? zconfig_load (path) : NULL;
    if (!root) {
        fprintf (stderr, "%s: cannot be read as ZPL\n", path);
        if (load.file)
            fclose (load.file);
        return NULL;
    }
    load.model = kith_new (sizeof *load.model);
    s_load (&load, root);
    zconfig_destroy (&root);
    fclose (load.file);
    if (load.bad)
        kith_model_destroy (&load.model);
    return load.model;
}

void
kith_model_destroy (kith_model_t **self_p)
{
    assert (self_p);
    kith_model_t *self = *self_p;
    if (!self)
        return;
    kith_arena_free (&self->arena);
    free (self);
    *self_p = NULL;
}
