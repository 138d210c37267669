//  base.h - the prelude: system headers that every file of Kith may take for granted
//  SPDX-License-Identifier: Apache-2.0
#ifndef KITH_BASE_H
#define KITH_BASE_H

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef NDEBUG
#    error "Kith keeps its assertions in every build (b_ndebug=false)"
#endif

//  Warn when the result is ignored; check the arguments of a printf-like function
#define KITH_MUST __attribute__ ((warn_unused_result))
#define KITH_PRINTF(format, first)                                                       \
    __attribute__ ((__format__ (__printf__, format, first)))

//  Rounds up to a multiple of 64, the alignment of every stored block
static inline uint64_t
kith_round64 (uint64_t bytes)
{
    return (bytes + 63) & ~(uint64_t) 63;
}

//  The same place without the const: for an interface that only reads but does not say so, and for the owner of what was
//  lent to others as const
static inline void *
kith_unconst (const void *pointer)
{
    const union {
        const void *lent;
        void *own;
    } place = {.lent = pointer};
    return place.own;
}

#endif
