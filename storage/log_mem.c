//  log_mem.c - a log in memory, with the rules of the one in files
//  SPDX-License-Identifier: Apache-2.0
#include "storage/log.h"

#include "base/fault.h"
#include "base/limits.h"

#include <pthread.h>

//  Where a record lies in the image's bytes
typedef struct {
    size_t at;
    size_t bytes;
    uint64_t channel;
} place_t;

//  What a disk would keep. The record of seq first + n is at places [n].
struct kith_log_image {
    pthread_mutex_t mutex;    //  for all below
    bool made;                //  the home is there
    const void *holder;       //  handle that has the lock
    uint64_t cluster;
    uint32_t log;
    uint64_t mark_epoch;    //  the mark
    uint64_t mark_last;
    uint64_t first;    //  oldest seq kept
    uint64_t last_timestamp;
    uint64_t last_epoch;
    uint32_t last_crc;    //  of the last record's header
    place_t *places;
    size_t count;
    size_t room;
    kith_bytes_t bytes;
};

typedef struct {
    kith_log_t log;             //  the port; first
    kith_log_image_t *image;    //  not ours
    kith_log_open_t options;    //  of the present opening
    bool open;
} log_mem_t;

kith_log_image_t *
kith_log_image_new (void)
{
    kith_log_image_t *self = kith_new (sizeof *self);
    pthread_mutex_init (&self->mutex, NULL);
    return self;
}

void
kith_log_image_destroy (kith_log_image_t **self_p)
{
    assert (self_p);
    kith_log_image_t *self = *self_p;
    if (!self)
        return;
    assert (!self->holder);
    kith_bytes_free (&self->bytes);
    free (self->places);
    pthread_mutex_destroy (&self->mutex);
    free (self);
    *self_p = NULL;
}

static uint64_t
s_last_of (const kith_log_image_t *image)
{
    return image->first + image->count - 1;
}

static int
s_check_open (log_mem_t *self, const kith_log_open_t *options, kith_error_t *error)
{
    kith_log_image_t *image = self->image;
    if (!image->made && !options->home_new)
        return kith_error_set (error, KITH_ERR_LOST,
                               "log %" PRIu32 ": its directory is gone", options->log);
    if (image->holder && image->holder != self)
        return kith_error_set (error, KITH_ERR_LOCKED,
                               "log %" PRIu32 " is held by another handle", options->log);
    if (!image->made)
        return 0;
    if (image->cluster != options->cluster || image->log != options->log)
        return kith_error_set (error, KITH_ERR_CLUSTER,
                               "this is log %" PRIu32 " of cluster %016" PRIx64
                               ", not log %" PRIu32 " of cluster %016" PRIx64,
                               image->log, image->cluster, options->log,
                               options->cluster);
    bool newer = image->mark_epoch > options->epoch || image->last_epoch > options->epoch;
    if (newer && !KITH_BUG (NO_MARK_CHECK)) {
        image->holder = NULL;
        return kith_error_set (error, KITH_ERR_NOT_OWNER,
                               "log %" PRIu32 " was opened after epoch %" PRIu64
                               " was taken",
                               options->log, options->epoch);
    }
    uint64_t last = s_last_of (image);
    if (last < options->base && options->home_new)
        return kith_error_set (error, KITH_ERR_EXISTS,
                               "there is an old log %" PRIu32
                               " that ends with seq %" PRIu64,
                               options->log, last);
    uint64_t promised =
        image->mark_last > options->base ? image->mark_last : options->base;
    if (last < promised)
        return kith_error_set (error, KITH_ERR_LOST,
                               "log %" PRIu32 " ends with seq %" PRIu64 ", but %" PRIu64
                               " were acknowledged",
                               options->log, last, promised);
    return 0;
}

static int
s_open (kith_log_t *log, const kith_log_open_t *options, kith_error_t *error)
{
    log_mem_t *self = (log_mem_t *) log;
    kith_log_image_t *image = self->image;
    assert (options);
    self->options = *options;
    pthread_mutex_lock (&image->mutex);
    self->open = s_check_open (self, options, error) == 0;
    if (self->open && !image->made) {
        image->made = true;
        image->cluster = options->cluster;
        image->log = options->log;
        image->first = options->base + 1;
    }
    if (self->open) {
        image->holder = self;
        image->mark_epoch = options->epoch;
        image->mark_last = s_last_of (image);
    }
    pthread_mutex_unlock (&image->mutex);
    return self->open ? 0 : -1;
}

static void
s_add (log_mem_t *self, kith_record_t record, uint32_t behind)
{
    kith_log_image_t *image = self->image;
    if (image->count == image->room) {
        image->room = image->room ? image->room * 2 : 64;
        place_t *larger = kith_new (image->room * sizeof *larger);
        if (image->count)
            memcpy (larger, image->places, image->count * sizeof *larger);
        free (image->places);
        image->places = larger;
    }
    record.cluster = self->options.cluster;
    record.log = self->options.log;
    record.epoch = self->options.epoch;
    record.seq = s_last_of (image) + 1;
    record.behind = behind;
    size_t at = image->bytes.size;
    image->last_crc = kith_record_put (&image->bytes, &record, image->last_crc);
    image->places [image->count++] =
        (place_t){.at = at, .bytes = image->bytes.size - at, .channel = record.channel};
    image->last_timestamp = record.timestamp;
    image->last_epoch = record.epoch;
}

static int
s_check_append (log_mem_t *self, const kith_record_t *records, size_t count,
                kith_error_t *error)
{
    if (!self->open)
        return kith_error_set (error, KITH_ERR_NOT_OWNER,
                               "log %" PRIu32 " must be opened before it is appended to",
                               self->options.log);
    uint64_t total = 0;
    for (size_t index = 0; index < count; index++) {
        if (!kith_record_has_seq (records [index].kind))
            return kith_error_set (error, KITH_ERR_INVALID,
                                   "log %" PRIu32
                                   ": a record of kind %d is not for a file",
                                   self->options.log, (int) records [index].kind);
        if (records [index].body_bytes > KITH_LOG_RECORD_BYTES_MAX - KITH_RECORD_HEADER
            || total > KITH_MESSAGE_BYTES_MAX)
            return kith_error_set (
                error, KITH_ERR_LIMIT,
                "log %" PRIu32 ": a record has at most %u bytes, an append %u",
                self->options.log, KITH_LOG_RECORD_BYTES_MAX, KITH_MESSAGE_BYTES_MAX);
        total += kith_record_bytes (records [index].body_bytes);
    }
    return 0;
}

static int
s_append (kith_log_t *log, const kith_record_t *records, size_t count,
          kith_error_t *error)
{
    log_mem_t *self = (log_mem_t *) log;
    assert (records || count == 0);
    if (s_check_append (self, records, count, error) != 0)
        return -1;
    pthread_mutex_lock (&self->image->mutex);
    size_t begin = self->image->bytes.size;
    for (size_t index = 0; index < count; index++)
        s_add (self, records [index], (uint32_t) (self->image->bytes.size - begin));
    pthread_mutex_unlock (&self->image->mutex);
    return 0;
}

static int
s_read (kith_log_t *log, uint64_t after, uint64_t channel, uint64_t bytes_max,
        kith_bytes_t *out, uint64_t *covered, kith_error_t *error)
{
    log_mem_t *self = (log_mem_t *) log;
    kith_log_image_t *image = self->image;
    *covered = after;
    pthread_mutex_lock (&image->mutex);
    int rc = 0;
    if (image->holder != self)
        rc = kith_error_set (error, KITH_ERR_NOT_OWNER, "log %" PRIu32 " is not open",
                             self->options.log);
    else if (after + 1 < image->first)
        rc = kith_error_set (error, KITH_ERR_TRIMMED,
                             "log %" PRIu32 ": the records after seq %" PRIu64
                             " have been dropped",
                             self->options.log, after);
    size_t begin = out->size;
    for (size_t index = (size_t) (after + 1 - image->first);
         rc == 0 && index < image->count; index++) {
        const place_t *place = &image->places [index];
        if (channel == 0 || place->channel == channel) {
            size_t have = out->size - begin;
            if (have > 0 && have + place->bytes > bytes_max)
                break;
            kith_bytes_put (out, image->bytes.data + place->at, place->bytes);
        }
        *covered = image->first + index;
    }
    pthread_mutex_unlock (&image->mutex);
    return rc;
}

static uint64_t
s_last (kith_log_t *log)
{
    kith_log_image_t *image = ((log_mem_t *) log)->image;
    pthread_mutex_lock (&image->mutex);
    uint64_t last = image->made ? s_last_of (image) : 0;
    pthread_mutex_unlock (&image->mutex);
    return last;
}

static uint64_t
s_first (kith_log_t *log)
{
    kith_log_image_t *image = ((log_mem_t *) log)->image;
    pthread_mutex_lock (&image->mutex);
    uint64_t first = image->made ? image->first : 1;
    pthread_mutex_unlock (&image->mutex);
    return first;
}

static uint64_t
s_last_timestamp (kith_log_t *log)
{
    kith_log_image_t *image = ((log_mem_t *) log)->image;
    pthread_mutex_lock (&image->mutex);
    uint64_t timestamp = image->last_timestamp;
    pthread_mutex_unlock (&image->mutex);
    return timestamp;
}

static int
s_mark (kith_log_t *log, kith_error_t *error)
{
    log_mem_t *self = (log_mem_t *) log;
    kith_log_image_t *image = self->image;
    pthread_mutex_lock (&image->mutex);
    int rc = 0;
    if (image->holder != self)
        rc = kith_error_set (error, KITH_ERR_NOT_OWNER, "log %" PRIu32 " is not open",
                             self->options.log);
    else {
        image->mark_epoch = self->options.epoch;
        image->mark_last = s_last_of (image);
    }
    pthread_mutex_unlock (&image->mutex);
    return rc;
}

static int
s_trim (kith_log_t *log, uint64_t seq, kith_error_t *error)
{
    (void) error;
    kith_log_image_t *image = ((log_mem_t *) log)->image;
    pthread_mutex_lock (&image->mutex);
    size_t gone = 0;
    while (gone < image->count && image->first + gone <= seq)
        gone++;
    if (gone) {
        size_t bytes = gone < image->count ? image->places [gone].at : image->bytes.size;
        image->bytes.size -= bytes;
        memmove (image->bytes.data, image->bytes.data + bytes, image->bytes.size);
        image->count -= gone;
        image->first += gone;
        memmove (image->places, image->places + gone,
                 image->count * sizeof *image->places);
        for (size_t index = 0; index < image->count; index++)
            image->places [index].at -= bytes;
    }
    pthread_mutex_unlock (&image->mutex);
    return 0;
}

static void
s_close (kith_log_t **log_p)
{
    assert (log_p);
    log_mem_t *self = (log_mem_t *) *log_p;
    if (!self)
        return;
    pthread_mutex_lock (&self->image->mutex);
    if (self->image->holder == self)
        self->image->holder = NULL;
    pthread_mutex_unlock (&self->image->mutex);
    free (self);
    *log_p = NULL;
}

kith_log_t *
kith_log_mem_new (kith_log_image_t *image)
{
    assert (image);
    log_mem_t *self = kith_new (sizeof *self);
    self->log = (kith_log_t){.open = s_open,
                             .append = s_append,
                             .read = s_read,
                             .last = s_last,
                             .first = s_first,
                             .last_timestamp = s_last_timestamp,
                             .mark = s_mark,
                             .trim = s_trim,
                             .close = s_close};
    self->image = image;
    return &self->log;
}
