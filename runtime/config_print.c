//  config_print - the configuration as text, and the reference of its keys
//  SPDX-License-Identifier: Apache-2.0
#include "runtime/config_state.h"

#define COMMENT_COLUMN 52    //  where "where it comes from" begins

//  --------------------------------------------------------------------------
//  In force

//  Values that the topology filled in
static const char *
s_derived (const kith_config_t *self, const kith_part_t *part, size_t actor,
           const char *key, char *room, size_t size)
{
    const kith_topology_t *topology = &self->topology;
    if (part->kind == KITH_SECTION_CLUSTER && strcmp (key, "objects_path") == 0)
        return topology->cluster.objects_path;
    if (part->kind == KITH_SECTION_PROCESS && strcmp (key, "data") == 0)
        return topology->processes [part->process].data;
    if (part->kind == KITH_SECTION_CLUSTER && strcmp (key, "logs") == 0)
        snprintf (room, size, "%u", topology->cluster.logs);
    else if (part->kind == KITH_SECTION_ACTOR && strcmp (key, "index") == 0)
        snprintf (room, size, "%u", topology->actors [actor].index);
    else
        return NULL;
    return room;
}

static void
s_write_origin (const kith_config_t *self, const kith_value_t *value,
                const kith_key_t *key, size_t column, kith_bytes_t *out)
{
    kith_bytes_printf (out, "%*s#   ",
                       column < COMMENT_COLUMN ? (int) (COMMENT_COLUMN - column) : 1, "");
    switch (value->origin) {
        case KITH_ORIGIN_DEFAULT:
            kith_bytes_printf (out, "default");
            break;
        case KITH_ORIGIN_FILE:
            kith_bytes_printf (out, "%s:%zu", self->name, value->line);
            break;
        case KITH_ORIGIN_ENVIRONMENT:
            kith_bytes_printf (out, "environment KITH_");
            for (const char *at = kith_section_name (key->section); *at; at++)
                kith_bytes_put_u8 (out, (uint8_t) toupper ((unsigned char) *at));
            kith_bytes_put_u8 (out, '_');
            for (const char *at = key->name; *at; at++)
                kith_bytes_put_u8 (out, (uint8_t) toupper ((unsigned char) *at));
            break;
    }
}

static void
s_write_part (const kith_config_t *self, const kith_part_t *part, size_t actor,
              bool comments, kith_bytes_t *out)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    int indent = part->kind == KITH_SECTION_ACTOR ? 4 : 0;
    kith_bytes_printf (out, "%*s%s\n", indent, "", kith_section_name (part->kind));
    for (size_t place = 0; place < count; place++) {
        char room [32];
        if (keys [place].section != part->kind)
            continue;
        const kith_value_t *value = &part->values [place];
        const char *text = value->text ? value->text
                                       : s_derived (self, part, actor, keys [place].name,
                                                    room, sizeof room);
        if (!text)
            continue;
        size_t before = out->size;
        //  zconfig knows no escape: a value with " stands in '
        const char *quote = strchr (text, '"') ? "'" : "\"";
        kith_bytes_printf (out, "%*s%s = %s%s%s", indent + 4, "", keys [place].name,
                           quote, text, quote);
        if (comments)
            s_write_origin (self, value, &keys [place], out->size - before, out);
        kith_bytes_printf (out, "\n");
    }
}

void
kith_config_write (const kith_config_t *self, bool comments, kith_bytes_t *out)
{
    size_t actor = 0;
    for (size_t place = 0; place < self->part_count; place++) {
        const kith_part_t *part = &self->parts [place];
        s_write_part (self, part, actor, comments, out);
        actor += part->kind == KITH_SECTION_ACTOR;
    }
}

void
kith_config_print (const kith_config_t *self, kith_bytes_t *out)
{
    kith_config_write (self, true, out);
}

kith_config_t *
kith_config_merge (const kith_config_t *self, kith_error_t *error)
{
    const kith_topology_t *topology = &self->topology;
    kith_bytes_t text = {0};
    bool done = false;
    for (size_t place = 0; place < self->part_count; place++) {
        const kith_part_t *part = &self->parts [place];
        if (part->kind == KITH_SECTION_CLUSTER)
            s_write_part (self, part, 0, false, &text);
        else if (part->kind == KITH_SECTION_PROCESS && !done) {
            const kith_process_spec_t *process = &topology->processes [0];
            kith_bytes_printf (&text, "process\n    name = \"%s\"\n    data = \"%s\"\n",
                               process->name, process->data);
            done = true;
        }
    }
    for (uint32_t number = 0; number < topology->actor_count; number++) {
        const kith_actor_spec_t *actor = &topology->actors [number];
        const char *process = topology->processes [actor->process].name;
        kith_bytes_printf (&text,
                           "    actor\n        role = \"%s\"\n        index = \"%u\"\n",
                           kith_role_name (actor->role), actor->index);
        if (*actor->loop)
            kith_bytes_printf (&text, "        loop = \"%s.%s\"\n", process, actor->loop);
        if (*actor->listen)
            kith_bytes_printf (&text, "        listen = \"%s\"\n", actor->listen);
    }
    kith_config_t *merged =
        kith_config_parse ((const char *) text.data, self->name, NULL, error);
    kith_bytes_free (&text);
    return merged;
}

//  --------------------------------------------------------------------------
//  Reference

static const char *
s_standard (const kith_key_t *key)
{
    if (key->standard_doc)
        return key->standard_doc;
    if (!key->standard)
        return "must be given";
    return *key->standard ? key->standard : "none";
}

void
kith_config_reference (kith_bytes_t *out)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    kith_bytes_printf (
        out,
        "# Configuration\n\n"
        "Made from the table that checks the keys (`runtime/config_table.c`); do not "
        "edit.\n\n"
        "A configuration is a [ZPL](https://rfc.zeromq.org/spec/4/) file: sections, and "
        "in them "
        "`key = value`, each level four blanks\n"
        "further in; `#` begins a comment. `zactor run FILE` takes it; without a file it "
        "takes "
        "`configs/standalone.zpl`, which is\n"
        "compiled in. `zactor run FILE --print` shows every value in force and where it "
        "comes "
        "from. A key or section that is not\n"
        "listed here is an error that names the file, the line and the nearest key.\n\n"
        "`KITH_SECTION_KEY=value` in the environment goes over the file, for example "
        "`KITH_CLUSTER_SEAL_ROWS=256`. A key that differs\n"
        "from section to section can be set so only if there is one such section.\n\n"
        "Counts may end in `k` or `M` (thousands, millions), sizes in `KB`, `MB`, `GB`, "
        "`TB` (of "
        "1,024), times in `ms`, `s`, `m`, `h`.\n"
        "Relative paths start at the working directory. Addresses other than loopback "
        "are "
        "refused until transport security is there.\n");
    for (kith_section_t section = 0; section < KITH_SECTION_COUNT; section++) {
        kith_bytes_printf (
            out,
            "\n## %s\n\n%s\n\n| key | value | default | while running | what it is |\n"
            "|---|---|---|---|---|\n",
            kith_section_name (section), kith_section_doc (section));
        for (size_t place = 0; place < count; place++) {
            char allowed [200];
            if (keys [place].section != section)
                continue;
            kith_key_allowed (&keys [place], allowed, sizeof allowed);
            kith_bytes_printf (out, "| `%s` | %s | %s | %s | %s |\n", keys [place].name,
                               allowed, s_standard (&keys [place]),
                               keys [place].live ? "may change" : "fixed",
                               keys [place].doc);
        }
    }
}

void
kith_config_man (kith_bytes_t *out)
{
    size_t count;
    const kith_key_t *keys = kith_config_keys (&count);
    for (kith_section_t section = 0; section < KITH_SECTION_COUNT; section++) {
        kith_bytes_printf (out, ".SS %s\n%s\n", kith_section_name (section),
                           kith_section_doc (section));
        for (size_t place = 0; place < count; place++) {
            char allowed [200];
            if (keys [place].section != section)
                continue;
            kith_key_allowed (&keys [place], allowed, sizeof allowed);
            kith_bytes_printf (out, ".TP\n.B %s\n%s Value: %s. Default: %s.\n",
                               keys [place].name, keys [place].doc, allowed,
                               s_standard (&keys [place]));
        }
    }
}
