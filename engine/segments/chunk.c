//  chunk.c - rows of a growing segment that lie together; they never move
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/chunk.h"

#include <sys/mman.h>

#include "base/column_layout.h"
#include "engine/segments/vectors.h"

enum {
    TEXT_BYTES = 256,               //  reserved a row for text, untouched until used
    CHUNK_BYTES_MAX = 256 << 20,    //  fixed-width data of one chunk
    ROWS_MIN = 16
};

//  Cuts a mapping into parts; with no mapping it only adds up.
typedef struct {
    uint8_t *memory;
    uint64_t at;
} s_cutter_t;

static void *
s_cut (s_cutter_t *cutter, uint64_t bytes)
{
    uint8_t *part = cutter->memory ? cutter->memory + cutter->at : NULL;
    cutter->at += kith_round64 (bytes);
    return part;
}

static void
s_cut_columns (kith_chunk_t *self, s_cutter_t *cutter, const kith_schema_t *schema)
{
    uint64_t rows = self->capacity;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++) {
        const kith_field_t *field = kith_schema_field (schema, index);
        kith_chunk_column_t *column = &self->columns [index];
        bool varlen = kith_type_is_varlen (field->type);
        if (field->nullable)
            column->validity = s_cut (cutter, (rows + 7) / 8);
        if (varlen)
            column->offsets = s_cut (cutter, (rows + 1) * 4);
        column->data =
            s_cut (cutter, varlen ? column->data_capacity
                                  : rows * kith_type_width (field->type, field->dim));
        if (kith_field_has_norms (field))
            column->norms = s_cut (cutter, rows * sizeof (float));
    }
}

static void
s_cut_all (kith_chunk_t *self, s_cutter_t *cutter, const kith_schema_t *schema)
{
    uint64_t rows = self->capacity;
    s_cut (cutter, sizeof *self + kith_schema_count (schema) * sizeof self->columns [0]);
    self->seqs = s_cut (cutter, rows * 8);
    self->timestamps = s_cut (cutter, rows * 8);
    self->places = s_cut (cutter, rows * 4);
    self->partitions = s_cut (cutter, rows * 4);
    self->previous = s_cut (cutter, rows * 4);
    self->ends.bits = s_cut (cutter, kith_bits_words (self->capacity) * 8);
    self->ends.seqs = s_cut (cutter, rows * 8);
    s_cut_columns (self, cutter, schema);
}

static uint32_t
s_text_length (const kith_column_t *column, uint32_t row)
{
    uint32_t length;
    kith_column_string (column, row, &length);
    return length;
}

//  Sets capacities: rows, and text bytes that hold at least the first row
static void
s_size (kith_chunk_t *self, const kith_schema_t *schema, uint32_t rows_max,
        const kith_chunk_input_t *input)
{
    uint64_t width = 0;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++) {
        const kith_field_t *field = kith_schema_field (schema, index);
        width += kith_type_width (field->type, field->dim);
    }
    uint64_t rows = width ? CHUNK_BYTES_MAX / width : rows_max;
    if (rows < ROWS_MIN)
        rows = ROWS_MIN;
    self->capacity = rows < rows_max ? (uint32_t) rows : rows_max;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++) {
        const kith_field_t *field = kith_schema_field (schema, index);
        if (!kith_type_is_varlen (field->type))
            continue;
        bool small = field->max_length && field->max_length < TEXT_BYTES;
        uint64_t bytes =
            (uint64_t) self->capacity * (small ? field->max_length : TEXT_BYTES);
        uint64_t first = s_text_length (input->columns [index], input->first);
        self->columns [index].data_capacity = bytes > first ? bytes : first;
    }
}

kith_chunk_t *
kith_chunk_new (const kith_schema_t *schema, uint32_t first_row, uint32_t rows_max,
                const kith_chunk_input_t *input, kith_error_t *error)
{
    assert (input->first < input->rows && rows_max > 0);
    //  The chunk's own struct lies at the front of the mapping, whose size must be known first
    size_t head =
        sizeof (kith_chunk_t) + kith_schema_count (schema) * sizeof (kith_chunk_column_t);
    kith_chunk_t *plan = kith_new (head);
    plan->first_row = first_row;
    plan->column_count = kith_schema_count (schema);
    s_size (plan, schema, rows_max, input);
    s_cutter_t cutter = {0};
    s_cut_all (plan, &cutter, schema);
    plan->bytes = (size_t) cutter.at;

    void *memory = mmap (NULL, plan->bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        kith_error_set (error, KITH_ERR_NO_MEMORY,
                        "growing segment: no %zu bytes for further rows", plan->bytes);
        free (plan);
        return NULL;
    }
    kith_chunk_t *self = memory;
    memcpy (self, plan, head);
    free (plan);
    s_cut_all (self, &(s_cutter_t){.memory = memory}, schema);
    return self;
}

void
kith_chunk_destroy (kith_chunk_t **self_p)
{
    assert (self_p);
    kith_chunk_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (uint32_t index = 0; index < self->column_count; index++) {
        kith_chunk_index_t *each = atomic_load (&self->columns [index].index);
        while (each) {
            kith_chunk_index_t *older = each->older;
            kith_index_destroy (&each->index);
            free (each);
            each = older;
        }
    }
    munmap (self, self->bytes);
}

uint64_t
kith_chunk_resident (const kith_chunk_t *self, const kith_schema_t *schema)
{
    uint64_t reserved = 0;
    uint64_t text = 0;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++) {
        const kith_chunk_column_t *column = &self->columns [index];
        reserved += column->data_capacity;
        if (column->offsets)
            text += kith_get_u32 (column->offsets + (size_t) self->used * 4);
    }
    return (self->bytes - reserved) * self->used / self->capacity + text;
}

//  ---------------------------------------------------------------------
//  Append

//  How many of the input's rows fit
static uint32_t
s_fitting (const kith_chunk_t *self, const kith_schema_t *schema,
           const kith_chunk_input_t *input)
{
    uint32_t count = input->rows - input->first;
    if (count > self->capacity - self->used)
        count = self->capacity - self->used;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++) {
        const kith_chunk_column_t *column = &self->columns [index];
        if (!column->offsets)
            continue;
        const uint8_t *offsets = input->columns [index]->offsets;
        uint64_t from = kith_get_u32 (offsets + (size_t) input->first * 4);
        uint64_t room = column->data_capacity
                        - kith_get_u32 (column->offsets + (size_t) self->used * 4);
        while (count
               && kith_get_u32 (offsets + ((size_t) input->first + count) * 4) - from
                      > room)
            count--;
    }
    return count;
}

static void
s_append_validity (kith_chunk_t *self, kith_chunk_column_t *column,
                   const kith_column_t *from, uint32_t first, uint32_t count)
{
    for (uint32_t row = 0; row < count; row++) {
        unsigned bit = kith_column_valid (from, first + row);
        uint32_t to = self->used + row;
        atomic_fetch_or_explicit (&column->validity [to / 8], (uint8_t) (bit << (to % 8)),
                                  memory_order_relaxed);
    }
}

static void
s_append_text (kith_chunk_t *self, kith_chunk_column_t *column, const kith_column_t *from,
               uint32_t first, uint32_t count)
{
    uint8_t *offsets = column->offsets + (size_t) self->used * 4;
    uint32_t at = kith_get_u32 (offsets);
    uint32_t begin = kith_get_u32 (from->offsets + (size_t) first * 4);
    uint32_t end = kith_get_u32 (from->offsets + ((size_t) first + count) * 4);
    memcpy (column->data + at, from->data + begin, end - begin);
    for (uint32_t row = 1; row <= count; row++) {
        uint32_t offset = kith_get_u32 (from->offsets + ((size_t) first + row) * 4);
        kith_put_u32 (offsets + (size_t) row * 4, at + (offset - begin));
    }
}

static void
s_append_column (kith_chunk_t *self, uint32_t index, const kith_field_t *field,
                 const kith_chunk_input_t *input, uint32_t count)
{
    kith_chunk_column_t *column = &self->columns [index];
    const kith_column_t *from = input->columns [index];
    if (column->validity)
        s_append_validity (self, column, from, input->first, count);
    if (column->offsets) {
        s_append_text (self, column, from, input->first, count);
        return;
    }
    size_t width = kith_type_width (field->type, field->dim);
    uint8_t *to = column->data + self->used * width;
    memcpy (to, from->data + input->first * width, count * width);
    if (column->norms)
        kith_field_norms (field, to, count, column->norms + self->used);
}

uint32_t
kith_chunk_append (kith_chunk_t *self, const kith_schema_t *schema,
                   const kith_chunk_input_t *input)
{
    uint32_t count = s_fitting (self, schema, input);
    if (count == 0)
        return 0;
    for (uint32_t index = 0; index < kith_schema_count (schema); index++)
        s_append_column (self, index, kith_schema_field (schema, index), input, count);
    for (uint32_t row = 0; row < count; row++) {
        uint32_t to = self->used + row;
        self->seqs [to] = input->seq;
        self->timestamps [to] = input->timestamp;
        self->places [to] = input->first + row;
        self->partitions [to] = input->partition;
    }
    self->used += count;
    return count;
}

void
kith_chunk_column (const kith_chunk_t *self, const kith_field_t *field, uint32_t index,
                   uint32_t rows, kith_arena_t *arena, kith_column_t *column)
{
    assert (rows <= self->capacity);
    const kith_chunk_column_t *from = &self->columns [index];
    *column = (kith_column_t){.type = field->type,
                              .field = field->id,
                              .rows = rows,
                              .dim = field->dim,
                              .offsets = from->offsets,
                              .data = from->data};
    column->data_bytes =
        from->offsets ? kith_get_u32 (from->offsets + (size_t) rows * 4)
                      : (uint64_t) rows * kith_type_width (field->type, field->dim);
    if (!from->validity)
        return;
    size_t bytes = ((size_t) rows + 7) / 8;
    uint8_t *validity = kith_arena_alloc (arena, bytes);
    for (size_t byte = 0; byte < bytes; byte++)
        validity [byte] =
            atomic_load_explicit (&from->validity [byte], memory_order_relaxed);
    column->validity = validity;
}
