//  panel_scalar.c - queries of a batch beside panels of coded rows: the specification
//  SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "engine/kernels/isa.h"

static void
s_fill (const kith_panel_fill_t *fill)
{
    for (uint32_t row = 0; row < KITH_PANEL_ROWS; row++) {
        const uint8_t *code = fill->codes [row];
        uint8_t *out = fill->panel + (size_t) row * 4;
        for (uint32_t step = 0; step < fill->low + fill->high; step++) {
            const bool high = step >= fill->low;
            uint32_t four;
            memcpy (&four, code + (high ? step - fill->low : step) * sizeof four,
                    sizeof four);
            four = (high ? four >> 4 : four) & fill->mask;
            memcpy (out + (size_t) step * KITH_PANEL_ROWS * 4, &four, sizeof four);
        }
    }
}

static int32_t
s_product (const int8_t *query, const uint8_t *panel, uint32_t steps, uint32_t row)
{
    int32_t sum = 0;
    for (uint32_t step = 0; step < steps; step++)
        for (uint32_t each = 0; each < 4; each++)
            sum += query [4 * step + each]
                   * panel [(step * KITH_PANEL_ROWS + row) * 4 + each];
    return sum;
}

static void
s_panels (const kith_panels_t *panels)
{
    const size_t bytes = (size_t) panels->steps * KITH_PANEL_ROWS * 4;
    for (uint32_t query = 0; query < panels->asking; query++)
        for (uint32_t row = 0; row < panels->count * KITH_PANEL_ROWS; row++)
            panels->products [query * panels->products_step + row] = s_product (
                panels->queries [query], panels->panels + row / KITH_PANEL_ROWS * bytes,
                panels->steps, row % KITH_PANEL_ROWS);
}

static uint32_t
s_near (const kith_panel_near_t *near)
{
    uint32_t found = 0;
    for (uint32_t index = 0; index < near->count; index++) {
        const float product = near->base + near->step * (float) near->products [index];
        const float distance = near->shifts [index] - near->scales [index] * product;
        near->near [found] =
            (kith_near_t){.distance = distance, .id = near->rows [index]};
        found += distance <= near->worst;
    }
    return found;
}

void
kith_fill_panel_scalar (kith_kernels_t *table)
{
    table->panel_fill = s_fill;
    table->panels = s_panels;
    table->panel_near = s_near;
    table->panel_rate = 17;
}
