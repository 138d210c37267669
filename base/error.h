//  error.h - the closed set of errors, and the one way to report one
//  SPDX-License-Identifier: Apache-2.0
//
//  A function that can fail returns 0 or -1 and fills a kith_error_t that the caller lends it (null: the
//  text is dropped). Messages are one sentence: what is wrong, where, what is allowed. Programming errors
//  are asserted, not reported.
#ifndef KITH_ERROR_H
#define KITH_ERROR_H

#include "base/base.h"

typedef enum {
    KITH_OK = 0,
    KITH_ERR_INVALID = 1,     //  an argument is outside what is allowed
    KITH_ERR_PROTOCOL = 2,    //  bytes on the wire that mean nothing
    KITH_ERR_LIMIT = 3,       //  over a limit of base/limits.h
    KITH_ERR_COLLECTION_NOT_FOUND = 4,
    KITH_ERR_COLLECTION_EXISTS = 5,
    KITH_ERR_PARTITION_NOT_FOUND = 6,
    KITH_ERR_FIELD_NOT_FOUND = 7,
    KITH_ERR_INDEX_NOT_FOUND = 8,
    KITH_ERR_TYPE_MISMATCH = 9,
    KITH_ERR_DIMENSION_MISMATCH = 10,
    KITH_ERR_NOT_FINITE = 11,    //  NaN or infinity in a vector
    KITH_ERR_FILTER = 12,        //  filter text that does not parse or check
    KITH_ERR_KEY_NOT_FOUND = 13,
    KITH_ERR_SCHEMA_CHANGED = 14,
    KITH_ERR_NOT_OWNER = 15,
    KITH_ERR_NOT_LOADED = 16,
    KITH_ERR_BELOW_BASE = 17,
    KITH_ERR_TRIMMED = 18,
    KITH_ERR_DIVERGED = 19,
    KITH_ERR_CONFLICT = 20,           //  a compare of a transaction failed
    KITH_ERR_BUSY = 21,               //  no effect; try again
    KITH_ERR_TIMEOUT = 22,            //  effect unknown
    KITH_ERR_UNREACHABLE = 23,        //  no effect
    KITH_ERR_OUTCOME_UNKNOWN = 24,    //  older than the dedup window
    KITH_ERR_PARTIAL = 25,            //  a shard cannot answer
    KITH_ERR_CORRUPT = 26,            //  stored bytes fail their check
    KITH_ERR_IO = 27,
    KITH_ERR_NO_SPACE = 28,
    KITH_ERR_NO_MEMORY = 29,
    KITH_ERR_LOCKED = 30,     //  in use by another process
    KITH_ERR_VERSION = 31,    //  made by another version
    KITH_ERR_CLUSTER = 32,    //  belongs to another cluster
    KITH_ERR_CONFIG = 33,
    KITH_ERR_NOT_FOUND = 34,
    KITH_ERR_EXISTS = 35,
    KITH_ERR_CANCELLED = 36,
    KITH_ERR_UNAUTHORIZED = 37,
    KITH_ERR_UNSUPPORTED = 38,
    KITH_ERR_INTERNAL = 39,
    KITH_ERR_LOST = 40,    //  acknowledged data are gone (mark above what is there)
    KITH_ERR_COUNT
} kith_code_t;

typedef struct {
    kith_code_t code;
    int at;    //  position in the input, or -1
    char message [512];
    char hint [256];    //  empty: none
} kith_error_t;

//  Fills error (may be null) and returns -1, so that a caller writes: return kith_error_set (...);
int kith_error_set (kith_error_t *error, kith_code_t code, const char *format, ...)
    KITH_PRINTF (3, 4);

//  As kith_error_set, with errno's text appended; chooses NO_SPACE, NO_MEMORY or IO from errnum.
int kith_error_errno (kith_error_t *error, int errnum, const char *format, ...)
    KITH_PRINTF (3, 4);

//  Adds the line that begins "hint:" to a reported error (may be null).
void kith_error_hint (kith_error_t *error, const char *format, ...) KITH_PRINTF (2, 3);

//  Puts "prefix: " before the message of a reported error (may be null); returns -1.
int kith_error_prefix (kith_error_t *error, const char *format, ...) KITH_PRINTF (2, 3);

//  Makes error say that nothing went wrong.
void kith_error_clear (kith_error_t *error);

//  Stable name ("field_not_found"), plain sentence, whether a retry may help, Milvus code of a code.
const char *kith_code_name (kith_code_t code);
const char *kith_code_text (kith_code_t code);
bool kith_code_retry (kith_code_t code);
int kith_code_milvus (kith_code_t code);

//  Code of a name; KITH_ERR_COUNT if there is none.
kith_code_t kith_code_of_name (const char *name);

#endif
