//  objects_mark.c - the object that says which cluster a store belongs to
//  SPDX-License-Identifier: Apache-2.0
#include "storage/objects.h"

#include "base/crc32c.h"

#define MARK_NAME "cluster"
#define MARK_WORDS "kith objects of cluster "
#define MARK_BYTES (sizeof MARK_WORDS - 1 + 16 + 1 + 8 + 1)

//  "kith objects of cluster 0123456789abcdef 01234567\n": id, CRC32C of all before the last blank
static void
s_text (uint64_t cluster, char text [MARK_BYTES + 1])
{
    int size = snprintf (text, MARK_BYTES + 1, MARK_WORDS "%016" PRIx64, cluster);
    uint32_t crc = kith_crc32c (0, text, (size_t) size);
    snprintf (text + size, MARK_BYTES + 1 - (size_t) size, " %08" PRIx32 "\n", crc);
}

static int
s_compare (const kith_bytes_t *found, uint64_t cluster, kith_error_t *error)
{
    char own [MARK_BYTES + 1];
    char their [MARK_BYTES + 1] = "";
    uint64_t id = 0;
    s_text (cluster, own);
    if (found->size == MARK_BYTES && memcmp (found->data, own, MARK_BYTES) == 0)
        return 0;
    if (found->size == MARK_BYTES) {
        memcpy (their, found->data, MARK_BYTES);
        //  Whatever stands there: only the very text of that id is one
        id = strtoull (their + sizeof MARK_WORDS - 1, NULL, 16);
        s_text (id, own);
    }
    if (found->size != MARK_BYTES || memcmp (their, own, MARK_BYTES) != 0)
        return kith_error_set (error, KITH_ERR_CORRUPT,
                               "object " MARK_NAME " at byte 0: it does not say which "
                               "cluster the objects belong to");
    kith_error_set (error, KITH_ERR_CLUSTER,
                    "the objects belong to cluster %016" PRIx64
                    ", not to cluster %016" PRIx64,
                    id, cluster);
    kith_error_hint (error, "objects_path names the objects of this cluster; another "
                            "cluster needs a place of its own");
    return -1;
}

static void
s_count (void *arg, const char *name, uint64_t size)
{
    (void) name;
    (void) size;
    ++*(uint64_t *) arg;
}

//  There is no mark: only a store without any object may be taken
static int
s_make (kith_objects_t *self, uint64_t cluster, kith_error_t *error)
{
    uint64_t count = 0;
    if (self->list (self, "", s_count, &count, error) != 0)
        return -1;
    if (count) {
        kith_error_set (error, KITH_ERR_CLUSTER,
                        "there are %" PRIu64 " objects, but the object " MARK_NAME
                        " that says which cluster they belong to is missing",
                        count);
        kith_error_hint (error, "put it back, or let objects_path name an empty place");
        return -1;
    }
    char text [MARK_BYTES + 1];
    s_text (cluster, text);
    const kith_span_t span = {text, MARK_BYTES};
    kith_error_t reason;
    kith_error_clear (&reason);
    if (self->put (self, MARK_NAME, &span, 1, NULL, &reason) == 0)
        return 0;
    if (reason.code != KITH_ERR_EXISTS)
        return kith_error_set (error, reason.code, "%s", reason.message);
    //  Another process of this cluster, or of another, came first
    return kith_objects_check (self, cluster, error);
}

static int
s_look (kith_objects_t *self, uint64_t cluster, bool *missing, kith_error_t *error)
{
    kith_bytes_t found = {0};
    kith_error_t reason;
    kith_error_clear (&reason);
    int rc = self->get (self, MARK_NAME, 0, 0, &found, &reason);
    *missing = rc != 0 && reason.code == KITH_ERR_NOT_FOUND;
    if (rc == 0)
        rc = s_compare (&found, cluster, error);
    else
        kith_error_set (error, reason.code, "%s", reason.message);
    kith_bytes_free (&found);
    return rc;
}

int
kith_objects_check (kith_objects_t *self, uint64_t cluster, kith_error_t *error)
{
    assert (self && cluster);
    bool missing;
    return s_look (self, cluster, &missing, error);
}

int
kith_objects_claim (kith_objects_t *self, uint64_t cluster, kith_error_t *error)
{
    assert (self && cluster);
    bool missing;
    int rc = s_look (self, cluster, &missing, error);
    if (!missing)
        return rc;
    kith_error_clear (error);
    return s_make (self, cluster, error);
}
