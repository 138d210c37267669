//  config_state.h - what the files of kith_config_t share
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CONFIG_STATE_H
#define KITH_CONFIG_STATE_H

#include "base/limits.h"
#include "runtime/config.h"
#include "runtime/config_table.h"

#define KITH_CONFIG_KEYS_MAX 64u    //  of the table

//  Where a value comes from
typedef enum {
    KITH_ORIGIN_DEFAULT,
    KITH_ORIGIN_FILE,
    KITH_ORIGIN_ENVIRONMENT
} kith_origin_t;

typedef struct {
    const char *text;    //  null: not given
    kith_origin_t origin;
    size_t line;        //  FILE
    uint64_t number;    //  of a count, size or duration (ms)
} kith_value_t;

//  A section as it stands in the file
typedef struct {
    kith_section_t kind;
    zconfig_t *node;    //  null: a cluster section that is not there
    size_t line;
    uint32_t process;    //  which process section it is or stands in
    kith_value_t values [KITH_CONFIG_KEYS_MAX];    //  by place in the table
} kith_part_t;

struct kith_config {
    char *name;    //  of the file
    char *text;
    zconfig_t *root;
    kith_arena_t arena;    //  of the texts below
    kith_part_t *parts;    //  cluster first, then in file order
    size_t part_count;
    kith_topology_t topology;
};

//  Value of a part by key name; the key must be in the table.
const kith_value_t *kith_config_value (const kith_part_t *part, const char *key);

//  Makes and checks the topology of the parts.
int kith_config_build (kith_config_t *self, kith_error_t *error);

//  CONFIG error "FILE:LINE: ..."; returns -1.
int kith_config_error (const kith_config_t *self, size_t line, kith_error_t *error,
                       const char *format, ...) KITH_PRINTF (4, 5);

//  Fills value->number and checks text against what the key allows.
int kith_config_check (const kith_config_t *self, const kith_key_t *key,
                       kith_value_t *value, const char *where, kith_error_t *error);

//  Appends the parts as ZPL; comments: with where each value comes from, and those that are not given.
void kith_config_write (const kith_config_t *self, bool comments, kith_bytes_t *out);

#endif
