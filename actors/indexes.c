//  indexes.c - specifications of indexes, and which of them are in use: what several roles must see the same way
//  SPDX-License-Identifier: Apache-2.0
#include "actors/indexes.h"

#include "base/random.h"
#include "engine/segments/vectors.h"

#define SAMPLE_ROWS                                                                      \
    1000000u    //  what a specification is checked for: a segment of usual size
#define DEGREE_MAX 512u
#define EFFORT_MAX 4096u
#define LISTS_MAX 1048576u

uint64_t
kith_index_spec_hash (const kith_proto_index_spec_t *spec)
{
    if (!*spec->code)
        return 0;
    char text [160];
    int size =
        snprintf (text, sizeof text, "%.32s %.32s %.6g %u %u %u", spec->type, spec->code,
                  (double) spec->recall, spec->degree, spec->effort, spec->lists);
    uint64_t hash = kith_hash64 (text, (size_t) size);
    return hash ? hash : 1;
}

uint64_t
kith_index_specs_hash (const kith_proto_collection_t *definition)
{
    uint64_t hash = kith_mix64 (definition->id);
    for (uint32_t i = 0; i < definition->indexes_count; i++)
        hash = kith_mix64 (hash ^ definition->indexes [i].field
                           ^ kith_index_spec_hash (&definition->indexes [i]));
    return hash;
}

const kith_proto_index_spec_t *
kith_index_spec_of (const kith_proto_collection_t *definition, uint32_t field)
{
    for (uint32_t i = 0; i < definition->indexes_count; i++)
        if (definition->indexes [i].field == field)
            return &definition->indexes [i];
    return NULL;
}

//  ---------------------------------------------------------------------
//  Check

kith_index_params_t
kith_index_spec_params (const kith_proto_index_spec_t *spec)
{
    kith_index_params_t params = {.degree = spec->degree,
                                  .build_effort = spec->effort,
                                  .lists = spec->lists,
                                  .recall = spec->recall};
    //  A definition from before codes, or of a newer version: as the engine chooses
    if (kith_index_kind_of (*spec->type ? spec->type : "auto", &params.kind, NULL))
        params.kind = KITH_INDEX_AUTO;
    if (kith_index_code_of (*spec->code ? spec->code : "auto", &params.code, NULL))
        params.code = KITH_CODE_AUTO;
    return params;
}

//  Does an index of that kind and code make sense over such rows?
static bool
s_sensible (const kith_rows_t *rows, kith_index_kind_t kind, kith_index_code_t code)
{
    kith_index_params_t params = {.kind = kind, .code = code};
    return kith_index_settle (rows, &params, NULL) == 0
           && (params.kind != KITH_INDEX_FLAT || code <= KITH_CODE_FLOAT32);
}

static void
s_name (char *names, size_t size, const char *name)
{
    size_t used = strlen (names);
    snprintf (names + used, size - used, "%s%s", used ? ", " : "", name);
}

//  What the field may have: kinds, and codes of the kind that was asked for
static void
s_hint (const kith_rows_t *rows, const kith_field_t *field, kith_index_kind_t kind,
        kith_error_t *error)
{
    char kinds [96] = "auto", codes [96] = "auto";
    for (int each = KITH_INDEX_FLAT; each <= KITH_INDEX_BIN; each++)
        if (s_sensible (rows, (kith_index_kind_t) each, KITH_CODE_AUTO))
            s_name (kinds, sizeof kinds, kith_index_kind_name ((kith_index_kind_t) each));
    if (!s_sensible (rows, kind, KITH_CODE_AUTO)) {
        kith_error_hint (error, "a %s(%" PRIu32 ") may have: %s",
                         kith_type_name (field->type), field->dim, kinds);
        return;
    }
    for (int each = KITH_CODE_FLOAT32; each <= KITH_CODE_LAST; each++)
        if (s_sensible (rows, kind, (kith_index_code_t) each))
            s_name (codes, sizeof codes, kith_index_code_name ((kith_index_code_t) each));
    kith_error_hint (error, "%s over %s(%" PRIu32 ") %s may have the code: %s",
                     kith_index_kind_name (kind), kith_type_name (field->type),
                     field->dim, kith_metric_name (field->metric), codes);
}

//  A number that the kind does not use would do nothing, silently
static int
s_check_numbers (const kith_proto_index_spec_t *spec, kith_index_kind_t kind,
                 kith_error_t *error)
{
    const bool any = kind == KITH_INDEX_AUTO;
    const bool graph = any || kind == KITH_INDEX_GRAPH || kind == KITH_INDEX_DISK;
    const bool lists = any || kind == KITH_INDEX_IVF || kind == KITH_INDEX_BIN;
    if (!(spec->recall >= 0 && spec->recall < 1))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "recall is %g, from 0 to below 1 is allowed",
                               (double) spec->recall);
    const struct {
        const char *name;
        uint32_t number, most;
    } numbers [] = {{"M", spec->degree, DEGREE_MAX},
                    {"effort", spec->effort, EFFORT_MAX},
                    {"lists", spec->lists, LISTS_MAX}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers [0]; i++)
        if (numbers [i].number > numbers [i].most)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "%s is %u, at most %u is allowed", numbers [i].name,
                                   numbers [i].number, numbers [i].most);
    if ((spec->degree || spec->effort) && !graph)
        return kith_error_set (
            error, KITH_ERR_INVALID, "%s is a parameter of graph and disk, not of %s",
            spec->degree ? "M" : "effort", kith_index_kind_name (kind));
    if (spec->lists && !lists)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "lists is a parameter of ivf and bin, not of %s",
                               kith_index_kind_name (kind));
    return 0;
}

int
kith_index_spec_check (kith_proto_index_spec_t *spec, const kith_field_t *field,
                       kith_error_t *error)
{
    kith_index_kind_t kind;
    kith_index_code_t code;
    const kith_rows_t rows = kith_field_rows (field, NULL, NULL, SAMPLE_ROWS);
    if (kith_index_kind_of (*spec->type ? spec->type : "auto", &kind, error)
        || kith_index_code_of (*spec->code ? spec->code : "auto", &code, error)
        || s_check_numbers (spec, kind, error))
        return -1;
    kith_index_params_t params = {.kind = kind, .code = code};
    const bool good = kith_index_settle (&rows, &params, error) == 0;
    //  No index at all has no codes: auto ends there when nothing else fits
    const bool bare = good && params.kind == KITH_INDEX_FLAT && code > KITH_CODE_FLOAT32;
    if (bare)
        kith_error_set (error, KITH_ERR_INVALID,
                        kind == KITH_INDEX_AUTO
                            ? "no kind of index has the code %s here"
                            : "flat compares the vectors themselves, it has no code %s",
                        kith_index_code_name (code));
    if (!good || bare) {
        kith_error_prefix (error, "field '%s'", field->name);
        s_hint (&rows, field, kind, error);
        return -1;
    }
    spec->field = field->id;
    spec->type = kith_index_kind_name (kind);
    spec->code = kith_index_code_name (code);
    return 0;
}

//  ---------------------------------------------------------------------
//  In use

void
kith_loaded_add (kith_loaded_t *self, const kith_proto_index_loaded_t *loaded)
{
    uint32_t place = 0;
    while (place < self->count
           && (self->items [place].field != loaded->field
               || self->items [place].spec != loaded->spec))
        place++;
    if (place == 2 * KITH_INDEXES_MAX)
        return;
    if (place == self->count)
        self->items [self->count++] =
            (kith_proto_index_loaded_t){.field = loaded->field, .spec = loaded->spec};
    self->items [place].rows += loaded->rows;
}

uint64_t
kith_loaded_rows (const kith_loaded_t *self, uint32_t field, uint64_t spec)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->items [i].field == field && self->items [i].spec == spec)
            return self->items [i].rows;
    return 0;
}
