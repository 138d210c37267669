#   updates.py - a graph that is replaced row by row while it is asked, beside one that is built afresh
#   SPDX-License-Identifier: Apache-2.0
#
#   The graph begins with half of the rows. In each step a tenth as many come in and as many, drawn by a seed, go; then the queries are asked. A
#   repair leads around the removed rows whenever they are more than 8 in 100.
import ctypes

import numpy as np

from subjects import Asking, Build, K, address, kith, roomy

STEPS, SEED, BROKEN = 5, 42, 0.08


class Alive:
    """Which rows are there, and the exact tenth distance of each query among them."""

    def __init__(self, data, count, queries):
        self.data, self.queries = data, queries
        self.there = np.zeros(data.count, dtype=bool)
        self.there[:count] = True

    def limits(self):
        rows = np.flatnonzero(self.there)
        vectors = self.data.base[rows]
        rough = self.queries @ vectors.T
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-30)
        rough = rough / lengths if self.data.metric == 'cosine' else 2 * rough - lengths ** 2
        near = rows[np.argpartition(-rough, 3 * K, axis=1)[:, :3 * K]]
        return np.sort(self.data.distances(self.queries, near), axis=1)[:, K - 1]


class Live:
    def __init__(self, data, count, threads):
        why = ctypes.create_string_buffer(512)
        self.graph = kith.bench_live_new(data.rows, count, threads, why)
        if not self.graph:
            raise RuntimeError(why.value.decode())

    def ask(self, asking, effort):
        ask = asking.of_kith(effort)
        return kith.bench_live_ask(self.graph, ctypes.addressof(ask))


def fresh(data, alive, asking, effort):
    """Seconds and rows of the same question to a graph built over what is there now."""
    rows = np.flatnonzero(alive.there)
    copy = roomy((len(rows), data.dim))
    copy[:] = data.base[rows]
    held = kith.bench_rows_new(address(copy), len(rows), data.dim, data.metric.encode())
    why = ctypes.create_string_buffer(512)
    build = Build(kind=b'graph', code=b'auto', threads=2, seed=1)
    index = kith.bench_index_build(held, ctypes.addressof(build), why)
    if not index:
        raise RuntimeError(why.value.decode())
    ask = asking.of_kith(effort)
    kith.bench_index_ask(index, ctypes.addressof(ask))
    seconds = kith.bench_index_ask(index, ctypes.addressof(ask))
    found = np.where(asking.rows < 0, -1, rows[np.maximum(asking.rows, 0)])
    return seconds, found, kith.bench_index_effort(index, 0.95, K)


def run(data, sheet, say, queries):
    """(recall of the changed graph, of a fresh one) after half of the rows have been replaced."""
    random = np.random.Generator(np.random.PCG64(SEED))
    count = data.count // 2
    step = count // (2 * STEPS)
    alive, asking = Alive(data, count, data.queries[:queries]), Asking(data.queries[:queries])
    effort = fresh(data, alive, asking, 0)[2]
    live = Live(data, count, 2)
    broken = 0
    for turn in range(1, STEPS + 1):
        gone = random.choice(np.flatnonzero(alive.there), step, replace=False).astype(np.uint32)
        first = count + (turn - 1) * step
        inserting = kith.bench_live_insert(live.graph, step)
        removing = kith.bench_live_remove(live.graph, address(gone), step)
        if inserting < 0:
            raise RuntimeError('an insertion failed')
        alive.there[first:first + step] = True
        alive.there[gone] = False
        broken += step
        repairing = 0.0
        if broken > BROKEN * count:
            repairing, broken = kith.bench_live_repair(live.graph, 2), 0
        live.ask(asking, effort)
        seconds = live.ask(asking, effort)
        recall = data.recall(asking.rows, limits=alive.limits(), queries=alive.queries)
        if not alive.there[asking.rows[asking.rows >= 0]].all():
            raise RuntimeError('a removed row was answered')
        say('%s: %2.0f %% replaced: %.0f insertions/s, %.0f removals/s, repair %.2f s, %.0f queries/s, recall@10 %.4f at effort %d' % (
            data.name, 100 * turn * step / count, step / inserting, step / removing, repairing, queries / seconds, recall, effort))
        sheet.add(record='update', set=data.name, replaced=turn * step / count, inserts=round(step / inserting), removals=round(step / removing),
                  repair_s=round(repairing, 2), qps=round(queries / seconds), recall=recall, effort=effort)
    seconds, found, _ = fresh(data, alive, asking, effort)
    anew = data.recall(found, limits=alive.limits(), queries=alive.queries)
    say('%s: a fresh build over the same rows: %.0f queries/s, recall@10 %.4f' % (data.name, queries / seconds, anew))
    sheet.add(record='update_fresh', set=data.name, qps=round(queries / seconds), recall=anew, effort=effort)
    return recall, anew
