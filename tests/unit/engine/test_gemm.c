//  test_gemm.c - tiles of products against double precision
//  SPDX-License-Identifier: Apache-2.0
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "engine/kernels/gemm.h"
#include "engine/kernels/kernels.h"

enum { NQ = 33, ROWS = 77, DIM = 53, QUERY_STRIDE = 60, BASE_STRIDE = 64 };

static void
s_check_products (void)
{
    static float queries [NQ * QUERY_STRIDE], base [ROWS * BASE_STRIDE], out [NQ * ROWS];
    kith_random_t random;
    kith_random_seed (&random, 3);
    for (size_t index = 0; index < NQ * QUERY_STRIDE; index++)
        queries [index] = (float) kith_random_normal (&random);
    for (size_t index = 0; index < ROWS * BASE_STRIDE; index++)
        base [index] = (float) kith_random_normal (&random);
    kith_gemm (queries, NQ, QUERY_STRIDE, base, ROWS, BASE_STRIDE, DIM, out);
    for (uint32_t query = 0; query < NQ; query++)
        for (uint32_t row = 0; row < ROWS; row++) {
            double sum = 0;
            for (uint32_t index = 0; index < DIM; index++)
                sum += (double) queries [query * QUERY_STRIDE + index]
                       * (double) base [row * BASE_STRIDE + index];
            cr_assert_float_eq (out [query * ROWS + row], sum, 1e-4);
        }
}

//  Each Criterion test is a process of its own, so this one never calls init
Test (gemm, own_tiles)
{
    cr_assert (!kith_gemm_by_blas ());
    s_check_products ();
}

//  Of the OpenBLAS that was loaded
static const char *
s_core (void)
{
    void *library = dlopen ("libopenblas.so.0", RTLD_NOW | RTLD_NOLOAD);
    cr_assert (library);
    char *(*name) (void) = NULL;
    *(void **) &name = dlsym (library, "openblas_get_corename");
    cr_assert (name);
    return name ();
}

//  An OpenBLAS that does not know a new CPU would take the kernels of the oldest
Test (gemm, blas_takes_the_widest_kernels)
{
    unsetenv ("OPENBLAS_CORETYPE");
    kith_gemm_init ();
    if (kith_kernels_of (KITH_ISA_AVX512))
        cr_assert_str_eq (s_core (), "SkylakeX");
    else if (kith_kernels_of (KITH_ISA_AVX2))
        cr_assert_str_eq (s_core (), "Haswell");
    cr_assert_null (getenv ("OPENBLAS_CORETYPE"),
                    "programs that are started later would see it");
}

Test (gemm, the_environment_chooses_the_kernels)
{
    if (!kith_kernels_of (KITH_ISA_AVX2))
        cr_skip ("one choice only");
    setenv ("OPENBLAS_CORETYPE", "HASWELL", 1);
    kith_gemm_init ();
    cr_assert_str_eq (s_core (), "Haswell");
    cr_assert_str_eq (getenv ("OPENBLAS_CORETYPE"), "HASWELL");
    s_check_products ();
}

Test (gemm, blas_is_checked_and_right)
{
    const char *verdict = kith_gemm_init ();
    cr_assert (strncmp (verdict, "OpenBLAS ", 9) == 0, "%s", verdict);
    cr_assert (strstr (verdict, ", checked"), "%s", verdict);
    cr_assert (kith_gemm_by_blas ());
    cr_assert_eq (kith_gemm_init (), verdict, "a second call changes nothing");
    s_check_products ();
}
