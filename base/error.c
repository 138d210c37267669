//  error.c - the closed set of errors, and the one way to report one
//  SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <errno.h>

//  What is known of each code. Milvus codes are those of its merr table: 65535 where it has none.
typedef struct {
    const char *name;
    const char *text;
    bool retry;    //  the same request may succeed later
    int milvus;
} code_info_t;

static const code_info_t s_codes [KITH_ERR_COUNT] = {
    [KITH_OK] = {"ok", "nothing went wrong", false, 0},
    [KITH_ERR_INVALID] = {"invalid", "an argument is outside what is allowed", false,
                          1100},
    [KITH_ERR_PROTOCOL] = {"protocol", "the bytes received mean nothing", false, 65535},
    [KITH_ERR_LIMIT] = {"limit", "a limit was passed", false, 1102},
    [KITH_ERR_COLLECTION_NOT_FOUND] = {"collection_not_found",
                                       "there is no such collection", false, 100},
    [KITH_ERR_COLLECTION_EXISTS] = {"collection_exists",
                                    "a collection of this name is there already", false,
                                    65535},
    [KITH_ERR_PARTITION_NOT_FOUND] = {"partition_not_found", "there is no such partition",
                                      false, 200},
    [KITH_ERR_FIELD_NOT_FOUND] = {"field_not_found", "there is no such field", false,
                                  1700},
    [KITH_ERR_INDEX_NOT_FOUND] = {"index_not_found", "there is no such index", false,
                                  700},
    [KITH_ERR_TYPE_MISMATCH] = {"type_mismatch", "a value is not of its field's type",
                                false, 1100},
    [KITH_ERR_DIMENSION_MISMATCH] = {"dimension_mismatch",
                                     "a vector has not as many numbers as its field",
                                     false, 1100},
    [KITH_ERR_NOT_FINITE] = {"not_finite", "a vector has a number that is not finite",
                             false, 1100},
    [KITH_ERR_FILTER] = {"filter", "the filter cannot be understood", false, 1100},
    [KITH_ERR_KEY_NOT_FOUND] = {"key_not_found", "there is no row with this key", false,
                                1100},
    [KITH_ERR_SCHEMA_CHANGED] = {"schema_changed", "the collection's schema has changed",
                                 true, 109},
    [KITH_ERR_NOT_OWNER] = {"not_owner", "the log belongs to another owner", true, 503},
    [KITH_ERR_NOT_LOADED] = {"not_loaded", "what was asked for is not loaded", true, 101},
    [KITH_ERR_BELOW_BASE] = {"below_base", "the moment asked for is no longer kept",
                             false, 1100},
    [KITH_ERR_TRIMMED] = {"trimmed", "the log no longer has these records", true, 65535},
    [KITH_ERR_DIVERGED] = {"diverged", "the log no longer has this history", true, 65535},
    [KITH_ERR_CONFLICT] = {"conflict", "somebody else changed it first", true, 65535},
    [KITH_ERR_BUSY] = {"busy", "too much is under way; nothing was done", true, 8},
    [KITH_ERR_TIMEOUT] = {"timeout", "no answer came in time; the effect is unknown",
                          true, 10001},
    [KITH_ERR_UNREACHABLE] = {"unreachable", "it cannot be reached; nothing was done",
                              true, 2},
    [KITH_ERR_OUTCOME_UNKNOWN] = {"outcome_unknown",
                                  "the request is too old to tell if it was done", false,
                                  65535},
    [KITH_ERR_PARTIAL] = {"partial", "a part of the data cannot answer", true, 2},
    [KITH_ERR_CORRUPT] = {"corrupt", "stored bytes fail their check", false, 65535},
    [KITH_ERR_IO] = {"io", "reading or writing a file failed", false, 1001},
    [KITH_ERR_NO_SPACE] = {"no_space", "the disk is full", true, 7},
    [KITH_ERR_NO_MEMORY] = {"no_memory", "memory is gone", true, 3},
    [KITH_ERR_LOCKED] = {"locked", "another process is using it", true, 2},
    [KITH_ERR_VERSION] = {"version", "it was made by another version", false, 65535},
    [KITH_ERR_CLUSTER] = {"cluster", "it belongs to another cluster", false, 65535},
    [KITH_ERR_CONFIG] = {"config", "the configuration is wrong", false, 65535},
    [KITH_ERR_NOT_FOUND] = {"not_found", "it is not there", false, 1000},
    [KITH_ERR_EXISTS] = {"exists", "it is there already", false, 65535},
    [KITH_ERR_CANCELLED] = {"cancelled", "it was cancelled", false, 10000},
    [KITH_ERR_UNAUTHORIZED] = {"unauthorized", "this user may not do that", false, 1401},
    [KITH_ERR_UNSUPPORTED] = {"unsupported", "this is not supported", false, 10},
    [KITH_ERR_INTERNAL] = {"internal", "a promise inside the program was broken", false,
                           5},
    [KITH_ERR_LOST] = {"lost", "acknowledged data are gone", false, 65535},
};

static void s_fill (kith_error_t *error, kith_code_t code, const char *format,
                    va_list arguments) KITH_PRINTF (3, 0);

static void
s_fill (kith_error_t *error, kith_code_t code, const char *format, va_list arguments)
{
    error->code = code;
    error->at = -1;
    error->hint [0] = 0;
    int written = vsnprintf (error->message, sizeof error->message, format, arguments);
    if (written < 0)
        error->message [0] = 0;
}

int
kith_error_set (kith_error_t *error, kith_code_t code, const char *format, ...)
{
    assert (code > KITH_OK && code < KITH_ERR_COUNT);
    if (!error)
        return -1;
    va_list arguments;
    va_start (arguments, format);
    s_fill (error, code, format, arguments);
    va_end (arguments);
    return -1;
}

static kith_code_t
s_code_of_errno (int errnum)
{
    if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
        return KITH_ERR_NO_SPACE;
    if (errnum == ENOMEM)
        return KITH_ERR_NO_MEMORY;
    return KITH_ERR_IO;
}

int
kith_error_errno (kith_error_t *error, int errnum, const char *format, ...)
{
    if (!error)
        return -1;
    va_list arguments;
    va_start (arguments, format);
    s_fill (error, s_code_of_errno (errnum), format, arguments);
    va_end (arguments);
    char text [128];
    const char *reason = strerror_r (errnum, text, sizeof text);
    size_t used = strlen (error->message);
    snprintf (error->message + used, sizeof error->message - used, ": %s", reason);
    return -1;
}

void
kith_error_hint (kith_error_t *error, const char *format, ...)
{
    if (!error)
        return;
    va_list arguments;
    va_start (arguments, format);
    if (vsnprintf (error->hint, sizeof error->hint, format, arguments) < 0)
        error->hint [0] = 0;
    va_end (arguments);
}

int
kith_error_prefix (kith_error_t *error, const char *format, ...)
{
    if (!error)
        return -1;
    char prefix [sizeof error->message];
    va_list arguments;
    va_start (arguments, format);
    if (vsnprintf (prefix, sizeof prefix - 2, format, arguments) < 0)
        prefix [0] = 0;
    va_end (arguments);

    //  What does not fit is cut off at the end, as everywhere
    size_t used = strlen (prefix);
    memcpy (prefix + used, ": ", 3);
    used += 2;
    size_t room = sizeof error->message - 1 - used;
    size_t kept = strnlen (error->message, room);
    memmove (error->message + used, error->message, kept);
    memcpy (error->message, prefix, used);
    error->message [used + kept] = 0;
    return -1;
}

void
kith_error_clear (kith_error_t *error)
{
    if (!error)
        return;
    error->code = KITH_OK;
    error->at = -1;
    error->message [0] = 0;
    error->hint [0] = 0;
}

//  Codes come from the wire too: an unknown one is answered as "internal"
static const code_info_t *
s_info (kith_code_t code)
{
    if ((unsigned) code >= KITH_ERR_COUNT)
        return &s_codes [KITH_ERR_INTERNAL];
    return &s_codes [code];
}

const char *
kith_code_name (kith_code_t code)
{
    return s_info (code)->name;
}

const char *
kith_code_text (kith_code_t code)
{
    return s_info (code)->text;
}

bool
kith_code_retry (kith_code_t code)
{
    return s_info (code)->retry;
}

int
kith_code_milvus (kith_code_t code)
{
    return s_info (code)->milvus;
}

kith_code_t
kith_code_of_name (const char *name)
{
    assert (name);
    for (int code = 0; code < KITH_ERR_COUNT; code++) {
        if (strcmp (s_codes [code].name, name) == 0)
            return (kith_code_t) code;
    }
    return KITH_ERR_COUNT;
}
