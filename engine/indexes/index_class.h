//  index_class.h - what a kind of index brings to index.c
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_INDEX_CLASS_H
#define KITH_INDEX_CLASS_H

#include "engine/indexes/index.h"

//  Functions have the contracts of index.h; index.c has checked their arguments: rows > 0, k > 0, params settled.
typedef struct {
    kith_index_kind_t kind;
    const char *name;
    uint32_t magic;    //  first word of the section KITH_INDEX_HEADER
    //  INVALID with a reason if the kind or params->code makes no sense for rows of this metric and vector type; null: all do
    int (*fits) (const kith_rows_t *rows, const kith_index_params_t *params,
                 kith_error_t *error);
    uint64_t (*build_bytes) (const kith_rows_t *rows, const kith_index_params_t *params);
    uint64_t (*load_bytes) (const kith_rows_t *rows, const kith_index_params_t *params);
    kith_index_t *(*build) (const kith_rows_t *rows, const kith_index_params_t *params,
                            kith_error_t *error);
    kith_index_t *(*open) (const kith_rows_t *rows, const kith_section_t *sections,
                           size_t count, kith_error_t *error);
    void (*destroy) (kith_index_t *self);
    size_t (*sections) (const kith_index_t *self, kith_section_t *sections);
    //  Null: the kind has no records. Takes *blocks_p (and makes it null) unless it fails
    int (*use_blocks) (kith_index_t *self, kith_blocks_t **blocks_p, kith_error_t *error);
    //  scratch: where the kind keeps what scratch_new made; returns rows compared. *stopped: query->stop ended it
    uint64_t (*search) (const kith_index_t *self, const kith_index_query_t *query,
                        void *scratch, kith_topk_t *tops, bool *stopped);
    //  Whether the last search with this scratch failed, and why; null: none can
    bool (*failed) (const void *scratch, kith_error_t *error);
    void (*explain) (const void *scratch, kith_index_cost_t *cost);    //  null: no reads
    void *(*scratch_new) (void);    //  null: the kind needs none
    void (*scratch_free) (void *scratch);
    uint32_t (*effort) (const kith_index_t *self, float recall, uint32_t k);
    float (*recall) (const kith_index_t *self, uint32_t effort);
    void (*describe) (const kith_index_t *self, kith_index_info_t *info);
} kith_index_class_t;

//  First member of the structure of every kind
struct kith_index {
    const kith_index_class_t *class;
    kith_rows_t rows;
};

#define KITH_INDEX_HEADER 1u    //  section that begins with the kind's magic

extern const kith_index_class_t kith_index_flat;
extern const kith_index_class_t kith_index_graph;
extern const kith_index_class_t kith_index_ivf;
extern const kith_index_class_t kith_index_bin;
extern const kith_index_class_t kith_index_disk;

#endif
