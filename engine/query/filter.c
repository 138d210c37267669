//  filter.c - life of a filter
//  SPDX-License-Identifier: Apache-2.0
#include <stdatomic.h>

#include "engine/query/filter_lex.h"
#include "engine/query/filter_parse.h"
#include "engine/segments/text.h"

kith_filter_t *
kith_filter_new (const char *text, kith_schema_t *schema, kith_error_t *error)
{
    assert (text && schema);
    size_t length = strnlen (text, KITH_FILTER_BYTES_MAX + 1);
    if (length > KITH_FILTER_BYTES_MAX) {
        kith_filter_refuse (error, 0, "the filter is longer than %u bytes",
                            KITH_FILTER_BYTES_MAX);
        return NULL;
    }
    if (!kith_utf8_valid (text, length)) {
        kith_filter_refuse (error, 0, "the filter is not UTF-8");
        return NULL;
    }
    kith_filter_t *self = kith_new (sizeof *self);
    atomic_init (&self->references, 1);
    self->schema = kith_schema_share (schema);
    if (kith_filter_parse (self, text, error) != 0)
        kith_filter_destroy (&self);
    return self;
}

kith_filter_t *
kith_filter_share (kith_filter_t *self)
{
    assert (self);
    atomic_fetch_add_explicit (&self->references, 1, memory_order_relaxed);
    return self;
}

void
kith_filter_destroy (kith_filter_t **self_p)
{
    assert (self_p);
    kith_filter_t *self = *self_p;
    *self_p = NULL;
    if (!self
        || atomic_fetch_sub_explicit (&self->references, 1, memory_order_acq_rel) > 1)
        return;
    kith_arena_free (&self->arena);
    kith_schema_destroy (&self->schema);
    free (self);
}
