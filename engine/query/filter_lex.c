//  filter_lex.c - the words of a filter
//  SPDX-License-Identifier: Apache-2.0
#include "engine/query/filter_lex.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>

#include "engine/segments/text.h"

int
kith_filter_refuse (kith_error_t *error, uint32_t at, const char *format, ...)
{
    char message [400];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (message, sizeof message, format, arguments);
    va_end (arguments);
    kith_error_set (error, KITH_ERR_FILTER, "%s", message);
    if (error)
        error->at = (int) at;
    return -1;
}

static bool
s_is_letter (char letter)
{
    return ((unsigned char) letter < 0x80 && isalpha ((unsigned char) letter))
           || letter == '_';
}

static bool
s_is_digit (char letter)
{
    return letter >= '0' && letter <= '9';
}

static void
s_name (kith_lexer_t *self, kith_token_t *token)
{
    const char *at = self->text + token->at;
    while (s_is_letter (at [token->length]) || s_is_digit (at [token->length]))
        token->length++;
    token->kind = KITH_TOKEN_NAME;
    char *name = kith_arena_alloc (self->arena, token->length + 1);
    memcpy (name, at, token->length);
    token->text = name;
}

//  ---------------------------------------------------------------------
//  Numbers

static int
s_integer (kith_lexer_t *self, kith_token_t *token, const char *digits, int base)
{
    char *end;
    errno = 0;
    token->kind = KITH_TOKEN_INT;
    token->integer = strtoull (digits, &end, base);
    token->length = (uint32_t) (end - (self->text + token->at));
    if (end == digits || errno)
        return kith_filter_refuse (self->error, token->at,
                                   "the number does not fit in 64 bits");
    return 0;
}

//  Length of a decimal number, and whether it has a point or an exponent
static uint32_t
s_decimal_length (const char *text, bool *real)
{
    uint32_t length = 0;
    *real = false;
    while (s_is_digit (text [length]))
        length++;
    if (text [length] == '.') {
        *real = true;
        length++;
        while (s_is_digit (text [length]))
            length++;
    }
    if (text [length] != 'e' && text [length] != 'E')
        return length;
    uint32_t exponent = length + 1;
    if (text [exponent] == '+' || text [exponent] == '-')
        exponent++;
    if (!s_is_digit (text [exponent]))
        return length;
    *real = true;
    while (s_is_digit (text [exponent]))
        exponent++;
    return exponent;
}

static int
s_number (kith_lexer_t *self, kith_token_t *token)
{
    const char *at = self->text + token->at;
    char second = (char) tolower ((unsigned char) at [1]);
    int status;
    if (at [0] == '0' && (second == 'x' || second == 'b')) {
        bool digit = second == 'x' ? isxdigit ((unsigned char) at [2]) != 0
                                   : at [2] == '0' || at [2] == '1';
        if (!digit)
            return kith_filter_refuse (self->error, token->at,
                                       "a number needs a digit after 0%c", at [1]);
        status = s_integer (self, token, at + 2, second == 'x' ? 16 : 2);
    }
    else {
        bool real;
        token->length = s_decimal_length (at, &real);
        if (at [0] == '0' && s_is_digit (second))
            return kith_filter_refuse (self->error, token->at,
                                       "a number cannot begin with 0");
        if (!real)
            status = s_integer (self, token, at, 10);
        else {
            token->kind = KITH_TOKEN_REAL;
            token->real = strtod (at, NULL);
            status = isfinite (token->real)
                         ? 0
                         : kith_filter_refuse (self->error, token->at,
                                               "the number is too large");
        }
    }
    if (status == 0
        && (s_is_letter (at [token->length]) || s_is_digit (at [token->length])))
        return kith_filter_refuse (self->error, token->at + token->length,
                                   "a number cannot be followed by '%c'",
                                   at [token->length]);
    return status;
}

//  ---------------------------------------------------------------------
//  Text

//  Reads `digits` hexadecimal digits; -1: there are not so many
static int64_t
s_hex (const char *at, int digits)
{
    int64_t value = 0;
    for (int digit = 0; digit < digits; digit++) {
        if (!isxdigit ((unsigned char) at [digit]))
            return -1;
        int letter = tolower ((unsigned char) at [digit]);
        value = value * 16 + (letter <= '9' ? letter - '0' : letter - 'a' + 10);
    }
    return value;
}

//  Decodes what follows a backslash; returns how many bytes it took, 0: nothing that is known
static uint32_t
s_escape (const char *at, kith_bytes_t *out)
{
    static const char from [] = "abfnrtv\\\"'";
    static const char to [] = "\a\b\f\n\r\t\v\\\"'";
    if (at [0] == '%' || at [0] == '_') {
        //  Kept for like, where the backslash takes the meaning away
        kith_bytes_put_u8 (out, '\\');
        kith_bytes_put_u8 (out, (uint8_t) at [0]);
        return 1;
    }
    const char *known = at [0] ? strchr (from, at [0]) : NULL;
    if (known) {
        kith_bytes_put_u8 (out, (uint8_t) to [known - from]);
        return 1;
    }
    int digits = at [0] == 'x' ? 2 : at [0] == 'u' ? 4 : at [0] == 'U' ? 8 : 0;
    int64_t point = digits ? s_hex (at + 1, digits) : -1;
    if (point < 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    kith_utf8_put (out, (uint32_t) point);
    return (uint32_t) digits + 1;
}

static int
s_text (kith_lexer_t *self, kith_token_t *token)
{
    const char *text = self->text + token->at;
    char quote = text [0];
    uint32_t at = 1;
    kith_bytes_t decoded = {0};
    while (text [at] && text [at] != quote) {
        if (text [at] != '\\') {
            kith_bytes_put_u8 (&decoded, (uint8_t) text [at++]);
            continue;
        }
        uint32_t used = s_escape (text + at + 1, &decoded);
        if (used == 0) {
            kith_bytes_free (&decoded);
            return kith_filter_refuse (self->error, token->at + at,
                                       "unknown escape in a text");
        }
        at += used + 1;
    }
    token->kind = KITH_TOKEN_TEXT;
    token->text = kith_arena_copy (
        self->arena, decoded.size ? (const void *) decoded.data : "", decoded.size);
    token->length = at + 1;
    uint32_t length = (uint32_t) decoded.size;
    kith_bytes_free (&decoded);
    if (!text [at])
        return kith_filter_refuse (self->error, token->at, "the text has no end");
    token->end = token->at + at + 1;
    self->at = token->end;
    token->length = length;
    return 0;
}

//  ---------------------------------------------------------------------

static int
s_symbol (kith_lexer_t *self, kith_token_t *token)
{
    static const char *const symbols [] = {"==", "!=", "<=", ">=", "&&", "||", "**",
                                           "<",  ">",  "=",  "!",  "+",  "-",  "*",
                                           "/",  "%",  "(",  ")",  "[",  "]",  ","};
    const char *at = self->text + token->at;
    for (size_t index = 0; index < sizeof symbols / sizeof symbols [0]; index++) {
        size_t length = strlen (symbols [index]);
        if (strncmp (at, symbols [index], length) != 0)
            continue;
        token->kind = KITH_TOKEN_SYMBOL;
        memcpy (token->symbol, symbols [index], length + 1);
        token->length = (uint32_t) length;
        return 0;
    }
    if (at [0] == '$' || at [0] == '{')
        return kith_filter_refuse (self->error, token->at,
                                   "parameters are not supported in a filter");
    if ((unsigned char) at [0] < 0x20 || (unsigned char) at [0] >= 0x7f)
        return kith_filter_refuse (self->error, token->at,
                                   "a character that has no meaning here");
    return kith_filter_refuse (self->error, token->at, "'%c' has no meaning here",
                               at [0]);
}

int
kith_lexer_next (kith_lexer_t *self, kith_token_t *token)
{
    while (self->text [self->at] && strchr (" \t\r\n", self->text [self->at]))
        self->at++;
    *token = (kith_token_t){.at = self->at};
    char first = self->text [self->at];
    char second = first ? self->text [self->at + 1] : 0;
    int status = 0;
    if (first == 0)
        token->kind = KITH_TOKEN_END;
    else if (s_is_letter (first))
        s_name (self, token);
    else if (s_is_digit (first) || (first == '.' && s_is_digit (second)))
        status = s_number (self, token);
    else if (first == '"' || first == '\'')
        return s_text (self, token);
    else
        status = s_symbol (self, token);
    self->at += token->length;
    token->end = self->at;
    return status;
}
