//  show.h - rows of an answer, as a table or JSON
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_SHOW_H
#define KITH_SHOW_H

#include "clients/answer.h"
#include "clients/cli/cli.h"

//  Rows of one query, as a JSON array; scores: each row has its score.
void kith_show_rows_json (const kith_answer_t *answer, size_t query, bool scores,
                          kith_bytes_t *out);

//  The same as a table on standard output.
void kith_show_rows (const kith_cli_t *cli, const kith_answer_t *answer, size_t query,
                     bool scores);

//  A value of a column as JSON.
void kith_show_value (const kith_column_t *column, uint32_t row, kith_bytes_t *out);

//  The stages of an explained search, as a table and as JSON.
void kith_show_stages (const kith_cli_t *cli, const kith_proto_search_t *search,
                       const kith_proto_found_t *found);
void kith_show_stages_json (const kith_proto_found_t *found, kith_bytes_t *out);

#endif
