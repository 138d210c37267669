//  kmeans.h - centres of clouds of points: training and assignment by BLAS tiles
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_KMEANS_H
#define KITH_KMEANS_H

#include "base/error.h"
#include "base/parallel.h"
#include "engine/kernels/kernels.h"

typedef struct {
    const float *points;    //  count x dim
    uint32_t count;         //  at least clusters
    uint32_t dim;
    uint32_t clusters;
    uint32_t rounds;    //  of Lloyd's algorithm
    bool spherical;     //  by angle: points of length 1, centres too
    uint64_t seed;      //  the same seed gives the same centres, whatever the threads
    kith_parallel_t *parallel;    //  null: serial
    //  Asked once a round with rounds done; false cancels.
    bool (*go_on) (void *arg, uint32_t done, uint32_t of);
    void *go_on_arg;
} kith_kmeans_t;

//  Writes clusters x dim centres. More than 16,384 are trained in two levels. CANCELLED or NO_MEMORY.
int kith_kmeans_train (const kith_kmeans_t *params, float *centres, kith_error_t *error);

//  Bytes that training needs beside points and centres.
uint64_t
kith_kmeans_bytes (uint32_t count, uint32_t dim, uint32_t clusters, uint32_t threads);

//  Points and the centres that they are to be given to
typedef struct {
    const void *points;    //  count x dim of type
    uint32_t count;
    uint32_t dim;
    kith_vector_t type;    //  0: float32; not binary
    const float *centres;
    const float *halves;    //  half the square length of each centre; zeros if spherical
    uint32_t clusters;
    kith_parallel_t *parallel;
} kith_kmeans_assign_t;

//  Half the square length of each centre, zeros if spherical: the nearest centre has the least half - product.
void kith_kmeans_halves (const float *centres, uint32_t clusters, uint32_t dim,
                         bool spherical, float *halves);

//  Writes the nearest centre of each point, the first of equals. False: no memory.
bool kith_kmeans_assign (const kith_kmeans_assign_t *assign, uint32_t *nearest);

//  Points of cluster after cluster, ascending in each, and where each cluster begins among them: first has clusters + 1 numbers, the last
//  is count (below 2^32).
void kith_kmeans_sort (const uint32_t *nearest, size_t count, uint32_t clusters,
                       uint32_t *first, uint32_t *order);

#endif
