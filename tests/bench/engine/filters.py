#   filters.py - searches with filters of every selectivity, random, correlated and anti-correlated with the query
#   SPDX-License-Identifier: Apache-2.0
#
#   The attribute of a correlated filter is where a row lies: of the rows nearest to an anchor (a row drawn by a seed), those of a share are
#   allowed. Correlated: a query gets the filter of its nearest anchor; anti-correlated: that of its farthest.
import ctypes

import numpy as np

from subjects import Asking, K, address, kith, roomy

SHARES = (0.50, 0.20, 0.10, 0.05, 0.02, 0.01, 0.003, 0.001)
KINDS = ('random', 'correlated', 'anti-correlated')
ANCHORS, QUERIES, RECALL, SEED, PEER_EFFORT = 8, 200, 0.95, 42, 160


class Case:
    """Queries that share a filter: the allowed rows, a copy of them for the exact scan, the truth."""

    def __init__(self, data, asked, allowed):
        self.data, self.asked = data, asked
        words = np.zeros((data.count + 63) // 64 * 8, dtype=np.uint8)
        bits = np.zeros(len(words) * 8, dtype=np.uint8)
        bits[allowed] = 1
        words[:] = np.packbits(bits, bitorder='little')
        self.live = words.view(np.uint64)
        self.queries = data.queries[asked]
        self.copy = np.ascontiguousarray(data.base[allowed])
        self.rows = kith.bench_rows_new(address(self.copy), len(self.copy), data.dim, data.metric.encode())
        self.filtered, self.plain, self.scan = Asking(self.queries, live=self.live), Asking(self.queries), Asking(self.queries)
        self.limits = self.exact(allowed)

    def exact(self, allowed):
        """Distance of the tenth allowed neighbour of each query: candidates in float32, judged in float64."""
        queries = self.queries
        products = queries @ self.copy.T
        lengths = np.maximum(np.linalg.norm(self.copy, axis=1), 1e-30)
        rough = products / lengths if self.data.metric == 'cosine' else 2 * products - lengths ** 2
        count = min(3 * K, len(allowed))
        near = np.argpartition(-rough, count - 1, axis=1)[:, :count]
        return np.sort(self.data.distances(queries, np.asarray(allowed)[near]), axis=1)[:, K - 1]

    def close(self):
        kith.bench_rows_destroy(ctypes.byref(ctypes.c_void_p(self.rows)))


def nearest_rows(data, anchor):
    """All rows in the order of their distance from an anchor."""
    rough = data.base @ data.base[anchor]
    lengths = np.maximum(np.linalg.norm(data.base, axis=1), 1e-30)
    return np.argsort(-(rough / lengths if data.metric == 'cosine' else 2 * rough - lengths ** 2), kind='stable')


def groups(data, kind, random):
    """Rows in the order in which a filter takes them, with the queries that get it."""
    asked = np.arange(QUERIES)
    if kind == 'random':
        return [(asked, random.permutation(data.count))]
    anchors = random.choice(data.count, ANCHORS, replace=False)
    distances = data.distances(data.queries[:QUERIES], np.tile(anchors, (QUERIES, 1)))
    chosen = distances.argmin(1) if kind == 'correlated' else distances.argmax(1)
    return [(asked[chosen == place], nearest_rows(data, anchor)) for place, anchor in enumerate(anchors) if (chosen == place).any()]


def scan(case):
    ask = case.scan.of_kith(0)
    return kith.bench_rows_ask(case.rows, ctypes.addressof(ask))


def measure(data, subject, peer, case, rounds):
    """Seconds by round of the filtered search, the search without a filter, the scan, and the peer."""
    times = {'filtered': [], 'plain': [], 'scan': [], 'peer': []}
    for turn in range(rounds + 1):
        now = {'filtered': subject.ask(0, case.filtered, recall=RECALL), 'plain': subject.ask(0, case.plain, recall=RECALL), 'scan': scan(case)}
        for key, seconds in now.items():
            if turn > 0:
                times[key].append(seconds)
    recall = data.recall(case.filtered.rows, limits=case.limits, queries=case.queries)
    peer_recall = None
    if peer:
        #   Once: below 1 % it takes up to 200 ms a query
        asking = Asking(case.queries, live=case.live)
        times['peer'].append(peer.ask(PEER_EFFORT, asking))
        peer_recall = data.recall(asking.rows, limits=case.limits, queries=case.queries)
    return times, recall, peer_recall


def run(data, subject, peer, sheet, say, rounds):
    """Each kind and share: (kind, share, recall, time over the better of scan and 3x unfiltered)."""
    out = []
    for kind in KINDS:
        random = np.random.Generator(np.random.PCG64(SEED))
        grouped = groups(data, kind, random)
        for share in SHARES:
            totals = {'filtered': np.zeros(rounds), 'plain': np.zeros(rounds), 'scan': np.zeros(rounds), 'peer': np.zeros(1)}
            recall = peer_recall = 0.0
            for asked, order in grouped:
                case = Case(data, asked, np.sort(order[:max(K, int(share * data.count))]))
                times, got, peers = measure(data, subject, peer, case, rounds)
                for key, seconds in times.items():
                    if seconds:
                        totals[key] += seconds
                recall += got * len(asked) / QUERIES
                peer_recall += (peers or 0) * len(asked) / QUERIES
                case.close()
            medians = {key: float(np.median(value)) / QUERIES * 1e6 for key, value in totals.items()}
            over = medians['filtered'] / min(medians['scan'], 3 * medians['plain'])
            say('%s, %-15s %5.1f %%: recall@10 %.4f, %7.1f us; scan %7.1f us, without filter %6.1f us: %.2fx the better%s' % (
                data.name, kind, 100 * share, recall, medians['filtered'], medians['scan'], medians['plain'], over,
                '; hnswlib (ef %d) recall %.3f, %.1f us' % (PEER_EFFORT, peer_recall, medians['peer']) if peer else ''))
            sheet.add(record='filter', set=data.name, kind=kind, share=share, recall=recall, us=round(medians['filtered'], 2),
                      scan_us=round(medians['scan'], 2), plain_us=round(medians['plain'], 2), over=round(over, 3),
                      hnswlib_recall=round(peer_recall, 4), hnswlib_us=round(medians['peer'], 1))
            out.append((kind, share, recall, over))
    return out
