//  json.c - reads JSON text piece by piece, without a tree
//  SPDX-License-Identifier: Apache-2.0
#include "clients/json.h"

#include "codecs/utf8.h"
#include <math.h>

void
kith_json_init (kith_json_t *self, const char *text, size_t size, kith_error_t *error)
{
    *self = (kith_json_t){.start = text, .at = text, .end = text + size, .error = error};
}

bool
kith_json_fail (kith_json_t *self, const char *expected)
{
    if (self->failed)
        return false;
    self->failed = true;
    size_t place = (size_t) (self->at - self->start);
    if (self->at >= self->end)
        kith_error_set (self->error, KITH_ERR_INVALID,
                        "JSON ends after %zu characters; expected %s", place, expected);
    else
        kith_error_set (self->error, KITH_ERR_INVALID, "JSON, character %zu: expected %s",
                        place + 1, expected);
    if (self->error)
        self->error->at = (int) (place < INT32_MAX ? place : INT32_MAX);
    return false;
}

static void
s_blanks (kith_json_t *self)
{
    while (self->at < self->end
           && (*self->at == ' ' || *self->at == '\t' || *self->at == '\n'
               || *self->at == '\r'))
        self->at++;
}

kith_json_kind_t
kith_json_peek (kith_json_t *self)
{
    if (self->failed)
        return KITH_JSON_END;
    s_blanks (self);
    if (self->at >= self->end)
        return KITH_JSON_END;
    char first = *self->at;
    if (first == '{')
        return KITH_JSON_OBJECT;
    if (first == '[')
        return KITH_JSON_ARRAY;
    if (first == '"')
        return KITH_JSON_STRING;
    if (first == '-' || (first >= '0' && first <= '9'))
        return KITH_JSON_NUMBER;
    if (first == 't' || first == 'f')
        return KITH_JSON_BOOL;
    if (first == 'n')
        return KITH_JSON_NULL;
    kith_json_fail (self, "a value");
    return KITH_JSON_END;
}

//  Takes one character after blanks
static bool
s_take (kith_json_t *self, char wanted)
{
    if (self->failed)
        return false;
    s_blanks (self);
    if (self->at >= self->end || *self->at != wanted)
        return false;
    self->at++;
    return true;
}

bool
kith_json_open (kith_json_t *self, char bracket)
{
    if (s_take (self, bracket))
        return true;
    return kith_json_fail (self, bracket == '{' ? "an object" : "an array");
}

//  The comma between two, or the end. True: one more comes.
static bool
s_next (kith_json_t *self, bool *first, char closing)
{
    if (s_take (self, closing))
        return false;
    if (!*first && !s_take (self, ','))
        return kith_json_fail (self, closing == '}' ? "',' or '}'" : "',' or ']'");
    *first = false;
    return true;
}

bool
kith_json_next_key (kith_json_t *self, bool *first, kith_bytes_t *name)
{
    if (self->failed || !s_next (self, first, '}'))
        return false;
    kith_bytes_clear (name);
    s_blanks (self);
    if (self->at >= self->end || *self->at != '"')
        return kith_json_fail (self, "a name in quotes");
    if (!kith_json_text (self, name))
        return false;
    kith_bytes_put_u8 (name, 0);
    name->size--;
    return s_take (self, ':') || kith_json_fail (self, "':'");
}

bool
kith_json_next_item (kith_json_t *self, bool *first)
{
    return !self->failed && s_next (self, first, ']');
}

static const char *
s_digits_end (const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

//  Checks the grammar of a number; strtod alone would take hexadecimal, inf and more
static const char *
s_number_end (const kith_json_t *self, bool *is_integer)
{
    const char *at = self->at, *end = self->end;
    *is_integer = true;
    if (at < end && *at == '-')
        at++;
    const char *digits = at;
    at = s_digits_end (at, end);
    if (at == digits || (*digits == '0' && at - digits > 1))
        return NULL;
    if (at < end && *at == '.') {
        *is_integer = false;
        digits = ++at;
        at = s_digits_end (at, end);
        if (at == digits)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        *is_integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        digits = at;
        at = s_digits_end (at, end);
        if (at == digits)
            return NULL;
    }
    return at;
}

//  The exact value of up to 19 digits with a small power of ten (Clinger 1990): one rounding. False: not so simple.
static bool
s_simple (const char *at, const char *end, double *real)
{
    static const double powers [] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = *at == '-';
    uint64_t digits = 0;
    int after = 0, seen = 0;
    bool point = false;
    for (at += negative; at < end; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        if (*at < '0' || *at > '9' || ++seen > 19)
            return false;
        digits = digits * 10 + (uint64_t) (*at - '0');
        after += point;
    }
    if (digits > (1ull << 53) || after > 22)
        return false;
    *real = (double) digits / powers [after];
    if (negative)
        *real = -*real;
    return true;
}

static bool
s_integer (const char *at, const char *end, int64_t *integer)
{
    bool negative = *at == '-';
    uint64_t value = 0;
    for (at += negative; at < end; at++) {
        uint64_t digit = (uint64_t) (*at - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    uint64_t limit = (uint64_t) INT64_MAX + negative;
    if (value > limit)
        return false;
    *integer = negative ? (int64_t) (0 - value) : (int64_t) value;
    return true;
}

//  What the fast way cannot do, by the library; the text has no NUL after it, so it is copied
static double
s_strtod (const char *at, const char *end)
{
    char text [64];
    size_t size = (size_t) (end - at);
    char *copy = size < sizeof text ? text : kith_new (size + 1);
    memcpy (copy, at, size);
    copy [size] = 0;
    char *stop;
    double real = strtod (copy, &stop);
    //  The library reads the point of the locale, whatever that is: it writes the same one
    char half [8];
    if (*stop == '.' && snprintf (half, sizeof half, "%.1f", 0.5) == 3) {
        *stop = half [1];
        real = strtod (copy, NULL);
    }
    if (copy != text)
        free (copy);
    return real;
}

bool
kith_json_number (kith_json_t *self, double *real, int64_t *integer, bool *is_integer)
{
    if (kith_json_peek (self) != KITH_JSON_NUMBER)
        return kith_json_fail (self, "a number");
    const char *end = s_number_end (self, is_integer);
    if (!end)
        return kith_json_fail (self, "a number");
    *integer = 0;
    *is_integer = *is_integer && s_integer (self->at, end, integer);
    if (!s_simple (self->at, end, real))
        *real = s_strtod (self->at, end);
    self->at = end;
    return true;
}

static bool
s_word (kith_json_t *self, const char *word)
{
    size_t size = strlen (word);
    if ((size_t) (self->end - self->at) < size || memcmp (self->at, word, size) != 0)
        return false;
    self->at += size;
    return true;
}

bool
kith_json_bool (kith_json_t *self, bool *value)
{
    if (kith_json_peek (self) == KITH_JSON_BOOL) {
        *value = *self->at == 't';
        if (s_word (self, *value ? "true" : "false"))
            return true;
    }
    return kith_json_fail (self, "true or false");
}

bool
kith_json_null (kith_json_t *self)
{
    if (kith_json_peek (self) == KITH_JSON_NULL && s_word (self, "null"))
        return true;
    return kith_json_fail (self, "null");
}

static int
s_hex (char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

static bool
s_hex4 (kith_json_t *self, uint32_t *unit)
{
    *unit = 0;
    for (int digit = 0; digit < 4; digit++) {
        int value = self->at < self->end ? s_hex (*self->at) : -1;
        if (value < 0)
            return kith_json_fail (self, "four hexadecimal digits");
        *unit = *unit << 4 | (uint32_t) value;
        self->at++;
    }
    return true;
}

static void
s_put_utf8 (kith_bytes_t *out, uint32_t point)
{
    if (point < 0x80)
        kith_bytes_put_u8 (out, (uint8_t) point);
    else if (point < 0x800) {
        kith_bytes_put_u8 (out, (uint8_t) (0xc0 | point >> 6));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 63)));
    }
    else if (point < 0x10000) {
        kith_bytes_put_u8 (out, (uint8_t) (0xe0 | point >> 12));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 6 & 63)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 63)));
    }
    else {
        kith_bytes_put_u8 (out, (uint8_t) (0xf0 | point >> 18));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 12 & 63)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 6 & 63)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 63)));
    }
}

//  \uXXXX, and the second half of a pair
static bool
s_unicode (kith_json_t *self, kith_bytes_t *out)
{
    uint32_t point, low;
    if (!s_hex4 (self, &point))
        return false;
    if (point >= 0xdc00 && point < 0xe000)
        return kith_json_fail (self, "the first half of a pair before the second");
    if (point >= 0xd800 && point < 0xdc00) {
        if (!s_word (self, "\\u"))
            return kith_json_fail (self, "the second half of a pair");
        if (!s_hex4 (self, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return kith_json_fail (self, "the second half of a pair");
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    }
    if (!point)
        return kith_json_fail (self, "text without \\u0000");
    s_put_utf8 (out, point);
    return true;
}

static bool
s_escape (kith_json_t *self, kith_bytes_t *out)
{
    static const char from [] = "\"\\/bfnrt", to [] = "\"\\/\b\f\n\r\t";
    if (self->at >= self->end)
        return kith_json_fail (self, "an escape");
    char letter = *self->at;
    if (letter == 'u') {
        self->at++;
        return s_unicode (self, out);
    }
    const char *place = letter ? strchr (from, letter) : NULL;
    if (!place)
        return kith_json_fail (self, "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    self->at++;
    kith_bytes_put_u8 (out, (uint8_t) to [place - from]);
    return true;
}

bool
kith_json_text (kith_json_t *self, kith_bytes_t *out)
{
    if (kith_json_peek (self) != KITH_JSON_STRING)
        return kith_json_fail (self, "a text in quotes");
    size_t begin = out->size;
    self->at++;
    while (self->at < self->end && *self->at != '"') {
        const char *run = self->at;
        while (self->at < self->end && *self->at != '"' && *self->at != '\\'
               && (unsigned char) *self->at >= 0x20)
            self->at++;
        kith_bytes_put (out, run, (size_t) (self->at - run));
        if (self->at >= self->end || *self->at == '"')
            break;
        if (*self->at != '\\')
            return kith_json_fail (self, "a character that is no control character");
        self->at++;
        if (!s_escape (self, out))
            return false;
    }
    if (self->at >= self->end)
        return kith_json_fail (self, "the closing quote of a text");
    self->at++;
    if (out->size > begin
        && !kith_text_valid ((const char *) out->data + begin, out->size - begin))
        return kith_json_fail (self, "UTF-8 in the text before");
    return true;
}

//  Goes over the pieces of any value, nested ones by a stack of brackets
static bool
s_skip (kith_json_t *self)
{
    char stack [KITH_JSON_DEPTH_MAX];
    bool first [KITH_JSON_DEPTH_MAX];
    uint32_t depth = 0;
    kith_bytes_t text = {0};
    do {
        kith_json_kind_t kind = kith_json_peek (self);
        double real;
        int64_t integer;
        bool flag;
        kith_bytes_clear (&text);
        if (kind == KITH_JSON_OBJECT || kind == KITH_JSON_ARRAY) {
            if (depth == KITH_JSON_DEPTH_MAX)
                kith_json_fail (self, "at most 64 levels");
            else {
                stack [depth] = *self->at;
                first [depth++] = true;
                self->at++;
            }
        }
        else if (kind == KITH_JSON_STRING)
            kith_json_text (self, &text);
        else if (kind == KITH_JSON_NUMBER)
            kith_json_number (self, &real, &integer, &flag);
        else if (kind == KITH_JSON_BOOL)
            kith_json_bool (self, &flag);
        else if (kind == KITH_JSON_NULL)
            kith_json_null (self);
        else
            kith_json_fail (self, "a value");
        //  Closes all that end here, then stands before the next value
        while (depth && !self->failed) {
            bool *is_first = &first [depth - 1];
            bool more = stack [depth - 1] == '{'
                            ? kith_json_next_key (self, is_first, &text)
                            : kith_json_next_item (self, is_first);
            if (more)
                break;
            depth--;
        }
    } while (depth && !self->failed);
    kith_bytes_free (&text);
    return !self->failed;
}

bool
kith_json_raw (kith_json_t *self, const char **text, size_t *size)
{
    kith_json_peek (self);
    *text = self->at;
    if (!s_skip (self))
        return false;
    *size = (size_t) (self->at - *text);
    return true;
}

bool
kith_json_done (kith_json_t *self)
{
    if (self->failed)
        return false;
    s_blanks (self);
    return self->at == self->end;
}

bool
kith_json_floats (kith_json_t *self, kith_bytes_t *out, uint32_t *count)
{
    if (!kith_json_open (self, '['))
        return false;
    bool first = true;
    *count = 0;
    while (kith_json_next_item (self, &first)) {
        double real;
        int64_t integer;
        bool is_integer;
        kith_json_peek (self);
        const char *place = self->at;
        if (!kith_json_number (self, &real, &integer, &is_integer))
            return false;
        float value = (float) real;
        if (!isfinite (value)) {
            self->at = place;
            return kith_json_fail (self, "a number that a float can hold");
        }
        kith_bytes_put (out, &value, sizeof value);
        (*count)++;
    }
    return !self->failed;
}

void
kith_json_put_string (kith_bytes_t *out, const char *text, size_t size)
{
    kith_bytes_put_u8 (out, '"');
    for (size_t at = 0; at < size; at++) {
        unsigned char letter = (unsigned char) text [at];
        if (letter == '"' || letter == '\\')
            kith_bytes_printf (out, "\\%c", letter);
        else if (letter == '\n')
            kith_bytes_printf (out, "\\n");
        else if (letter == '\t')
            kith_bytes_printf (out, "\\t");
        else if (letter < 0x20 || letter == 0x7f)
            kith_bytes_printf (out, "\\u%04x", letter);
        else
            kith_bytes_put_u8 (out, letter);
    }
    kith_bytes_put_u8 (out, '"');
}

//  Numbers that are no numbers have no place in JSON
static void
s_put_number (kith_bytes_t *out, double value, int digits, int digits_max, bool single)
{
    char text [40];
    if (!isfinite (value)) {
        kith_bytes_printf (out, "null");
        return;
    }
    for (; digits <= digits_max; digits++) {
        snprintf (text, sizeof text, "%.*g", digits, value);
        double back = single ? (double) strtof (text, NULL) : strtod (text, NULL);
        if (back == value)
            break;
    }
    //  The library writes the point of the locale, whatever that is
    char *mark = text + strspn (text, "+-0123456789e");
    if (*mark)
        *mark = '.';
    kith_bytes_printf (out, "%s", text);
}

void
kith_json_put_float (kith_bytes_t *out, float value)
{
    s_put_number (out, (double) value, 6, 9, true);
}

void
kith_json_put_double (kith_bytes_t *out, double value)
{
    s_put_number (out, value, 15, 17, false);
}

bool
kith_text_valid (const char *text, size_t size)
{
    return kith_utf8_run (text, size) == size;
}
