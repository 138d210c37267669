//  gemm.c - tiles of query x row products by OpenBLAS, with a self-check
//  SPDX-License-Identifier: Apache-2.0
//
//  OpenBLAS is loaded here and not by the linker, because it chooses its kernels while it is loaded, and one that is older
//  than its CPU takes those of 2004: a seventh of the speed (ADR 15). A BLAS that computes wrong products on its CPU has been
//  met too, so a small product is compared with the scalar kernel before OpenBLAS is believed.
#include <cblas.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/random.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/kernels.h"

#define CORE_NAME "OPENBLAS_CORETYPE"    //  read by OpenBLAS as it is loaded

typedef __typeof__ (cblas_sgemm) s_sgemm_fn;
typedef void s_set_threads_fn (int threads);
typedef char *s_config_fn (void);

typedef enum { S_UNKNOWN = 0, S_BLAS, S_TILES } s_way_t;

//  Part of the choice that kith_kernels is: made once, before other threads run
static s_way_t s_way;
static char s_verdict [256];
static s_sgemm_fn *s_sgemm;

typedef struct {
    const float *queries;
    const float *base;
    size_t query_stride;
    size_t base_stride;
    uint32_t nq;
    uint32_t rows;
    uint32_t dim;
} s_product_t;

static void
s_blas (const s_product_t *product, float *out)
{
    s_sgemm (CblasRowMajor, CblasNoTrans, CblasTrans, (blasint) product->nq,
             (blasint) product->rows, (blasint) product->dim, 1.0f, product->queries,
             (blasint) product->query_stride, product->base,
             (blasint) product->base_stride, 0.0f, out, (blasint) product->rows);
}

//  Rows in blocks that stay in the first cache while all queries pass over them
static void
s_tiles (const s_product_t *product, float *out)
{
    const kith_kernels_t *kernels = kith_kernels ();
    const uint32_t block = 32;
    for (uint32_t first = 0; first < product->rows; first += block) {
        uint32_t count = product->rows - first < block ? product->rows - first : block;
        for (uint32_t query = 0; query < product->nq; query++)
            kernels->dot_rows (product->queries + query * product->query_stride,
                               product->base + first * product->base_stride,
                               product->base_stride * sizeof (float), count, product->dim,
                               out + (size_t) query * product->rows + first);
    }
}

//  Whether OpenBLAS and the scalar kernel agree on a product of odd shape
static bool
s_agrees (void)
{
    enum { NQ = 19, ROWS = 37, DIM = 131 };
    const kith_kernels_t *scalar = kith_kernels_of (KITH_ISA_SCALAR);
    float *values = kith_new ((NQ + ROWS) * DIM * sizeof (float));
    float *out = kith_new (NQ * ROWS * sizeof (float));
    kith_random_t random;
    kith_random_seed (&random, 1);
    for (uint32_t index = 0; index < (NQ + ROWS) * DIM; index++)
        values [index] = (float) (kith_random_unit (&random) * 2 - 1);
    s_product_t product = {.queries = values,
                           .base = values + NQ * DIM,
                           .query_stride = DIM,
                           .base_stride = DIM,
                           .nq = NQ,
                           .rows = ROWS,
                           .dim = DIM};
    s_blas (&product, out);
    bool agrees = true;
    for (uint32_t query = 0; query < NQ; query++)
        for (uint32_t row = 0; row < ROWS; row++) {
            float exact = scalar->dot (product.queries + query * DIM,
                                       product.base + row * DIM, DIM);
            if (!(fabsf (out [query * ROWS + row] - exact) < 1e-4f))
                agrees = false;
        }
    free (out);
    free (values);
    return agrees;
}

//  OpenBLAS's name for the newest kernels that this CPU runs; null: its own choice is as good
static const char *
s_core (void)
{
    //  The CPU's own level, whatever the configuration makes of it
    if (kith_kernels_of (KITH_ISA_AVX512))
        return "SKYLAKEX";
    if (kith_kernels_of (KITH_ISA_AVX2))
        return "HASWELL";
    return NULL;
}

static void *
s_symbol (void *library, const char *name)
{
    void *symbol = library ? dlsym (library, name) : NULL;
    if (!symbol)
        snprintf (s_verdict, sizeof s_verdict,
                  "no OpenBLAS (%.120s): Kith's own tiles are used", dlerror ());
    return symbol;
}

//  What OpenBLAS says of itself; null: it is not there, and s_verdict says why
static const char *
s_load (void)
{
    const char *core = getenv (CORE_NAME) ? NULL : s_core ();
    if (core)
        setenv (CORE_NAME, core, 1);
    void *library = dlopen ("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    //  Meant for OpenBLAS alone, not for the programs that this one starts
    if (core)
        unsetenv (CORE_NAME);
    s_set_threads_fn *set_threads = NULL;
    s_config_fn *config = NULL;
    *(void **) &set_threads = s_symbol (library, "openblas_set_num_threads");
    if (set_threads)
        *(void **) &config = s_symbol (library, "openblas_get_config");
    if (config)
        *(void **) &s_sgemm = s_symbol (library, "cblas_sgemm");
    if (!s_sgemm)
        return NULL;
    set_threads (1);
    return config ();
}

const char *
kith_gemm_init (void)
{
    const char *config = s_way == S_UNKNOWN ? s_load () : NULL;
    if (s_way == S_UNKNOWN)
        s_way = S_TILES;
    if (config) {
        bool agrees = s_agrees ();
        size_t name = strcspn (config, " ");
        size_t version = config [name] ? 1 + strcspn (config + name + 1, " ") : 0;
        snprintf (s_verdict, sizeof s_verdict, "%.*s, %s", (int) (name + version), config,
                  agrees ? "checked" : "wrong products: Kith's own tiles are used");
        s_way = agrees ? S_BLAS : S_TILES;
    }
    return s_verdict;
}

bool
kith_gemm_by_blas (void)
{
    return s_way == S_BLAS;
}

void
kith_gemm (const float *queries, uint32_t nq, size_t query_stride, const float *base,
           uint32_t rows, size_t base_stride, uint32_t dim, float *out)
{
    s_product_t product = {.queries = queries,
                           .base = base,
                           .query_stride = query_stride,
                           .base_stride = base_stride,
                           .nq = nq,
                           .rows = rows,
                           .dim = dim};
    if (s_way == S_BLAS)
        s_blas (&product, out);
    else
        s_tiles (&product, out);
}
