//  objects_name.c - which names objects may have; nothing else may ever become a path
//  SPDX-License-Identifier: Apache-2.0
#include "storage/objects.h"

#define NAME_MAX_BYTES 255u
#define PART_MAX_BYTES 64u

static bool
s_letter_valid (char letter)
{
    return (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9')
           || letter == '_' || letter == '.' || letter == '-';
}

//  Letters at the start of text, at most PART_MAX_BYTES + 1
static size_t
s_part_length (const char *text)
{
    size_t length = 0;
    while (length <= PART_MAX_BYTES && s_letter_valid (text [length]))
        length++;
    return length;
}

static bool
s_part_valid (const char *part, size_t length)
{
    bool dots = (length == 1 && part [0] == '.')
                || (length == 2 && part [0] == '.' && part [1] == '.');
    return length > 0 && length <= PART_MAX_BYTES && !dots;
}

bool
kith_objects_prefix_valid (const char *prefix)
{
    assert (prefix);
    const char *at = prefix;
    for (;;) {
        size_t length = s_part_length (at);
        if (length > PART_MAX_BYTES)
            return false;
        //  The last part may be any beginning of one, even of none
        if (at [length] == 0)
            return (size_t) (at - prefix) + length <= NAME_MAX_BYTES;
        if (at [length] != '/' || !s_part_valid (at, length)
            || (size_t) (at - prefix) + length >= NAME_MAX_BYTES)
            return false;
        at += length + 1;
    }
}

bool
kith_objects_name_valid (const char *name)
{
    if (!kith_objects_prefix_valid (name))
        return false;
    const char *slash = strrchr (name, '/');
    const char *last = slash ? slash + 1 : name;
    return s_part_valid (last, strlen (last));
}
