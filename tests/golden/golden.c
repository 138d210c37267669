//  golden.c - writes the golden messages, or checks that they are still read as what they were
//  SPDX-License-Identifier: Apache-2.0
//
//  golden write DIR            one of each kind, from fixed seeds
//  golden read DIR             every message of DIR is decoded and compared with the JSON beside it
//  golden same DIR             read; there is one of each kind, and encoding it again gives the same bytes
#include "base/bytes.h"
#include "codecs/msg.h"
#include "tests/unit/codecs/body.h"

#include <dirent.h>

//  A file: for each part its size (u32, little-endian), then its bytes
static void
s_put_parts (kith_frame_t *const *parts, uint32_t count, kith_bytes_t *out)
{
    for (uint32_t index = 0; index < count; index++) {
        kith_bytes_put_u32 (out, (uint32_t) kith_frame_size (parts [index]));
        kith_bytes_put (out, kith_frame_data (parts [index]),
                        kith_frame_size (parts [index]));
    }
}

static uint32_t
s_take_parts (const kith_bytes_t *bytes, kith_frame_t *parts [KITH_FRAMES_MAX + 2])
{
    uint32_t count = 0;
    for (size_t at = 0; at + 4 <= bytes->size && count < KITH_FRAMES_MAX + 2; count++) {
        uint32_t size = kith_get_u32 (bytes->data + at);
        at += 4;
        if (size > bytes->size - at)
            break;
        parts [count] = kith_frame_new (size);
        memcpy (kith_frame_fill (parts [count]), bytes->data + at, size);
        at += size;
    }
    return count;
}

static void
s_drop_parts (kith_frame_t **parts, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        kith_frame_destroy (&parts [index]);
}

static int
s_load (const char *dir, const char *name, const char *end, kith_bytes_t *out)
{
    char path [1024];
    snprintf (path, sizeof path, "%s/%s%s", dir, name, end);
    FILE *file = fopen (path, "rb");
    if (!file)
        return -1;
    uint8_t part [4096];
    size_t size;
    while ((size = fread (part, 1, sizeof part, file)) > 0)
        kith_bytes_put (out, part, size);
    fclose (file);
    return 0;
}

static int
s_store (const char *dir, const char *name, const char *end, const kith_bytes_t *bytes)
{
    char path [1024];
    snprintf (path, sizeof path, "%s/%s%s", dir, name, end);
    FILE *file = fopen (path, "wb");
    if (!file)
        return -1;
    size_t written = fwrite (bytes->data, 1, bytes->size, file);
    return fclose (file) == 0 && written == bytes->size ? 0 : -1;
}

//  Writing
static kith_msg_t *
s_make (kith_kind_t kind)
{
    const kith_codec_table_t *table = kith_kind_table (kind);
    kith_random_t random;
    kith_random_seed (&random, kith_hash64 (table->name, strlen (table->name)));
    kith_msg_t *msg = kith_msg_new (kind);
    msg->from = (kith_address_t){KITH_ROLE_CLIENT, 0, kith_random_next (&random)};
    msg->to = (kith_address_t){KITH_ROLE_PROXY, 1, 0};
    msg->request = kith_random_next (&random);
    msg->answer = kith_kind_answer (kind) == KITH_KIND_NONE;
    msg->deadline_us = 30000000;
    msg->trace = kith_random_next (&random);
    msg->clock = kith_random_next (&random);
    msg->schema = 3;
    msg->hops = 2;
    msg->body = body_random (table, 2, &random, &msg->arena);
    for (uint32_t index = 0; index < 2; index++) {
        kith_frame_t *frame = kith_frame_new (16);
        for (uint32_t at = 0; at < 16; at++)
            kith_frame_fill (frame) [at] = (uint8_t) (index * 16 + at);
        kith_msg_add_frame (msg, &frame);
    }
    return msg;
}

static int
s_write (const char *dir, kith_kind_t kind)
{
    const kith_codec_table_t *table = kith_kind_table (kind);
    kith_msg_t *msg = s_make (kind);
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_msg_encode (msg, 0, true, parts, &count);
    kith_bytes_t bytes = {0};
    s_put_parts (parts, count, &bytes);
    kith_bytes_t text = {0};
    kith_arena_t arena = {0};
    const void *envelope =
        kith_codec_unpack (&kith_proto_envelope_table, kith_frame_data (parts [0]),
                           kith_frame_size (parts [0]), &arena, NULL);
    kith_codec_json (&kith_proto_envelope_table, envelope, false, &text);
    kith_bytes_put_u8 (&text, '\n');
    kith_codec_json (table, msg->body, false, &text);
    kith_bytes_put_u8 (&text, '\n');
    int rc = s_store (dir, table->name, ".bin", &bytes);
    rc = rc ? rc : s_store (dir, table->name, ".jsonl", &text);
    if (rc)
        fprintf (stderr, "%s/%s: cannot be written\n", dir, table->name);
    kith_arena_free (&arena);
    kith_bytes_free (&text);
    kith_bytes_free (&bytes);
    s_drop_parts (parts, count);
    kith_msg_destroy (&msg);
    return rc;
}

//  Checking: null, or what is wrong
static const char *
s_compare (const kith_msg_t *msg, const kith_bytes_t *text, kith_frame_t *head)
{
    const kith_codec_table_t *table = kith_kind_table (msg->kind);
    const char *line = (const char *) text->data;
    const char *end = memchr (line, '\n', text->size);
    if (!end)
        return "the JSON has no second line";
    kith_arena_t arena = {0};
    const char *wrong = NULL;
    const kith_proto_envelope_t *want = kith_codec_unjson (
        &kith_proto_envelope_table, line, (size_t) (end - line), &arena, NULL);
    const void *have =
        kith_codec_unpack (&kith_proto_envelope_table, kith_frame_data (head),
                           kith_frame_size (head), &arena, NULL);
    const void *body = kith_codec_unjson (
        table, end + 1, text->size - (size_t) (end + 1 - line), &arena, NULL);
    if (!want || !have || !body)
        wrong = "the JSON does not fit";
    else if (body_differs (&kith_proto_envelope_table, want, have))
        wrong = body_differs (&kith_proto_envelope_table, want, have);
    else if (msg->from.incarnation != want->from.incarnation
             || msg->request != want->request
             || msg->deadline_us != (int64_t) want->deadline_ms * 1000
             || msg->to.index != 1 || msg->answer != (want->flags & 1)
             || msg->trace != want->trace || msg->clock != want->clock || msg->schema != 3
             || msg->hops != 2)
        wrong = "the envelope";
    else
        wrong = body_differs (table, body, msg->body);
    kith_arena_free (&arena);
    return wrong;
}

static const char *
s_encodes_the_same (const kith_msg_t *msg, const kith_bytes_t *bytes)
{
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    uint32_t count = 0;
    kith_bytes_t again = {0};
    kith_msg_encode (msg, 0, true, parts, &count);
    s_put_parts (parts, count, &again);
    bool same =
        again.size == bytes->size && memcmp (again.data, bytes->data, again.size) == 0;
    kith_bytes_free (&again);
    s_drop_parts (parts, count);
    return same ? NULL : "encoding it again gives other bytes";
}

static int
s_check (const char *dir, const char *name, bool same)
{
    kith_bytes_t bytes = {0};
    kith_bytes_t text = {0};
    kith_frame_t *parts [KITH_FRAMES_MAX + 2];
    kith_error_t error = {.message = "a file is missing"};
    kith_msg_t *msg = NULL;
    uint32_t count = 0;
    if (s_load (dir, name, ".bin", &bytes) == 0
        && s_load (dir, name, ".jsonl", &text) == 0) {
        count = s_take_parts (&bytes, parts);
        msg = kith_msg_decode (parts, count, 0, true, &error);
    }
    const char *wrong = error.message;
    if (msg) {
        wrong = strcmp (kith_kind_name (msg->kind), name) == 0 ? NULL : "the kind";
        wrong = wrong ? wrong : s_compare (msg, &text, parts [0]);
        wrong = wrong || !same ? wrong : s_encodes_the_same (msg, &bytes);
    }
    if (wrong)
        fprintf (stderr, "%s/%s: %s\n", dir, name, wrong);
    kith_msg_destroy (&msg);
    s_drop_parts (parts, count);
    kith_bytes_free (&text);
    kith_bytes_free (&bytes);
    return wrong ? -1 : 0;
}

static int
s_check_files (const char *dir, bool same, uint32_t *count)
{
    int bad = 0;
    DIR *files = opendir (dir);
    if (!files)
        return 1;
    for (struct dirent *file = readdir (files); file; file = readdir (files)) {
        char name [256];
        snprintf (name, sizeof name, "%s", file->d_name);
        char *dot = strstr (name, ".bin");
        if (!dot)
            continue;
        *dot = 0;
        (*count)++;
        bad += s_check (dir, name, same) != 0;
    }
    closedir (files);
    return bad;
}

int
main (int argc, char **argv)
{
    bool write = argc == 3 && strcmp (argv [1], "write") == 0;
    bool same = argc == 3 && strcmp (argv [1], "same") == 0;
    if (argc != 3 || !(write || same || strcmp (argv [1], "read") == 0)) {
        fprintf (stderr, "usage: golden write|read|same DIR\n");
        return 2;
    }
    uint32_t kinds = 0;
    uint32_t files = 0;
    int bad = 0;
    for (uint32_t kind = 0; kind < 1024; kind++) {
        if (!kith_kind_table ((kith_kind_t) kind))
            continue;
        kinds++;
        bad += write && s_write (argv [2], (kith_kind_t) kind);
    }
    if (!write)
        bad += s_check_files (argv [2], same, &files);
    if (same && files != kinds) {
        fprintf (stderr, "%s: %u messages, but there are %u kinds\n", argv [2], files,
                 kinds);
        bad++;
    }
    if (!write && files == 0)
        bad++;
    return bad ? 1 : 0;
}
