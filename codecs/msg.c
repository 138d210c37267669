//  msg.c - a message: envelope, decoded body, frames
//  SPDX-License-Identifier: Apache-2.0
#include "codecs/msg.h"

#include "base/crc32c.h"
#include "base/limits.h"
#include "codecs/codec_walk.h"
#include "codecs/utf8.h"

#define FLAG_ANSWER 1u
#define FLAG_CRC 2u

//  A message and the first memory of its arena come in one piece; most bodies need no other.
#define PIECE_BYTES 1024u

typedef struct {
    kith_msg_t msg;
    _Alignas(16) uint8_t room [PIECE_BYTES - (sizeof (kith_msg_t) + 15) / 16 * 16];
} piece_t;

_Static_assert(sizeof (piece_t) == PIECE_BYTES, "the piece is as large as it says");
_Static_assert(offsetof (piece_t, msg) == 0, "a message is freed as its piece");

static kith_msg_t *
s_new (void)
{
    piece_t *piece = kith_new (sizeof *piece);
    kith_arena_init (&piece->msg.arena, piece->room, sizeof piece->room);
    return &piece->msg;
}

kith_msg_t *
kith_msg_new (kith_kind_t kind)
{
    const kith_codec_table_t *table = kith_kind_table (kind);
    assert (table);
    kith_msg_t *self = s_new ();
    self->kind = kind;
    self->body = kith_arena_alloc (&self->arena, table->size);
    kith_codec_settle (table, self->body);
    return self;
}

void
kith_msg_destroy (kith_msg_t **self_p)
{
    assert (self_p);
    kith_msg_t *self = *self_p;
    if (!self)
        return;
    *self_p = NULL;
    for (uint32_t index = 0; index < self->frame_count; index++)
        kith_frame_destroy (&self->frames [index]);
    kith_arena_free (&self->arena);
    free (self);
}

uint32_t
kith_msg_add_frame (kith_msg_t *self, kith_frame_t **frame_p)
{
    assert (self && frame_p && *frame_p && self->frame_count < KITH_FRAMES_MAX);
    self->frames [self->frame_count++] = *frame_p;
    *frame_p = NULL;
    return self->frame_count;
}

uint32_t
kith_msg_add_bytes (kith_msg_t *self, kith_bytes_t *bytes)
{
    kith_frame_t *frame = kith_frame_take (bytes);
    return kith_msg_add_frame (self, &frame);
}

kith_frame_t *
kith_msg_frame (const kith_msg_t *self, uint32_t field)
{
    assert (self && field <= self->frame_count);
    return field ? self->frames [field - 1] : NULL;
}

void
kith_msg_settle (kith_msg_t *self)
{
    assert (self);
    kith_codec_settle (kith_kind_table (self->kind), self->body);
}

//  Failures. Their text may hold parts of what a user sent, or be cut within a character.
static const char *
s_text (kith_msg_t *self, const char *text)
{
    size_t size = strlen (text);
    if (kith_utf8_run (text, size) == size)
        return kith_arena_strdup (&self->arena, text);
    kith_bytes_t good = {0};
    kith_utf8_repair (text, size, &good);
    char *copy = kith_arena_alloc (&self->arena, good.size + 1);
    memcpy (copy, good.data, good.size);
    kith_bytes_free (&good);
    return copy;
}

kith_msg_t *
kith_msg_failed (const kith_error_t *error)
{
    assert (error && error->code != KITH_OK);
    kith_msg_t *self = kith_msg_new (KITH_KIND_FAILED);
    kith_proto_failed_t *body = self->body;
    body->code = (uint32_t) error->code;
    body->message = s_text (self, error->message);
    body->hint = s_text (self, error->hint);
    body->at = error->at;
    body->retry = kith_code_retry (error->code);
    return self;
}

bool
kith_msg_is_failed (const kith_msg_t *self, kith_error_t *error)
{
    assert (self);
    if (self->kind != KITH_KIND_FAILED)
        return false;
    const kith_proto_failed_t *body = self->body;
    //  A code that only a newer version knows
    bool known = body->code > KITH_OK && body->code < KITH_ERR_COUNT;
    kith_code_t code = known ? (kith_code_t) body->code : KITH_ERR_INTERNAL;
    kith_error_set (error, code, "%s", body->message);
    if (*body->hint)
        kith_error_hint (error, "%s", body->hint);
    if (error)
        error->at = body->at >= 0 && body->at <= INT32_MAX ? (int) body->at : -1;
    return true;
}

//  Wire
int
kith_msg_check_parts (kith_frame_t *const *parts, uint32_t count, kith_error_t *error)
{
    if (count < 2 || count > KITH_FRAMES_MAX + 2)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "a message has 2 to %u parts, not %u", KITH_FRAMES_MAX + 2,
                               count);
    uint64_t total = 0;
    for (uint32_t index = 0; index < count; index++)
        total += kith_frame_size (parts [index]);
    if (total > KITH_MESSAGE_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "a message of %" PRIu64 " bytes: %u at most", total,
                               KITH_MESSAGE_BYTES_MAX);
    if (kith_frame_size (parts [1]) > KITH_CONTROL_BYTES_MAX)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "a body of %zu bytes: %u at most",
                               kith_frame_size (parts [1]), KITH_CONTROL_BYTES_MAX);
    return 0;
}

static uint32_t
s_crc (kith_frame_t *const *parts, uint32_t count)
{
    uint32_t crc = 0;
    for (uint32_t index = 1; index < count; index++)
        crc = kith_crc32c (crc, kith_frame_data (parts [index]),
                           kith_frame_size (parts [index]));
    return crc;
}

static kith_proto_address_t
s_put_address (const kith_address_t *address)
{
    return (kith_proto_address_t){address->role, address->index, address->incarnation};
}

//  A deadline that has passed still goes out as one, not as none.
static uint32_t
s_left (int64_t deadline_us, int64_t now_us)
{
    if (deadline_us == 0)
        return 0;
    int64_t left_ms = deadline_us > now_us ? (deadline_us - now_us - 1) / 1000 + 1 : 1;
    return left_ms < UINT32_MAX ? (uint32_t) left_ms : UINT32_MAX;
}

void
kith_msg_encode (const kith_msg_t *self, int64_t now_us, bool with_crc,
                 kith_frame_t *parts [KITH_FRAMES_MAX + 2], uint32_t *count)
{
    assert (self && parts && count);
    kith_bytes_t packed = {0};
    kith_codec_pack (kith_kind_table (self->kind), self->body, &packed);
    parts [1] = kith_frame_copy (packed.data, packed.size);
    for (uint32_t index = 0; index < self->frame_count; index++)
        parts [2 + index] = kith_frame_share (self->frames [index]);
    *count = 2 + self->frame_count;
    kith_proto_envelope_t envelope = {.version = KITH_PROTOCOL_VERSION,
                                      .from = s_put_address (&self->from),
                                      .to = s_put_address (&self->to),
                                      .request = self->request,
                                      .kind = self->kind,
                                      .flags = (self->answer ? FLAG_ANSWER : 0)
                                               | (with_crc ? FLAG_CRC : 0),
                                      .deadline_ms = s_left (self->deadline_us, now_us),
                                      .trace = self->trace,
                                      .clock = self->clock,
                                      .schema = self->schema,
                                      .hops = self->hops,
                                      .crc = with_crc ? s_crc (parts, *count) : 0,
                                      .frames = self->frame_count};
    kith_bytes_clear (&packed);
    kith_codec_pack (&kith_proto_envelope_table, &envelope, &packed);
    parts [0] = kith_frame_copy (packed.data, packed.size);
    kith_bytes_free (&packed);
}

static int
s_check_envelope (const kith_proto_envelope_t *envelope, kith_frame_t *const *parts,
                  uint32_t count, kith_error_t *error)
{
    const char *what = NULL;
    if (envelope->version != KITH_PROTOCOL_VERSION)
        return kith_error_set (error, KITH_ERR_PROTOCOL,
                               "protocol version %u: this is version %u",
                               envelope->version, KITH_PROTOCOL_VERSION);
    if (!kith_kind_table ((kith_kind_t) envelope->kind))
        return kith_error_set (error, KITH_ERR_PROTOCOL, "no message has number %u",
                               envelope->kind);
    if (envelope->from.role >= KITH_ROLE_COUNT || envelope->to.role >= KITH_ROLE_COUNT)
        what = "a role that there is not";
    else if (envelope->frames != count - 2)
        what = "another number of frames than there are";
    else if (envelope->flags > (FLAG_ANSWER | FLAG_CRC))
        what = "flags that are not known";
    else if (envelope->flags & FLAG_CRC && envelope->crc != s_crc (parts, count))
        what = "a checksum that does not fit";
    if (what)
        return kith_error_set (error, KITH_ERR_PROTOCOL, "an envelope with %s", what);
    return 0;
}

//  Frame numbers of the body, in nested structs and lists too
static int
s_check_frames (const kith_codec_table_t *table, const void *body, uint32_t frame_count,
                const kith_codec_path_t *path, kith_error_t *error);

typedef struct {
    uint32_t frame_count;
    kith_error_t *error;
} frames_t;

//  NOLINTBEGIN(misc-no-recursion): as deep as tables nest, and no table holds itself (codegen sees to it)
static int
s_check_value (const frames_t *self, const kith_codec_field_t *field, const void *at,
               const kith_codec_path_t *path)
{
    if (field->type == KITH_WIRE_STRUCT)
        return s_check_frames (field->table, at, self->frame_count, path, self->error);
    uint32_t number = *(const uint32_t *) at;
    if (number > self->frame_count)
        return kith_codec_refuse (path, self->error, "frame %u of %u", number,
                                  self->frame_count);
    return 0;
}

static int
s_check_frames (const kith_codec_table_t *table, const void *body, uint32_t frame_count,
                const kith_codec_path_t *path, kith_error_t *error)
{
    frames_t self = {frame_count, error};
    for (uint32_t index = 0; index < table->count; index++) {
        const kith_codec_field_t *field = &table->fields [index];
        if (field->type != KITH_WIRE_STRUCT && field->type != KITH_WIRE_FRAME)
            continue;
        kith_codec_path_t step = {path, field->name, -1};
        uint32_t items = field->list ? kith_codec_count (field, body) : 1;
        const char *at = field->list ? kith_codec_list (field, body)
                                     : kith_codec_at (body, field->offset);
        size_t width = kith_codec_width (field);
        for (uint32_t item = 0; item < items; item++) {
            step.index = field->list ? (int64_t) item : -1;
            if (s_check_value (&self, field, at + item * width, &step))
                return -1;
        }
    }
    return 0;
}
//  NOLINTEND(misc-no-recursion)

//  Bytes from tcp may lie anywhere; whoever reads numbers in them may rely on 8.
static kith_frame_t *
s_keep (kith_frame_t *frame)
{
    if ((uintptr_t) kith_frame_data (frame) % 8 == 0)
        return kith_frame_share (frame);
    return kith_frame_copy (kith_frame_data (frame), kith_frame_size (frame));
}

static int
s_take_body (kith_msg_t *self, kith_frame_t *body, uint32_t frame_count,
             kith_error_t *error)
{
    const kith_codec_table_t *table = kith_kind_table (self->kind);
    self->body = kith_codec_unpack (table, kith_frame_data (body), kith_frame_size (body),
                                    &self->arena, error);
    if (!self->body)
        return -1;
    kith_codec_path_t path = {NULL, table->name, -1};
    return s_check_frames (table, self->body, frame_count, &path, error);
}

static void
s_take_envelope (kith_msg_t *self, const kith_proto_envelope_t *envelope, int64_t now_us)
{
    self->kind = (kith_kind_t) envelope->kind;
    self->from = (kith_address_t){(kith_role_t) envelope->from.role, envelope->from.index,
                                  envelope->from.incarnation};
    self->to = (kith_address_t){(kith_role_t) envelope->to.role, envelope->to.index,
                                envelope->to.incarnation};
    self->request = envelope->request;
    self->answer = envelope->flags & FLAG_ANSWER;
    if (envelope->deadline_ms)
        self->deadline_us = now_us + (int64_t) envelope->deadline_ms * 1000;
    self->trace = envelope->trace;
    self->clock = envelope->clock;
    self->schema = envelope->schema;
    self->hops = envelope->hops;
}

//  Checks the envelope and makes the message that it begins.
static kith_msg_t *
s_open (kith_frame_t *const *parts, uint32_t count, int64_t now_us, bool crc_required,
        kith_error_t *error)
{
    if (kith_msg_check_parts (parts, count, error))
        return NULL;
    _Alignas(16) uint8_t room [512] = {0};
    kith_arena_t arena;
    kith_arena_init (&arena, room, sizeof room);
    const kith_proto_envelope_t *envelope =
        kith_codec_unpack (&kith_proto_envelope_table, kith_frame_data (parts [0]),
                           kith_frame_size (parts [0]), &arena, error);
    kith_msg_t *self = NULL;
    if (envelope && s_check_envelope (envelope, parts, count, error) == 0) {
        if (crc_required && !(envelope->flags & FLAG_CRC))
            kith_error_set (error, KITH_ERR_PROTOCOL, "an envelope without the checksum");
        else {
            self = s_new ();
            s_take_envelope (self, envelope, now_us);
        }
    }
    kith_arena_free (&arena);
    return self;
}

kith_msg_t *
kith_msg_decode (kith_frame_t *const *parts, uint32_t count, int64_t now_us,
                 bool crc_required, kith_error_t *error)
{
    assert (parts);
    kith_msg_t *self = s_open (parts, count, now_us, crc_required, error);
    if (!self)
        return NULL;
    if (s_take_body (self, parts [1], count - 2, error)) {
        kith_msg_destroy (&self);
        return NULL;
    }
    for (uint32_t index = 2; index < count; index++)
        self->frames [self->frame_count++] = s_keep (parts [index]);
    return self;
}

kith_msg_t *
kith_msg_copy (const kith_msg_t *self)
{
    assert (self);
    kith_msg_t *copy = s_new ();
    kith_arena_t arena = copy->arena;
    *copy = *self;
    copy->arena = arena;
    copy->link = NULL;
    copy->body = kith_codec_copy (kith_kind_table (self->kind), self->body, &copy->arena);
    for (uint32_t index = 0; index < self->frame_count; index++)
        copy->frames [index] = kith_frame_share (self->frames [index]);
    return copy;
}
