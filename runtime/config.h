//  config.h - the configuration: ZPL text, checked against one table of known keys
//  SPDX-License-Identifier: Apache-2.0
//
//  A value comes from the file, or from the environment (KITH_SECTION_KEY, over the file), or is the default. Every
//  error names file, line, what is wrong, and what is allowed. configs/standalone.zpl is compiled in.
#ifndef KITH_CONFIG_H
#define KITH_CONFIG_H

#include "base/bytes.h"
#include "base/error.h"
#include "runtime/topology.h"

typedef struct kith_config kith_config_t;

//  Reads a file; null path: the compiled-in standalone configuration. CONFIG: with the reason.
kith_config_t *kith_config_load (const char *path, kith_error_t *error);

//  The same of a text; name stands for the file in errors. environment: null-terminated KEY=value list, or null.
kith_config_t *kith_config_parse (const char *text, const char *name,
                                  const char *const *environment, kith_error_t *error);
void kith_config_destroy (kith_config_t **self_p);

//  What it says. Lives as long as the configuration.
const kith_topology_t *kith_config_topology (const kith_config_t *self);

//  Place of the process section of that name; process_count if there is none.
uint32_t kith_config_process (const kith_config_t *self, const char *name);

//  Appends every key in force, defaults included, with where its value comes from.
void kith_config_print (const kith_config_t *self, kith_bytes_t *out);

//  All actors in one process (zactor run --one-process): the first section takes those of the others; loops keep
//  apart by the name of their old process.
kith_config_t *kith_config_merge (const kith_config_t *self, kith_error_t *error);

//  The compiled-in text.
const char *kith_config_standalone (void);

//  The reference of all keys, from the table that checks them: docs/configuration.md, and the part of a man page.
void kith_config_reference (kith_bytes_t *out);
void kith_config_man (kith_bytes_t *out);

//  Durations 10ms 5s 2m 1h and sizes 64KB 2GB (of 1,024) as numbers of ms and bytes; -1: not such a text.
int kith_config_duration_ms (const char *text, uint64_t *ms);
int kith_config_size (const char *text, uint64_t *bytes);

#endif
