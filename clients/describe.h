//  describe.h - definitions and states as text and JSON: what the command line and the library show
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_DESCRIBE_H
#define KITH_DESCRIBE_H

#include "codecs/msg.h"

//  A field from its text: NAME TYPE [key] [nullable] [l2|ip|cosine] [default JSON]; strings live in the arena. INVALID: with what
//  is allowed.
int kith_field_parse (const char *text, kith_proto_field_t *field, kith_arena_t *arena,
                      kith_error_t *error);

//  Type of a field as it is written ("varchar(64)"), appended with a NUL that is not counted.
void kith_field_type (const kith_proto_field_t *field, kith_bytes_t *out);

//  Name of a metric ("cosine"; empty: none).
const char *kith_metric_text (uint32_t metric);

//  Time of a hybrid timestamp as RFC 3339, UTC; local: "2026-11-22 10:01:07" in local time.
void kith_time_text (uint64_t hybrid, bool local, char text [40]);

//  JSON objects with the keys of docs/reference/cli.md, appended.
void kith_json_collection (const kith_proto_collection_info_t *info, kith_bytes_t *out);
void
kith_json_collections (const kith_proto_collection_listed_t *listed, kith_bytes_t *out);
void
kith_json_index (const char *collection, const kith_proto_collection_t *definition,
                 const kith_proto_index_state_t *state, double ms, kith_bytes_t *out);
void kith_json_status (const kith_proto_cluster_status_t *status, kith_bytes_t *out);

//  Share of an index that is built, 0 to 1.
double kith_index_built (const kith_proto_index_state_t *state);

#endif
