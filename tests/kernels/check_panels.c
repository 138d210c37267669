//  check_panels.c - kernels of batches: panels of codes, their products with queries, and the nearest of many nodes
//  SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "base/bytes.h"
#include "tests/kernels/check.h"

//  Queries beside panels, and what of that is near, against loops over rows. The last panel is not full.
static void
s_check_products (check_t *check, uint32_t dim, uint32_t rows, bool extreme)
{
    const uint32_t steps = (dim + 3) / 4, count = (rows + 15) / 16, room = 16 * count;
    int8_t *queries = calloc (KITH_PANEL_QUERIES, 4 * steps);
    uint8_t *panels = kith_alloc64 ((size_t) count * steps * 64);
    int32_t *products = malloc (KITH_PANEL_QUERIES * room * sizeof *products);
    float *trailers = malloc (2 * room * sizeof *trailers);
    uint32_t *ids = malloc (room * sizeof *ids);
    kith_near_t *near = malloc ((room + KITH_NEAR_MORE) * sizeof *near);
    for (uint32_t index = 0; index < KITH_PANEL_QUERIES * 4 * steps; index++)
        if (index % (4 * steps) < dim)
            queries [index] =
                (int8_t) (extreme ? -127
                                  : (int) kith_random_below (&check->random, 255) - 127);
    for (uint32_t index = 0; index < count * steps * 64; index++)
        panels [index] =
            (uint8_t) (extreme ? 127 : kith_random_below (&check->random, 128));
    for (uint32_t index = 0; index < room; index++) {
        trailers [index] = check_value (&check->random, extreme ? SPECIAL : PLAIN);
        trailers [room + index] = check_value (&check->random, PLAIN);
        ids [index] = (uint32_t) kith_random_next (&check->random);
    }
    kith_panels_t work = {.asking = KITH_PANEL_QUERIES,
                          .steps = steps,
                          .panels = panels,
                          .count = count,
                          .products = products,
                          .products_step = room};
    for (uint32_t query = 0; query < KITH_PANEL_QUERIES; query++)
        work.queries [query] = queries + (size_t) query * 4 * steps;
    check->fast->panels (&work);
    for (uint32_t query = 0; query < KITH_PANEL_QUERIES; query++) {
        kith_panel_near_t wanted = {.products = products + (size_t) query * room,
                                    .shifts = trailers,
                                    .scales = trailers + room,
                                    .rows = ids,
                                    .count = rows,
                                    .base = 0.25f,
                                    .step = 1e-4f,
                                    .worst = query == 0 ? INFINITY : 0.5f,
                                    .near = near};
        const uint32_t found = check->fast->panel_near (&wanted);
        uint32_t expected = 0;
        bool same = true;
        for (uint32_t row = 0; row < rows; row++) {
            int32_t sum = 0;
            for (uint32_t each = 0; each < dim; each++)
                sum += work.queries [query][each]
                       * panels [((row / 16 * steps + each / 4) * 16 + row % 16) * 4
                                 + each % 4];
            same = same && sum == wanted.products [row];
            const float product = wanted.base + wanted.step * (float) sum;
            const float distance = trailers [row] - trailers [room + row] * product;
            if (!(distance <= wanted.worst))
                continue;
            same = same && expected < found && near [expected].id == ids [row]
                   && memcmp (&near [expected].distance, &distance, sizeof distance) == 0;
            expected++;
        }
        check->checks += rows;
        if (!same || found != expected)
            check_report (check, "panels", dim, extreme ? SPECIAL : PLAIN);
    }
    free (queries);
    free (panels);
    free (products);
    free (trailers);
    free (ids);
    free (near);
}

static int
s_compare_places (const void *a, const void *b)
{
    const kith_near_t *left = a, *right = b;
    if (left->distance != right->distance)
        return left->distance < right->distance ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

//  The nearest of some nodes, many of them equal, against a sort: ids are places, so that they tell the order
static void
s_check_select (check_t *check, uint32_t count)
{
    kith_near_t *near = malloc (count * sizeof *near),
                *sorted = malloc (count * sizeof *sorted);
    const uint32_t most = 1 + (uint32_t) kith_random_below (&check->random, count);
    const bool few = kith_random_below (&check->random, 2) == 0;
    for (uint32_t index = 0; index < count; index++) {
        float distance = check_value (&check->random, MIXED);
        if (few)
            distance = (float) kith_random_below (&check->random, 7) - 2.5f;
        if (kith_random_below (&check->random, 50) == 0)
            distance = INFINITY;
        near [index] = sorted [index] = (kith_near_t){.distance = distance, .id = index};
    }
    qsort (sorted, count, sizeof *sorted, s_compare_places);
    const float farthest = check->fast->near_select (near, count, most);
    bool same = memcmp (&farthest, &sorted [most - 1].distance, sizeof farthest) == 0;
    uint64_t sum = 0, expected = 0;
    for (uint32_t index = 0; index < most; index++) {
        same = same && (index == 0 || near [index].id > near [index - 1].id);
        sum += kith_mix64 (near [index].id + 1);
        expected += kith_mix64 (sorted [index].id + 1);
    }
    check->checks += most;
    if (!same || sum != expected)
        check_report (check, "near_select", count, few ? PLAIN : MIXED);
    free (near);
    free (sorted);
}

//  A panel made from codes, against the words of kith_panel_fill_t; what is behind it stays
static void
s_check_fill (check_t *check, uint32_t dim, bool nibbles)
{
    const uint32_t plain = nibbles ? (dim + 1) / 2 : dim, bytes = (plain + 63) / 64 * 64;
    const uint32_t low = nibbles && dim > bytes ? bytes : dim, steps = (dim + 3) / 4;
    uint8_t *codes = malloc ((size_t) KITH_PANEL_ROWS * bytes);
    uint8_t *panel = kith_alloc64 ((size_t) (steps + 1) * 64);
    kith_panel_fill_t fill = {.low = (low + 3) / 4,
                              .high = (dim - low + 3) / 4,
                              .mask = nibbles ? 0x0f0f0f0f : 0x7f7f7f7f,
                              .panel = panel};
    memset (panel, 0xa5, (size_t) (steps + 1) * 64);
    for (uint32_t index = 0; index < KITH_PANEL_ROWS * bytes; index++)
        codes [index] = (uint8_t) kith_random_next (&check->random);
    for (uint32_t row = 0; row < KITH_PANEL_ROWS; row++)
        fill.codes [row] = codes + (size_t) row * bytes;
    check->fast->panel_fill (&fill);
    bool same = true;
    for (uint32_t index = 0; index < (steps + 1) * 64; index++) {
        const uint32_t row = index % 64 / 4, at = index / 64 * 4 + index % 4;
        uint8_t expected = 0xa5;
        if (index < steps * 64) {
            const uint8_t *code = fill.codes [row];
            const bool high = at >= fill.low * 4;
            expected = high ? code [at - fill.low * 4] >> 4 : code [at];
            expected &= nibbles ? 15 : 127;
        }
        same = same && panel [index] == expected;
    }
    check->checks += steps * 64;
    if (!same)
        check_report (check, "panel_fill", dim, nibbles ? PLAIN : MIXED);
    free (codes);
    free (panel);
}

void
check_panels (check_t *check)
{
    for (uint32_t dim = 1; dim <= DIM_MAX; dim++) {
        s_check_fill (check, dim, false);
        s_check_fill (check, dim, true);
    }
    for (uint32_t dim = 1; dim <= DIM_MAX; dim += dim < 140 ? 1 : 37)
        for (uint32_t rows = 1 + dim % 16; rows <= 64; rows += 17) {
            s_check_products (check, dim, rows, false);
            s_check_products (check, dim, rows, true);
        }
    s_check_products (check, DIM_LARGE, 20, false);
    s_check_products (check, DIM_LARGE, 20, true);
    s_check_products (check, 3 * DIM_MAX, 40, false);
    for (uint32_t count = 1; count < 1000; count++)
        s_check_select (check, count);
}
