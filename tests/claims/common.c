//  common - what the programs behind the claims share
//  SPDX-License-Identifier: Apache-2.0
#include "tests/claims/common.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SERVERS_MAX = 16,
    PATHS_MAX = 256,
    PATH_BYTES = 512,
    PIDS_MAX = 64,
    PORT_FROM = 20000,
    PORT_COUNT = 12000
};

struct claim {
    char name [64];
    char folder [PATH_BYTES];
    pid_t servers [SERVERS_MAX];
    size_t server_count;    //  started so far, for the names of their output
    char *paths [PATHS_MAX];
    size_t path_count;
    int next_port;
    char words [PATH_BYTES];
};

//  What a signal must end: the only claim of the program
static claim_t *s_claim;

static void
s_on_signal (int number)
{
    for (int i = 0; s_claim && i < SERVERS_MAX; i++)
        if (s_claim->servers [i] > 0)
            kill (-s_claim->servers [i], SIGKILL);
    signal (number, SIG_DFL);
    raise (number);
}

claim_t *
claim_new (const char *name)
{
    claim_t *self = calloc (1, sizeof *self);
    const char *base = getenv ("TMPDIR");
    if (!self)
        abort ();
    snprintf (self->name, sizeof self->name, "%s", name);
    snprintf (self->folder, sizeof self->folder, "%s/kith-%s-XXXXXX",
              base ? base : "/tmp", name);
    if (!mkdtemp (self->folder)) {
        perror (self->folder);
        exit (1);
    }
    self->next_port = PORT_FROM + (int) (getpid () % PORT_COUNT);
    s_claim = self;
    setvbuf (stdout, NULL, _IOLBF, 0);
    signal (SIGINT, s_on_signal);
    signal (SIGTERM, s_on_signal);
    signal (SIGPIPE, SIG_IGN);
    return self;
}

void
claim_destroy (claim_t **self_p)
{
    claim_t *self = *self_p;
    if (!self)
        return;
    for (int i = 0; i < SERVERS_MAX; i++) {
        pid_t pid = self->servers [i];
        if (pid > 0)
            claim_kill (self, &pid);
    }
    if (!getenv ("KITH_KEEP"))
        claim_shell (NULL, 0, "rm -rf '%s'", self->folder);
    else
        printf ("kept: %s\n", self->folder);
    for (size_t i = 0; i < self->path_count; i++)
        free (self->paths [i]);
    s_claim = NULL;
    free (self);
    *self_p = NULL;
}

static const char *
s_keep (claim_t *self, const char *text)
{
    char *copy = strdup (text);
    if (!copy)
        abort ();
    if (self->path_count == PATHS_MAX)
        claim_fail (self, "too many paths");
    self->paths [self->path_count++] = copy;
    return copy;
}

const char *
claim_path (claim_t *self, const char *name)
{
    char path [2 * PATH_BYTES];
    snprintf (path, sizeof path, "%s%s%s", self->folder, *name ? "/" : "", name);
    return s_keep (self, path);
}

const char *
claim_build (void)
{
    const char *build = getenv ("BUILD");
    return build && *build ? build : "build";
}

const char *
claim_zactor (void)
{
    static char path [PATH_BYTES];
    snprintf (path, sizeof path, "%s/zactor", claim_build ());
    return path;
}

const char *
claim_words (claim_t *self)
{
    if (*self->words)
        return self->words;
    if (claim_shell (self->words, sizeof self->words, "BUILD='%s' tests/demo/fetch.sh",
                     claim_build ())
        != 0)
        claim_fail (self, "the words could not be had");
    self->words [strcspn (self->words, "\n")] = 0;
    return self->words;
}

void
claim_fail (claim_t *self, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    printf ("failed: ");
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
    claim_show_output (self);
    claim_destroy (&self);
    exit (1);
}

void
claim_say (const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vprintf (format, arguments);
    printf ("\n");
    va_end (arguments);
}

int
claim_figure (bool holds, const char *limit, const char *format, ...)
{
    va_list arguments;
    va_start (arguments, format);
    vprintf (format, arguments);
    va_end (arguments);
    printf (" (asked for: %s)%s\n", limit, holds ? "" : ": does not hold");
    return holds ? 0 : 1;
}

static bool
s_port_is_free (int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons ((uint16_t) port)};
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    bool free_port =
        fd >= 0 && bind (fd, (struct sockaddr *) &address, sizeof address) == 0;
    if (fd >= 0)
        close (fd);
    return free_port;
}

int
claim_port (claim_t *self)
{
    for (int tries = 0; tries < PORT_COUNT; tries++) {
        int port = self->next_port++;
        if (self->next_port == PORT_FROM + PORT_COUNT)
            self->next_port = PORT_FROM;
        if (s_port_is_free (port))
            return port;
    }
    claim_fail (self, "no free port");
}

const char *
claim_write (claim_t *self, const char *name, const char *format, ...)
{
    const char *path = claim_path (self, name);
    FILE *file = fopen (path, "w");
    va_list arguments;
    if (!file)
        claim_fail (self, "cannot write %s: %s", path, strerror (errno));
    va_start (arguments, format);
    vfprintf (file, format, arguments);
    va_end (arguments);
    fclose (file);
    return path;
}

//  The value of a line `key = "value"`; false if the line has another key
static bool
s_value (const char *line, const char *key, char *value, size_t size)
{
    char wanted [64];
    snprintf (wanted, sizeof wanted, " %s = \"", key);
    const char *at = strstr (line, wanted);
    if (!at)
        return false;
    at += strlen (wanted);
    snprintf (value, size, "%.*s", (int) strcspn (at, "\""), at);
    return true;
}

//  Writes a line of a configuration with ports and folders of the claim's own
static void
s_copy_line (claim_t *self, FILE *to, const char *line, char *client, size_t size)
{
    char value [PATH_BYTES];
    int indent = (int) strspn (line, " ");
    if (s_value (line, "endpoint", value, sizeof value))
        fprintf (to, "%*sendpoint = \"tcp://127.0.0.1:%d\"\n", indent, "",
                 claim_port (self));
    else if (s_value (line, "listen", value, sizeof value)) {
        snprintf (client, size, "tcp://127.0.0.1:%d", claim_port (self));
        fprintf (to, "%*slisten = \"%s\"\n", indent, "", client);
    }
    else if (s_value (line, "data", value, sizeof value))
        fprintf (to, "%*sdata = \"%s/%s\"\n", indent, "", self->folder, value);
    else if (s_value (line, "objects_path", value, sizeof value))
        fprintf (to, "%*sobjects_path = \"%s/%s\"\n", indent, "", self->folder, value);
    else
        fputs (line, to);
}

const char *
claim_config (claim_t *self, const char *from, const char *cluster_lines,
              const char **endpoint)
{
    char name [64], client [64] = "", line [PATH_BYTES];
    snprintf (name, sizeof name, "config-%zu.zpl", self->path_count);
    const char *path = claim_path (self, name);
    FILE *in = fopen (from, "r");
    FILE *out = fopen (path, "w");
    if (!in || !out)
        claim_fail (self, "cannot copy %s to %s", from, path);
    while (fgets (line, sizeof line, in)) {
        s_copy_line (self, out, line, client, sizeof client);
        if (strncmp (line, "cluster", 7) == 0 && cluster_lines)
            fputs (cluster_lines, out);
    }
    fclose (in);
    fclose (out);
    if (endpoint)
        *endpoint = s_keep (self, client);
    return path;
}

pid_t
claim_run (claim_t *self, const char *config)
{
    char name [64];
    int place = 0;
    while (place < SERVERS_MAX && self->servers [place] > 0)
        place++;
    if (place == SERVERS_MAX)
        claim_fail (self, "too many servers");
    snprintf (name, sizeof name, "server-%zu.txt", self->server_count++);
    const char *output = claim_path (self, name);
    pid_t pid = fork ();
    if (pid == 0) {
        int fd = open (output, O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2 (fd, 1);
        dup2 (fd, 2);
        setpgid (0, 0);
        signal (SIGPIPE, SIG_DFL);
        execl (claim_zactor (), "zactor", "run", config, (char *) NULL);
        perror (claim_zactor ());
        _exit (127);
    }
    if (pid < 0)
        claim_fail (self, "fork: %s", strerror (errno));
    setpgid (pid, pid);
    self->servers [place] = pid;
    return pid;
}

double
claim_wait_ready (claim_t *self, const char *endpoint, int timeout_ms)
{
    double began = claim_now_ms ();
    char why [2048] = "";
    int rc =
        claim_shell (why, sizeof why, "%s --connect %s --timeout %dms status --wait 2>&1",
                     claim_zactor (), endpoint, timeout_ms);
    if (rc != 0)
        claim_fail (self, "no server at %s within %d ms: %s", endpoint, timeout_ms, why);
    return claim_now_ms () - began;
}

static void
s_forget (claim_t *self, pid_t pid)
{
    for (int i = 0; i < SERVERS_MAX; i++)
        if (self->servers [i] == pid)
            self->servers [i] = 0;
}

void
claim_stop (claim_t *self, pid_t *pid_p)
{
    int status = 0;
    double began = claim_now_ms ();
    kill (*pid_p, SIGTERM);
    while (waitpid (*pid_p, &status, WNOHANG) == 0) {
        if (claim_now_ms () - began > 30000)
            claim_fail (self, "server %d does not stop", (int) *pid_p);
        claim_sleep_ms (2);
    }
    s_forget (self, *pid_p);
    if (!WIFEXITED (status) || WEXITSTATUS (status) != 0)
        claim_fail (self, "the server ended with status %d instead of 0", status);
    *pid_p = 0;
}

void
claim_kill (claim_t *self, pid_t *pid_p)
{
    pid_t pids [PIDS_MAX];
    size_t count = claim_children (*pid_p, pids, PIDS_MAX);
    kill (*pid_p, SIGKILL);
    kill (-*pid_p, SIGKILL);
    for (size_t i = 0; i < count; i++)
        kill (pids [i], SIGKILL);
    waitpid (*pid_p, NULL, 0);
    //  The children are not ours to wait for; their sockets and locks must be gone
    for (size_t i = 0; i < count; i++)
        while (kill (pids [i], 0) == 0 && claim_rss_mb (pids [i]) > 0)
            claim_sleep_ms (1);
    s_forget (self, *pid_p);
    *pid_p = 0;
}

void
claim_show_output (claim_t *self)
{
    for (size_t i = 0; i < self->server_count; i++) {
        char text [4096] = "";
        claim_shell (text, sizeof text, "tail -n 12 '%s/server-%zu.txt' 2> /dev/null",
                     self->folder, i);
        printf ("--- server %zu\n%s", i, text);
    }
}

int
claim_shell (char *out, size_t size, const char *format, ...)
{
    char command [4096];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (command, sizeof command, format, arguments);
    va_end (arguments);
    fflush (stdout);
    FILE *pipe = popen (command, "r");
    if (!pipe)
        return -1;
    size_t used = 0;
    char block [1024];
    for (size_t got = fread (block, 1, sizeof block, pipe); got;
         got = fread (block, 1, sizeof block, pipe)) {
        size_t room = out && used + 1 < size ? size - used - 1 : 0;
        size_t take = got < room ? got : room;
        if (take)
            memcpy (out + used, block, take);
        used += take;
    }
    if (out && size)
        out [used] = 0;
    int status = pclose (pipe);
    return WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
}

//  Field n (from 1) of /proc/PID/stat behind the name; -1: gone
static long
s_stat (pid_t pid, int field)
{
    char path [64], text [1024];
    snprintf (path, sizeof path, "/proc/%d/stat", (int) pid);
    FILE *file = fopen (path, "r");
    if (!file)
        return -1;
    size_t size = fread (text, 1, sizeof text - 1, file);
    fclose (file);
    text [size] = 0;
    char *at = strrchr (text, ')');
    if (!at)
        return -1;
    if (field == 3)
        return at [2];
    for (int i = 2; at && i < field; i++)
        at = strchr (at + 1, ' ');
    return at ? strtol (at, NULL, 10) : -1;
}

size_t
claim_children (pid_t pid, pid_t *pids, size_t max)
{
    size_t count = 0;
    DIR *dir = opendir ("/proc");
    for (struct dirent *entry = dir ? readdir (dir) : NULL; entry;
         entry = readdir (dir)) {
        pid_t other = (pid_t) strtol (entry->d_name, NULL, 10);
        if (other > 0 && s_stat (other, 4) == pid && s_stat (other, 3) != 'Z'
            && count < max)
            pids [count++] = other;
    }
    if (dir)
        closedir (dir);
    return count;
}

double
claim_rss_mb (pid_t pid)
{
    long pages = s_stat (pid, 24);
    return pages < 0 ? -1 : (double) pages * (double) sysconf (_SC_PAGESIZE) / 1048576;
}

double
claim_cpu_s (pid_t pid)
{
    long user = s_stat (pid, 14), system_ticks = s_stat (pid, 15);
    return user < 0 ? -1
                    : (double) (user + system_ticks) / (double) sysconf (_SC_CLK_TCK);
}

double
claim_now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec * 1e3 + (double) now.tv_nsec / 1e6;
}

void
claim_sleep_ms (double ms)
{
    struct timespec pause = {.tv_sec = (time_t) (ms / 1e3)};
    pause.tv_nsec = (long) ((ms - (double) pause.tv_sec * 1e3) * 1e6);
    nanosleep (&pause, NULL);
}

static int
s_compare (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

double
claim_percentile (double *values, size_t count, double share)
{
    if (!count)
        return 0;
    qsort (values, count, sizeof *values, s_compare);
    size_t at = (size_t) (share * (double) count);
    return values [at < count ? at : count - 1];
}

uint64_t
claim_random (uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}
