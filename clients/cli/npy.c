//  npy.c - arrays of numbers in files: NumPy's .npy (1, 2 or 3) and .fbin .u8bin .i8bin, read in place
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/npy.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "base/vector.h"
#include <strings.h>

#define HEADER_MAX 65536u    //  of the description in a .npy

//  The description: a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
typedef struct {
    const char *at;
    const char *end;
} text_t;

static void
s_blanks (text_t *text)
{
    while (text->at < text->end
           && (*text->at == ' ' || *text->at == '\n' || *text->at == '\t'))
        text->at++;
}

static bool
s_take (text_t *text, const char *word)
{
    size_t size = strlen (word);
    s_blanks (text);
    if ((size_t) (text->end - text->at) < size || memcmp (text->at, word, size) != 0)
        return false;
    text->at += size;
    return true;
}

//  A text in single or double quotes, without escapes
static bool
s_quoted (text_t *text, char *out, size_t size)
{
    s_blanks (text);
    if (text->at >= text->end || (*text->at != '\'' && *text->at != '"'))
        return false;
    char quote = *text->at++;
    size_t used = 0;
    while (text->at < text->end && *text->at != quote) {
        if (used + 1 >= size)
            return false;
        out [used++] = *text->at++;
    }
    out [used] = 0;
    return s_take (text, quote == '"' ? "\"" : "'");
}

static bool
s_number (text_t *text, uint64_t *value)
{
    s_blanks (text);
    const char *begin = text->at;
    *value = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        if (*value > UINT64_MAX / 16)
            return false;
        *value = *value * 10 + (uint64_t) (*text->at++ - '0');
    }
    return text->at > begin;
}

//  (n,) or (n, d)
static bool
s_shape (text_t *text, kith_npy_t *self)
{
    self->dim = 1;
    self->matrix = false;
    if (!s_take (text, "(") || !s_number (text, &self->rows))
        return false;
    uint64_t second = 0;
    if (s_take (text, ",") && s_number (text, &second)) {
        self->dim = second;
        self->matrix = true;
        s_take (text, ",");
    }
    return s_take (text, ")");
}

static bool
s_type (const char *descr, kith_npy_t *self)
{
    static const struct {
        const char *name;
        kith_npy_kind_t kind;
        uint32_t width;
    } types [] = {{"f2", KITH_NPY_FLOAT, 2},
                  {"f4", KITH_NPY_FLOAT, 4},
                  {"f8", KITH_NPY_FLOAT, 8},
                  {"i1", KITH_NPY_INT, 1},
                  {"i2", KITH_NPY_INT, 2},
                  {"i4", KITH_NPY_INT, 4},
                  {"i8", KITH_NPY_INT, 8},
                  {"u1", KITH_NPY_UINT, 1},
                  {"u2", KITH_NPY_UINT, 2},
                  {"u4", KITH_NPY_UINT, 4},
                  {"u8", KITH_NPY_UINT, 8},
                  {"b1", KITH_NPY_BOOL, 1},
                  //  What NumPy calls an extension type that it does not know
                  {"V2", KITH_NPY_BFLOAT, 2}};
    char order = descr [0];
    if (order != '<' && order != '|' && order != '=')
        return false;
    for (size_t index = 0; index < sizeof types / sizeof types [0]; index++) {
        if (strcmp (descr + 1, types [index].name) == 0) {
            self->kind = types [index].kind;
            self->width = types [index].width;
            return true;
        }
    }
    return false;
}

static int
s_describe (kith_npy_t *self, text_t text, const char *name, kith_error_t *error)
{
    char key [24], descr [24] = "";
    bool shape = false, order = false;
    bool good = s_take (&text, "{");
    while (good && !s_take (&text, "}")) {
        good = s_quoted (&text, key, sizeof key) && s_take (&text, ":");
        if (!good)
            break;
        if (strcmp (key, "descr") == 0)
            good = s_quoted (&text, descr, sizeof descr);
        else if (strcmp (key, "fortran_order") == 0) {
            if (s_take (&text, "True"))
                return kith_error_set (error, KITH_ERR_INVALID,
                                       "%s: Fortran order; save it with "
                                       "numpy.ascontiguousarray",
                                       name);
            good = order = s_take (&text, "False");
        }
        else if (strcmp (key, "shape") == 0)
            good = shape = s_shape (&text, self);
        else
            good = false;
        s_take (&text, ",");
    }
    if (!good || !shape || !order || !descr [0])
        return kith_error_set (
            error, KITH_ERR_INVALID,
            "%s: the description of the array (byte 10 on) cannot be read; "
            "one or two dimensions and a plain number type are expected",
            name);
    if (!s_type (descr, self))
        return kith_error_set (
            error, KITH_ERR_INVALID,
            "%s: numbers of type '%s'; allowed: little-endian f2 f4 f8, i1 "
            "to i8, u1 to u8, b1, V2 (bfloat16)",
            name, descr);
    return 0;
}

//  Are all numbers there, and nothing after them?
static int
s_check_size (const kith_npy_t *self, uint64_t offset, uint64_t size, const char *name,
              kith_error_t *error)
{
    bool fits = self->dim <= KITH_DIM_MAX && self->rows <= UINT64_MAX / 8 / KITH_DIM_MAX;
    if (!self->dim || !fits)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: %" PRIu64 " rows of %" PRIu64
                               " numbers; allowed are 1 to %u numbers a row",
                               name, self->rows, self->dim, KITH_DIM_MAX);
    uint64_t wanted = self->rows * self->dim * self->width;
    if (size - offset == wanted)
        return 0;
    if (size - offset < wanted)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: cut off at byte %" PRIu64 ": %" PRIu64 " x %" PRIu64
                               " numbers of %" PRIu32 " bytes from byte %" PRIu64
                               " on need %" PRIu64 " bytes in all",
                               name, size, self->rows, self->dim, self->width, offset,
                               offset + wanted);
    return kith_error_set (error, KITH_ERR_INVALID,
                           "%s: %" PRIu64 " bytes follow the %" PRIu64 " x %" PRIu64
                           " numbers, which end at byte %" PRIu64,
                           name, size - offset - wanted, self->rows, self->dim,
                           offset + wanted);
}

int
kith_npy_open (kith_npy_t *self, const void *bytes, uint64_t size, const char *name,
               kith_error_t *error)
{
    const uint8_t *at = bytes;
    *self = (kith_npy_t){0};
    if (size < 10 || memcmp (at, "\x93NUMPY", 6) != 0)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: does not begin as a .npy file does (\\x93NUMPY)",
                               name);
    uint8_t version = at [6];
    if (version < 1 || version > 3 || at [7] != 0)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: byte 6: .npy version %u.%u; 1.0 to 3.0 are read",
                               name, version, at [7]);
    uint64_t offset = version == 1 ? 10 : 12;
    if (size < offset)
        return kith_error_set (error, KITH_ERR_INVALID, "%s: cut off at byte %" PRIu64,
                               name, size);
    uint64_t header = version == 1 ? kith_get_u16 (at + 8) : kith_get_u32 (at + 8);
    if (header > HEADER_MAX || header > size - offset)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: byte 8: a description of %" PRIu64
                               " bytes; the file has %" PRIu64
                               " and at most %u are allowed",
                               name, header, size, HEADER_MAX);
    text_t text = {(const char *) at + offset, (const char *) at + offset + header};
    if (s_describe (self, text, name, error) != 0)
        return -1;
    self->data = at + offset + header;
    return s_check_size (self, offset + header, size, name, error);
}

static const struct {
    const char *name;
    kith_npy_kind_t kind;
    uint32_t width;
} s_bins [] = {
    {"fbin", KITH_NPY_FLOAT, 4}, {"u8bin", KITH_NPY_UINT, 1}, {"i8bin", KITH_NPY_INT, 1}};

bool
kith_fbin_format (const char *format)
{
    for (size_t index = 0; index < sizeof s_bins / sizeof s_bins [0]; index++)
        if (strcasecmp (s_bins [index].name, format) == 0)
            return true;
    return false;
}

int
kith_fbin_open (kith_npy_t *self, const char *format, const void *bytes, uint64_t size,
                const char *name, kith_error_t *error)
{
    const uint8_t *at = bytes;
    *self = (kith_npy_t){.matrix = true};
    for (size_t index = 0; index < sizeof s_bins / sizeof s_bins [0]; index++) {
        if (strcasecmp (s_bins [index].name, format) != 0)
            continue;
        self->kind = s_bins [index].kind;
        self->width = s_bins [index].width;
    }
    assert (self->width);
    if (size < 8)
        return kith_error_set (error, KITH_ERR_INVALID,
                               "%s: cut off at byte %" PRIu64
                               ": a .%s file begins with two u32, rows and numbers a row",
                               name, size, format);
    self->rows = kith_get_u32 (at);
    self->dim = kith_get_u32 (at + 4);
    self->data = at + 8;
    return s_check_size (self, 8, size, name, error);
}

//  --- Numbers

double
kith_npy_real (const kith_npy_t *self, uint64_t index)
{
    const uint8_t *at = self->data + index * self->width;
    if (self->kind == KITH_NPY_FLOAT && self->width == 2)
        return (double) kith_float_of_half (kith_get_u16 (at));
    if (self->kind == KITH_NPY_BFLOAT)
        return (double) kith_float_of_bfloat (kith_get_u16 (at));
    if (self->kind == KITH_NPY_FLOAT && self->width == 4) {
        float value;
        memcpy (&value, at, sizeof value);
        return (double) value;
    }
    if (self->kind == KITH_NPY_FLOAT) {
        double value;
        memcpy (&value, at, sizeof value);
        return value;
    }
    if (self->kind == KITH_NPY_UINT && self->width == 8)
        return (double) kith_get_u64 (at);
    int64_t value = 0;
    kith_npy_int (self, index, &value);
    return (double) value;
}

bool
kith_npy_int (const kith_npy_t *self, uint64_t index, int64_t *value)
{
    if (self->kind == KITH_NPY_FLOAT || self->kind == KITH_NPY_BFLOAT)
        return false;
    uint64_t bits = 0;
    memcpy (&bits, self->data + index * self->width, self->width);
    if (self->kind == KITH_NPY_INT && self->width < 8) {
        uint64_t sign = 1ull << (self->width * 8 - 1);
        bits = (bits ^ sign) - sign;
    }
    *value = (int64_t) bits;
    return self->kind == KITH_NPY_INT || self->width < 8 || bits <= INT64_MAX;
}

void
kith_npy_floats (const kith_npy_t *self, uint64_t row, uint64_t count, float *out)
{
    uint64_t first = row * self->dim, numbers = count * self->dim;
    if (self->kind == KITH_NPY_FLOAT && self->width == 4) {
        memcpy (out, self->data + first * 4, (size_t) numbers * 4);
        return;
    }
    for (uint64_t index = 0; index < numbers; index++)
        out [index] = (float) kith_npy_real (self, first + index);
}
