//  config_table.h - the one table of known keys
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_CONFIG_TABLE_H
#define KITH_CONFIG_TABLE_H

#include "base/base.h"

typedef enum {
    KITH_SECTION_CLUSTER,
    KITH_SECTION_PROCESS,
    KITH_SECTION_ACTOR,
    KITH_SECTION_COUNT
} kith_section_t;

typedef enum {
    KITH_KEY_TEXT,
    KITH_KEY_CHOICE,      //  one of `choices`
    KITH_KEY_ENDPOINT,    //  tcp://HOST:PORT or ipc://PATH
    KITH_KEY_COUNT,       //  min .. max
    KITH_KEY_SIZE,        //  bytes: 64KB 2GB
    KITH_KEY_DURATION     //  10ms 5s 2m 1h
} kith_key_type_t;

//  NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which the table is written
typedef struct {
    kith_section_t section;
    const char *name;
    kith_key_type_t type;
    const char *standard;    //  default as text; null: it must be given; "": none
    uint64_t min;
    uint64_t max;
    const char *choices;    //  separated by blanks; null: none
    bool own;     //  differs from section to section: no environment for several
    bool live;    //  may change while running
    const char *standard_doc;    //  what the default is when it depends; null: standard
    const char *doc;
} kith_key_t;

//  All keys, by section; *count of them.
const kith_key_t *kith_config_keys (size_t *count);

//  Name and meaning of a section.
const char *kith_section_name (kith_section_t section);
const char *kith_section_doc (kith_section_t section);

//  What a value of this key may be, in words ("a count from 1 to 256").
void kith_key_allowed (const kith_key_t *key, char *text, size_t size);

#endif
