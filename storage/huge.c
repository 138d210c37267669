//  huge.c - big anonymous memory in huge pages
//  SPDX-License-Identifier: Apache-2.0
#include "storage/huge.h"

#include <sys/mman.h>

#include "base/bytes.h"

enum { HUGE_PAGE = 2 << 20 };

void *
kith_huge_new (size_t bytes)
{
    if (bytes < 2 * (size_t) HUGE_PAGE)
        return kith_alloc64 (bytes);
    void *data = NULL;
    size_t rounded = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    if (rounded < bytes || posix_memalign (&data, HUGE_PAGE, rounded) != 0)
        return NULL;
    //  Refused advice only costs speed
    (void) madvise (data, rounded, MADV_HUGEPAGE);
    memset (data, 0, rounded);
    return data;
}
