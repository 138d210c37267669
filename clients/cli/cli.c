//  cli.c - what every command of zactor has: its options, a connection, the way to answer and to fail
//  SPDX-License-Identifier: Apache-2.0
#include "clients/cli/cli.h"

#include "clients/json.h"
#include <errno.h>
#include <unistd.h>

#define CONNECT_MS 1000    //  nobody answers: say so soon

const char *
kith_cli_text (const kith_cli_t *self, const char *name)
{
    return kith_option_text (&self->parsed, name);
}

bool
kith_cli_flag (const kith_cli_t *self, const char *name)
{
    return kith_option_flag (&self->parsed, name);
}

const char *
kith_cli_argument (const kith_cli_t *self, uint32_t index)
{
    return index < self->parsed.argument_count ? self->parsed.arguments [index] : NULL;
}

double
kith_cli_ms (const kith_cli_t *self)
{
    return (double) (kith_client_now_us () - self->start_us) / 1000;
}

int
kith_cli_timeout_ms (const kith_cli_t *self, int fallback_ms)
{
    if (kith_option_given (&self->parsed, "timeout") || !fallback_ms)
        return kith_option_ms (&self->parsed, "timeout");
    return fallback_ms;
}

kith_client_t *
kith_cli_connect (kith_cli_t *self)
{
    const char *endpoint = kith_cli_text (self, "connect");
    //  NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment
    const char *environment = getenv ("ZACTOR_CONNECT");
    if (!kith_option_given (&self->parsed, "connect") && environment && *environment)
        endpoint = environment;
    int timeout_ms = kith_cli_timeout_ms (self, 0);
    kith_client_options_t options = {
        .db = kith_cli_text (self, "db"),
        .timeout_ms = timeout_ms,
        .connect_ms = timeout_ms < CONNECT_MS ? timeout_ms : CONNECT_MS,
    };
    kith_error_t error = {0};
    self->client = kith_client_create_at (endpoint, &options, &error);
    if (!self->client)
        kith_cli_fail (self, &error, NULL);
    return self->client;
}

//  The name of the command, for messages
static const char *
s_name (const kith_cli_t *self)
{
    return self->parsed.command ? self->parsed.command->name : "";
}

static void
s_fail_json (const kith_error_t *error)
{
    kith_bytes_t json = {0};
    kith_bytes_printf (&json, "{\"error\": {\"code\": \"%s\", \"message\": ",
                       kith_code_name (error->code));
    kith_json_put_string (&json, error->message, strlen (error->message));
    if (error->hint [0]) {
        kith_bytes_printf (&json, ", \"hint\": ");
        kith_json_put_string (&json, error->hint, strlen (error->hint));
    }
    kith_bytes_printf (&json, ", \"retry\": %s, \"at\": ",
                       kith_code_retry (error->code) ? "true" : "false");
    if (error->at >= 0)
        kith_bytes_printf (&json, "%d}}", error->at);
    else
        kith_bytes_printf (&json, "null}}");
    fprintf (stderr, "%.*s\n", (int) json.size, (const char *) json.data);
    kith_bytes_free (&json);
}

//  The text with a mark under the word at fault
static void
s_show_place (const char *text, int at)
{
    size_t size = strlen (text);
    size_t place = (size_t) at < size ? (size_t) at : size;
    size_t end = place;
    while (text [end] == '_' || (text [end] >= '0' && text [end] <= '9')
           || (text [end] >= 'a' && text [end] <= 'z')
           || (text [end] >= 'A' && text [end] <= 'Z'))
        end++;
    end = end > place ? end : place + 1;
    fprintf (stderr, "  %s\n  ", text);
    for (size_t mark = 0; mark < end; mark++) {
        bool continues =
            ((unsigned char) text [mark < size ? mark : size] & 0xc0) == 0x80;
        if (!continues)
            fputc (mark < place ? ' ' : '^', stderr);
    }
    fputc ('\n', stderr);
}

int
kith_cli_fail (const kith_cli_t *self, const kith_error_t *error, const char *filter)
{
    fflush (stdout);
    if (self->json)
        s_fail_json (error);
    else {
        const char *name = s_name (self);
        fprintf (stderr, "zactor: %s%s%s\n", name, *name ? ": " : "", error->message);
        if (filter && *filter && error->at >= 0)
            s_show_place (filter, error->at);
        if (error->hint [0])
            fprintf (stderr, "hint: %s\n", error->hint);
    }
    if (error->code == KITH_ERR_TIMEOUT || error->code == KITH_ERR_OUTCOME_UNKNOWN)
        return KITH_EXIT_TIMEOUT;
    return error->code == KITH_ERR_KEY_NOT_FOUND ? KITH_EXIT_NOTHING : KITH_EXIT_FAILED;
}

int
kith_cli_usage (const kith_cli_t *self, const char *format, ...)
{
    char text [400];
    va_list arguments;
    va_start (arguments, format);
    vsnprintf (text, sizeof text, format, arguments);
    va_end (arguments);
    kith_error_t error;
    kith_error_set (&error, KITH_ERR_INVALID, "%s", text);
    kith_error_hint (&error, "`zactor %s --help` shows how it is used", s_name (self));
    kith_cli_fail (self, &error, NULL);
    return KITH_EXIT_USAGE;
}

void
kith_cli_note (const kith_cli_t *self, const char *format, ...)
{
    if (self->quiet || self->json)
        return;
    va_list arguments;
    va_start (arguments, format);
    vfprintf (stderr, format, arguments);
    va_end (arguments);
    fputc ('\n', stderr);
}

int
kith_cli_print (kith_bytes_t *text)
{
    kith_bytes_put_u8 (text, '\n');
    size_t written = fwrite (text->data, 1, text->size, stdout);
    bool good = written == text->size && fflush (stdout) == 0;
    kith_bytes_free (text);
    return good ? KITH_EXIT_DONE : KITH_EXIT_FAILED;
}

bool
kith_cli_sure (const kith_cli_t *self, const char *question)
{
    if (kith_cli_flag (self, "yes"))
        return true;
    kith_error_t error;
    if (!isatty (STDIN_FILENO) || !isatty (STDERR_FILENO)) {
        kith_error_set (&error, KITH_ERR_INVALID, "%s Nothing was done", question);
        kith_error_hint (&error, "--yes says yes where nobody can be asked");
        kith_cli_fail (self, &error, NULL);
        return false;
    }
    fprintf (stderr, "%s [y/N] ", question);
    char answer [16] = "";
    bool yes =
        fgets (answer, sizeof answer, stdin) && (answer [0] == 'y' || answer [0] == 'Y');
    if (!yes)
        fprintf (stderr, "nothing was done\n");
    return yes;
}

kith_progress_mode_t
kith_cli_progress (const kith_cli_t *self)
{
    if (self->quiet)
        return KITH_PROGRESS_NONE;
    if (self->json)
        return KITH_PROGRESS_JSON;
    return isatty (STDERR_FILENO) ? KITH_PROGRESS_BAR : KITH_PROGRESS_LINES;
}

int
kith_cli_read (const char *path, uint64_t bytes_max, kith_bytes_t *out,
               kith_error_t *error)
{
    FILE *file = strcmp (path, "-") == 0 ? stdin : fopen (path, "rb");
    if (!file)
        return kith_error_errno (error, errno, "%s cannot be read", path);
    int result = 0;
    while (result == 0) {
        uint8_t chunk [65536];
        size_t got = fread (chunk, 1, sizeof chunk, file);
        if (out->size + got > bytes_max)
            result =
                kith_error_set (error, KITH_ERR_LIMIT,
                                "%s has more than %" PRIu64 " bytes", path, bytes_max);
        else
            kith_bytes_put (out, chunk, got);
        if (got < sizeof chunk)
            break;
    }
    if (result == 0 && ferror (file))
        result = kith_error_errno (error, errno, "%s cannot be read", path);
    if (file != stdin)
        fclose (file);
    kith_bytes_put_u8 (out, 0);
    out->size--;
    return result;
}
