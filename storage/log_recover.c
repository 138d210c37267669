//  log_recover.c - opens a log in files: PROTOCOL L1-L4, INVARIANTS I2
//  SPDX-License-Identifier: Apache-2.0
//
//  Nothing on disk is changed before everything has been checked, but for what the making of a new home adds.
#include "storage/log_file.h"

#include "base/fault.h"

#define COPY_BYTES (1u << 20)

//  What one opening finds out
typedef struct {
    kith_log_file_t *log;
    uint32_t *numbers;    //  of the files, ascending
    size_t count;
    size_t room;
    kith_log_chain_t chain;    //  end of what is whole
    kith_log_index_t index;    //  whole records
    uint64_t size;             //  of the newest file
    uint64_t end;              //  end of its last whole record
    uint64_t
        above;    //  where its first record above the mark begins; end: there is none
    const char *path;    //  file being checked
} recovery_t;

//  L1, and the first half of L3: the directory, and the lock that keeps others out of it.
static int
s_lock (kith_log_file_t *self, kith_error_t *error)
{
    kith_fs_t *fs = self->fs;
    if (self->options.home_new) {
        if (kith_fs_mkdirs (fs, self->path, error) != 0)
            return -1;
    }
    else if (!fs->exists (fs, self->path)) {
        kith_error_set (error, KITH_ERR_LOST, "log %" PRIu32 ": its directory %s is gone",
                        self->options.log, self->path);
        kith_error_hint (error, "is the disk that holds it mounted?");
        return -1;
    }
    if (self->lock)
        return 0;
    char *path = kith_new (strlen (self->path) + 6);
    sprintf (path, "%s/LOCK", self->path);
    self->lock = fs->open (fs, path, true, false, error);
    free (path);
    if (!self->lock)
        return -1;
    if (fs->lock (fs, self->lock, error) == 0)
        return 0;
    fs->close (fs, &self->lock);
    return -1;
}

//  L2: another opening came after ours if the mark's epoch is greater. Then the lock is let go, too.
static int
s_check_epoch (kith_log_file_t *self, uint64_t epoch, kith_error_t *error)
{
    if (epoch <= self->options.epoch || KITH_BUG (NO_MARK_CHECK))
        return 0;
    self->fs->close (self->fs, &self->lock);
    return kith_error_set (error, KITH_ERR_NOT_OWNER,
                           "log %" PRIu32 " in %s was opened with epoch %" PRIu64
                           ", after epoch %" PRIu64 " was taken",
                           self->options.log, self->path, epoch, self->options.epoch);
}

static int
s_open_mark (kith_log_file_t *self, kith_error_t *error)
{
    kith_error_t reason;
    kith_error_clear (&reason);
    char *path = kith_new (strlen (self->path) + 6);
    sprintf (path, "%s/MARK", self->path);
    self->mark_file =
        kith_mark_open (self->fs, path, self->options.home_new, &self->mark, &reason);
    free (path);
    if (self->mark_file)
        return s_check_epoch (self, self->mark.epoch, error);
    //  A log without its mark could be cut anywhere without a trace
    kith_code_t code = reason.code == KITH_ERR_NOT_FOUND ? KITH_ERR_CORRUPT : reason.code;
    return kith_error_set (error, code, "log %" PRIu32 ": %s", self->options.log,
                           reason.message);
}

static void
s_collect (void *arg, const char *name, bool is_dir)
{
    recovery_t *self = arg;
    char *rest;
    unsigned long number = strtoul (name, &rest, 10);
    if (is_dir || rest - name < 6 || strcmp (rest, ".log") != 0
        || strspn (name, "0123456789") < 6 || number == 0 || number > UINT32_MAX - 1)
        return;
    if (self->count == self->room) {
        self->room = self->room ? self->room * 2 : 16;
        uint32_t *larger = kith_new (self->room * sizeof *larger);
        if (self->count)
            memcpy (larger, self->numbers, self->count * sizeof *larger);
        free (self->numbers);
        self->numbers = larger;
    }
    self->numbers [self->count++] = (uint32_t) number;
}

static int
s_by_number (const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;
    return left < right ? -1 : left > right;
}

static int
s_list (recovery_t *self, kith_error_t *error)
{
    kith_fs_t *fs = self->log->fs;
    if (fs->list (fs, self->log->path, s_collect, self, error) != 0)
        return -1;
    //  By number: names have the order of numbers only up to 999999
    if (self->count)
        qsort (self->numbers, self->count, sizeof *self->numbers, s_by_number);
    for (size_t index = 1; index < self->count; index++) {
        if (self->numbers [index] != self->numbers [index - 1] + 1)
            return kith_error_set (
                error, KITH_ERR_CORRUPT,
                "%s: %06" PRIu32 ".log is missing, %06" PRIu32 ".log is there",
                self->log->path, self->numbers [index - 1] + 1, self->numbers [index]);
    }
    return 0;
}

static int
s_check_header (recovery_t *self, size_t index, const kith_log_header_t *header,
                kith_error_t *error)
{
    const kith_log_open_t *options = &self->log->options;
    if (header->cluster != options->cluster || header->log != options->log)
        return kith_error_set (error, KITH_ERR_CLUSTER,
                               "%s belongs to log %" PRIu32 " of cluster %016" PRIx64
                               ", not to log %" PRIu32 " of cluster %016" PRIx64,
                               self->path, header->log, header->cluster, options->log,
                               options->cluster);
    if (header->number != self->numbers [index])
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "%s at byte 0: it was made as file %06" PRIu32 ".log",
                               self->path, header->number);
    if (index == 0) {
        //  The oldest file tells where the log begins
        self->chain = (kith_log_chain_t){.seq = header->first - 1,
                                         .timestamp = header->previous_timestamp,
                                         .crc = header->previous_crc};
        return 0;
    }
    if (header->first != self->chain.seq + 1 || header->previous_crc != self->chain.crc
        || header->previous_timestamp != self->chain.timestamp)
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "%s at byte 0: it goes on from another record than seq %" PRIu64
            ", the last one of the file before it",
            self->path, self->chain.seq);
    return 0;
}

//  A whole record must be the one that comes next.
static int
s_check_record (recovery_t *self, const kith_scan_record_t *found, kith_error_t *error)
{
    const kith_log_open_t *options = &self->log->options;
    const kith_record_t *record = &found->record;
    const char *reason = NULL;
    if (record->cluster != options->cluster || record->log != options->log)
        reason = "a record of another log";
    else if (!kith_record_has_seq (record->kind))
        reason = "a record of a kind that is not for files";
    else if (record->seq != self->chain.seq + 1)
        reason = "its seq does not follow";
    else if (found->previous_crc != self->chain.crc)
        reason = "it follows another record";
    else if (record->epoch < self->chain.epoch)
        reason = "its epoch is smaller than the one before";
    if (reason)
        return kith_error_set (
            error, KITH_ERR_CORRUPT,
            "%s at byte %" PRIu64 ": %s (seq %" PRIu64 ", after seq %" PRIu64 ")",
            self->path, found->at, reason, record->seq, self->chain.seq);
    return s_check_epoch (self->log, record->epoch, error);
}

//  The newest file has bytes at `at` that are no whole record. They are a torn tail if they lie above the
//  mark and nothing that was appended later lies behind them.
static int
s_check_tail (recovery_t *self, kith_log_scan_t *scan, uint64_t at,
              const kith_error_t *reason, kith_error_t *error)
{
    const kith_log_open_t *options = &self->log->options;
    uint64_t from = kith_log_scan_after (scan, at, error);
    while (from != UINT64_MAX) {
        kith_scan_record_t found;
        kith_scan_result_t result = kith_log_scan_next (scan, from, &found, error);
        if (result == KITH_SCAN_END)
            return 0;
        if (result == KITH_SCAN_FAILED)
            return -1;
        const kith_record_t *record = &found.record;
        bool later = record->cluster == options->cluster && record->log == options->log
                     && record->seq > self->chain.seq && record->behind < found.at
                     && found.at - record->behind > at;
        if (later)
            return kith_error_set (error, KITH_ERR_CORRUPT,
                                   "%s; the record of seq %" PRIu64 " at byte %" PRIu64
                                   " was written after it and is whole",
                                   reason->message, record->seq, found.at);
        from = found.at + found.bytes;
    }
    return -1;
}

//  Looks at what ends the run of whole records in a file.
static int
s_check_end (recovery_t *self, kith_log_scan_t *scan, uint64_t at,
             kith_scan_result_t result, const kith_error_t *reason, kith_error_t *error)
{
    self->end = at;
    self->size = scan->size;
    if (result == KITH_SCAN_END)
        return 0;
    bool newest = scan->header.number == self->numbers [self->count - 1];
    bool below = self->chain.seq < self->log->mark.last;
    //  A whole header that this version cannot read is no torn write
    bool foreign = reason->code == KITH_ERR_VERSION || reason->code == KITH_ERR_PROTOCOL
                   || reason->code == KITH_ERR_LIMIT;
    if (result == KITH_SCAN_FAILED || reason->code == KITH_ERR_VERSION)
        return kith_error_set (error, reason->code, "%s", reason->message);
    if (newest && below && result == KITH_SCAN_CUT)
        return 0;
    if (!newest || below || foreign)
        return kith_error_set (error, KITH_ERR_CORRUPT, "%s (after seq %" PRIu64 ")",
                               reason->message, self->chain.seq);
    return s_check_tail (self, scan, at, reason, error);
}

static int
s_read_records (recovery_t *self, kith_log_scan_t *scan, kith_error_t *error)
{
    uint64_t at = KITH_LOG_FILE_HEADER;
    self->above = UINT64_MAX;
    for (;;) {
        kith_scan_record_t found;
        kith_error_t reason;
        kith_error_clear (&reason);
        kith_scan_result_t result = kith_log_scan_record (scan, at, &found, &reason);
        if (result != KITH_SCAN_RECORD)
            return s_check_end (self, scan, at, result, &reason, error);
        if (s_check_record (self, &found, error) != 0)
            return -1;
        const kith_record_t *record = &found.record;
        kith_log_index_record (&self->index, record->seq, record->channel, found.bytes);
        self->chain = (kith_log_chain_t){.seq = record->seq,
                                         .timestamp = record->timestamp,
                                         .epoch = record->epoch,
                                         .crc = found.crc};
        if (record->seq > self->log->mark.last && self->above == UINT64_MAX)
            self->above = at;
        at += found.bytes;
    }
}

static int
s_read_file (recovery_t *self, size_t index, kith_error_t *error)
{
    char *path = kith_log_file_path (self->log, self->numbers [index], ".log");
    self->path = path;
    kith_log_scan_t scan;
    int rc = kith_log_scan_open (&scan, self->log->fs, path, error);
    if (rc == 0) {
        rc = s_check_header (self, index, &scan.header, error);
        if (rc == 0) {
            kith_log_index_file (&self->index, scan.header.number, scan.header.first,
                                 KITH_LOG_FILE_HEADER);
            rc = s_read_records (self, &scan, error);
        }
        kith_log_scan_close (&scan);
    }
    self->path = NULL;
    free (path);
    return rc;
}

//  L4 (2). A sync that failed in an earlier process may have left records that can be read but are not on
//  the disk, and a further sync would not write them. So what lies above the mark is written once more.
static int
s_sync_read (recovery_t *self, kith_file_t *file, kith_error_t *error)
{
    kith_fs_t *fs = self->log->fs;
    kith_bytes_t copy = {0};
    kith_bytes_reserve (&copy, COPY_BYTES);
    int rc = 0;
    for (uint64_t at = self->above; rc == 0 && at < self->end; at += COPY_BYTES) {
        size_t piece =
            self->end - at < COPY_BYTES ? (size_t) (self->end - at) : COPY_BYTES;
        rc = fs->read (fs, file, at, copy.data, piece, error);
        if (rc == 0)
            rc = fs->write (fs, file, at, copy.data, piece, error);
    }
    kith_bytes_free (&copy);
    if (rc == 0)
        rc = fs->sync (fs, file, error);
    //  The newest file's name may not be durable yet
    return rc == 0 ? fs->sync_dir (fs, self->log->path, error) : -1;
}

//  All has been checked: from here on the disk is changed.
static int
s_finish (recovery_t *self, kith_error_t *error)
{
    kith_log_file_t *log = self->log;
    kith_fs_t *fs = log->fs;
    if (self->count == 0) {
        log->file = kith_log_file_make (log, 1, &self->chain, error);
        kith_log_index_file (&self->index, 1, self->chain.seq + 1, KITH_LOG_FILE_HEADER);
    }
    else {
        char *path = kith_log_file_path (log, self->numbers [self->count - 1], ".log");
        log->file = fs->open (fs, path, false, false, error);
        free (path);
        if (log->file && self->end < self->size
            && fs->truncate (fs, log->file, self->end, error) != 0)
            return -1;
        if (log->file && !KITH_BUG (SERVE_UNSYNCED)
            && s_sync_read (self, log->file, error) != 0)
            return -1;
    }
    if (!log->file)
        return -1;
    return kith_log_file_mark (log, (kith_mark_t){log->options.epoch, self->chain.seq},
                               error);
}

//  Nothing that was acknowledged may be missing at the end.
static int
s_check_last (const recovery_t *self, kith_error_t *error)
{
    const kith_log_file_t *log = self->log;
    uint64_t last = self->chain.seq, base = log->options.base;
    if (last < base && log->options.home_new) {
        kith_error_set (error, KITH_ERR_EXISTS,
                        "%s has an old log that ends with seq %" PRIu64
                        ", but one that begins with %" PRIu64 " was to be made here",
                        log->path, last, base + 1);
        kith_error_hint (error,
                         "if the log was moved away from here once, remove what it left");
        return -1;
    }
    uint64_t promised = log->mark.last > base ? log->mark.last : base;
    if (last >= promised)
        return 0;
    kith_error_set (error, KITH_ERR_LOST,
                    "log %" PRIu32 " in %s ends with seq %" PRIu64 ", but %" PRIu64
                    " were acknowledged",
                    log->options.log, log->path, last, promised);
    kith_error_hint (error,
                     "put the missing file back, or give up the rest with zactor check "
                     "--accept-loss");
    return -1;
}

static int
s_run (recovery_t *self, kith_error_t *error)
{
    kith_log_file_t *log = self->log;
    if (s_lock (log, error) != 0 || s_open_mark (log, error) != 0
        || s_list (self, error) != 0)
        return -1;
    if (self->count == 0 && !log->options.home_new)
        return kith_error_set (error, KITH_ERR_LOST,
                               "log %" PRIu32 ": no log file is left in %s",
                               log->options.log, log->path);
    self->chain.seq = log->options.base;
    for (size_t index = 0; index < self->count; index++) {
        if (s_read_file (self, index, error) != 0)
            return -1;
    }
    if (s_check_last (self, error) != 0)
        return -1;
    return s_finish (self, error);
}

//  What an earlier opening left, but for the lock
static void
s_forget (kith_log_file_t *self)
{
    if (self->file)
        self->fs->close (self->fs, &self->file);
    kith_mark_close (&self->mark_file);
    kith_bytes_free (&self->buffer);
    self->mark = (kith_mark_t){0, 0};
    self->doomed = 0;
    self->dir_unsynced = true;
    pthread_mutex_lock (&self->mutex);
    kith_log_index_free (&self->index);
    self->synced = self->written = (kith_log_chain_t){0};
    pthread_mutex_unlock (&self->mutex);
}

int
kith_log_file_recover (kith_log_file_t *self, kith_error_t *error)
{
    s_forget (self);
    recovery_t recovery = {.log = self};
    int rc = s_run (&recovery, error);
    free (recovery.numbers);
    if (rc != 0) {
        s_forget (self);
        kith_log_index_free (&recovery.index);
        return -1;
    }
    pthread_mutex_lock (&self->mutex);
    self->index = recovery.index;
    self->synced = self->written = recovery.chain;
    pthread_mutex_unlock (&self->mutex);
    return 0;
}
