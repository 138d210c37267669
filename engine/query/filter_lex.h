//  filter_lex.h - the words of a filter
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_FILTER_LEX_H
#define KITH_FILTER_LEX_H

#include "base/arena.h"
#include "base/error.h"

typedef enum {
    KITH_TOKEN_END,
    KITH_TOKEN_NAME,    //  a field, or a word of the language
    KITH_TOKEN_INT,
    KITH_TOKEN_REAL,
    KITH_TOKEN_TEXT,
    KITH_TOKEN_SYMBOL    //  operators, brackets, commas
} kith_token_kind_t;

typedef struct {
    kith_token_kind_t kind;
    uint32_t at;         //  byte position
    uint32_t end;        //  first byte after it
    char symbol [3];     //  SYMBOL: "<=", "("
    uint64_t integer;    //  INT, without a sign
    double real;
    const char *text;    //  TEXT: decoded; NAME: itself; in the arena
    uint32_t length;
} kith_token_t;

typedef struct {
    const char *text;
    uint32_t at;    //  of the next token
    kith_arena_t *arena;
    kith_error_t *error;
} kith_lexer_t;

//  Reads the next token; -1 with FILTER and the position.
int kith_lexer_next (kith_lexer_t *self, kith_token_t *token);

//  Reports at a byte position; returns -1.
int kith_filter_refuse (kith_error_t *error, uint32_t at, const char *format, ...)
    KITH_PRINTF (3, 4);

#endif
