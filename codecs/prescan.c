//  prescan.c - a look over msgpack bytes before anything is allocated for them
//  SPDX-License-Identifier: Apache-2.0
//
//  msgpack-c allocates what an array header declares: 155 bytes of nested headers made it reserve 16 GB.
//  Here every declared element must have at least one byte left for it, all open containers together.
#include "codecs/prescan.h"

#include "base/limits.h"

typedef enum {
    PLAIN,    //  `size` bytes follow
    RUN,      //  a length of `size` bytes, then that many bytes
    EXT,      //  as RUN, with one more byte for the type
    ARRAY,    //  a count of `size` bytes
    MAP,
    WRONG
} form_t;

typedef struct {
    uint8_t form;
    uint8_t size;
} head_t;

//  First bytes 0xc0 .. 0xdf
static const head_t s_heads [32] = {
    {PLAIN, 0},  {WRONG, 0}, {PLAIN, 0}, {PLAIN, 0},    //  nil, never used, false, true
    {RUN, 1},    {RUN, 2},   {RUN, 4},                  //  bin
    {EXT, 1},    {EXT, 2},   {EXT, 4},                  //  ext
    {PLAIN, 4},  {PLAIN, 8},                            //  float32, float64
    {PLAIN, 1},  {PLAIN, 2}, {PLAIN, 4}, {PLAIN, 8},    //  unsigned
    {PLAIN, 1},  {PLAIN, 2}, {PLAIN, 4}, {PLAIN, 8},    //  signed
    {PLAIN, 2},  {PLAIN, 3}, {PLAIN, 5}, {PLAIN, 9},    //  fixext 1, 2, 4, 8
    {PLAIN, 17},                                        //  fixext 16
    {RUN, 1},    {RUN, 2},   {RUN, 4},                  //  str
    {ARRAY, 2},  {ARRAY, 4}, {MAP, 2},   {MAP, 4}};

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t at;
    uint64_t pending;                          //  objects declared and not yet seen
    uint32_t depth;                            //  containers open
    uint64_t left [KITH_MSGPACK_DEPTH_MAX];    //  objects each of them waits for
    size_t objects;
} scan_t;

static int
s_refuse (const scan_t *self, const char *what, kith_error_t *error)
{
    kith_error_set (error, KITH_ERR_PROTOCOL, "msgpack: %s at byte %zu of %zu", what,
                    self->at, self->size);
    if (error)
        error->at = self->at <= INT32_MAX ? (int) self->at : -1;
    return -1;
}

//  A big-endian number of 1, 2 or 4 bytes
static uint64_t
s_number (const uint8_t *at, uint8_t size)
{
    uint64_t number = 0;
    for (uint8_t index = 0; index < size; index++)
        number = number << 8 | at [index];
    return number;
}

//  Reads one head: how many bytes it and its payload take, how many objects are inside.
static const char *
s_head (const scan_t *self, uint64_t *bytes, uint64_t *inside)
{
    size_t left = self->size - self->at;
    if (left == 0)
        return "the end came too early";
    uint8_t first = self->data [self->at];
    *bytes = 1;
    *inside = 0;
    if (first < 0x80 || first >= 0xe0)
        return NULL;
    if (first < 0xa0) {
        *inside = (uint64_t) (first & 15) << (first < 0x90);
        return NULL;
    }
    if (first < 0xc0) {
        *bytes += first & 31;
        return NULL;
    }
    head_t head = s_heads [first - 0xc0];
    *bytes += head.size;
    if (head.form == WRONG)
        return "a byte that is never used";
    if (head.form == PLAIN)
        return NULL;
    if (left < *bytes)
        return "the end came too early";
    uint64_t number = s_number (self->data + self->at + 1, head.size);
    if (head.form == RUN || head.form == EXT)
        *bytes += number + (head.form == EXT);
    else
        *inside = number << (head.form == MAP);
    return NULL;
}

static int
s_object (scan_t *self, kith_error_t *error)
{
    uint64_t bytes = 0;
    uint64_t inside = 0;
    const char *mistake = s_head (self, &bytes, &inside);
    if (mistake)
        return s_refuse (self, mistake, error);
    if (bytes > self->size - self->at)
        return s_refuse (self, "a length goes past the end", error);
    self->pending += inside;
    self->pending--;
    if (self->pending > self->size - self->at - bytes)
        return s_refuse (self, "more elements are declared than bytes are left", error);
    if (inside && self->depth == KITH_MSGPACK_DEPTH_MAX)
        return s_refuse (self, "containers nest too deep", error);
    self->at += (size_t) bytes;
    self->objects += (size_t) inside;
    if (inside)
        self->left [self->depth++] = inside;
    else
        while (self->depth && --self->left [self->depth - 1] == 0)
            self->depth--;
    return 0;
}

int
kith_prescan_count (const void *data, size_t size, size_t *objects, kith_error_t *error)
{
    assert (data || size == 0);
    scan_t scan = {.data = data, .size = size, .pending = 1};
    while (scan.pending)
        if (s_object (&scan, error))
            return -1;
    if (scan.at < size)
        return s_refuse (&scan, "something follows the object", error);
    *objects = scan.objects;
    return 0;
}

int
kith_prescan (const void *data, size_t size, kith_error_t *error)
{
    size_t objects = 0;
    return kith_prescan_count (data, size, &objects, error);
}
