//  filter_like.c - the patterns of like: % any text, _ one character, \ takes the next one as it is
//  SPDX-License-Identifier: Apache-2.0
//
//  A pattern is cut at its %. The first piece must stand at the front, the last one at the end, each other one as far left as it can.
#include "engine/query/filter_like.h"

//  Bytes between two %; `any` says where a byte stands for one character of any kind
typedef struct {
    char *bytes;
    bool *any;
    uint32_t count;
    bool plain;    //  no _ in it
} s_piece_t;

struct kith_like {
    s_piece_t *pieces;
    uint32_t count;    //  one more than there are %
};

static void
s_piece_init (s_piece_t *piece, kith_arena_t *arena, uint32_t length)
{
    *piece = (s_piece_t){.plain = true};
    piece->bytes = kith_arena_alloc (arena, length + 1);
    piece->any = kith_arena_alloc (arena, (length + 1) * sizeof piece->any [0]);
}

kith_like_t *
kith_like_new (kith_arena_t *arena, const char *pattern, uint32_t length)
{
    uint32_t count = 1;
    for (uint32_t at = 0; at < length; at++) {
        if (pattern [at] == '%')
            count++;
        else if (pattern [at] == '\\' && ++at == length)
            return NULL;
    }
    kith_like_t *self = kith_arena_alloc (arena, sizeof *self);
    self->pieces = kith_arena_alloc (arena, count * sizeof self->pieces [0]);
    //  All pieces share one run of bytes
    s_piece_t whole;
    s_piece_init (&whole, arena, length);
    uint32_t used = 0;
    s_piece_t *piece = &self->pieces [self->count++];
    *piece = whole;
    for (uint32_t at = 0; at < length; at++) {
        char letter = pattern [at];
        if (letter == '%') {
            piece = &self->pieces [self->count++];
            *piece = (s_piece_t){
                .bytes = whole.bytes + used, .any = whole.any + used, .plain = true};
            continue;
        }
        bool any = letter == '_';
        whole.bytes [used] = letter == '\\' ? pattern [++at] : letter;
        whole.any [used++] = any;
        piece->plain &= !any;
        piece->count++;
    }
    return self;
}

static uint32_t
s_character (const char *text, uint32_t left)
{
    uint32_t length = 1;
    while (length < left && ((unsigned char) text [length] & 0xc0) == 0x80)
        length++;
    return length;
}

//  Bytes of text that the piece takes at its front; -1: it does not fit
static int64_t
s_fit (const s_piece_t *piece, const char *text, uint32_t length)
{
    if (piece->plain) {
        bool fits =
            piece->count <= length && memcmp (piece->bytes, text, piece->count) == 0;
        return fits ? (int64_t) piece->count : -1;
    }
    uint32_t at = 0;
    for (uint32_t index = 0; index < piece->count; index++) {
        if (at == length)
            return -1;
        if (piece->any [index])
            at += s_character (text + at, length - at);
        else if (text [at++] != piece->bytes [index])
            return -1;
    }
    return at;
}

//  Place after the leftmost fit at or after `from`; -1: none
static int64_t
s_find (const s_piece_t *piece, const char *text, uint32_t length, uint32_t from)
{
    if (piece->plain) {
        const char *found =
            memmem (text + from, length - from, piece->bytes, piece->count);
        return found ? found - text + (int64_t) piece->count : -1;
    }
    for (uint32_t at = from; at < length; at += s_character (text + at, length - at)) {
        int64_t used = s_fit (piece, text + at, length - at);
        if (used >= 0)
            return at + used;
    }
    return -1;
}

//  True if the piece fits somewhere at or after `from` and ends with the text
static bool
s_fits_end (const s_piece_t *piece, const char *text, uint32_t length, uint32_t from)
{
    if (piece->plain)
        return piece->count <= length - from
               && memcmp (piece->bytes, text + length - piece->count, piece->count) == 0;
    for (uint32_t at = from; at < length; at += s_character (text + at, length - at)) {
        if (s_fit (piece, text + at, length - at) == length - at)
            return true;
    }
    return false;
}

bool
kith_like_match (const kith_like_t *self, const char *text, uint32_t length)
{
    int64_t at = s_fit (&self->pieces [0], text, length);
    if (self->count == 1 || at < 0)
        return at == length;
    for (uint32_t index = 1; index + 1 < self->count; index++) {
        at = s_find (&self->pieces [index], text, length, (uint32_t) at);
        if (at < 0)
            return false;
    }
    return s_fits_end (&self->pieces [self->count - 1], text, length, (uint32_t) at);
}
