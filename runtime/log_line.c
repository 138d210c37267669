//  log_line - structured log lines: time, level, process, actor, key=value
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/log_line.h"
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define LEVELS 4u

static const char s_levels [LEVELS] = {'e', 'w', 'i', 'd'};
static const char *const s_level_names [LEVELS] = {"error", "warning", "info", "debug"};

struct kith_log_line {
    int fd;
    char *process;
    size_t level;    //  index of the least that is written
    bool json;
    uint32_t per_second;        //  lines of one level; 0: no bound
    pthread_mutex_t lock;       //  of the rest
    int64_t second;             //  that is counted
    uint32_t count [LEVELS];    //  lines in it
    uint64_t left_out;
};

static size_t
s_level (char level)
{
    for (size_t place = 0; place < LEVELS; place++)
        if (s_levels [place] == level)
            return place;
    return LEVELS - 1;
}

kith_log_line_t *
kith_log_line_new (int fd, const char *process, char level, bool json,
                   uint32_t per_second)
{
    assert (process);
    kith_log_line_t *self = kith_new (sizeof *self);
    self->fd = fd;
    self->process = kith_strdup (process);
    self->level = s_level (level);
    self->json = json;
    self->per_second = per_second;
    pthread_mutex_init (&self->lock, NULL);
    return self;
}

void
kith_log_line_destroy (kith_log_line_t **self_p)
{
    assert (self_p);
    kith_log_line_t *self = *self_p;
    if (!self)
        return;
    pthread_mutex_destroy (&self->lock);
    free (self->process);
    free (self);
    *self_p = NULL;
}

//  False: this line is one too many
static bool
s_admit (kith_log_line_t *self, size_t level, int64_t second)
{
    if (self->second != second) {
        self->second = second;
        memset (self->count, 0, sizeof self->count);
    }
    if (self->per_second && self->count [level] >= self->per_second) {
        self->left_out++;
        return false;
    }
    self->count [level]++;
    return true;
}

//  A JSON string: what could end it or the line is escaped
static void
s_put_json (kith_bytes_t *out, const char *text)
{
    kith_bytes_put_u8 (out, '"');
    for (const char *at = text; *at; at++) {
        unsigned char byte = (unsigned char) *at;
        if (byte == '"' || byte == '\\')
            kith_bytes_put_u8 (out, '\\');
        if (byte < 0x20)
            kith_bytes_printf (out, "\\u%04x", byte);
        else
            kith_bytes_put_u8 (out, byte);
    }
    kith_bytes_put_u8 (out, '"');
}

//  Control characters of foreign text may not make lines of their own
static void
s_put_text (kith_bytes_t *out, const char *text)
{
    for (const char *at = text; *at; at++)
        kith_bytes_put_u8 (out, (unsigned char) *at < 0x20 ? ' ' : (uint8_t) *at);
}

static void
s_compose (const kith_log_line_t *self, size_t level, kith_address_t who,
           const char *text, kith_bytes_t *out)
{
    struct timespec now;
    struct tm parts;
    char stamp [32];
    clock_gettime (CLOCK_REALTIME, &now);
    gmtime_r (&now.tv_sec, &parts);
    strftime (stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    char actor [48] = "-";
    if (who.role < KITH_ROLE_COUNT)
        snprintf (actor, sizeof actor, "%s/%u", kith_role_name (who.role), who.index);
    if (self->json) {
        kith_bytes_printf (
            out, "{\"time\": \"%s.%03ldZ\", \"level\": \"%s\", \"process\": ", stamp,
            now.tv_nsec / 1000000, s_level_names [level]);
        s_put_json (out, self->process);
        kith_bytes_printf (out, ", \"actor\": \"%s\", \"text\": ", actor);
        s_put_json (out, text);
        if (self->left_out)
            kith_bytes_printf (out, ", \"left_out\": %" PRIu64, self->left_out);
        kith_bytes_put (out, "}\n", 2);
        return;
    }
    kith_bytes_printf (out, "%s.%03ldZ %s %s %s ", stamp, now.tv_nsec / 1000000,
                       s_level_names [level], self->process, actor);
    s_put_text (out, text);
    if (self->left_out)
        kith_bytes_printf (out, " left_out=%" PRIu64, self->left_out);
    kith_bytes_put_u8 (out, '\n');
}

void
kith_log_line_write (kith_log_line_t *self, char level_char, kith_address_t who,
                     const char *text)
{
    assert (self && text);
    size_t level = s_level (level_char);
    if (level > self->level)
        return;
    kith_bytes_t line = {0};
    pthread_mutex_lock (&self->lock);
    if (s_admit (self, level, (int64_t) time (NULL))) {
        s_compose (self, level, who, text, &line);
        self->left_out = 0;
        //  One write, so that lines of several processes do not mix; nothing can be done if it fails
        ssize_t written = write (self->fd, line.data, line.size);
        (void) written;
    }
    pthread_mutex_unlock (&self->lock);
    kith_bytes_free (&line);
}
