//  table.c - figures for people: aligned tables, numbers with separators, sizes, times
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/table.h"

#include "base/arena.h"

#define COLUMNS_MAX 80
#define GAP 3
#define CELL_WIDTH_MIN 8    //  cells are not cut below this

typedef struct {
    const char *name;
    bool right;
} column_t;

struct kith_table {
    kith_arena_t arena;
    column_t columns [COLUMNS_MAX];
    uint32_t count;
    kith_bytes_t cells;    //  const char *, row after row
};

kith_table_t *
kith_table_new (void)
{
    return kith_new (sizeof (kith_table_t));
}

void
kith_table_destroy (kith_table_t **self_p)
{
    assert (self_p);
    kith_table_t *self = *self_p;
    if (!self)
        return;
    kith_arena_free (&self->arena);
    kith_bytes_free (&self->cells);
    free (self);
    *self_p = NULL;
}

void
kith_table_column (kith_table_t *self, const char *name, bool right)
{
    assert (self->count < COLUMNS_MAX && !self->cells.size);
    self->columns [self->count++] =
        (column_t){kith_arena_strdup (&self->arena, name), right};
}

void
kith_table_cell (kith_table_t *self, const char *text, size_t size)
{
    char *copy = kith_arena_alloc (&self->arena, size + 1);
    memcpy (copy, text, size);
    for (size_t at = 0; at < size; at++) {
        if ((unsigned char) copy [at] < 0x20 || copy [at] == 0x7f)
            copy [at] = '?';
    }
    const char *cell = copy;
    kith_bytes_put (&self->cells, &cell, sizeof cell);
}

void
kith_table_printf (kith_table_t *self, const char *format, ...)
{
    char text [512];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    kith_table_cell (self, text, strlen (text));
}

//  Characters of UTF-8 text: bytes that do not continue one
static int
s_width (const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char) *text & 0xc0) != 0x80;
    return width;
}

static const char *
s_cell (const kith_table_t *self, size_t row, uint32_t column)
{
    const char *cell;
    memcpy (&cell, self->cells.data + (row * self->count + column) * sizeof cell,
            sizeof cell);
    return cell;
}

//  One cell, cut to width ("...") and padded
static void
s_print_cell (FILE *out, const char *text, int width, bool right, bool last)
{
    int have = s_width (text);
    int pad = have < width ? width - have : 0;
    if (right)
        fprintf (out, "%*s", pad, "");
    if (have <= width)
        fputs (text, out);
    else {
        int shown = 0;
        for (; *text; text++) {
            shown += ((unsigned char) *text & 0xc0) != 0x80;
            if (shown > width - 3)
                break;
            fputc (*text, out);
        }
        fputs ("...", out);
    }
    if (!right && !last)
        fprintf (out, "%*s", pad, "");
}

//  Makes the widest text columns narrower until a line fits
static void
s_fit (const kith_table_t *self, int *widths, int indent, int width)
{
    for (;;) {
        int total = indent + GAP * ((int) self->count - 1);
        int widest = -1;
        for (uint32_t column = 0; column < self->count; column++) {
            total += widths [column];
            bool wider = !self->columns [column].right
                         && (widest < 0 || widths [column] > widths [widest]);
            if (wider)
                widest = (int) column;
        }
        if (total <= width || widest < 0 || widths [widest] <= CELL_WIDTH_MIN)
            return;
        int cut = total - width;
        int room = widths [widest] - CELL_WIDTH_MIN;
        widths [widest] -= cut < room ? cut : room;
    }
}

static void
s_print_line (const kith_table_t *self, FILE *out, int indent, const int *widths,
              const size_t *row)
{
    fprintf (out, "%*s", indent, "");
    for (uint32_t column = 0; column < self->count; column++) {
        const char *text =
            row ? s_cell (self, *row, column) : self->columns [column].name;
        if (column)
            fprintf (out, "%*s", GAP, "");
        s_print_cell (out, text, widths [column], self->columns [column].right,
                      column + 1 == self->count);
    }
    fputc ('\n', out);
}

void
kith_table_print (const kith_table_t *self, FILE *out, int indent, int width, bool bold)
{
    if (!self->count)
        return;
    int widths [COLUMNS_MAX];
    size_t rows = self->cells.size / sizeof (char *) / self->count;
    for (uint32_t column = 0; column < self->count; column++) {
        widths [column] = s_width (self->columns [column].name);
        for (size_t row = 0; row < rows; row++) {
            int have = s_width (s_cell (self, row, column));
            widths [column] = have > widths [column] ? have : widths [column];
        }
    }
    if (width > 0)
        s_fit (self, widths, indent, width);
    if (bold)
        fputs ("\033[1m", out);
    s_print_line (self, out, indent, widths, NULL);
    if (bold)
        fputs ("\033[0m", out);
    for (size_t row = 0; row < rows; row++)
        s_print_line (self, out, indent, widths, &row);
}

char *
kith_show_count (uint64_t value, char text [32])
{
    char digits [24];
    snprintf (digits, sizeof digits, "%" PRIu64, value);
    size_t size = strlen (digits), used = 0;
    for (size_t at = 0; at < size; at++) {
        if (at && (size - at) % 3 == 0)
            text [used++] = ',';
        text [used++] = digits [at];
    }
    text [used] = 0;
    return text;
}

char *
kith_show_size (uint64_t bytes, char text [32])
{
    static const char *const units [] = {"bytes", "KB", "MB", "GB", "TB", "PB"};
    double value = (double) bytes;
    size_t unit = 0;
    while (value >= 1000 && unit < 5) {
        value /= 1024;
        unit++;
    }
    if (unit && value < 9.95)
        snprintf (text, 32, "%.1f %s", value, units [unit]);
    else
        snprintf (text, 32, "%.0f %s", value, units [unit]);
    return text;
}

char *
kith_show_age (uint64_t ms, char text [32])
{
    double seconds = (double) ms / 1000;
    if (seconds < 120)
        snprintf (text, 32, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf (text, 32, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        snprintf (text, 32, "%.0f h", seconds / 3600);
    else
        snprintf (text, 32, "%.0f d", seconds / 86400);
    return text;
}

char *
kith_show_ms (double ms, char text [32])
{
    if (ms < 1000)
        snprintf (text, 32, "%.*f ms", ms < 1 ? 2 : ms < 100 ? 1 : 0, ms);
    else if (ms < 120000)
        snprintf (text, 32, "%.1f s", ms / 1000);
    else
        snprintf (text, 32, "%.1f min", ms / 60000);
    return text;
}

char *
kith_show_rate (double value, char text [32])
{
    if (value < 1000)
        snprintf (text, 32, "%.0f", value);
    else if (value < 1e6)
        snprintf (text, 32, value < 1e4 ? "%.1fk" : "%.0fk", value / 1e3);
    else
        snprintf (text, 32, "%.1fM", value / 1e6);
    return text;
}
