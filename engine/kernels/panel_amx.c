//  panel_amx.c - queries of a batch beside panels of coded rows: AMX tiles of bytes
//  SPDX-License-Identifier: Apache-2.0
//
//  A tile is sixteen lines of 64 bytes. Of the sixteen queries one holds 64 dimensions, of a panel one holds sixteen steps, which is the same 64
//  dimensions of sixteen rows; their product is a tile of sums, a line a query. What dimensions are left take narrower tiles.
#include <immintrin.h>

#include "engine/kernels/isa.h"

enum {
    LINES = 16,
    LINE = 64,
    STEPS = 16,        //  of a tile
    STEPS_MAX = 256    //  of queries that find room on the stack
};

//  Tiles, by numbers that gcc's intrinsics put into assembly: sums of two panels; queries and two panels of 64 dimensions; those of the rest
#define SUMS 0
#define MORE 1
#define QUERY 2
#define PANEL 3
#define OTHER 4
#define QUERY_REST 5
#define PANEL_REST 6
#define OTHER_REST 7

//  As the processor reads it
typedef struct {
    uint8_t palette, start_row, reserved [14];
    uint16_t bytes [16];    //  of a line
    uint8_t lines [16];
} s_config_t;

static void
s_configure (uint32_t rest)
{
    s_config_t config = {.palette = 1};
    for (uint32_t tile = SUMS; tile <= OTHER_REST; tile++) {
        config.bytes [tile] = LINE;
        config.lines [tile] = LINES;
    }
    if (rest) {
        config.bytes [QUERY_REST] = (uint16_t) (4 * rest);
        config.lines [PANEL_REST] = config.lines [OTHER_REST] = (uint8_t) rest;
    }
    _tile_loadconfig (&config);
}

//  Adds products of so many steps of the queries with one panel and another
static inline void
s_multiply (const int8_t *queries, size_t stride, uint32_t steps, const uint8_t *panel,
            const uint8_t *other)
{
    uint32_t step = 0;
    for (; step + STEPS <= steps; step += STEPS) {
        _tile_loadd (QUERY, queries + (size_t) step * 4, stride);
        _tile_loadd (PANEL, panel + (size_t) step * LINE, LINE);
        _tile_loadd (OTHER, other + (size_t) step * LINE, LINE);
        _tile_dpbsud (SUMS, QUERY, PANEL);
        _tile_dpbsud (MORE, QUERY, OTHER);
    }
    if (step < steps) {
        _tile_loadd (QUERY_REST, queries + (size_t) step * 4, stride);
        _tile_loadd (PANEL_REST, panel + (size_t) step * LINE, LINE);
        _tile_loadd (OTHER_REST, other + (size_t) step * LINE, LINE);
        _tile_dpbsud (SUMS, QUERY_REST, PANEL_REST);
        _tile_dpbsud (MORE, QUERY_REST, OTHER_REST);
    }
}

static inline void
s_copy (int8_t *to, const int8_t *from, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += LINE) {
        const __mmask64 there =
            bytes - at < LINE ? (1ull << (bytes - at)) - 1 : UINT64_MAX;
        _mm512_store_si512 (to + at, _mm512_maskz_loadu_epi8 (there, from + at));
    }
}

//  Steps first .. first + steps - 1 of all panels, two at a time, added to those before them
static void
s_stretch (const kith_panels_t *panels, uint32_t first, uint32_t steps)
{
    _Alignas(64) int8_t queries [LINES * STEPS_MAX * 4];
    const size_t bytes = (size_t) steps * 4, stride = (bytes + LINE - 1) / LINE * LINE,
                 panel_bytes = (size_t) panels->steps * LINE,
                 line = panels->products_step * sizeof (int32_t);
    for (uint32_t query = 0; query < LINES; query++)
        s_copy (queries + query * stride, panels->queries [query] + (size_t) first * 4,
                bytes);
    for (uint32_t index = 0; index < panels->count; index += 2) {
        const bool two = index + 1 < panels->count;
        const uint8_t *panel =
            panels->panels + index * panel_bytes + (size_t) first * LINE;
        int32_t *products = panels->products + (size_t) index * KITH_PANEL_ROWS,
                *more = products + (two ? KITH_PANEL_ROWS : 0);
        if (first == 0) {
            _tile_zero (SUMS);
            _tile_zero (MORE);
        }
        else {
            _tile_loadd (SUMS, products, line);
            _tile_loadd (MORE, more, line);
        }
        s_multiply (queries, stride, steps, panel, panel + (two ? panel_bytes : 0));
        //  Of one panel both are the same
        _tile_stored (SUMS, products, line);
        _tile_stored (MORE, more, line);
    }
}

static void
s_panels (const kith_panels_t *panels)
{
    s_configure (panels->steps % STEPS);
    for (uint32_t first = 0; first < panels->steps; first += STEPS_MAX) {
        const uint32_t left = panels->steps - first;
        s_stretch (panels, first, left < STEPS_MAX ? left : STEPS_MAX);
    }
    _tile_release ();
}

void
kith_fill_panel_amx (kith_kernels_t *table)
{
    table->panels = s_panels;
    table->panel_rate = 5500;
}
