//  test_model.c - mistakes in the model of the wire are refused with file and line
//  SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"
#include "codecs/gen/model.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <unistd.h>

static kith_bytes_t
s_read (const char *path)
{
    kith_bytes_t text = {0};
    FILE *file = fopen (path, "r");
    cr_assert (file, "%s", path);
    char part [4096];
    size_t size;
    while ((size = fread (part, 1, sizeof part, file)) > 0)
        kith_bytes_put (&text, part, size);
    fclose (file);
    kith_bytes_put_u8 (&text, 0);
    return text;
}

Test (model, the_one_that_is_used_is_good)
{
    kith_model_t *model = kith_model_load (KITH_PROTOCOL_ZPL);
    cr_assert (model);
    cr_assert_eq (model->version, 1);
    cr_assert_str_eq (model->roles [2].name, "proxy");
    kith_model_destroy (&model);
    cr_assert_null (model);
}

static const char s_good [] = "version = 1\n"
                              "#   a comment\n"
                              "\n"
                              "roles\n"
                              "    client = 0\n"
                              "    meta = 1\n"
                              "structs\n"
                              "    place\n"
                              "        doc = \"Where\"\n"
                              "        at = \"u64, there\"\n"
                              "        more = \"[]u32, and there\"\n"
                              "messages\n"
                              "    ask\n"
                              "        number = 1\n"
                              "        answer = told\n"
                              "        doc = \"Asks\"\n"
                              "        place = \"place, where\"\n"
                              "    told\n"
                              "        number = 2\n"
                              "        doc = \"Tells\"\n";

typedef struct {
    const char *old;
    const char *new;
    uint32_t line;
    const char *told;
} mistake_t;

static const mistake_t s_mistakes [] = {
    {"number = 2", "number = 1", 18, "number 1 belongs to \"ask\""},
    {"number = 2", "number = x", 19, "\"x\" is no number"},
    {"        number = 2\n", "", 18, "lacks a number"},
    {"u64, there", "u63, there", 10, "no type \"u63\""},
    {"u64, there", "u64", 10, "is not \"type, what it is\""},
    {"u64, there", "place, there", 8, "holds itself"},
    {"        more", "        at", 11, "make the same member"},
    {"        at", "        more_count", 11, "make the same member"},
    {"        at", "        At", 10, "no name for a field"},
    {"        at", "        int", 10, "no name for a field"},
    {"answer = told", "answer = tld", 13, "answer \"tld\" of \"ask\" is no message"},
    {"answer = told", "answer = place", 13, "is no message"},
    {"    told\n", "    place\n", 18, "there already, in line 8"},
    {"meta = 1", "meta = 2", 6, "1 comes next"},
    {"    meta = 1", "    client = 1", 6, "there twice"},
    {"        doc = \"Where\"\n", "", 8, "lacks a line of doc"},
    {"structs", "struct", 7, "no section \"struct\""},
    {"version = 1", "version = 0", 1, "the version is missing"}};

//  The good one passes; each mistake is told with its line.
Test (model, mistakes_are_told_with_their_line, .init = cr_redirect_stderr)
{
    char path [] = "/tmp/kith-model-XXXXXX";
    int fd = mkstemp (path);
    cr_assert_geq (fd, 0);
    close (fd);
    char want [8192] = "";
    size_t count = sizeof s_mistakes / sizeof *s_mistakes;
    for (size_t index = 0; index <= count; index++) {
        char text [sizeof s_good + 64];
        const mistake_t *mistake = &s_mistakes [index];
        strcpy (text, s_good);
        if (index < count) {
            const char *place = strstr (s_good, mistake->old);
            cr_assert (place, "%s", mistake->old);
            snprintf (text, sizeof text, "%.*s%s%s", (int) (place - s_good), s_good,
                      mistake->new, place + strlen (mistake->old));
        }
        FILE *file = fopen (path, "w");
        fputs (text, file);
        fclose (file);
        kith_model_t *model = kith_model_load (path);
        cr_assert_eq (model != NULL, index == count, "case %zu", index);
        kith_model_destroy (&model);
    }
    unlink (path);
    FILE *told = cr_get_redirected_stderr ();
    for (size_t index = 0; index < count; index++) {
        cr_assert (fgets (want, sizeof want, told), "case %zu", index);
        char place [64];
        snprintf (place, sizeof place, "%s:%u: ", path, s_mistakes [index].line);
        cr_assert (strstr (want, place) == want, "case %zu: %s", index, want);
        cr_assert (strstr (want, s_mistakes [index].told), "case %zu: %s", index, want);
    }
}

//  The version of the document's reference is the model's.
Test (model, document_has_every_message)
{
    kith_model_t *model = kith_model_load (KITH_PROTOCOL_ZPL);
    kith_bytes_t text = s_read (KITH_PROTOCOL_MD);
    cr_assert (model);
    for (uint32_t index = 0; index < model->count; index++) {
        char head [96];
        snprintf (head, sizeof head, "\n### %s\n", model->types [index]->name);
        cr_assert (strstr ((const char *) text.data, head), "%s", head);
    }
    kith_bytes_free (&text);
    kith_model_destroy (&model);
}
