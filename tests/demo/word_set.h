//  word_set.h - the word vectors in memory, and who is nearest to whom by a plain exact search
//  SPDX-License-Identifier: Apache-2.0
//
//  Shares no code with Kith, so that it may judge Kith's answers.
#ifndef KITH_WORD_SET_H
#define KITH_WORD_SET_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    size_t rows;
    size_t dim;
    const float *vectors;    //  rows x dim, as in the file
    char **words;            //  each ended by NUL
    int64_t *ranks;
    float *units;    //  rows x dim, each of length 1
    void *map;       //  of words.npy
    size_t map_bytes;
    char *text;    //  of words.txt
} word_set_t;

//  Reads words.npy, words.txt and rank.npy of a folder; null with the reason on standard error.
word_set_t *word_set_open (const char *folder);
void word_set_close (word_set_t **self_p);

//  One neighbour
typedef struct {
    uint32_t row;
    float score;    //  cosine
} word_near_t;

//  The k nearest rows by cosine to each of `count` queries (count x dim, any length), nearest first; rows [i], if
//  rows is not null, is left out of query i's. Uses every core. near: count x k.
void word_set_nearest (const word_set_t *self, const float *queries, const uint32_t *rows,
                       size_t count, size_t k, word_near_t *near);

//  Row i of `count` rows spread evenly over the set: the words that are asked.
uint32_t word_set_asked (const word_set_t *self, size_t i, size_t count);

#endif
