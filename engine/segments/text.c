//  text.c - checks on text that comes from outside: UTF-8, JSON, names, and the name that was meant
//  SPDX-License-Identifier: Apache-2.0
#include "engine/segments/text.h"

#include <ctype.h>

#include "base/limits.h"

enum { DEPTH_MAX = 64, LETTERS_MAX = 64 };

//  Length of the UTF-8 sequence at `at`, 0 if it is none
static size_t
s_utf8_length (const uint8_t *at, size_t left)
{
    uint8_t first = at [0];
    size_t length = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;
    if (length > left)
        return 0;
    for (size_t index = 1; index < length; index++) {
        if ((at [index] & 0xc0) != 0x80)
            return 0;
    }
    //  Overlong forms, surrogates, and what is above U+10FFFF differ in the second byte
    if ((first == 0xe0 && at [1] < 0xa0) || (first == 0xed && at [1] > 0x9f)
        || (first == 0xf0 && at [1] < 0x90) || (first == 0xf4 && at [1] > 0x8f))
        return 0;
    return length;
}

bool
kith_utf8_valid (const void *text, size_t length)
{
    const uint8_t *at = text;
    while (length > 0) {
        //  Most text is ASCII: eight bytes at a time
        while (length >= 8 && !(kith_get_u64 (at) & 0x8080808080808080u)) {
            at += 8;
            length -= 8;
        }
        if (length == 0)
            break;
        size_t used = s_utf8_length (at, length);
        if (used == 0)
            return false;
        at += used;
        length -= used;
    }
    return true;
}

void
kith_utf8_put (kith_bytes_t *out, uint32_t point)
{
    assert (point <= 0x10ffff);
    if (point < 0x80)
        kith_bytes_put_u8 (out, (uint8_t) point);
    else if (point < 0x800) {
        kith_bytes_put_u8 (out, (uint8_t) (0xc0 | point >> 6));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 0x3f)));
    }
    else if (point < 0x10000) {
        kith_bytes_put_u8 (out, (uint8_t) (0xe0 | point >> 12));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 6 & 0x3f)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 0x3f)));
    }
    else {
        kith_bytes_put_u8 (out, (uint8_t) (0xf0 | point >> 18));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 12 & 0x3f)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point >> 6 & 0x3f)));
        kith_bytes_put_u8 (out, (uint8_t) (0x80 | (point & 0x3f)));
    }
}

//  ---------------------------------------------------------------------
//  JSON

typedef struct {
    const char *at;
    const char *end;
} s_json_t;

static void
s_json_space (s_json_t *json)
{
    while (json->at < json->end
           && (*json->at == ' ' || *json->at == '\t' || *json->at == '\n'
               || *json->at == '\r'))
        json->at++;
}

//  Takes the character if it is next
static bool
s_json_take (s_json_t *json, char what)
{
    if (json->at == json->end || *json->at != what)
        return false;
    json->at++;
    return true;
}

static bool
s_json_word (s_json_t *json, const char *word)
{
    size_t length = strlen (word);
    if ((size_t) (json->end - json->at) < length || memcmp (json->at, word, length) != 0)
        return false;
    json->at += length;
    return true;
}

static bool
s_json_escape (s_json_t *json)
{
    if (json->at == json->end)
        return false;
    char what = *json->at++;
    if (what != 'u')
        return what && strchr ("\"\\/bfnrt", what);
    for (int digit = 0; digit < 4; digit++, json->at++) {
        if (json->at == json->end || !isxdigit ((unsigned char) *json->at))
            return false;
    }
    return true;
}

static bool
s_json_text (s_json_t *json)
{
    if (!s_json_take (json, '"'))
        return false;
    while (json->at < json->end) {
        char what = *json->at++;
        if (what == '"')
            return true;
        if ((unsigned char) what < 0x20)
            return false;
        if (what == '\\' && !s_json_escape (json))
            return false;
    }
    return false;
}

static bool
s_json_digits (s_json_t *json)
{
    const char *from = json->at;
    while (json->at < json->end && isdigit ((unsigned char) *json->at))
        json->at++;
    return json->at > from;
}

static bool
s_json_number (s_json_t *json)
{
    s_json_take (json, '-');
    if (!s_json_take (json, '0') && !s_json_digits (json))
        return false;
    if (s_json_take (json, '.') && !s_json_digits (json))
        return false;
    if (s_json_take (json, 'e') || s_json_take (json, 'E')) {
        if (!s_json_take (json, '+'))
            s_json_take (json, '-');
        return s_json_digits (json);
    }
    return true;
}

static bool s_json_value (s_json_t *json, int depth);

//  Members of an object (with names) or an array, its opening bracket taken
static bool
s_json_members (s_json_t *json, int depth, bool names, char close)
{
    s_json_space (json);
    if (s_json_take (json, close))
        return true;
    do {
        s_json_space (json);
        if (names && !s_json_text (json))
            return false;
        s_json_space (json);
        if (names && !s_json_take (json, ':'))
            return false;
        if (!s_json_value (json, depth + 1))
            return false;
    } while (s_json_take (json, ','));
    return s_json_take (json, close);
}

static bool
s_json_value (s_json_t *json, int depth)
{
    s_json_space (json);
    if (json->at == json->end || depth > DEPTH_MAX)
        return false;
    bool good = false;
    switch (*json->at) {
        case '{':
            json->at++;
            good = s_json_members (json, depth, true, '}');
            break;
        case '[':
            json->at++;
            good = s_json_members (json, depth, false, ']');
            break;
        case '"':
            good = s_json_text (json);
            break;
        case 't':
            good = s_json_word (json, "true");
            break;
        case 'f':
            good = s_json_word (json, "false");
            break;
        case 'n':
            good = s_json_word (json, "null");
            break;
        default:
            good = s_json_number (json);
            break;
    }
    s_json_space (json);
    return good;
}

bool
kith_json_valid (const void *text, size_t length)
{
    s_json_t json = {.at = text, .end = (const char *) text + length};
    return s_json_value (&json, 0) && json.at == json.end
           && kith_utf8_valid (text, length);
}

static uint32_t
s_hex4 (const char *text)
{
    uint32_t value = 0;
    for (int digit = 0; digit < 4; digit++) {
        char letter = (char) tolower ((unsigned char) text [digit]);
        value =
            value * 16 + (uint32_t) (letter <= '9' ? letter - '0' : letter - 'a' + 10);
    }
    return value;
}

//  The code point of \uXXXX (and a second one for a surrogate pair); 0 if there is none
static uint32_t
s_json_point (const char **at_p, const char *end)
{
    uint32_t point = s_hex4 (*at_p);
    *at_p += 4;
    if (point < 0xd800 || point > 0xdfff)
        return point;
    if (point > 0xdbff || end - *at_p < 6 || (*at_p) [0] != '\\' || (*at_p) [1] != 'u')
        return 0;
    uint32_t low = s_hex4 (*at_p + 2);
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *at_p += 6;
    return 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
}

bool
kith_json_string (const char *text, size_t length, kith_bytes_t *out)
{
    assert (length >= 2 && text [0] == '"' && text [length - 1] == '"');
    static const char from [] = "bfnrt";
    static const char to [] = "\b\f\n\r\t";
    const char *end = text + length - 1;
    for (const char *at = text + 1; at < end;) {
        char what = *at++;
        if (what != '\\') {
            kith_bytes_put_u8 (out, (uint8_t) what);
            continue;
        }
        what = *at++;
        const char *known = strchr (from, what);
        if (what == 'u') {
            uint32_t point = s_json_point (&at, end);
            if (point == 0)
                return false;
            kith_utf8_put (out, point);
        }
        else
            kith_bytes_put_u8 (out, (uint8_t) (known ? to [known - from] : what));
    }
    return true;
}

//  ---------------------------------------------------------------------
//  Names

bool
kith_name_valid (const char *name)
{
    size_t length = 0;
    for (; name [length]; length++) {
        unsigned char letter = (unsigned char) name [length];
        bool first = letter < 0x80 && (isalpha (letter) || letter == '_');
        if (!first && (length == 0 || letter >= 0x80 || !isdigit (letter)))
            return false;
    }
    return length > 0 && length <= KITH_NAME_MAX;
}

static bool
s_same (char a, char b)
{
    return tolower ((unsigned char) a) == tolower ((unsigned char) b);
}

static uint32_t
s_least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t
kith_name_distance (const char *a, const char *b)
{
    size_t rows = strnlen (a, LETTERS_MAX);
    size_t columns = strnlen (b, LETTERS_MAX);
    uint32_t costs [3][LETTERS_MAX + 1];
    for (size_t column = 0; column <= columns; column++)
        costs [0][column] = (uint32_t) column;
    for (size_t row = 1; row <= rows; row++) {
        uint32_t *now = costs [row % 3];
        const uint32_t *last = costs [(row + 2) % 3];
        const uint32_t *before = costs [(row + 1) % 3];
        now [0] = (uint32_t) row;
        for (size_t column = 1; column <= columns; column++) {
            bool same = s_same (a [row - 1], b [column - 1]);
            uint32_t cost = last [column - 1] + !same;
            cost = s_least (cost, s_least (last [column], now [column - 1]) + 1);
            if (row > 1 && column > 1 && s_same (a [row - 1], b [column - 2])
                && s_same (a [row - 2], b [column - 1]))
                cost = s_least (cost, before [column - 2] + 1);
            now [column] = cost;
        }
    }
    return costs [rows % 3][columns];
}
