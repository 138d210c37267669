//  kith.h - the C client library of Kith: connect, write, search, query
//  SPDX-License-Identifier: Apache-2.0
//
//  A client talks to one or several proxies. Each function exists in a blocking form; those that write and read
//  also in a callback form, whose callbacks run inside kith_client_poll and never inside the call that asked.
//  A client and what comes from it belong to one thread at a time. docs/coding/c-client.md has a program.
//
//  Writes are safe against lost answers: a request keeps its id while it is sent again, and is applied once. After a
//  time-out the outcome is unknown, and the failure says so.
#ifndef KITH_CLIENT_LIBRARY_H
#define KITH_CLIENT_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#    define KITH_EXPORT __attribute__ ((visibility ("default")))
#else
#    define KITH_EXPORT
#endif

//  What went wrong. A function that can fail returns -1 or null and fills the failure it is lent (may be null).
typedef struct {
    char code [32];        //  stable name ("field_not_found"); empty: nothing went wrong
    char message [512];    //  one sentence: what is wrong, where, what is allowed
    char hint [256];       //  what to do; empty: nothing
    int at;                //  position in the input (a filter, a JSON text); -1: none
    bool retry;            //  the same request may succeed later
} kith_failure_t;

//  What a read must see
typedef enum {
    KITH_STRONG = 0,    //  every write acknowledged before the read began
    KITH_SESSION =
        1,    //  every write and read of this client, and of the token it was given
    KITH_BOUNDED = 2,      //  every write older than bounded_ms
    KITH_EVENTUALLY = 3    //  whatever is there
} kith_level_t;

//  A zeroed one holds the defaults.
typedef struct {
    const char *db;    //  database; null: default
    int timeout_ms;    //  of a call, all its retries together; 0: 30,000
    int attempt_ms;    //  without an answer for so long a request is sent again; 0: 2,000
    int connect_ms;    //  calls fail when no connection comes up for so long; 0: as timeout_ms
    int window;    //  requests of one insert that are under way together; 0: 8
    void
        *context;    //  ZeroMQ context to share (inproc endpoints need it); null: its own
    uint64_t reserved [8];    //  zero
} kith_client_options_t;

typedef struct kith_client kith_client_t;
typedef struct kith_rows kith_rows_t;
typedef struct kith_answer kith_answer_t;

//  Version of the library ("0.1.0").
KITH_EXPORT const char *kith_version (void);

//  Connects in the background to proxies: endpoints separated by blanks or commas ("tcp://127.0.0.1:7700"), null: that one. A
//  DEALER connected to several spreads its requests over those that live. Null: an endpoint means nothing.
KITH_EXPORT kith_client_t *
kith_client_new (const char *endpoints, const kith_client_options_t *options,
                 kith_failure_t *failure);

//  Calls under way end with the code "cancelled" first.
KITH_EXPORT void kith_client_destroy (kith_client_t **self_p);

//  Handles what has come and what is due, at most timeout_ms (-1: until something happens); returns how many calls
//  ended. fd becomes readable when there may be something: then call poll with 0 until it returns 0 (the descriptor is
//  edge-triggered). next_ms: call poll after so long in any case; -1: no need.
KITH_EXPORT int kith_client_poll (kith_client_t *self, int timeout_ms);
KITH_EXPORT int kith_client_fd (kith_client_t *self);
KITH_EXPORT int kith_client_next_ms (kith_client_t *self);

//  Is somebody there?
KITH_EXPORT int kith_client_ping (kith_client_t *self, kith_failure_t *failure);

//  The session so far, as text to hand to another client: positions that its writes and reads have seen. token: lives until the
//  next call of token or the end of the client. join adds such a text.
KITH_EXPORT const char *kith_client_token (kith_client_t *self);
KITH_EXPORT int
kith_client_join (kith_client_t *self, const char *token, kith_failure_t *failure);

//  --- Collections

//  fields: one text each, as in the command line: "word varchar(64) key", "rank int64 nullable default 0", "vector float_vector(100)
//  cosine". Vectors: float_vector, float16_vector, bfloat16_vector, int8_vector (l2, ip, cosine), binary_vector (hamming, jaccard). shards 0: 1.
KITH_EXPORT int kith_client_create (kith_client_t *self, const char *collection,
                                    const char *const *fields, size_t count,
                                    uint32_t shards, kith_failure_t *failure);
KITH_EXPORT int
kith_client_drop (kith_client_t *self, const char *collection, kith_failure_t *failure);

//  Partitions: rows of a collection that are searched by themselves or dropped together. "_default" is always there.
KITH_EXPORT int
kith_client_partition_create (kith_client_t *self, const char *collection,
                              const char *partition, kith_failure_t *failure);
KITH_EXPORT int
kith_client_partition_drop (kith_client_t *self, const char *collection,
                            const char *partition, kith_failure_t *failure);

//  As JSON text, with the keys of `zactor ... --json`; caller frees with kith_text_free.
KITH_EXPORT char *kith_client_list (kith_client_t *self, kith_failure_t *failure);
KITH_EXPORT char *kith_client_describe (kith_client_t *self, const char *collection,
                                        kith_failure_t *failure);
KITH_EXPORT char *kith_client_status (kith_client_t *self, kith_failure_t *failure);
KITH_EXPORT void kith_text_free (char **text_p);

//  Seals and flushes what was written; makes a collection searchable again, or takes it out of memory.
KITH_EXPORT int
kith_client_flush (kith_client_t *self, const char *collection, kith_failure_t *failure);
KITH_EXPORT int kith_client_load (kith_client_t *self, const char *collection,
                                  uint32_t replicas, kith_failure_t *failure);
KITH_EXPORT int kith_client_release (kith_client_t *self, const char *collection,
                                     kith_failure_t *failure);

//  --- Indexes

//  built and loaded: rows whose index exists, is in use; of: rows that are to be indexed. Return false to wait no longer.
typedef bool (kith_index_fn) (void *arg, uint64_t built, uint64_t loaded, uint64_t of);

typedef struct {
    const char
        *type;    //  "auto", "flat", "graph" ("hnsw"), "ivf", "disk", "bin"; null: auto
    float recall;               //  what it is calibrated for; 0: 0.95
    uint32_t degree;            //  links of a row (graph, disk); 0: by dimension
    uint32_t effort;            //  beam width of the build (graph, disk); 0: 200
    bool wait;                  //  until every row is indexed and in use
    int wait_ms;                //  at most; 0: an hour
    kith_index_fn *progress;    //  called a few times a second while waiting; may be null
    void *arg;                  //  of progress
    const char *
        code;    //  what vectors are coded as: "auto", "float32", "sq8", "sq4", "rabitq", "pq4", "inline"; null: auto
    uint32_t lists;           //  inverted lists (ivf, bin); 0: by rows
    uint64_t reserved [6];    //  zero
} kith_index_options_t;

KITH_EXPORT int
kith_client_index_create (kith_client_t *self, const char *collection, const char *field,
                          const kith_index_options_t *options, kith_failure_t *failure);
KITH_EXPORT int kith_client_index_drop (kith_client_t *self, const char *collection,
                                        const char *field, kith_failure_t *failure);
KITH_EXPORT char *kith_client_index_describe (kith_client_t *self, const char *collection,
                                              kith_failure_t *failure);

//  --- Rows to write

//  Rows for a collection (asks the server for its fields). Columns are added whole, or rows as JSON objects; what is added is copied.
//  A column that is never added is filled by the server with its default or null.
KITH_EXPORT kith_rows_t *
kith_client_rows (kith_client_t *self, const char *collection, kith_failure_t *failure);
KITH_EXPORT void kith_rows_destroy (kith_rows_t **self_p);
KITH_EXPORT size_t kith_rows_count (const kith_rows_t *self);
KITH_EXPORT void kith_rows_clear (kith_rows_t *self);

//  Values at the end of a column, converted to the field's type; a value that does not fit is refused, and then none of the call is
//  added. Vectors: count x dim numbers; a binary vector is made of dim numbers 0 or 1, or of dim / 8 bytes 0 .. 255. strings: lengths null when
//  they end with NUL. nulls: count rows without a value.
KITH_EXPORT int
kith_rows_int64 (kith_rows_t *self, const char *field, const int64_t *values,
                 size_t count, kith_failure_t *failure);
KITH_EXPORT int
kith_rows_double (kith_rows_t *self, const char *field, const double *values,
                  size_t count, kith_failure_t *failure);
KITH_EXPORT int
kith_rows_strings (kith_rows_t *self, const char *field, const char *const *values,
                   const size_t *lengths, size_t count, kith_failure_t *failure);
KITH_EXPORT int
kith_rows_vectors (kith_rows_t *self, const char *field, const float *values, size_t dim,
                   size_t count, kith_failure_t *failure);

//  The same in the field's own type, as it is stored and copied as it is: IEEE halves, bfloat16, int8 or, packed, bits (the lowest of a byte
//  first), little-endian. bytes: of all of them, a multiple of those of a vector.
KITH_EXPORT int
kith_rows_raw_vectors (kith_rows_t *self, const char *field, const void *values,
                       size_t bytes, kith_failure_t *failure);
KITH_EXPORT int kith_rows_nulls (kith_rows_t *self, const char *field, size_t count,
                                 kith_failure_t *failure);

//  One row from a JSON object: {"word": "kith", "vector": [0.1, 0.2]}.
KITH_EXPORT int kith_rows_json (kith_rows_t *self, const char *text, size_t size,
                                kith_failure_t *failure);

//  Where the rows go when they are inserted; null: _default. A key is there once in a collection: a row that is inserted into another
//  partition moves.
KITH_EXPORT int
kith_rows_partition (kith_rows_t *self, const char *partition, kith_failure_t *failure);

//  --- Writes

//  Inserts rows (cut into requests of about 1 MiB); one with a key that is there replaces that row. All or some of them may have been
//  written when it fails: *written (may be null) says how many were acknowledged.
KITH_EXPORT int kith_client_insert (kith_client_t *self, kith_rows_t *rows,
                                    uint64_t *written, kith_failure_t *failure);

//  Deletes rows by key. keys: rows that hold the key column alone.
KITH_EXPORT int kith_client_remove (kith_client_t *self, kith_rows_t *keys,
                                    uint64_t *written, kith_failure_t *failure);

//  Callback forms: rows are taken. failure null: done.
typedef void (kith_written_fn) (void *arg, uint64_t written,
                                const kith_failure_t *failure);
KITH_EXPORT void kith_client_insert_start (kith_client_t *self, kith_rows_t **rows_p,
                                           kith_written_fn *fn, void *arg);
KITH_EXPORT void kith_client_remove_start (kith_client_t *self, kith_rows_t **keys_p,
                                           kith_written_fn *fn, void *arg);

//  --- Reads

//  Vectors (as numbers or raw) or keys, not both. A zeroed one holds the defaults.
typedef struct {
    const char *collection;
    const char *field;    //  vector field; null: the only one
    const float *
        vectors;    //  nq x dim numbers, converted to the field's type as kith_rows_vectors does
    size_t nq;     //  how many vectors
    size_t dim;    //  numbers of each (vectors)
    const kith_rows_t
        *keys;     //  search by stored rows, which are left out (key column alone)
    uint32_t k;    //  rows wanted for each; 0: 10
    const char *filter;           //  null: none
    const char *const *output;    //  fields wanted; none: all but vectors; "*": all
    size_t output_count;
    kith_level_t level;
    uint32_t bounded_ms;    //  for KITH_BOUNDED; 0: 5000
    float recall;           //  wanted; 0: the index's
    uint32_t effort;        //  explicit; 0: by recall
    bool partial;           //  an answer without a shard is better than none
    bool explain;           //  tell the stages
    const void *
        raw;    //  instead of vectors: nq in the field's own type, as kith_rows_raw_vectors
    size_t raw_bytes;                 //  of all of them
    const char *const *partitions;    //  only rows of these; none: all
    size_t partition_count;
    uint64_t reserved [4];    //  zero
} kith_search_t;

//  By keys or filter; neither: all rows up to the limit. A zeroed one holds the defaults.
typedef struct {
    const char *collection;
    const kith_rows_t *keys;      //  key column alone
    const char *filter;           //  null: none
    const char *const *output;    //  as in kith_search_t
    size_t output_count;
    uint64_t limit;       //  0: 16,384
    uint64_t offset;      //  rows left out first
    const char *order;    //  field to sort by; null: the key
    bool descending;
    bool count;    //  only how many: kith_answer_count
    kith_level_t level;
    uint32_t bounded_ms;
    const char *const *partitions;    //  as in kith_search_t
    size_t partition_count;
    uint64_t reserved [6];    //  zero
} kith_query_t;

KITH_EXPORT kith_answer_t *
kith_client_search (kith_client_t *self, const kith_search_t *search,
                    kith_failure_t *failure);
KITH_EXPORT kith_answer_t *
kith_client_query (kith_client_t *self, const kith_query_t *query,
                   kith_failure_t *failure);

//  Callback forms: what the struct points to is copied. The callback may take the answer (*answer_p = null).
typedef void (kith_found_fn) (void *arg, kith_answer_t **answer_p,
                              const kith_failure_t *failure);
KITH_EXPORT void
kith_client_search_start (kith_client_t *self, const kith_search_t *search,
                          kith_found_fn *fn, void *arg);
KITH_EXPORT void kith_client_query_start (kith_client_t *self, const kith_query_t *query,
                                          kith_found_fn *fn, void *arg);

//  --- Answers

KITH_EXPORT void kith_answer_destroy (kith_answer_t **self_p);

//  Rows of query `query` (a query by keys or filter has one, 0); rows that match in all (count).
KITH_EXPORT size_t kith_answer_queries (const kith_answer_t *self);
KITH_EXPORT size_t kith_answer_rows (const kith_answer_t *self, size_t query);
KITH_EXPORT uint64_t kith_answer_count (const kith_answer_t *self);

//  Values of a row; row < kith_answer_rows. A field that was not asked for is null. Strings are not ended by NUL.
KITH_EXPORT float kith_answer_score (const kith_answer_t *self, size_t query, size_t row);
KITH_EXPORT bool
kith_answer_null (const kith_answer_t *self, size_t query, size_t row, const char *field);
KITH_EXPORT int64_t kith_answer_int64 (const kith_answer_t *self, size_t query,
                                       size_t row, const char *field);
KITH_EXPORT double kith_answer_double (const kith_answer_t *self, size_t query,
                                       size_t row, const char *field);
KITH_EXPORT const char *
kith_answer_string (const kith_answer_t *self, size_t query, size_t row,
                    const char *field, size_t *length);

//  The dim numbers of a vector, of a binary one 0 and 1: until the next call of it. raw: in the field's own type, while the answer lives.
KITH_EXPORT const float *kith_answer_vector (const kith_answer_t *self, size_t query,
                                             size_t row, const char *field, size_t *dim);
KITH_EXPORT const void *
kith_answer_raw_vector (const kith_answer_t *self, size_t query, size_t row,
                        const char *field, size_t *bytes);

//  How it went: distances computed, rows that could have been compared, kind of the index that most of them were searched by ("": none was in a
//  file yet), is it all there, what the server took.
KITH_EXPORT uint64_t kith_answer_compared (const kith_answer_t *self);
KITH_EXPORT uint64_t kith_answer_of (const kith_answer_t *self);
KITH_EXPORT const char *kith_answer_index (const kith_answer_t *self);
KITH_EXPORT bool kith_answer_partial (const kith_answer_t *self);
KITH_EXPORT double kith_answer_ms (const kith_answer_t *self);

//  Ends a process of the cluster (null: all), in order.
KITH_EXPORT int
kith_client_stop (kith_client_t *self, const char *process, kith_failure_t *failure);

#ifdef __cplusplus
}
#endif

#endif
