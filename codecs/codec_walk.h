//  codec_walk.h - what every walk over a table needs; for codecs alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CODEC_WALK_H
#define KITH_CODEC_WALK_H

#include "codecs/codec.h"

//  Decoded lists may take at most this many bytes for each byte that came in, and so much on top: an
//  element that came as one byte must not become a kilobyte a million times.
#define KITH_CODEC_GROWTH 64u
#define KITH_CODEC_SLACK 65536u

//  Where a decoder is, told when it refuses: "search.token[3].seq"
typedef struct kith_codec_path {
    const struct kith_codec_path *up;    //  null: the outermost struct
    const char *name;
    int64_t index;    //  in a list; -1: none
} kith_codec_path_t;

//  Reports PROTOCOL at a path; returns -1.
int kith_codec_refuse (const kith_codec_path_t *path, kith_error_t *error,
                       const char *format, ...) KITH_PRINTF (3, 4);

//  Bytes of one value of a field in its struct.
size_t kith_codec_width (const kith_codec_field_t *field);

//  "u32", "list of string"
const char *kith_codec_type_name (const kith_codec_field_t *field);

static inline const void *
kith_codec_at (const void *body, size_t offset)
{
    return (const char *) body + offset;
}

static inline void *
kith_codec_place (void *body, size_t offset)
{
    return (char *) body + offset;
}

static inline uint32_t
kith_codec_count (const kith_codec_field_t *field, const void *body)
{
    return *(const uint32_t *) kith_codec_at (body, field->count_offset);
}

static inline const void *
kith_codec_list (const kith_codec_field_t *field, const void *body)
{
    return *(const void *const *) kith_codec_at (body, field->offset);
}

#endif
