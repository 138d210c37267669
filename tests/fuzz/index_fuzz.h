//  index_fuzz.h - opens an index that was built well and then damaged by the input, and searches what opens
//  SPDX-License-Identifier: Apache-2.0
//
//  Damage near a valid index gets past its header, which random bytes never would. Nothing may crash; hits are rows that exist and may be
//  answered, and none comes twice.
#ifndef KITH_INDEX_FUZZ_H
#define KITH_INDEX_FUZZ_H

#include "engine/indexes/index.h"
#include "tests/fuzz/fuzz.h"

typedef enum {
    INDEX_FUZZ_PLAIN,
    INDEX_FUZZ_TWINS,    //  every third row is equal to the one before it
    INDEX_FUZZ_BARE      //  one dimension of four is the same in all rows
} index_fuzz_rows_t;

typedef struct {
    kith_index_kind_t kind;
    kith_index_code_t code;
    kith_vector_t type;
    kith_metric_t metric;
    index_fuzz_rows_t rows;
} index_fuzz_case_t;

//  Called after the damage with whole and damaged sections, so that a kind can get its checksums out of the way.
typedef void
index_fuzz_mend_fn (const kith_section_t *whole, uint8_t *const *bytes, size_t count);

//  Byte 0 chooses the case (its high bit: mend is called), byte 1 the search, byte 2 whether a section is cut short; the rest are edits
//  of section, offset (4), value (4). Indexes are built when they are first chosen. mend may be null.
void index_fuzz (const index_fuzz_case_t *cases, size_t count, index_fuzz_mend_fn *mend,
                 const uint8_t *data, size_t size);

#endif
