//  cmd_dump.c - zactor dump: what a file of Kith holds, a line a record
//  SPDX-License-Identifier: Apache-2.0
#include "base/column.h"
#include "clients/cli/cli.h"
#include "clients/cli/cmd.h"
#include "clients/cli/input.h"
#include "clients/cli/show.h"
#include "clients/describe.h"
#include "clients/json.h"
#include "storage/kv.h"
#include "storage/log.h"
#include "storage/snapshot.h"

#define MESSAGE_FILE_MAX (KITH_MESSAGE_BYTES_MAX + 65536u)

//  One line on standard output, at once, so that a pipe gets it; the text is emptied
static void
s_line (kith_bytes_t *text)
{
    kith_bytes_put_u8 (text, '\n');
    fwrite (text->data, 1, text->size, stdout);
    kith_bytes_clear (text);
}

//  --- Logs

typedef struct {
    bool json;
    kith_bytes_t line;
} lines_t;

static const char *
s_kind (kith_record_kind_t kind)
{
    switch (kind) {
        case KITH_RECORD_INSERT:
            return "insert";
        case KITH_RECORD_DELETE:
            return "delete";
        case KITH_RECORD_SEAL:
            return "seal";
        case KITH_RECORD_EPOCH:
            return "epoch";
        case KITH_RECORD_BARRIER:
            return "barrier";
        case KITH_RECORD_DROP:
            return "drop";
    }
    return "unknown";
}

static void
s_client (const kith_request_t *request, kith_bytes_t *out)
{
    for (size_t at = 0; at < 4; at++)
        kith_bytes_printf (out, "%02x", request->client [at]);
}

static void
s_record (void *arg, uint64_t at, const kith_record_t *record)
{
    lines_t *lines = arg;
    kith_bytes_t *out = &lines->line;
    char rows [32], bytes [32], time [40];
    kith_time_text (record->timestamp, false, time);
    if (lines->json) {
        kith_bytes_printf (
            out,
            "{\"at\": %" PRIu64 ", \"epoch\": %" PRIu64 ", \"seq\": %" PRIu64
            ", \"kind\": \"%s\", \"log\": %" PRIu32 ", \"channel\": %" PRIu64
            ", \"partition\": %" PRIu32 ", \"rows\": %" PRIu32 ", \"bytes\": %" PRIu64
            ", \"time\": \"%s\", \"client\": \"",
            at, record->epoch, record->seq, s_kind (record->kind), record->log,
            record->channel, record->partition, record->rows, record->body_bytes, time);
        for (size_t place = 0; place < 16; place++)
            kith_bytes_printf (out, "%02x", record->request.client [place]);
        kith_bytes_printf (out, "\", \"counter\": %" PRIu64 ", \"part\": %" PRIu32 "}",
                           record->request.counter, record->request.part);
    }
    else {
        kith_bytes_printf (out,
                           "epoch %" PRIu64 " seq %-8" PRIu64 " %-7s channel %-6" PRIu64
                           " %9s rows %12s bytes   client ",
                           record->epoch, record->seq, s_kind (record->kind),
                           record->channel, kith_show_count (record->rows, rows),
                           kith_show_count (record->body_bytes, bytes));
        s_client (&record->request, out);
        kith_bytes_printf (out, "..#%" PRIu64 "/%" PRIu32 "   %s   crc ok",
                           record->request.counter, record->request.part, time);
    }
    s_line (out);
}

static int
s_log (kith_cli_t *cli)
{
    kith_error_t error = {0};
    lines_t lines = {.json = cli->json};
    int result = kith_log_file_dump (kith_fs_os (), kith_cli_argument (cli, 0), s_record,
                                     &lines, &error);
    kith_bytes_free (&lines.line);
    return result == 0 ? KITH_EXIT_DONE : kith_cli_fail (cli, &error, NULL);
}

const kith_command_t kith_cmd_dump_log = {
    .name = "dump log",
    .purpose = "show the records of a log file",
    .arguments =
        (const kith_argument_t []){{"PATH", "a file such as 000001.log", false, false},
                                   {0}},
    .examples = {"zactor dump log data/log-0/000001.log | head -3",
                 "zactor dump log data/log-0/000001.log --json", NULL},
    .run = s_log};

//  --- Snapshots, and the other files in object storage

//  Directory and name of a path, as the object port wants them; the text is cut in two
static const char *
s_split (char *path, const char **directory)
{
    char *slash = strrchr (path, '/');
    *directory = slash ? slash == path ? "/" : path : ".";
    if (!slash)
        return path;
    *slash = 0;
    return slash + 1;
}

static const char *const s_file_kinds [] = {[KITH_FILE_SNAPSHOT] = "snapshot",
                                            [KITH_FILE_DEATHS] = "deaths",
                                            [KITH_FILE_WINDOW] = "window",
                                            [KITH_FILE_INDEX] = "index"};

//  A container of whichever kind it is: all are tried, the last error counts if it is none of them
static kith_container_t *
s_container (kith_objects_t *objects, const char *name, kith_error_t *error)
{
    kith_error_t first = {0};
    for (int kind = KITH_FILE_SNAPSHOT; kind <= KITH_FILE_INDEX; kind++) {
        kith_container_t *container =
            kith_container_open (objects, name, (kith_file_kind_t) kind, 0, 0, 0,
                                 kind == KITH_FILE_SNAPSHOT ? &first : error);
        if (container)
            return container;
    }
    *error = first;
    return NULL;
}

static void
s_container_head (const kith_file_info_t *info, bool json, kith_bytes_t *out)
{
    if (json)
        kith_bytes_printf (out,
                           "{\"kind\": \"%s\", \"cluster\": %" PRIu64
                           ", \"channel\": %" PRIu64 ", \"segment\": %" PRIu64
                           ", \"from\": %" PRIu64 ", \"to\": %" PRIu64
                           ", \"epoch\": %" PRIu64 ", \"rows\": %" PRIu64 "}",
                           s_file_kinds [info->kind], info->cluster, info->channel,
                           info->segment, info->from, info->to, info->epoch, info->rows);
    else
        kith_bytes_printf (out,
                           "%s of channel %" PRIu64 ", segment %" PRIu64 " (seq %" PRIu64
                           " to %" PRIu64 ", epoch %" PRIu64 "), %" PRIu64
                           " rows, cluster %016" PRIx64 ", all checksums ok",
                           s_file_kinds [info->kind], info->channel, info->segment,
                           info->from, info->to, info->epoch, info->rows, info->cluster);
    s_line (out);
}

static void
s_stat (const kith_stat_t *stat, kith_bytes_t *out)
{
    if (stat->type == KITH_TYPE_FLOAT || stat->type == KITH_TYPE_DOUBLE)
        kith_json_put_double (out, stat->real);
    else if (stat->type)
        kith_bytes_printf (out, "%" PRId64, stat->integer);
    else
        kith_bytes_printf (out, "null");
}

static void
s_section (const kith_container_t *container, uint32_t id, bool json, kith_bytes_t *out)
{
    uint64_t size = 0, rows = 0, nulls = 0;
    kith_stat_t min = {0}, max = {0};
    kith_column_t column;
    const uint8_t *data = kith_container_section (container, id, &size);
    bool is_column = kith_container_stats (container, id, &rows, &nulls, &min, &max)
                     && kith_column_open (&column, data, size, NULL) == 0;
    kith_bytes_printf (out,
                       json ? "{\"section\": %" PRIu32 ", \"bytes\": %" PRIu64
                            : "  section %-5" PRIu32 " %12" PRIu64 " bytes",
                       id, size);
    if (is_column) {
        kith_bytes_printf (
            out,
            json ? ", \"type\": \"%s\", \"dim\": %" PRIu32 ", \"rows\": %" PRIu64
                   ", \"nulls\": %" PRIu64 ", \"min\": "
                 : "   %s dim %" PRIu32 "   %" PRIu64 " rows   %" PRIu64 " null   ",
            kith_type_name (column.type), column.dim, rows, nulls);
        s_stat (&min, out);
        kith_bytes_printf (out, json ? ", \"max\": " : " .. ");
        s_stat (&max, out);
    }
    if (json)
        kith_bytes_printf (out, "}");
    s_line (out);
}

static int
s_snapshot (kith_cli_t *cli)
{
    kith_error_t error = {0};
    const char *directory;
    char *path = kith_strdup (kith_cli_argument (cli, 0));
    const char *name = s_split (path, &directory);
    kith_objects_t *objects = kith_objects_dir_open (kith_fs_os (), directory, &error);
    kith_container_t *container = objects ? s_container (objects, name, &error) : NULL;
    int status = KITH_EXIT_DONE;
    if (container) {
        kith_bytes_t line = {0};
        s_container_head (kith_container_info (container), cli->json, &line);
        for (size_t index = 0; index < kith_container_count (container); index++)
            s_section (container, kith_container_id (container, index), cli->json, &line);
        kith_bytes_free (&line);
    }
    else
        status = kith_cli_fail (cli, &error, NULL);
    kith_container_destroy (&container);
    if (objects)
        objects->close (&objects);
    free (path);
    return status;
}

const kith_command_t kith_cmd_dump_snapshot = {
    .name = "dump snapshot",
    .purpose = "check a file of object storage and show what it holds",
    .arguments =
        (const kith_argument_t []){
            {"PATH", "a snapshot, death list, window or index", false, false}, {0}},
    .examples = {"zactor dump snapshot data/objects/1/891/1/snapshot",
                 "zactor dump snapshot data/objects/1/891/1/snapshot --json", NULL},
    .run = s_snapshot};

//  --- Messages

//  A message file: each part as u32 length and bytes
static int
s_parts (const uint8_t *data, size_t size, kith_frame_t *parts [KITH_FRAMES_MAX + 2],
         uint32_t *count, kith_error_t *error)
{
    size_t at = 0;
    while (at < size) {
        size_t left = size - at;
        uint32_t length = left >= 4 ? kith_get_u32 (data + at) : 0;
        if (left < 4 || length > left - 4 || *count == KITH_FRAMES_MAX + 2)
            return kith_error_set (
                error, KITH_ERR_INVALID,
                "byte %zu: no part of a message (u32 length, bytes; up to %u "
                "parts)",
                at, KITH_FRAMES_MAX + 2);
        kith_frame_t *frame = kith_frame_new (length);
        if (length)
            memcpy (kith_frame_fill (frame), data + at + 4, length);
        parts [(*count)++] = frame;
        at += 4 + (size_t) length;
    }
    return 0;
}

static int
s_message (kith_cli_t *cli)
{
    kith_error_t error = {0};
    kith_bytes_t file = {0}, out = {0};
    kith_frame_t *parts [KITH_FRAMES_MAX + 2] = {NULL};
    uint32_t count = 0;
    const char *path = kith_cli_argument (cli, 0);
    kith_msg_t *msg = NULL;
    if (kith_cli_read (path, MESSAGE_FILE_MAX, &file, &error) == 0
        && s_parts (file.data, file.size, parts, &count, &error) == 0)
        msg = kith_msg_decode (parts, count, 0, false, &error);
    int status = KITH_EXIT_DONE;
    if (!msg) {
        kith_error_prefix (&error, "%s", path);
        status = kith_cli_fail (cli, &error, NULL);
    }
    else if (cli->json) {
        kith_bytes_printf (&out,
                           "{\"kind\": \"%s\", \"request\": %" PRIu64
                           ", \"frames\": %" PRIu32 ", \"body\": ",
                           kith_kind_name (msg->kind), msg->request, msg->frame_count);
        kith_codec_json (kith_kind_table (msg->kind), msg->body, false, &out);
        kith_bytes_printf (&out, "}");
        status = kith_cli_print (&out);
    }
    else {
        kith_msg_print (msg, &out);
        status = kith_cli_print (&out);
    }
    for (uint32_t index = 0; index < count; index++)
        kith_frame_destroy (&parts [index]);
    kith_msg_destroy (&msg);
    kith_bytes_free (&file);
    return status;
}

const kith_command_t kith_cmd_dump_message = {
    .name = "dump message",
    .purpose = "show a message that was kept in a file (each part: u32 length, bytes)",
    .arguments = (const kith_argument_t []){{"PATH", "the file", false, false}, {0}},
    .examples = {"zactor dump message tests/golden/search.msg",
                 "zactor dump message tests/golden/search.msg --json", NULL},
    .run = s_message};

//  --- Metadata

//  Table of a row, by the beginning of its key; null: not known here
static const kith_codec_table_t *
s_row_table (const char *key)
{
    static const struct {
        const char *prefix;
        const kith_codec_table_t *table;
    } tables [] = {{"collection/", &kith_proto_collection_table},
                   {"channel/", &kith_proto_channel_row_table},
                   {"log/", &kith_proto_owner_row_table},
                   {"node/", &kith_proto_node_row_table},
                   {"role/", &kith_proto_role_row_table},
                   {"index/", &kith_proto_index_row_table},
                   {"topology/", &kith_proto_topology_row_table},
                   {"id/", &kith_proto_counter_row_table},
                   {"name/", &kith_proto_name_row_table}};
    for (size_t index = 0; index < sizeof tables / sizeof tables [0]; index++) {
        if (strncmp (key, tables [index].prefix, strlen (tables [index].prefix)) == 0)
            return tables [index].table;
    }
    return NULL;
}

static void
s_row (void *arg, const char *key, const void *value, size_t size, uint64_t revision)
{
    lines_t *lines = arg;
    kith_bytes_t *out = &lines->line;
    kith_arena_t arena = {0};
    const kith_codec_table_t *table = s_row_table (key);
    void *body = table ? kith_codec_unpack (table, value, size, &arena, NULL) : NULL;
    if (lines->json) {
        kith_bytes_printf (out, "{\"key\": ");
        kith_json_put_string (out, key, strlen (key));
        kith_bytes_printf (out, ", \"revision\": %" PRIu64 ", \"value\": ", revision);
    }
    else
        kith_bytes_printf (out, "%s  revision %" PRIu64 "  ", key, revision);
    if (body)
        kith_codec_json (table, body, false, out);
    else {
        kith_bytes_printf (out, "\"");
        kith_base64_encode (out, value, size);
        kith_bytes_printf (out, "\"");
    }
    if (lines->json)
        kith_bytes_printf (out, "}");
    s_line (out);
    kith_arena_free (&arena);
}

static int
s_metadata (kith_cli_t *cli)
{
    kith_error_t error = {0};
    lines_t lines = {.json = cli->json};
    int result = kith_kv_rocks_dump (kith_cli_argument (cli, 0), s_row, &lines, &error);
    kith_bytes_free (&lines.line);
    return result == 0 ? KITH_EXIT_DONE : kith_cli_fail (cli, &error, NULL);
}

const kith_command_t kith_cmd_dump_metadata = {
    .name = "dump metadata",
    .purpose = "show the rows of a metadata store (of a server that is stopped)",
    .arguments = (const kith_argument_t []){{"PATH", "its directory", false, false}, {0}},
    .examples = {"zactor dump metadata data/metadata",
                 "zactor dump metadata data/metadata --json", NULL},
    .run = s_metadata};
