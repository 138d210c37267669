//  held_out.c - rows of an fbin file, queries that were taken out of them, and the exact answers
//  SPDX-License-Identifier: Apache-2.0
#include "tests/bench/engine/held_out.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/random.h"
#include "storage/huge.h"

enum { SEED = 42 };

double
bench_seconds (clockid_t clock)
{
    struct timespec now;
    clock_gettime (clock, &now);
    return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

static void
s_swap (float *a, float *b, uint32_t dim)
{
    for (uint32_t index = 0; index < dim; index++) {
        float value = a [index];
        a [index] = b [index];
        b [index] = value;
    }
}

//  All rows of the file into vectors; how many
static uint32_t
s_read (bench_held_out_t *self, const char *path, uint32_t nq)
{
    uint32_t head [2] = {0, 0};
    FILE *file = fopen (path, "rb");
    if (!file || fread (head, sizeof head, 1, file) != 1 || head [0] <= nq) {
        fprintf (stderr, "%s: %s\n", path, file ? "too short" : strerror (errno));
        if (file)
            fclose (file);
        return 0;
    }
    self->rows.dim = head [1];
    self->vectors = kith_huge_new ((size_t) head [0] * head [1] * sizeof (float));
    size_t got = fread (self->vectors, head [1] * sizeof (float), head [0], file);
    fclose (file);
    if (got == head [0])
        return head [0];
    fprintf (stderr, "%s: cut short, %zu of %u rows\n", path, got, head [0]);
    return 0;
}

int
bench_held_out_load (bench_held_out_t *self, const char *path, kith_metric_t metric,
                     uint32_t nq)
{
    *self = (bench_held_out_t){.nq = nq};
    uint32_t rows = s_read (self, path, nq), dim = self->rows.dim;
    if (rows == 0)
        return -1;
    kith_random_t random;
    kith_random_seed (&random, SEED);
    for (uint32_t index = 0; index < nq; index++) {
        uint32_t other = (uint32_t) kith_random_below (&random, rows - index);
        s_swap (self->vectors + (size_t) other * dim,
                self->vectors + (size_t) (rows - 1 - index) * dim, dim);
    }
    self->norms = kith_alloc64 (rows * sizeof (float));
    for (uint32_t row = 0; row < rows; row++)
        self->norms [row] = kith_norm (self->vectors + (size_t) row * dim, dim);
    self->queries = kith_alloc64 ((size_t) nq * dim * sizeof (float));
    memcpy (self->queries, self->vectors + (size_t) (rows - nq) * dim,
            (size_t) nq * dim * sizeof (float));
    self->query_norms = self->norms + rows - nq;
    self->rows = (kith_rows_t){.vectors = self->vectors,
                               .norms = metric == KITH_METRIC_COSINE ? self->norms : NULL,
                               .rows = rows - nq,
                               .dim = dim,
                               .metric = metric};
    return 0;
}

void
bench_held_out_filter (bench_held_out_t *self, double share)
{
    kith_random_t random;
    kith_random_seed (&random, SEED);
    kith_bits_init (&self->live, self->rows.rows, false);
    for (uint32_t row = 0; row < self->rows.rows; row++)
        if ((double) kith_random_below (&random, 1000000) < share * 1000000)
            kith_bits_set (&self->live, row);
}

const kith_bits_t *
bench_held_out_live (const bench_held_out_t *self)
{
    return self->live.words ? &self->live : NULL;
}

void
bench_held_out_exact (bench_held_out_t *self, uint32_t k)
{
    self->truth = kith_new (self->nq * sizeof *self->truth);
    for (uint32_t query = 0; query < self->nq; query++)
        kith_topk_init (&self->truth [query], k);
    kith_flat_search (&self->rows, self->queries, self->query_norms, self->nq,
                      bench_held_out_live (self), 0, 0, self->truth);
    for (uint32_t query = 0; query < self->nq; query++)
        kith_topk_sort (&self->truth [query]);
}

uint32_t
bench_held_out_right (const bench_held_out_t *self, uint32_t query,
                      const kith_topk_t *top)
{
    const kith_topk_t *truth = &self->truth [query];
    uint32_t right = 0;
    for (uint32_t hit = 0; hit < top->count && truth->count > 0; hit++)
        right += top->hits [hit].distance <= truth->hits [truth->count - 1].distance;
    return right;
}

void
bench_held_out_free (bench_held_out_t *self)
{
    for (uint32_t query = 0; self->truth && query < self->nq; query++)
        kith_topk_free (&self->truth [query]);
    free (self->truth);
    free (self->queries);
    free (self->vectors);
    free (self->norms);
    kith_bits_free (&self->live);
    *self = (bench_held_out_t){0};
}
