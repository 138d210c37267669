//  lines.c - lines of a file or of standard input, and files in memory
//  SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "clients/cli/input.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES_MAX                                                                   \
    (64u << 20)    //  of one line; a row of KITH_ROW_BYTES_MAX as JSON fits well
#define CHUNK_BYTES (256u << 10)

struct kith_lines {
    char *name;
    int fd;    //  -1: a text in memory
    bool fd_own;
    const char *text;    //  in memory: all of it
    size_t text_size;
    kith_bytes_t buffer;    //  read but not given yet, from `from` on
    size_t from;
    bool end;    //  nothing more can be read
    uint64_t number;
    uint64_t read;
    uint64_t size;
};

kith_lines_t *
kith_lines_of (const char *text, size_t size, const char *name)
{
    kith_lines_t *self = kith_new (sizeof *self);
    self->name = kith_strdup (name);
    self->fd = -1;
    self->text = text;
    self->text_size = size;
    self->size = size;
    self->end = true;
    return self;
}

kith_lines_t *
kith_lines_open (const char *path, kith_error_t *error)
{
    kith_lines_t *self = kith_new (sizeof *self);
    bool standard = strcmp (path, "-") == 0;
    self->name = kith_strdup (standard ? "standard input" : path);
    self->fd = standard ? STDIN_FILENO : open (path, O_RDONLY | O_CLOEXEC);
    self->fd_own = !standard;
    struct stat status;
    if (self->fd < 0 || fstat (self->fd, &status) != 0) {
        kith_error_errno (error, errno, "%s cannot be read", path);
        kith_lines_close (&self);
    }
    else if (S_ISDIR (status.st_mode)) {
        kith_error_set (error, KITH_ERR_INVALID, "%s is a directory", path);
        kith_lines_close (&self);
    }
    else if (S_ISREG (status.st_mode))
        self->size = (uint64_t) status.st_size;
    return self;
}

void
kith_lines_close (kith_lines_t **self_p)
{
    assert (self_p);
    kith_lines_t *self = *self_p;
    if (!self)
        return;
    if (self->fd_own && self->fd >= 0)
        close (self->fd);
    kith_bytes_free (&self->buffer);
    free (self->name);
    free (self);
    *self_p = NULL;
}

//  Reads more of the file; what was given goes first
static int
s_read_more (kith_lines_t *self, kith_error_t *error)
{
    size_t left = self->buffer.size - self->from;
    assert (self->buffer.data || !left);
    if (self->from && left)
        memmove (self->buffer.data, self->buffer.data + self->from, left);
    self->buffer.size = left;
    self->from = 0;
    kith_bytes_reserve (&self->buffer, CHUNK_BYTES);
    ssize_t got;
    do
        got = read (self->fd, self->buffer.data + left, CHUNK_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return kith_error_errno (error, errno, "%s cannot be read", self->name);
    self->buffer.size += (size_t) got;
    self->end = got == 0;
    return 0;
}

//  Where the line that begins at `at` ends; null: not in these bytes. *scanned: where to go on looking, *open: a quote is.
static const char *
s_find_end (const char *at, size_t size, bool quotes, size_t *scanned, bool *open)
{
    if (!quotes)
        return *scanned < size ? memchr (at + *scanned, '\n', size - *scanned) : NULL;
    for (size_t place = *scanned; place < size; place++) {
        if (at [place] == '"')
            *open = !*open;
        else if (at [place] == '\n' && !*open)
            return at + place;
    }
    *scanned = size;
    return NULL;
}

static const char *
s_rest (const kith_lines_t *self, size_t *size)
{
    if (self->fd < 0) {
        *size = self->text_size - self->from;
        return self->text + self->from;
    }
    *size = self->buffer.size - self->from;
    return (const char *) self->buffer.data + self->from;
}

int
kith_lines_next (kith_lines_t *self, bool quotes, const char **line, size_t *size,
                 kith_error_t *error)
{
    size_t have, scanned = 0;
    bool open = false;
    const char *at, *end;
    for (;;) {
        at = s_rest (self, &have);
        end = have ? s_find_end (at, have, quotes, &scanned, &open) : NULL;
        if (end || self->end)
            break;
        scanned = quotes ? scanned : have;
        if (have > LINE_BYTES_MAX)
            return kith_error_set (error, KITH_ERR_LIMIT,
                                   "%s:%" PRIu64 ": a line of more than %u MiB",
                                   self->name, self->number + 1, LINE_BYTES_MAX >> 20);
        if (s_read_more (self, error) != 0)
            return -1;
    }
    if (!have)
        return 0;
    *line = at;
    *size = end ? (size_t) (end - at) : have;
    size_t taken = *size + (end != NULL);
    self->from += taken;
    self->read += taken;
    self->number++;
    if (*size && at [*size - 1] == '\r')
        (*size)--;
    return 1;
}

uint64_t
kith_lines_number (const kith_lines_t *self)
{
    return self->number;
}

uint64_t
kith_lines_read (const kith_lines_t *self)
{
    return self->read;
}

uint64_t
kith_lines_size (const kith_lines_t *self)
{
    return self->size;
}

const char *
kith_lines_name (const kith_lines_t *self)
{
    return self->name;
}

const uint8_t *
kith_file_map (const char *path, uint64_t *size, kith_error_t *error)
{
    int fd = open (path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat (fd, &status) != 0) {
        kith_error_errno (error, errno, "%s cannot be read", path);
        if (fd >= 0)
            close (fd);
        return NULL;
    }
    void *data = NULL;
    if (!S_ISREG (status.st_mode) || !status.st_size)
        kith_error_set (error, KITH_ERR_INVALID, "%s is %s", path,
                        S_ISREG (status.st_mode) ? "empty" : "no file");
    else {
        *size = (uint64_t) status.st_size;
        data = mmap (NULL, (size_t) *size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            kith_error_errno (error, errno, "%s cannot be mapped", path);
            data = NULL;
        }
        else
            madvise (data, (size_t) *size, MADV_SEQUENTIAL);
    }
    close (fd);
    return data;
}

void
kith_file_unmap (const uint8_t *data, uint64_t size)
{
    if (data)
        munmap (kith_unconst (data), (size_t) size);
}
