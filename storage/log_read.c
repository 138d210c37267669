//  log_read.c - reads synced records of a log in files, beside whatever else is going on
//  SPDX-License-Identifier: Apache-2.0
#include "storage/log_file.h"

//  One read: where it has come to
typedef struct {
    kith_log_file_t *log;
    uint64_t channel;    //  0: all
    uint64_t bytes_max;
    kith_bytes_t *out;
    size_t kept;          //  bytes of out that are wanted
    size_t begin;         //  bytes that were in out before
    uint64_t done;        //  seq up to which nothing is missing
    bool full;            //  the next record is for the next read
    kith_file_t *file;    //  file being read; null: none yet
    uint32_t number;      //  its number
} reading_t;

typedef enum {
    STEP_SPAN,      //  there is a span to read
    STEP_END,       //  all synced records have been looked at
    STEP_CLOSED,    //  the log is not open
    STEP_TRIMMED    //  what would come next has been dropped
} step_t;

//  Finds the next span that may hold a wanted record; spans without one count as done.
static step_t
s_next_span (reading_t *self, kith_log_span_t *span)
{
    kith_log_file_t *log = self->log;
    pthread_mutex_lock (&log->mutex);
    const kith_log_index_t *index = &log->index;
    step_t step = index->part_count ? STEP_END : STEP_CLOSED;
    if (index->part_count && self->done + 1 < index->parts [0].first)
        step = STEP_TRIMMED;
    size_t place = step == STEP_TRIMMED ? index->span_count
                                        : kith_log_index_find (index, self->done);
    while (place < index->span_count
           && !kith_log_span_has (&index->spans [place], self->channel))
        self->done = index->spans [place++].last;
    if (place < index->span_count) {
        *span = index->spans [place];
        step = STEP_SPAN;
    }
    pthread_mutex_unlock (&log->mutex);
    return step;
}

//  Keeps one record that lies at `from` of out, if it is wanted, by moving it to the others.
static void
s_keep (reading_t *self, const kith_record_t *record, size_t from, size_t bytes)
{
    bool wanted = record->seq > self->done
                  && (self->channel == 0 || record->channel == self->channel);
    if (wanted) {
        size_t have = self->kept - self->begin;
        if (have > 0 && have + bytes > self->bytes_max) {
            self->full = true;
            return;
        }
        memmove (self->out->data + self->kept, self->out->data + from, bytes);
        self->kept += bytes;
    }
    if (record->seq > self->done)
        self->done = record->seq;
}

//  Goes through the records of a span, which lies in out behind what is kept. They were checked when they
//  were written or recovered; a disk may have changed them since.
static int
s_take_span (reading_t *self, const kith_log_span_t *span, kith_error_t *error)
{
    size_t start = self->kept;
    uint64_t at = 0;
    while (at < span->bytes && !self->full) {
        kith_record_t record;
        uint64_t used = 0;
        size_t from = start + (size_t) at;
        if (kith_record_open (&record, self->out->data + from, span->bytes - at, &used,
                              NULL, NULL, error)
            != 0)
            return kith_error_prefix (error, "%s/%06" PRIu32 ".log at byte %" PRIu64,
                                      self->log->path, span->number, span->at + at);
        s_keep (self, &record, from, (size_t) used);
        at += used;
    }
    return 0;
}

static int
s_read_span (reading_t *self, const kith_log_span_t *span, kith_error_t *error)
{
    kith_fs_t *fs = self->log->fs;
    if (self->file && self->number != span->number)
        fs->close (fs, &self->file);
    if (!self->file) {
        char *path = kith_log_file_path (self->log, span->number, ".log");
        self->file = fs->open (fs, path, false, false, error);
        free (path);
        if (!self->file)
            return -1;
        self->number = span->number;
    }
    kith_bytes_t *out = self->out;
    assert (out->size == self->kept);
    kith_bytes_reserve (out, span->bytes);
    if (fs->read (fs, self->file, span->at, out->data + out->size, span->bytes, error)
        != 0)
        return -1;
    int rc = s_take_span (self, span, error);
    out->size = self->kept;
    return rc;
}

//  True if the file that could not be read has been trimmed away meanwhile.
static bool
s_gone (reading_t *self)
{
    pthread_mutex_lock (&self->log->mutex);
    const kith_log_index_t *index = &self->log->index;
    bool gone = index->part_count && self->done + 1 < index->parts [0].first;
    pthread_mutex_unlock (&self->log->mutex);
    return gone;
}

static int
s_trimmed (reading_t *self, uint64_t after, kith_error_t *error)
{
    if (self->kept > self->begin) {
        kith_error_clear (error);
        return 0;
    }
    return kith_error_set (error, KITH_ERR_TRIMMED,
                           "log %" PRIu32 ": the records after seq %" PRIu64
                           " have been dropped",
                           self->log->options.log, after);
}

static int
s_read_all (reading_t *self, uint64_t after, kith_error_t *error)
{
    while (!self->full
           && (self->kept == self->begin || self->kept - self->begin < self->bytes_max)) {
        kith_log_span_t span;
        switch (s_next_span (self, &span)) {
            case STEP_END:
                return 0;
            case STEP_CLOSED:
                return kith_error_set (error, KITH_ERR_NOT_OWNER,
                                       "the log in %s is not open", self->log->path);
            case STEP_TRIMMED:
                return s_trimmed (self, after, error);
            case STEP_SPAN:
                if (s_read_span (self, &span, error) != 0)
                    return s_gone (self) ? s_trimmed (self, after, error) : -1;
        }
    }
    return 0;
}

int
kith_log_file_read (kith_log_t *log, uint64_t after, uint64_t channel, uint64_t bytes_max,
                    kith_bytes_t *out, uint64_t *covered, kith_error_t *error)
{
    assert (log && out && covered);
    kith_log_file_t *self = (kith_log_file_t *) log;
    reading_t reading = {.log = self,
                         .channel = channel,
                         .bytes_max = bytes_max,
                         .out = out,
                         .kept = out->size,
                         .begin = out->size,
                         .done = after};
    int rc = s_read_all (&reading, after, error);
    if (reading.file)
        self->fs->close (self->fs, &reading.file);
    if (rc != 0)
        out->size = reading.begin;
    *covered = reading.done;
    return rc;
}
