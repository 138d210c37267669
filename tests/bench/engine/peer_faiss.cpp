//  peer_faiss.cpp - asks an index of faiss, made by its Python module, from a native loop
//  SPDX-License-Identifier: Apache-2.0
//
//  The wheel brings libfaiss.so without headers; search is a method of a known signature, so its address is all that is needed.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <thread>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;
using search_fn = void (const void *index, int64_t nq, const float *queries, int64_t k,
                        float *distances, int64_t *rows, const void *params);

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

//  whole: one call for all (the queries then lie without gaps)
void
answer (search_fn *search, const void *index, const asked *ask, uint32_t first,
        uint32_t end, bool whole)
{
    uint32_t step = whole && end > first ? end - first : 1;
    std::vector<float> distances (size_t (step) * ask->k);
    for (uint32_t query = first; query < end; query += step) {
        auto began = clock_type::now ();
        search (index, step, ask->queries + size_t (query) * ask->stride, ask->k,
                distances.data (), ask->rows + size_t (query) * ask->k, nullptr);
        if (ask->ns && !whole)
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

extern "C" __attribute__ ((visibility ("default"))) double
faiss_ask (void *search, const void *index, const asked *ask, uint32_t threads,
           uint32_t whole)
{
    auto *method = reinterpret_cast<search_fn *> (search);
    std::vector<double> seconds (threads);
    auto work = [&] (uint32_t thread) {
        double began = cpu ();
        answer (method, index, ask, uint32_t (uint64_t (ask->nq) * thread / threads),
                uint32_t (uint64_t (ask->nq) * (thread + 1) / threads), whole != 0);
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
