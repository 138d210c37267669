//  token.c - positions in logs: what writes and reads have seen
//  SPDX-License-Identifier: Apache-2.0
#include "clients/token.h"

#include "base/limits.h"

static const char s_alphabet [] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
kith_token_free (kith_token_t *self)
{
    free (self->items);
    *self = (kith_token_t){0};
}

static uint32_t
s_place (const kith_token_t *self, uint32_t log)
{
    uint32_t place = 0;
    while (place < self->count && self->items [place].log < log)
        place++;
    return place;
}

const kith_proto_position_t *
kith_token_find (const kith_token_t *self, uint32_t log)
{
    uint32_t place = s_place (self, log);
    if (place < self->count && self->items [place].log == log)
        return &self->items [place];
    return NULL;
}

static bool
s_newer (const kith_proto_position_t *a, const kith_proto_position_t *b)
{
    return a->epoch > b->epoch || (a->epoch == b->epoch && a->seq > b->seq);
}

void
kith_token_put (kith_token_t *self, const kith_proto_position_t *position)
{
    uint32_t place = s_place (self, position->log);
    if (place < self->count && self->items [place].log == position->log) {
        if (s_newer (position, &self->items [place]))
            self->items [place] = *position;
        return;
    }
    if (self->count == self->capacity) {
        uint32_t capacity = self->capacity ? self->capacity * 2 : 4;
        kith_proto_position_t *items = kith_new (capacity * sizeof *items);
        if (self->count)
            memcpy (items, self->items, self->count * sizeof *items);
        free (self->items);
        self->items = items;
        self->capacity = capacity;
    }
    memmove (self->items + place + 1, self->items + place,
             (self->count - place) * sizeof *self->items);
    self->items [place] = *position;
    self->count++;
}

void
kith_token_merge (kith_token_t *self, const kith_proto_position_t *items, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        kith_token_put (self, &items [index]);
}

kith_proto_position_t *
kith_token_copy (const kith_token_t *self, kith_arena_t *arena)
{
    if (!self->count)
        return NULL;
    return kith_arena_copy (arena, self->items, self->count * sizeof *self->items);
}

void
kith_base64_encode (kith_bytes_t *out, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t at = 0; at < size; at += 3) {
        size_t left = size - at < 3 ? size - at : 3;
        uint32_t group = (uint32_t) bytes [at] << 16;
        if (left > 1)
            group |= (uint32_t) bytes [at + 1] << 8;
        if (left > 2)
            group |= bytes [at + 2];
        for (size_t digit = 0; digit <= left; digit++)
            kith_bytes_put_u8 (out,
                               (uint8_t) s_alphabet [(group >> (18 - 6 * digit)) & 63]);
    }
}

int
kith_base64_decode (kith_bytes_t *out, const char *text, size_t size, kith_error_t *error)
{
    if (size % 4 == 1)
        return kith_error_set (error, KITH_ERR_INVALID, "base64 text of %zu characters",
                               size);
    uint32_t group = 0;
    unsigned bits = 0;
    for (size_t at = 0; at < size; at++) {
        const char *digit = text [at] ? strchr (s_alphabet, text [at]) : NULL;
        if (!digit)
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "character %zu is not of the base64url alphabet",
                                   at + 1);
        group = (group << 6) | (uint32_t) (digit - s_alphabet);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            kith_bytes_put_u8 (out, (uint8_t) (group >> bits));
        }
    }
    return 0;
}

void
kith_token_print (const kith_token_t *self, kith_bytes_t *out)
{
    kith_bytes_t json = {0};
    kith_bytes_printf (&json, "{");
    for (uint32_t index = 0; index < self->count; index++) {
        const kith_proto_position_t *item = &self->items [index];
        kith_bytes_printf (&json, "%s\"%" PRIu32 "\":[%" PRIu64 ",%" PRIu64 "]",
                           index ? "," : "", item->log, item->epoch, item->seq);
    }
    kith_bytes_printf (&json, "}");
    kith_base64_encode (out, json.data, json.size);
    kith_bytes_put_u8 (out, 0);
    out->size--;
    kith_bytes_free (&json);
}

//  One unsigned number at *at, followed by `after`
static bool
s_number (const char **at, char after, uint64_t *value)
{
    const char *digit = *at;
    *value = 0;
    if (*digit < '0' || *digit > '9')
        return false;
    for (; *digit >= '0' && *digit <= '9'; digit++) {
        if (*value > (UINT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t) (*digit - '0');
    }
    if (*digit != after)
        return false;
    *at = digit + 1;
    return true;
}

//  One "log":[epoch,seq] at *at
static bool
s_position (const char **at, kith_proto_position_t *position)
{
    uint64_t log;
    if (**at != '"')
        return false;
    (*at)++;
    if (!s_number (at, '"', &log) || log >= KITH_LOGS_MAX || strncmp (*at, ":[", 2) != 0)
        return false;
    *at += 2;
    position->log = (uint32_t) log;
    return s_number (at, ',', &position->epoch) && s_number (at, ']', &position->seq);
}

int
kith_token_parse (kith_token_t *self, const char *text, kith_error_t *error)
{
    kith_bytes_t json = {0};
    kith_token_t token = {0};
    bool good = kith_base64_decode (&json, text, strlen (text), NULL) == 0;
    kith_bytes_put_u8 (&json, 0);
    const char *at = (const char *) json.data;
    good = good && *at++ == '{';
    while (good && *at != '}') {
        kith_proto_position_t position = {0};
        good = s_position (&at, &position);
        if (good)
            kith_token_put (&token, &position);
        if (good && *at == ',')
            good = *++at == '"';
        else
            good = good && *at == '}';
    }
    good = good && (size_t) (at - (const char *) json.data) + 2 == json.size;
    if (good)
        kith_token_merge (self, token.items, token.count);
    kith_token_free (&token);
    kith_bytes_free (&json);
    if (good)
        return 0;
    return kith_error_set (error, KITH_ERR_INVALID,
                           "token: this is no token that an insert or a search printed");
}
