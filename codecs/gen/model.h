//  model.h - protocol.zpl in memory, checked; for the generator alone
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_MODEL_H
#define KITH_MODEL_H

#include "base/arena.h"

#define KITH_MODEL_TYPES_MAX 512u
#define KITH_MODEL_FIELDS_MAX 64u
#define KITH_MODEL_ROLES_MAX 64u
#define KITH_MODEL_NUMBER_MAX 1023u

typedef enum {
    KITH_MODEL_BOOL,
    KITH_MODEL_U32,
    KITH_MODEL_U64,
    KITH_MODEL_I64,
    KITH_MODEL_F32,
    KITH_MODEL_F64,
    KITH_MODEL_STRING,
    KITH_MODEL_BYTES,
    KITH_MODEL_FRAME,
    KITH_MODEL_STRUCT
} kith_model_kind_t;

struct kith_model_type;

typedef struct {
    const char *name;
    const char *doc;
    const char *type_name;    //  as written, without []
    kith_model_kind_t kind;
    bool list;
    const struct kith_model_type *type;    //  STRUCT only
    uint32_t line;
} kith_model_field_t;

typedef struct kith_model_type {
    const char *name;
    const char *doc;
    bool message;
    uint32_t number;       //  messages only
    const char *answer;    //  name; null: none
    const struct kith_model_type *answered_by;
    kith_model_field_t *fields;
    uint32_t count;
    uint32_t line;
    int mark;    //  of the sort: 0 new, 1 under way, 2 done
} kith_model_type_t;

typedef struct {
    const char *name;
    uint32_t number;
} kith_model_role_t;

typedef struct {
    kith_arena_t arena;
    uint32_t version;
    kith_model_role_t roles [KITH_MODEL_ROLES_MAX];
    uint32_t role_count;
    kith_model_type_t *types [KITH_MODEL_TYPES_MAX];    //  as in the file, structs first
    kith_model_type_t
        *sorted [KITH_MODEL_TYPES_MAX];    //  nested ones before those that hold them
    uint32_t count;
} kith_model_t;

//  Loads and checks a model; null after telling the first mistake with file and line on stderr.
kith_model_t *kith_model_load (const char *path);
void kith_model_destroy (kith_model_t **self_p);

#endif
