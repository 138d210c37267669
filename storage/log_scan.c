//  log_scan.c - reads log files from end to end in large pieces
//  SPDX-License-Identifier: Apache-2.0
#include "storage/log_scan.h"

#include "base/crc32c.h"
#include "base/limits.h"

#define MAGIC 0x474f4c4bu           //  "KLOG"
#define RECORD_MAGIC 0x4345524bu    //  "KREC"
#define VERSION 1u
#define WINDOW_BYTES (1u << 20)
#define BODY_BYTES_AT 88u

void
kith_log_header_put (uint8_t *out, const kith_log_header_t *header)
{
    memset (out, 0, KITH_LOG_FILE_HEADER);
    kith_put_u32 (out, MAGIC);
    kith_put_u32 (out + 4, VERSION);
    kith_put_u64 (out + 8, header->cluster);
    kith_put_u32 (out + 16, header->log);
    kith_put_u32 (out + 20, header->number);
    kith_put_u64 (out + 24, header->first);
    kith_put_u64 (out + 32, header->previous_timestamp);
    kith_put_u32 (out + 40, header->previous_crc);
    kith_put_u32 (out + 60, kith_crc32c (0, out, 60));
}

static int
s_header_open (kith_log_header_t *header, const uint8_t *at, const char *path,
               kith_error_t *error)
{
    if (kith_get_u32 (at) != MAGIC)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s at byte 0: it does not begin with KLOG", path);
    if (kith_get_u32 (at + 60) != kith_crc32c (0, at, 60))
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s at byte 0: the file header fails its checksum", path);
    if (kith_get_u32 (at + 4) != VERSION)
        return kith_error_set (error, KITH_ERR_VERSION,
                               "%s has version %" PRIu32 ", this program knows %u", path,
                               kith_get_u32 (at + 4), VERSION);
    *header = (kith_log_header_t){.cluster = kith_get_u64 (at + 8),
                                  .log = kith_get_u32 (at + 16),
                                  .number = kith_get_u32 (at + 20),
                                  .first = kith_get_u64 (at + 24),
                                  .previous_timestamp = kith_get_u64 (at + 32),
                                  .previous_crc = kith_get_u32 (at + 40)};
    return 0;
}

//  Bytes from `at` on: all that were wanted, or as many as the file still has (*got). Null: cannot be read.
static const uint8_t *
s_bytes (kith_log_scan_t *self, uint64_t at, uint64_t wanted, uint64_t *got,
         kith_error_t *error)
{
    assert (at <= self->size);
    *got = self->size - at < wanted ? self->size - at : wanted;
    if (!self->window.data || at < self->window_at
        || at - self->window_at + *got > self->window.size) {
        uint64_t piece = self->size - at < WINDOW_BYTES ? self->size - at : WINDOW_BYTES;
        if (piece < *got)
            piece = *got;
        kith_bytes_clear (&self->window);
        kith_bytes_reserve (&self->window, (size_t) piece + 1);
        if (self->fs->read (self->fs, self->file, at, self->window.data, (size_t) piece,
                            error)
            != 0)
            return NULL;
        self->window.size = (size_t) piece;
        self->window_at = at;
    }
    return self->window.data + (at - self->window_at);
}

static int
s_open_header (kith_log_scan_t *self, kith_error_t *error)
{
    if (self->fs->size (self->fs, self->file, &self->size, error) != 0)
        return -1;
    uint64_t got;
    const uint8_t *header = s_bytes (self, 0, KITH_LOG_FILE_HEADER, &got, error);
    if (!header)
        return -1;
    if (got < KITH_LOG_FILE_HEADER)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s has %" PRIu64 " bytes, its header alone has %u",
                               self->path, self->size, KITH_LOG_FILE_HEADER);
    return s_header_open (&self->header, header, self->path, error);
}

int
kith_log_scan_open (kith_log_scan_t *self, kith_fs_t *fs, const char *path,
                    kith_error_t *error)
{
    *self = (kith_log_scan_t){.fs = fs, .path = path};
    self->file = fs->open (fs, path, false, false, error);
    if (self->file && s_open_header (self, error) == 0)
        return 0;
    kith_log_scan_close (self);
    return -1;
}

void
kith_log_scan_close (kith_log_scan_t *self)
{
    if (self->file)
        self->fs->close (self->fs, &self->file);
    kith_bytes_free (&self->window);
}

kith_scan_result_t
kith_log_scan_record (kith_log_scan_t *self, uint64_t at, kith_scan_record_t *found,
                      kith_error_t *error)
{
    uint64_t got;
    const uint8_t *bytes = s_bytes (self, at, KITH_RECORD_HEADER, &got, error);
    if (!bytes)
        return KITH_SCAN_FAILED;
    if (got == 0)
        return KITH_SCAN_END;
    found->at = at;
    kith_scan_result_t bad = got < KITH_RECORD_HEADER ? KITH_SCAN_CUT : KITH_SCAN_BAD;

    //  The body is fetched only on the word of a header whose own checksum holds: first it is opened alone,
    //  which for want of the body ends in an error that is looked at again below
    if (got == KITH_RECORD_HEADER) {
        uint64_t body_bytes = kith_get_u64 (bytes + BODY_BYTES_AT);
        bool sane = body_bytes <= KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER
                    && kith_get_u32 (bytes + 124) == kith_crc32c (0, bytes, 124);
        uint64_t total = sane ? kith_record_bytes (body_bytes) : KITH_RECORD_HEADER;
        bytes = s_bytes (self, at, total, &got, error);
        if (!bytes)
            return KITH_SCAN_FAILED;
        if (got < total)
            bad = KITH_SCAN_CUT;
    }
    if (kith_record_open (&found->record, bytes, got, &found->bytes, &found->crc,
                          &found->previous_crc, error)
        == 0)
        return KITH_SCAN_RECORD;
    kith_error_prefix (error, "%s at byte %" PRIu64, self->path, at);
    return bad;
}

uint64_t
kith_log_scan_after (kith_log_scan_t *self, uint64_t at, kith_error_t *error)
{
    uint64_t got;
    const uint8_t *bytes = s_bytes (self, at, KITH_RECORD_HEADER, &got, error);
    if (!bytes)
        return UINT64_MAX;
    uint64_t body_bytes = UINT64_MAX;
    if (got == KITH_RECORD_HEADER && kith_get_u32 (bytes) == RECORD_MAGIC
        && kith_get_u32 (bytes + 124) == kith_crc32c (0, bytes, 124))
        body_bytes = kith_get_u64 (bytes + BODY_BYTES_AT);
    return at
           + (body_bytes < KITH_LOG_RECORD_BYTES_MAX ? kith_record_bytes (body_bytes)
                                                     : 64);
}

kith_scan_result_t
kith_log_scan_next (kith_log_scan_t *self, uint64_t from, kith_scan_record_t *found,
                    kith_error_t *error)
{
    for (uint64_t at = from; at < self->size; at += 64) {
        uint64_t got;
        const uint8_t *bytes = s_bytes (self, at, 4, &got, error);
        if (!bytes)
            return KITH_SCAN_FAILED;
        if (got < 4 || kith_get_u32 (bytes) != RECORD_MAGIC)
            continue;
        kith_scan_result_t result = kith_log_scan_record (self, at, found, error);
        if (result == KITH_SCAN_RECORD || result == KITH_SCAN_FAILED)
            return result;
    }
    return KITH_SCAN_END;
}

int
kith_log_file_dump (kith_fs_t *fs, const char *path,
                    void (*fn) (void *arg, uint64_t at, const kith_record_t *record),
                    void *arg, kith_error_t *error)
{
    assert (fs && path && fn);
    kith_log_scan_t scan;
    if (kith_log_scan_open (&scan, fs, path, error) != 0)
        return -1;
    kith_scan_record_t found;
    uint64_t at = KITH_LOG_FILE_HEADER;
    kith_scan_result_t result;
    while ((result = kith_log_scan_record (&scan, at, &found, error))
           == KITH_SCAN_RECORD) {
        fn (arg, at, &found.record);
        at += found.bytes;
    }
    kith_log_scan_close (&scan);
    return result == KITH_SCAN_END ? 0 : -1;
}
