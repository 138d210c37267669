//  answer.c - the rows that a read picked, as a batch
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/answer.h"

#include "engine/query/gather.h"

enum {
    COLUMNS_MAX = KITH_FIELDS_MAX + 4    //  every field, and those of the system
};

typedef struct {
    const kith_run_t *runs;
    uint32_t run_count;
    const kith_pick_t *picks;
    kith_column_t shapes [COLUMNS_MAX];
    uint32_t columns;
    kith_column_t *opened;    //  of `current`, a run each; no data: not opened yet
    uint32_t current;         //  column that `opened` is about
    kith_arena_t arena;
} s_answer_t;

static bool
s_system_shape (uint32_t field, kith_column_t *shape)
{
    bool wide = field == KITH_FIELD_SEQ || field == KITH_FIELD_TIMESTAMP;
    *shape =
        (kith_column_t){.field = field, .type = wide ? KITH_TYPE_INT64 : KITH_TYPE_INT32};
    return field >= KITH_FIELD_SEQ && field <= KITH_FIELD_PARTITION;
}

int
kith_answer_check (const kith_view_t *view, kith_error_t *error)
{
    kith_column_t shape;
    for (uint32_t index = 0; index < view->field_count; index++) {
        uint32_t field = view->fields [index];
        if (!s_system_shape (field, &shape) && !kith_schema_by_id (view->schema, field))
            return kith_error_set (error, KITH_ERR_FIELD_NOT_FOUND,
                                   "no field with id %" PRIu32 " in %.80s", field,
                                   kith_schema_name (view->schema));
    }
    return 0;
}

//  Adds a column once
static void
s_add_shape (s_answer_t *self, const kith_schema_t *schema, uint32_t id)
{
    for (uint32_t index = 0; index < self->columns; index++) {
        if (self->shapes [index].field == id)
            return;
    }
    assert (self->columns < COLUMNS_MAX);
    kith_column_t *shape = &self->shapes [self->columns++];
    const kith_field_t *field = kith_schema_by_id (schema, id);
    if (field)
        *shape = (kith_column_t){.field = id, .type = field->type, .dim = field->dim};
    else
        s_system_shape (id, shape);
}

static kith_cell_t
s_cell (void *arg, uint32_t column, uint32_t index)
{
    s_answer_t *self = arg;
    if (self->current != column) {
        memset (self->opened, 0, self->run_count * sizeof self->opened [0]);
        self->current = column;
    }
    kith_pick_t pick = self->picks [index];
    assert (pick.run < self->run_count);
    kith_column_t *opened = &self->opened [pick.run];
    if (!opened->data)
        kith_run_column (&self->runs [pick.run], self->shapes [column].field,
                         &self->arena, opened);
    return (kith_cell_t){.column = opened, .row = pick.row};
}

int
kith_answer_gather (const kith_view_t *view, const kith_run_t *runs, uint32_t run_count,
                    const kith_pick_t *picks, uint32_t count, kith_bytes_t *out,
                    kith_error_t *error)
{
    if (count == 0)
        return 0;
    s_answer_t self = {
        .runs = runs, .run_count = run_count, .picks = picks, .current = UINT32_MAX};
    s_add_shape (&self, view->schema, kith_schema_key (view->schema)->id);
    s_add_shape (&self, view->schema, KITH_FIELD_SEQ);
    for (uint32_t index = 0; index < view->field_count; index++)
        s_add_shape (&self, view->schema, view->fields [index]);
    self.opened = kith_new (run_count * sizeof self.opened [0]);
    kith_gather_t gather = {.shapes = self.shapes,
                            .columns = self.columns,
                            .rows = count,
                            .cell = s_cell,
                            .arg = &self};
    int status = kith_gather_batch (&gather, out, error);
    free (self.opened);
    kith_arena_free (&self.arena);
    return status;
}
