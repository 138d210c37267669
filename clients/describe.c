//  describe.c - definitions and states as text and JSON: what the command line and the library show
//  SPDX-License-Identifier: Apache-2.0
#include "clients/describe.h"

#include "base/column.h"
#include "clients/json.h"
#include "engine/kernels/kernels.h"
#include <time.h>

#define TYPES                                                                            \
    "bool int8 int16 int32 int64 float double varchar(N) json float_vector(N) "          \
    "float16_vector(N) bfloat16_vector(N) int8_vector(N) binary_vector(N)"

//  --- Fields

//  The next word of a field's text, with what stands in brackets; null: no more
static char *
s_word (char **rest)
{
    char *at = *rest + strspn (*rest, " \t");
    if (!*at)
        return NULL;
    char *end = at + strcspn (at, " \t(");
    if (*end == '(') {
        char *close = strchr (end, ')');
        end = close ? close + 1 : end + strlen (end);
    }
    *rest = *end ? end + 1 : end;
    *end = 0;
    return at;
}

static bool
s_name_valid (const char *name)
{
    static const char letters [] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    size_t size = strlen (name);
    return size > 0 && size <= KITH_NAME_MAX && (name [0] < '0' || name [0] > '9')
           && strspn (name, letters) == size;
}

//  TYPE or TYPE(N)
static int
s_parse_type (char *word, kith_proto_field_t *field, kith_error_t *error)
{
    char *bracket = strchr (word, '(');
    uint64_t number = 0;
    if (bracket) {
        char *end = NULL;
        *bracket = 0;
        number = strtoull (bracket + 1, &end, 10);
        if (end == bracket + 1 || strcmp (end, ")") != 0 || bracket [1] == '-')
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "field '%s': '%s(%s' is no type; types: " TYPES,
                                   field->name, word, bracket + 1);
    }
    kith_type_t type = kith_type_of_name (word);
    if (!type) {
        kith_error_set (error, KITH_ERR_INVALID, "field '%s': '%s' is no type",
                        field->name, word);
        kith_error_hint (error, "types: " TYPES);
        return -1;
    }
    bool vector = kith_type_is_vector (type), varchar = type == KITH_TYPE_VARCHAR;
    uint64_t limit = vector ? KITH_DIM_MAX : varchar ? KITH_VARCHAR_MAX : 0;
    if ((vector || varchar) != (bracket != NULL) || number > limit || (limit && !number))
        return kith_error_set (error, KITH_ERR_INVALID,
                               limit ? "field '%s': %s needs a number from 1 to %" PRIu64
                                       " in brackets"
                                     : "field '%s': %s takes no number in brackets",
                               field->name, word, limit);
    if (!kith_type_dim_allowed (type, vector ? (uint32_t) number : 0))
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field '%s': %s needs a multiple of 8 in brackets, not "
                               "%" PRIu64,
                               field->name, word, number);
    field->type = type;
    field->dim = vector ? (uint32_t) number : 0;
    field->max_length = varchar ? (uint32_t) number : 0;
    return 0;
}

static uint32_t
s_metric (const char *word)
{
    if (strcmp (word, "l2") == 0)
        return KITH_METRIC_L2;
    if (strcmp (word, "ip") == 0)
        return KITH_METRIC_IP;
    if (strcmp (word, "hamming") == 0)
        return KITH_METRIC_HAMMING;
    if (strcmp (word, "jaccard") == 0)
        return KITH_METRIC_JACCARD;
    return strcmp (word, "cosine") == 0 ? KITH_METRIC_COSINE : 0;
}

//  The metric belongs to a vector, and to its type; one that is not given is the type's first
static int
s_check_metric (kith_proto_field_t *field, kith_error_t *error)
{
    const bool binary = field->type == KITH_TYPE_BINARY_VECTOR;
    const bool bits =
        field->metric == KITH_METRIC_HAMMING || field->metric == KITH_METRIC_JACCARD;
    if (!kith_type_is_vector ((kith_type_t) field->type))
        return field->metric ? kith_error_set (error, KITH_ERR_INVALID,
                                               "field '%s': a metric belongs to a vector "
                                               "field",
                                               field->name)
                             : 0;
    if (!field->metric)
        field->metric = binary ? KITH_METRIC_HAMMING : KITH_METRIC_COSINE;
    else if (binary != bits)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "field '%s': %s is compared by %s, not by %s", field->name,
                               kith_type_name ((kith_type_t) field->type),
                               binary ? "hamming or jaccard" : "l2, ip or cosine",
                               kith_metric_text (field->metric));
    return 0;
}

//  What follows the type
static int
s_parse_rest (char *rest, kith_proto_field_t *field, kith_error_t *error)
{
    char *word;
    while ((word = s_word (&rest))) {
        if (strcmp (word, "key") == 0)
            field->key = true;
        else if (strcmp (word, "nullable") == 0 || strcmp (word, "null") == 0)
            field->nullable = true;
        else if (strcmp (word, "default") == 0) {
            field->has_default = true;
            field->default_value = rest + strspn (rest, " \t");
            if (!*field->default_value)
                return kith_error_set (error, KITH_ERR_INVALID,
                                       "field '%s': a JSON value must follow 'default'",
                                       field->name);
            return 0;
        }
        else if (s_metric (word))
            field->metric = s_metric (word);
        else {
            kith_error_set (error, KITH_ERR_INVALID,
                            "field '%s': '%s' means nothing here", field->name, word);
            kith_error_hint (error,
                             "after the type may follow: key nullable l2 ip cosine "
                             "hamming jaccard default JSON");
            return -1;
        }
    }
    return 0;
}

int
kith_field_parse (const char *text, kith_proto_field_t *field, kith_arena_t *arena,
                  kith_error_t *error)
{
    char *rest = kith_arena_strdup (arena, text);
    char *name = s_word (&rest);
    char *type = name ? s_word (&rest) : NULL;
    *field = (kith_proto_field_t){.name = name, .default_value = ""};
    if (!type) {
        kith_error_set (error, KITH_ERR_INVALID,
                        "field '%s': a name and a type are needed", text);
        kith_error_hint (error, "for example 'word varchar(64) key'");
        return -1;
    }
    if (!s_name_valid (name))
        return kith_error_set (
            error, KITH_ERR_INVALID,
            "'%s' is no name: letters, digits and _, up to %u, no digit "
            "first",
            name, KITH_NAME_MAX);
    if (s_parse_type (type, field, error) != 0 || s_parse_rest (rest, field, error) != 0)
        return -1;
    return s_check_metric (field, error);
}

void
kith_field_type (const kith_proto_field_t *field, kith_bytes_t *out)
{
    uint32_t number = field->dim ? field->dim : field->max_length;
    const char *name = kith_type_name ((kith_type_t) field->type);
    if (number)
        kith_bytes_printf (out, "%s(%" PRIu32 ")", name, number);
    else
        kith_bytes_printf (out, "%s", name);
    kith_bytes_put_u8 (out, 0);
    out->size--;
}

const char *
kith_metric_text (uint32_t metric)
{
    return metric == KITH_METRIC_L2        ? "l2"
           : metric == KITH_METRIC_IP      ? "ip"
           : metric == KITH_METRIC_COSINE  ? "cosine"
           : metric == KITH_METRIC_HAMMING ? "hamming"
           : metric == KITH_METRIC_JACCARD ? "jaccard"
                                           : "";
}

void
kith_time_text (uint64_t hybrid, bool local, char text [40])
{
    uint64_t ms = hybrid >> 18;
    time_t seconds = (time_t) (ms / 1000);
    struct tm parts;
    if (local) {
        localtime_r (&seconds, &parts);
        strftime (text, 40, "%Y-%m-%d %H:%M:%S", &parts);
        return;
    }
    gmtime_r (&seconds, &parts);
    size_t used = strftime (text, 40, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf (text + used, 40 - used, ".%03uZ", (unsigned) (ms % 1000));
}

//  --- JSON

static void
s_string (kith_bytes_t *out, const char *before, const char *text)
{
    kith_bytes_printf (out, "%s", before);
    kith_json_put_string (out, text, strlen (text));
}

static const char *
s_bool (bool value)
{
    return value ? "true" : "false";
}

static void
s_field (const kith_proto_field_t *field, kith_bytes_t *out)
{
    kith_bytes_t type = {0};
    kith_field_type (field, &type);
    s_string (out, "{\"name\": ", field->name);
    kith_bytes_printf (
        out, ", \"type\": \"%s\", \"key\": %s, \"nullable\": %s, \"default\": %s",
        (const char *) type.data, s_bool (field->key), s_bool (field->nullable),
        field->has_default ? field->default_value : "null");
    if (field->metric)
        s_string (out, ", \"metric\": ", kith_metric_text (field->metric));
    else
        kith_bytes_printf (out, ", \"metric\": null");
    kith_bytes_printf (out, "}");
    kith_bytes_free (&type);
}

static const char *
s_field_name (const kith_proto_collection_t *definition, uint32_t id)
{
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        if (definition->fields [index].id == id)
            return definition->fields [index].name;
    }
    return "";
}

double
kith_index_built (const kith_proto_index_state_t *state)
{
    if (!state->rows)
        return 1;
    double built = (double) state->built / (double) state->rows;
    return built < 1 ? built : 1;
}

void
kith_json_index (const char *collection, const kith_proto_collection_t *definition,
                 const kith_proto_index_state_t *state, double ms, kith_bytes_t *out)
{
    kith_bytes_printf (out, "{");
    if (collection) {
        s_string (out, "\"collection\": ", collection);
        kith_bytes_printf (out, ", ");
    }
    s_string (out, "\"field\": ", s_field_name (definition, state->field));
    s_string (out, ", \"type\": ", state->type);
    s_string (out, ", \"code\": ", state->code);
    kith_bytes_printf (out, ", \"built\": ");
    kith_json_put_double (out, kith_index_built (state));
    kith_bytes_printf (out, ", \"recall\": ");
    kith_json_put_float (out, state->recall);
    kith_bytes_printf (out,
                       ", \"effort\": %" PRIu32 ", \"rows\": %" PRIu64
                       ", \"loaded\": %" PRIu64 ", \"memory\": %" PRIu64,
                       state->effort, state->rows, state->loaded, state->memory);
    if (ms >= 0)
        kith_bytes_printf (out, ", \"ms\": %.1f", ms);
    if (state->failed [0])
        s_string (out, ", \"failed\": ", state->failed);
    kith_bytes_printf (out, "}");
}

void
kith_json_collection (const kith_proto_collection_info_t *info, kith_bytes_t *out)
{
    const kith_proto_collection_t *definition = &info->definition;
    char created [40];
    kith_time_text (definition->created, false, created);
    s_string (out, "{\"name\": ", definition->name);
    kith_bytes_printf (out,
                       ", \"rows\": %" PRIu64 ", \"shards\": %" PRIu32
                       ", \"partitions\": %" PRIu32 ", \"disk\": %" PRIu64
                       ", \"memory\": %" PRIu64 ", \"created\": \"%s\", \"loaded\": %s, "
                       "\"fields\": [",
                       info->rows, definition->channels_count,
                       definition->partitions_count, info->disk, info->memory, created,
                       s_bool (definition->loaded));
    for (uint32_t index = 0; index < definition->fields_count; index++) {
        kith_bytes_printf (out, "%s", index ? ", " : "");
        s_field (&definition->fields [index], out);
    }
    kith_bytes_printf (out, "], \"indexes\": [");
    for (uint32_t index = 0; index < info->indexes_count; index++) {
        kith_bytes_printf (out, "%s", index ? ", " : "");
        kith_json_index (NULL, definition, &info->indexes [index], -1, out);
    }
    kith_bytes_printf (out,
                       "], \"segments\": {\"growing\": %" PRIu32 ", \"sealed\": %" PRIu32
                       ", \"indexed\": %" PRIu32 "}}",
                       info->growing, info->sealed, info->indexed);
}

void
kith_json_collections (const kith_proto_collection_listed_t *listed, kith_bytes_t *out)
{
    kith_bytes_printf (out, "{\"collections\": [");
    for (uint32_t index = 0; index < listed->collections_count; index++) {
        const kith_proto_collection_info_t *info = &listed->collections [index];
        s_string (out, index ? ", {\"name\": " : "{\"name\": ", info->definition.name);
        kith_bytes_printf (out, ", \"rows\": %" PRIu64 ", \"shards\": %" PRIu32 "}",
                           info->rows, info->definition.channels_count);
    }
    kith_bytes_printf (out, "]}");
}

static void
s_process (const kith_proto_process_info_t *process, kith_bytes_t *out)
{
    s_string (out, "{\"name\": ", process->name);
    s_string (out, ", \"endpoint\": ", process->endpoint);
    kith_bytes_printf (
        out, ", \"up\": %s, \"pid\": %" PRIu32 ", \"up_ms\": %" PRIu64 ", \"cpu\": ",
        s_bool (process->up), process->pid, process->up_ms);
    kith_json_put_double (out, process->cpu);
    kith_bytes_printf (out, ", \"rss\": %" PRIu64, process->rss);
    s_string (out, ", \"listen\": ", process->listen);
    s_string (out, ", \"kernels\": ", process->kernels);
    s_string (out, ", \"blas\": ", process->blas);
    kith_bytes_printf (out,
                       ", \"messages\": {\"inproc\": %" PRIu64 ", \"tcp\": %" PRIu64
                       ", \"ipc\": %" PRIu64 "}, \"actors\": [",
                       process->inproc, process->tcp, process->ipc);
    for (uint32_t index = 0; index < process->actors_count; index++) {
        const kith_proto_actor_status_t *actor = &process->actors [index];
        s_string (out, index ? ", {\"role\": " : "{\"role\": ", actor->role);
        kith_bytes_printf (out, ", \"index\": %" PRIu32, actor->index);
        s_string (out, ", \"state\": ", actor->state);
        s_string (out, ", \"note\": ", actor->note);
        kith_bytes_printf (out, "}");
    }
    kith_bytes_printf (out, "], \"loops\": [");
    for (uint32_t index = 0; index < process->loops_count; index++) {
        const kith_proto_loop_status_t *loop = &process->loops [index];
        s_string (out, index ? ", {\"name\": " : "{\"name\": ", loop->name);
        kith_bytes_printf (out,
                           ", \"events\": %" PRIu64 ", \"slow\": %" PRIu64
                           ", \"queue\": %" PRIu32 "}",
                           loop->events, loop->slow, loop->queue);
    }
    kith_bytes_printf (out, "]}");
}

void
kith_json_status (const kith_proto_cluster_status_t *status, kith_bytes_t *out)
{
    uint64_t inproc = 0, tcp = 0, ipc = 0;
    const char *kernels = "";
    s_string (out, "{\"cluster\": ", status->cluster);
    kith_bytes_printf (out, ", \"topology\": %" PRIu64 ", \"ready\": %s",
                       status->topology, s_bool (status->ready));
    s_string (out, ", \"waiting\": ", status->waiting);
    s_string (out, ", \"differs\": ", status->differs);
    kith_bytes_printf (out, ", \"processes\": [");
    for (uint32_t index = 0; index < status->processes_count; index++) {
        const kith_proto_process_info_t *process = &status->processes [index];
        kith_bytes_printf (out, "%s", index ? ", " : "");
        s_process (process, out);
        inproc += process->inproc;
        tcp += process->tcp;
        ipc += process->ipc;
        kernels = kernels [0] ? kernels : process->kernels;
    }
    kith_bytes_printf (out, "], \"logs\": [");
    for (uint32_t index = 0; index < status->logs_count; index++) {
        const kith_proto_log_route_t *log = &status->logs [index];
        kith_bytes_printf (
            out,
            "%s{\"log\": %" PRIu32 ", \"owner\": \"%s/%" PRIu32
            "\", \"open\": %s, \"epoch\": %" PRIu64 ", \"last\": %" PRIu64
            ", \"bytes_since_checkpoint\": %" PRIu64,
            index ? ", " : "", log->log, kith_role_name ((kith_role_t) log->owner.role),
            log->owner.index, s_bool (log->open), log->epoch, log->last, log->bytes);
        if (log->code) {
            s_string (out, ", \"error\": ", log->reason);
            kith_bytes_printf (out, ", \"failed_ms\": %" PRIu64, log->failed_ms);
        }
        kith_bytes_printf (out, "}");
    }
    s_string (out, "], \"kernels\": ", kernels);
    kith_bytes_printf (out,
                       ", \"messages\": {\"inproc\": %" PRIu64 ", \"tcp\": %" PRIu64
                       ", \"ipc\": %" PRIu64 "}}",
                       inproc, tcp, ipc);
}
