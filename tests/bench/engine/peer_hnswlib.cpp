//  peer_hnswlib.cpp - hnswlib as the benchmarks' harness reaches it: built, saved and asked by native loops
//  SPDX-License-Identifier: Apache-2.0
//
//  Compiled by peers.py with -O3 -march=native against the headers of hnswlib's source package. Cosine comes as inner product of
//  vectors of length 1, as hnswlib itself does it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <hnswlib/hnswlib.h>
#include <memory>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

struct peer {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    size_t dim;
};

struct live_rows : hnswlib::BaseFilterFunctor {
    explicit live_rows (const uint64_t *words) : words (words)
    {
    }
    bool
    operator() (hnswlib::labeltype row) override
    {
        return words [row / 64] >> (row % 64) & 1;
    }
    const uint64_t *words;
};

struct asked {
    const float *queries;
    uint32_t nq, stride, k;
    const uint64_t *live;
    int64_t *rows;
    uint32_t *ns;
};

double
seconds_since (clock_type::time_point began)
{
    return std::chrono::duration<double> (clock_type::now () - began).count ();
}

std::unique_ptr<peer>
make (uint32_t dim, bool l2)
{
    auto self = std::make_unique<peer> ();
    self->dim = dim;
    if (l2)
        self->space = std::make_unique<hnswlib::L2Space> (dim);
    else
        self->space = std::make_unique<hnswlib::InnerProductSpace> (dim);
    return self;
}

void
answer (const peer *self, const asked *ask, uint32_t first, uint32_t end)
{
    live_rows live (ask->live);
    for (uint32_t query = first; query < end; query++) {
        auto began = clock_type::now ();
        auto found = self->graph->searchKnn (ask->queries + size_t (query) * ask->stride,
                                             ask->k, ask->live ? &live : nullptr);
        int64_t *rows = ask->rows + size_t (query) * ask->k;
        std::fill (rows, rows + ask->k, -1);
        for (size_t place = found.size (); place > 0; place--, found.pop ())
            rows [place - 1] = int64_t (found.top ().second);
        if (ask->ns)
            ask->ns [query] = uint32_t (seconds_since (began) * 1e9);
    }
}

//  Seconds that this thread has computed, whoever else wanted the processor meanwhile
double
cpu ()
{
    timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return double (now.tv_sec) + double (now.tv_nsec) * 1e-9;
}

}    // namespace

#define PEER extern "C" __attribute__ ((visibility ("default")))

PEER peer *
hnsw_build (const float *vectors, uint32_t rows, uint32_t dim, uint32_t l2,
            uint32_t degree, uint32_t effort, uint32_t threads)
{
    auto self = make (dim, l2 != 0);
    self->graph = std::make_unique<hnswlib::HierarchicalNSW<float>> (
        self->space.get (), rows, degree, effort, 100);
    self->graph->addPoint (vectors, 0);
    std::atomic<uint32_t> next (1);
    std::vector<std::thread> crew;
    for (uint32_t thread = 0; thread < threads; thread++)
        crew.emplace_back ([&] {
            for (uint32_t row = next++; row < rows; row = next++)
                self->graph->addPoint (vectors + size_t (row) * dim, row);
        });
    for (auto &thread : crew)
        thread.join ();
    return self.release ();
}

PEER void
hnsw_save (peer *self, const char *path)
{
    self->graph->saveIndex (path);
}

PEER peer *
hnsw_load (const char *path, uint32_t dim, uint32_t l2)
{
    auto self = make (dim, l2 != 0);
    try {
        self->graph =
            std::make_unique<hnswlib::HierarchicalNSW<float>> (self->space.get (), path);
    } catch (const std::exception &) {
        return nullptr;
    }
    return self.release ();
}

PEER void
hnsw_free (peer *self)
{
    delete self;
}

//  Bytes of its memory: vectors, links and labels
PEER uint64_t
hnsw_bytes (const peer *self)
{
    uint64_t bytes = self->graph->cur_element_count * self->graph->size_data_per_element_;
    for (size_t row = 0; row < self->graph->cur_element_count; row++)
        bytes += size_t (self->graph->element_levels_ [row])
                 * self->graph->size_links_per_element_;
    return bytes;
}

PEER double
hnsw_ask (peer *self, const asked *ask, uint32_t effort, uint32_t threads)
{
    self->graph->setEf (effort);
    std::vector<double> seconds (threads);
    auto work = [&] (uint32_t thread) {
        double began = cpu ();
        answer (self, ask, uint32_t (uint64_t (ask->nq) * thread / threads),
                uint32_t (uint64_t (ask->nq) * (thread + 1) / threads));
        seconds [thread] = cpu () - began;
    };
    std::vector<std::thread> crew;
    for (uint32_t thread = 1; thread < threads; thread++)
        crew.emplace_back (work, thread);
    work (0);
    for (auto &thread : crew)
        thread.join ();
    return *std::max_element (seconds.begin (), seconds.end ());
}
