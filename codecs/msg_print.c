//  msg_print.c - a message for people to read
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "codecs/msg.h"

static void
s_print_address (const char *what, const kith_address_t *address, kith_bytes_t *out)
{
    kith_bytes_printf (out, "%s %s.%u", what, kith_role_name (address->role),
                       address->index);
    if (address->incarnation)
        kith_bytes_printf (out, " (%016" PRIx64 ")", address->incarnation);
}

static void
s_print_number (const char *what, uint64_t number, kith_bytes_t *out)
{
    if (number)
        kith_bytes_printf (out, "  %-12s %" PRIu64 "\n", what, number);
}

static void
s_print_frame (uint32_t number, const kith_frame_t *frame, kith_bytes_t *out)
{
    size_t size = kith_frame_size (frame);
    kith_bytes_printf (out, "  frame %-6u %zu bytes", number, size);
    kith_batch_t *batch = kith_new (sizeof *batch);
    if (kith_batch_open (batch, kith_frame_data (frame), size, NULL) == 0)
        kith_bytes_printf (out, ", a batch: %u rows, %u columns", batch->rows,
                           batch->count);
    free (batch);
    kith_bytes_printf (out, "\n");
}

void
kith_msg_print (const kith_msg_t *self, kith_bytes_t *out)
{
    assert (self && out);
    kith_bytes_printf (out, "%s%s", kith_kind_name (self->kind),
                       self->answer ? " (answer)" : "");
    s_print_address (" from", &self->from, out);
    s_print_address (" to", &self->to, out);
    kith_bytes_printf (out, "\n");
    s_print_number ("request", self->request, out);
    if (self->deadline_us)
        kith_bytes_printf (out, "  %-12s %" PRId64 " us\n", "deadline",
                           self->deadline_us);
    s_print_number ("trace", self->trace, out);
    s_print_number ("clock", self->clock, out);
    s_print_number ("schema", self->schema, out);
    s_print_number ("hops", self->hops, out);
    for (uint32_t index = 0; index < self->frame_count; index++)
        s_print_frame (index + 1, self->frames [index], out);
    kith_codec_json (kith_kind_table (self->kind), self->body, true, out);
    kith_bytes_printf (out, "\n");
}
