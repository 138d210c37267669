//  graph_live.c - inserts, removals and repairs in a graph that others search
//  SPDX-License-Identifier: Apache-2.0
//
//  The order of an insert: code, links of its own, count of rows, links back; each link is stored with release, so that whoever comes
//  to the row over it sees the rest (graph_link.h). New rows enter level 0 and, one of so many as in a build, level 1; higher
//  levels stay as they were built: their nodes are enough to begin with until the graph is many times as large, and a build upon this one
//  draws them anew. A removal is a bit. A repair is that of FreshDiskANN (Singh et al. 2021, algorithm 4), row by row.
#include "engine/indexes/graph_live.h"
#include "engine/indexes/graph_lists.h"

#include "base/bytes.h"
#include "base/random.h"
#include "engine/indexes/graph_link.h"

#include <stdatomic.h>

enum {
    CHUNK = 64,       //  rows that a thread repairs at once
    EFFORT = 200,     //  beam width of an insert
    TWINS_SEEN = 4    //  candidates that may be equal to a new row
};

struct kith_graph_live {
    kith_bits_t alive;    //  capacity bits
    uint32_t removed, broken;
    uint32_t upper_room;    //  positions of level 1 that there is room for
    uint32_t *upper_rows, *twins;
    uint64_t *twinned;
    uint8_t *codes, *trailers;
    float *room;                       //  to code a row in
    kith_graph_linker_t levels [2];    //  level 0 and level 1
    kith_graph_hand_t *hand;
};

void
kith_graph_live_destroy (kith_graph_live_t **self_p)
{
    kith_graph_live_t *self = *self_p;
    if (!self)
        return;
    kith_bits_free (&self->alive);
    kith_graph_hand_destroy (&self->hand);
    free (self->room);
    free (self);
    *self_p = NULL;
}

uint32_t
kith_graph_rows (const kith_graph_t *self)
{
    return kith_graph_count (self);
}

uint32_t
kith_graph_removed (const kith_graph_t *self)
{
    return self->live ? __atomic_load_n (&self->live->removed, __ATOMIC_ACQUIRE) : 0;
}

uint32_t
kith_graph_broken (const kith_graph_t *self)
{
    return self->live ? self->live->broken : 0;
}

const kith_bits_t *
kith_graph_live_rows (const kith_graph_t *self, kith_graph_scratch_t *scratch,
                      uint32_t rows, const kith_bits_t *wanted)
{
    const kith_bits_t *alive = &self->live->alive;
    if (!wanted && kith_graph_removed (self) == 0)
        return NULL;
    kith_bits_t *mine = &scratch->alive;
    if (mine->count != rows) {
        kith_bits_free (mine);
        kith_bits_init (mine, rows, false);
    }
    for (size_t word = 0; word < kith_bits_words (rows); word++) {
        mine->words [word] = __atomic_load_n (&alive->words [word], __ATOMIC_RELAXED);
        if (wanted)
            mine->words [word] &=
                word < kith_bits_words (wanted->count) ? wanted->words [word] : 0;
    }
    if (rows % 64)
        mine->words [rows / 64] &= ((uint64_t) 1 << rows % 64) - 1;
    return mine;
}

//  ---------------------------------------------------------------------
//  Thaw

//  `bytes` of data (null: none) in memory of `room` bytes that self owns, the rest filled
static void *
s_move (kith_graph_t *self, const void *data, size_t bytes, size_t room, int fill)
{
    uint8_t *moved = kith_graph_own (self, kith_huge_new (room));
    if (!moved)
        return NULL;
    if (data)
        memcpy (moved, data, bytes);
    memset (moved + (data ? bytes : 0), fill, room - (data ? bytes : 0));
    return moved;
}

//  Level 1 in memory of its own; the levels above stay where they are
static bool
s_thaw_upper (kith_graph_t *self, kith_graph_live_t *live, uint32_t capacity)
{
    kith_graph_header_t *header = &self->header;
    uint32_t count = header->levels ? header->counts [0] : 0;
    uint32_t more = (capacity - self->rows.rows) / kith_graph_thinning (header);
    size_t row = header->upper_degree * sizeof (uint32_t);
    live->upper_room = count + 2 * more + 64;
    live->upper_rows =
        s_move (self, header->levels ? self->upper_rows : NULL, count * sizeof (uint32_t),
                live->upper_room * sizeof (uint32_t), 0);
    uint32_t *links = s_move (self, header->levels ? self->layers [1].links : NULL,
                              count * row, live->upper_room * row, 0xff);
    live->levels [1] = (kith_graph_linker_t){
        .self = self, .level = 1, .links = links, .effort = EFFORT / 2};
    return live->upper_rows && links;
}

static bool
s_thaw (kith_graph_t *self, kith_graph_live_t *live, uint32_t capacity)
{
    const kith_graph_header_t *header = &self->header;
    uint32_t rows = self->rows.rows;
    //  A graph without rows has no scale to code by
    if (!self->codes) {
        self->header.code = KITH_GRAPH_FLOATS;
        self->header.code_bytes = 0;
    }
    size_t row = header->degree * sizeof (uint32_t), bytes = header->code_bytes;
    uint32_t *links = s_move (self, self->links, rows * row, capacity * row, 0xff);
    live->twins = s_move (self, self->twins, rows * sizeof (uint32_t),
                          capacity * sizeof (uint32_t), 0xff);
    const size_t words = kith_bits_words (capacity) * sizeof *live->twinned;
    live->twinned = s_move (
        self, self->twinned,
        self->twinned ? kith_bits_words (rows) * sizeof *live->twinned : 0, words, 0);
    if (bytes)
        live->codes = s_move (self, self->codes, rows * bytes, capacity * bytes, 0);
    const size_t trailer = self->trailers ? KITH_GRAPH_TRAILER : 0;
    if (trailer)
        live->trailers =
            s_move (self, self->trailers, rows * trailer, capacity * trailer, 0);
    live->hand = kith_graph_hand_new ();
    live->room = kith_alloc64 (2 * (size_t) self->rows.dim * sizeof *live->room);
    live->levels [0] =
        (kith_graph_linker_t){.self = self, .level = 0, .links = links, .effort = EFFORT};
    kith_bits_init (&live->alive, capacity, false);
    for (uint32_t each = 0; each < rows; each++)
        kith_bits_set (&live->alive, each);
    return s_thaw_upper (self, live, capacity) && links && live->twins && live->twinned
           && live->hand && live->room && (live->codes || !bytes)
           && (live->trailers || !trailer);
}

int
kith_graph_thaw (kith_graph_t *self, const kith_rows_t *rows, uint32_t capacity,
                 kith_error_t *error)
{
    assert (!self->live && rows->rows == self->rows.rows && capacity >= rows->rows);
    const uint32_t owned = self->owned_count;
    kith_graph_live_t *live = kith_new (sizeof *live);
    if (capacity > KITH_GRAPH_ROWS_MAX || !s_thaw (self, live, capacity)) {
        while (self->owned_count > owned)
            kith_graph_disown (self, self->owned [self->owned_count - 1]);
        kith_graph_live_destroy (&live);
        return kith_error_set (error, KITH_ERR_NO_MEMORY,
                               "no memory for a graph of %" PRIu32 " rows", capacity);
    }
    kith_graph_lists_drop (self);
    const void *before [] = {self->links,   self->upper_rows, self->twins,
                             self->twinned, self->codes,      self->trailers};
    self->links = live->levels [0].links;
    self->upper_rows = live->upper_rows;
    self->twins = live->twins;
    self->codes = live->codes;
    self->trailers = live->trailers;
    self->twinned = live->twinned;
    for (size_t index = 0; index < sizeof before / sizeof before [0]; index++)
        kith_graph_disown (self, before [index]);
    self->rows = *rows;
    self->capacity = capacity;
    self->live = live;
    self->layers [0].links = self->links;
    self->layers [1].links = live->levels [1].links;
    self->layers [1].degree = self->header.upper_degree;
    for (uint32_t level = 1; level <= self->header.levels || level == 1; level++)
        self->layers [level].rows = self->upper_rows;
    return 0;
}

//  ---------------------------------------------------------------------
//  Insert

//  Behind the row that row is equal to, if there is one among the nearest found
static bool
s_join_twin (kith_graph_t *self, uint32_t row)
{
    const kith_graph_hand_t *hand = self->live->hand;
    size_t bytes = kith_graph_vector_bytes (self);
    for (uint32_t index = 0; index < hand->count && index < TWINS_SEEN; index++) {
        uint32_t tail = hand->near [index].id, next;
        if (memcmp (kith_graph_vector (self, tail), kith_graph_vector (self, row), bytes)
            != 0)
            continue;
        while ((next = kith_graph_twin (self, tail)) != KITH_GRAPH_EMPTY)
            tail = next;
        __atomic_fetch_or (&self->twinned [tail / 64], (uint64_t) 1 << tail % 64,
                           __ATOMIC_RELAXED);
        kith_graph_link_set (&self->live->twins [tail], row);
        return true;
    }
    return false;
}

static bool
s_link_back (const kith_graph_linker_t *linker, kith_graph_hand_t *hand, uint32_t node)
{
    uint32_t degree = linker->self->layers [linker->level].degree;
    const uint32_t *links = kith_graph_links_of (linker, node);
    for (uint32_t index = 0; index < degree && links [index] != KITH_GRAPH_EMPTY;
         index++) {
        kith_graph_back_t back = {.node = links [index], .from = node};
        if (!kith_graph_link_back (linker, hand, &back, 1))
            return false;
    }
    return true;
}

//  A new node of level 1 for row; none if there is no room
static bool
s_insert_above (kith_graph_t *self, uint32_t row)
{
    kith_graph_live_t *live = self->live;
    kith_graph_header_t *header = &self->header;
    const kith_graph_linker_t *linker = &live->levels [1];
    uint32_t node = header->levels ? header->counts [0] : 0;
    if (node == live->upper_room)
        return true;
    live->upper_rows [node] = row;
    if (node > 0) {
        if (!kith_graph_link_ask (linker, live->hand, node))
            return false;
        uint32_t entry = kith_graph_descend (self, live->hand->scratch, 1);
        kith_graph_link_search (linker, live->hand, node, entry);
        kith_graph_link_prune (linker, live->hand, header->upper_degree / 2,
                               header->upper_degree / 2,
                               kith_graph_links_of (linker, node));
        if (!s_link_back (linker, live->hand, node))
            return false;
    }
    header->counts [0] = node + 1;
    if (header->levels == 0)
        __atomic_store_n (&header->levels, 1, __ATOMIC_RELEASE);
    return true;
}

static bool
s_insert (kith_graph_t *self, uint32_t row)
{
    kith_graph_live_t *live = self->live;
    const kith_graph_linker_t *linker = &live->levels [0];
    bool twin = false;
    if (live->codes)
        kith_graph_encode_row (self, row, live->room, live->codes, live->trailers);
    if (row > 0) {
        if (!kith_graph_link_ask (linker, live->hand, row))
            return false;
        uint32_t entry = kith_graph_descend (self, live->hand->scratch, 0);
        kith_graph_link_search (linker, live->hand, row, entry);
        twin = s_join_twin (self, row);
        if (!twin)
            kith_graph_link_prune (linker, live->hand, self->header.degree / 2,
                                   self->header.degree / 2,
                                   kith_graph_links_of (linker, row));
    }
    __atomic_fetch_or (&live->alive.words [row / 64], (uint64_t) 1 << row % 64,
                       __ATOMIC_RELAXED);
    __atomic_store_n (&self->rows.rows, row + 1, __ATOMIC_RELEASE);
    if (twin)
        return true;
    bool above = kith_mix64 (row + 1) < UINT64_MAX / kith_graph_thinning (&self->header);
    return s_link_back (linker, live->hand, row)
           && (!above || s_insert_above (self, row));
}

int
kith_graph_insert (kith_graph_t *self, uint32_t count, kith_error_t *error)
{
    assert (self->live);
    if (count > self->capacity - self->rows.rows)
        return kith_error_set (error, KITH_ERR_LIMIT,
                               "%" PRIu32 " more rows do not fit in a graph with room "
                               "for %" PRIu32 ", which has %" PRIu32,
                               count, self->capacity, self->rows.rows);
    for (uint32_t each = 0; each < count; each++)
        if (!s_insert (self, self->rows.rows))
            return kith_error_set (error, KITH_ERR_NO_MEMORY,
                                   "no memory to insert into the index");
    return 0;
}

//  ---------------------------------------------------------------------
//  Remove and repair

void
kith_graph_remove (kith_graph_t *self, uint32_t row)
{
    assert (self->live && row < self->rows.rows);
    uint64_t bit = (uint64_t) 1 << row % 64;
    uint64_t before =
        __atomic_fetch_and (&self->live->alive.words [row / 64], ~bit, __ATOMIC_RELAXED);
    if (!(before & bit))
        return;
    __atomic_fetch_add (&self->live->removed, 1, __ATOMIC_RELEASE);
    self->live->broken++;
}

typedef struct {
    kith_graph_t *self;
    kith_graph_hand_t **hands;    //  one per part
    kith_bits_t gone;             //  rows that no link is to lead to any more
    uint32_t first, last;         //  rows of this turn
    atomic_uint next;
    atomic_bool failed;
} s_repair_t;

static bool
s_is_gone (const s_repair_t *repair, uint32_t row)
{
    return kith_bits_get (&repair->gone, row);
}

//  Adds the links of a row that lead to what is not gone; returns whether some do not
static bool
s_add_links (const s_repair_t *repair, kith_graph_hand_t *hand, uint32_t row,
             uint32_t not )
{
    const kith_graph_t *self = repair->self;
    const uint32_t *links = self->links + (size_t) row * self->header.degree;
    bool broken = false;
    for (uint32_t index = 0; index < self->header.degree; index++) {
        //  Others write rows of links of their own meanwhile
        uint32_t other = __atomic_load_n (&links [index], __ATOMIC_ACQUIRE);
        if (other == KITH_GRAPH_EMPTY)
            break;
        if (s_is_gone (repair, other))
            broken = true;
        else if (other != not )
            kith_graph_link_add (hand, other);
    }
    return broken;
}

static bool
s_repair_row (const s_repair_t *repair, kith_graph_hand_t *hand, uint32_t row)
{
    kith_graph_t *self = repair->self;
    const kith_graph_linker_t *linker = &self->live->levels [0];
    const uint32_t degree = self->header.degree;
    uint32_t *links = kith_graph_links_of (linker, row);
    hand->count = 0;
    if (links [0] == KITH_GRAPH_EMPTY || !s_add_links (repair, hand, row, row))
        return true;
    if (!kith_graph_link_ask (linker, hand, row))
        return false;
    s_add_links (repair, hand, row, row);
    for (uint32_t index = 0; index < degree && links [index] != KITH_GRAPH_EMPTY; index++)
        if (s_is_gone (repair, links [index]))
            s_add_links (repair, hand, links [index], row);
    kith_graph_link_measure (linker, hand);
    kith_graph_link_prune (linker, hand, degree, degree / 2, links);
    return true;
}

static void
s_repair_part (void *arg, uint32_t part)
{
    s_repair_t *repair = arg;
    while (!atomic_load (&repair->failed)) {
        uint32_t chunk = atomic_fetch_add (&repair->next, 1);
        uint64_t row = repair->first + (uint64_t) chunk * CHUNK, end = row + CHUNK;
        if (row >= repair->last)
            return;
        for (; row < end && row < repair->last; row++)
            if (!s_is_gone (repair, (uint32_t) row)
                && !s_repair_row (repair, repair->hands [part], (uint32_t) row))
                atomic_store (&repair->failed, true);
    }
}

//  A row goes when neither it nor a twin behind it may be answered
static void
s_find_gone (s_repair_t *repair, uint32_t rows)
{
    const kith_graph_t *self = repair->self;
    kith_bits_init (&repair->gone, rows, false);
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t each = row;
        while (each != KITH_GRAPH_EMPTY && !kith_bits_get (&self->live->alive, each))
            each = kith_graph_twin (self, each);
        if (each == KITH_GRAPH_EMPTY)
            kith_bits_set (&repair->gone, row);
    }
}

//  What no links lead to any more gets one again
static bool
s_reach_all (const s_repair_t *repair, uint32_t rows)
{
    kith_graph_t *self = repair->self;
    uint32_t *order = kith_huge_new ((size_t) rows * sizeof *order + 4), count = 0;
    for (uint32_t row = 0; order && row < rows; row++)
        if (!s_is_gone (repair, row)
            && self->links [(size_t) row * self->header.degree] != KITH_GRAPH_EMPTY)
            order [count++] = row;
    bool done =
        order && kith_graph_mend (self, self->live->levels [0].links, order, count);
    free (order);
    return done;
}

static int
s_repair (s_repair_t *repair, uint32_t parts, const kith_graph_params_t *params,
          kith_error_t *error)
{
    uint32_t rows = repair->self->rows.rows, turn = rows / 16 + CHUNK;
    for (repair->first = 0; repair->first < rows; repair->first = repair->last) {
        repair->last = rows - repair->first < turn ? rows : repair->first + turn;
        atomic_store (&repair->next, 0);
        kith_graph_run (params ? params->parallel : NULL, parts, s_repair_part, repair);
        if (atomic_load (&repair->failed))
            return kith_error_set (error, KITH_ERR_NO_MEMORY,
                                   "no memory to repair the index");
        if (params && params->progress
            && !params->progress (params->progress_arg, repair->last, rows))
            return kith_error_set (error, KITH_ERR_CANCELLED,
                                   "the repair of the index was cancelled");
    }
    if (!s_reach_all (repair, rows))
        return kith_error_set (error, KITH_ERR_NO_MEMORY,
                               "no memory to repair the index");
    repair->self->live->broken = 0;
    return 0;
}

int
kith_graph_repair (kith_graph_t *self, const kith_graph_params_t *params,
                   kith_error_t *error)
{
    assert (self->live);
    uint32_t parts = params && params->parallel ? params->parallel->threads : 1;
    s_repair_t repair = {.self = self};
    repair.hands = kith_new (parts * sizeof (kith_graph_hand_t *));
    bool ready = true;
    for (uint32_t part = 0; part < parts; part++) {
        repair.hands [part] = kith_graph_hand_new ();
        ready = ready && repair.hands [part];
    }
    s_find_gone (&repair, self->rows.rows);
    int status = ready ? s_repair (&repair, parts, params, error)
                       : kith_error_set (error, KITH_ERR_NO_MEMORY,
                                         "no memory to repair the index");
    for (uint32_t part = 0; part < parts; part++)
        kith_graph_hand_destroy (&repair.hands [part]);
    free (repair.hands);
    kith_bits_free (&repair.gone);
    return status;
}

//  ---------------------------------------------------------------------
//  Freeze

//  All upper levels one after another again
static bool
s_join_levels (kith_graph_t *self)
{
    const kith_graph_header_t *header = &self->header;
    size_t row = header->upper_degree * sizeof (uint32_t), bytes = 0;
    for (uint32_t level = 0; level < header->levels; level++)
        bytes += header->counts [level] * row;
    uint32_t *joined = kith_graph_own (self, kith_huge_new (bytes + 64)), *at = joined;
    if (!joined)
        return false;
    for (uint32_t level = 1; level <= header->levels; level++) {
        memcpy (at, self->layers [level].links, header->counts [level - 1] * row);
        at += (size_t) header->counts [level - 1] * header->upper_degree;
    }
    kith_graph_disown (self, self->live->levels [1].links);
    kith_graph_disown (self, self->upper_links);
    self->upper_links = joined;
    return true;
}

int
kith_graph_freeze (kith_graph_t *self, const kith_graph_params_t *params,
                   kith_error_t *error)
{
    assert (self->live);
    const char *none = "no memory to lay out the index";
    uint32_t rows = self->rows.rows;
    kith_bits_t alive;
    kith_bits_init (&alive, rows, false);
    memcpy (alive.words, self->live->alive.words, kith_bits_words (rows) * 8);
    kith_graph_truth_t truth = {.live = self->live->removed ? &alive : NULL};
    kith_graph_draw (self, params->seed, &truth);
    bool done =
        s_join_levels (self) && kith_graph_find_truth (self, params->parallel, &truth);
    if (done) {
        self->header.rows = rows;
        self->capacity = rows;
        bool twinned = false;
        for (uint32_t row = 0; row < rows; row++)
            twinned = twinned || self->twins [row] != KITH_GRAPH_EMPTY;
        if (!twinned) {
            kith_graph_disown (self, self->twins);
            kith_graph_disown (self, self->twinned);
            self->twins = NULL;
            self->twinned = NULL;
        }
        kith_graph_live_destroy (&self->live);
        kith_graph_lay (self);
        done = kith_graph_calibrate (self, &truth, params->parallel);
    }
    int failed = done ? kith_graph_lists_make (self, params, error)
                      : kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    if (!failed && !kith_graph_lists_calibrate (self, &truth, params->parallel))
        failed = kith_error_set (error, KITH_ERR_NO_MEMORY, "%s", none);
    kith_bits_free (&alive);
    return failed;
}
