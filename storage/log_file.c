//  log_file.c - a log in append-only files
//  SPDX-License-Identifier: Apache-2.0
//
//  log_recover.c has the opening; docs/reference/log.md the files byte by byte. PROTOCOL rules L1-L4, W4, Y1.
#include "storage/log_file.h"

#include "base/limits.h"

#define FILE_BYTES_MAX (64u << 20)
#define BUFFER_KEPT (1u << 20)

char *
kith_log_file_path (const kith_log_file_t *self, uint32_t number, const char *ending)
{
    kith_bytes_t path = {0};
    kith_bytes_printf (&path, "%s/%06" PRIu32 "%s", self->path, number, ending);
    kith_bytes_put_u8 (&path, 0);
    return (char *) path.data;
}

//  The header is synced before the file gets its name: a log file without a whole header is damage.
kith_file_t *
kith_log_file_make (kith_log_file_t *self, uint32_t number, const kith_log_chain_t *chain,
                    kith_error_t *error)
{
    uint8_t bytes [KITH_LOG_FILE_HEADER];
    kith_log_header_t header = {.cluster = self->options.cluster,
                                .log = self->options.log,
                                .number = number,
                                .first = chain->seq + 1,
                                .previous_timestamp = chain->timestamp,
                                .previous_crc = chain->crc};
    kith_log_header_put (bytes, &header);

    kith_fs_t *fs = self->fs;
    char *path = kith_log_file_path (self, number, ".log");
    char *unnamed = kith_log_file_path (self, number, ".new");
    kith_file_t *file = fs->open (fs, unnamed, true, false, error);
    if (file
        && (fs->truncate (fs, file, 0, error) != 0
            || fs->write (fs, file, 0, bytes, sizeof bytes, error) != 0
            || fs->sync (fs, file, error) != 0
            || fs->rename (fs, unnamed, path, error) != 0
            || fs->sync_dir (fs, self->path, error) != 0)) {
        fs->close (fs, &file);
        (void) fs->remove (fs, unnamed, NULL);
    }
    free (unnamed);
    free (path);
    return file;
}

int
kith_log_file_mark (kith_log_file_t *self, kith_mark_t mark, kith_error_t *error)
{
    pthread_mutex_lock (&self->mark_mutex);
    int rc = 0;
    if (mark.epoch != self->mark.epoch || mark.last != self->mark.last) {
        rc = kith_mark_write (self->mark_file, mark, error);
        if (rc == 0)
            self->mark = mark;
    }
    pthread_mutex_unlock (&self->mark_mutex);
    return rc;
}

static int
s_open (kith_log_t *log, const kith_log_open_t *options, kith_error_t *error)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    assert (options);
    self->options = *options;
    self->open = kith_log_file_recover (self, error) == 0;
    return self->open ? 0 : -1;
}

//  Encodes the records behind what is written. Nothing is changed when it refuses.
static int
s_encode (kith_log_file_t *self, const kith_record_t *records, size_t count,
          kith_log_chain_t *chain, kith_error_t *error)
{
    kith_bytes_clear (&self->buffer);
    for (size_t index = 0; index < count; index++) {
        kith_record_t record = records [index];
        if (!kith_record_has_seq (record.kind))
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "log %" PRIu32
                                   ": a record of kind %d is not for a file",
                                   self->options.log, (int) record.kind);
        if (record.body_bytes > KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER
            || self->buffer.size > KITH_MESSAGE_BYTES_MAX)
            return kith_error_set (
                error, KITH_ERR_LIMIT,
                "log %" PRIu32 ": a record has at most %u bytes, an append %u",
                self->options.log, KITH_LOG_RECORD_BYTES_MAX, KITH_MESSAGE_BYTES_MAX);
        record.cluster = self->options.cluster;
        record.log = self->options.log;
        record.epoch = self->options.epoch;
        record.seq = chain->seq + 1;
        record.behind = (uint32_t) self->buffer.size;
        chain->crc = kith_record_put (&self->buffer, &record, chain->crc);
        chain->seq = record.seq;
        chain->timestamp = record.timestamp;
        chain->epoch = record.epoch;
    }
    return 0;
}

//  Goes on in a new file if the present one has records and would grow too long.
static int
s_rotate (kith_log_file_t *self, kith_error_t *error)
{
    const kith_log_part_t *part = kith_log_index_last (&self->index);
    if (part->bytes == KITH_LOG_FILE_HEADER
        || part->bytes + self->buffer.size <= self->file_bytes_max)
        return 0;
    uint32_t number = part->number + 1;
    kith_file_t *file = kith_log_file_make (self, number, &self->written, error);
    if (!file)
        return -1;
    self->fs->close (self->fs, &self->file);
    self->file = file;
    pthread_mutex_lock (&self->mutex);
    kith_log_index_file (&self->index, number, self->written.seq + 1,
                         KITH_LOG_FILE_HEADER);
    pthread_mutex_unlock (&self->mutex);
    return kith_log_file_mark (
        self, (kith_mark_t){self->options.epoch, self->written.seq}, error);
}

static int
s_write (kith_log_file_t *self, kith_error_t *error)
{
    if (s_rotate (self, error) != 0)
        return -1;
    kith_fs_t *fs = self->fs;
    uint64_t at = kith_log_index_last (&self->index)->bytes;
    if (fs->write (fs, self->file, at, self->buffer.data, self->buffer.size, error)
        != 0) {
        //  It may have taken the last space there was. If it cannot be cut off now, the next opening does it.
        (void) fs->truncate (fs, self->file, at, NULL);
        return -1;
    }
    return fs->sync (fs, self->file, error);
}

static int
s_append (kith_log_t *log, const kith_record_t *records, size_t count,
          kith_error_t *error)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    if (!self->open)
        return kith_error_set (error, KITH_ERR_NOT_OWNER,
                               "log %" PRIu32
                               " in %s must be opened before it is appended to",
                               self->options.log, self->path);
    if (count == 0)
        return 0;
    assert (records);
    kith_log_chain_t chain = self->written;
    if (s_encode (self, records, count, &chain, error) != 0)
        return -1;
    if (s_write (self, error) != 0) {
        pthread_mutex_lock (&self->mutex);
        self->open = false;
        pthread_mutex_unlock (&self->mutex);
        return kith_error_prefix (error, "log %" PRIu32, self->options.log);
    }
    pthread_mutex_lock (&self->mutex);
    for (size_t index = 0; index < count; index++)
        kith_log_index_record (&self->index, self->written.seq + 1 + index,
                               records [index].channel,
                               kith_record_bytes (records [index].body_bytes));
    self->synced = chain;
    pthread_mutex_unlock (&self->mutex);
    self->written = chain;
    if (self->buffer.capacity > BUFFER_KEPT)
        kith_bytes_free (&self->buffer);
    return 0;
}

static uint64_t
s_last (kith_log_t *log)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    pthread_mutex_lock (&self->mutex);
    uint64_t last = self->synced.seq;
    pthread_mutex_unlock (&self->mutex);
    return last;
}

static uint64_t
s_last_timestamp (kith_log_t *log)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    pthread_mutex_lock (&self->mutex);
    uint64_t timestamp = self->synced.timestamp;
    pthread_mutex_unlock (&self->mutex);
    return timestamp;
}

static uint64_t
s_first (kith_log_t *log)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    pthread_mutex_lock (&self->mutex);
    uint64_t first =
        self->index.part_count ? self->index.parts [0].first : self->synced.seq + 1;
    pthread_mutex_unlock (&self->mutex);
    return first;
}

static int
s_mark (kith_log_t *log, kith_error_t *error)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    pthread_mutex_lock (&self->mutex);
    bool open = self->open;
    pthread_mutex_unlock (&self->mutex);
    if (!open)
        return kith_error_set (error, KITH_ERR_NOT_OWNER, "the log in %s is not open",
                               self->path);
    return kith_log_file_mark (self, (kith_mark_t){self->options.epoch, s_last (log)},
                               error);
}

//  Takes the oldest file out of the index if it only has records with seq <= seq. The newest file stays, for
//  the chain goes on from it. Out of the index first, so that no reader looks for a removed file.
static void
s_doom (kith_log_file_t *self, uint64_t seq)
{
    pthread_mutex_lock (&self->mutex);
    if (self->index.part_count > 1 && self->index.parts [1].first - 1 <= seq) {
        self->doomed = self->index.parts [0].number;
        kith_log_index_drop (&self->index);
    }
    pthread_mutex_unlock (&self->mutex);
}

static int
s_remove_doomed (kith_log_file_t *self, kith_error_t *error)
{
    char *path = kith_log_file_path (self, self->doomed, ".log");
    int rc = self->fs->remove (self->fs, path, error);
    free (path);
    if (rc != 0)
        return -1;
    self->doomed = 0;
    self->dir_unsynced = true;
    return 0;
}

static int
s_trim (kith_log_t *log, uint64_t seq, kith_error_t *error)
{
    kith_log_file_t *self = (kith_log_file_t *) log;
    //  One file at a time, oldest first, each removal synced, an unfinished one before the next: no power
    //  loss then leaves an older file without the next one
    for (;;) {
        if (self->doomed && s_remove_doomed (self, error) != 0)
            return -1;
        if (self->dir_unsynced && self->fs->sync_dir (self->fs, self->path, error) != 0)
            return -1;
        self->dir_unsynced = false;
        s_doom (self, seq);
        if (!self->doomed)
            return 0;
    }
}

static void
s_close (kith_log_t **log_p)
{
    assert (log_p);
    kith_log_file_t *self = (kith_log_file_t *) *log_p;
    if (!self)
        return;
    if (self->file)
        self->fs->close (self->fs, &self->file);
    kith_mark_close (&self->mark_file);
    //  Last, for it is what keeps others out
    if (self->lock)
        self->fs->close (self->fs, &self->lock);
    kith_log_index_free (&self->index);
    kith_bytes_free (&self->buffer);
    pthread_mutex_destroy (&self->mutex);
    pthread_mutex_destroy (&self->mark_mutex);
    free (self->path);
    free (self);
    *log_p = NULL;
}

kith_log_t *
kith_log_file_new (kith_fs_t *fs, const char *path, uint64_t file_bytes_max)
{
    assert (fs && path && *path);
    kith_log_file_t *self = kith_new (sizeof *self);
    self->log = (kith_log_t){.open = s_open,
                             .append = s_append,
                             .read = kith_log_file_read,
                             .last = s_last,
                             .first = s_first,
                             .last_timestamp = s_last_timestamp,
                             .mark = s_mark,
                             .trim = s_trim,
                             .close = s_close};
    self->fs = fs;
    self->path = kith_strdup (path);
    self->file_bytes_max = file_bytes_max ? file_bytes_max : FILE_BYTES_MAX;
    pthread_mutex_init (&self->mutex, NULL);
    pthread_mutex_init (&self->mark_mutex, NULL);
    return &self->log;
}
