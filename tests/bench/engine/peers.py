#!/usr/bin/env python3
#   peers.py - hnswlib on the rows and queries of bench_graph, in turns with it
#   SPDX-License-Identifier: Apache-2.0
#
#   peers.py FILE.fbin BENCH [metric [key=value ...]]: builds hnswlib (M 16, ef_construction 200) on the same split, saves it, then runs one of
#   its rounds between rounds of BENCH, so that both meet the same machine. Prints QPS at recall .90, .95 and .99 (time
#   interpolated between neighbouring efforts) of both, and their ratio.
import json
import subprocess
import sys
import time

import hnswlib
import numpy as np

K = 10
EFFORTS = [10, 20, 30, 40, 60, 80, 100, 130, 160, 200, 300, 400, 600, 800, 1000, 1500]
MASK = (1 << 64) - 1


def at_recall(points, recall):
    """Queries per second at a recall, time interpolated; None if it is never reached."""
    points = sorted(points)
    for low, high in zip(points, points[1:]):
        if low[0] <= recall <= high[0]:
            share = (recall - low[0]) / (high[0] - low[0]) if high[0] > low[0] else 0
            return 1 / (1 / low[1] + share * (1 / high[1] - 1 / low[1]))
    return points[0][1] if points and points[0][0] > recall else None


def hnswlib_round(index, queries, truth):
    """One pass over all efforts: (recall, qps) of each."""
    points = []
    for effort in EFFORTS:
        index.set_ef(effort)
        start = time.perf_counter()
        found = [index.knn_query(query, K)[0][0] for query in queries]
        seconds = time.perf_counter() - start
        recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(found, truth)])
        points.append((recall, len(queries) / seconds))
    return points


def main():
    path, bench = sys.argv[1], sys.argv[2]
    metric = sys.argv[3] if len(sys.argv) > 3 else "cosine"
    split = path + ".split"
    subprocess.run([bench, path, metric, "split=" + split], check=True)
    head = np.fromfile(split, dtype=np.uint32, count=3)
    rows, dim, asked = (int(number) for number in head)
    data = np.fromfile(split, dtype=np.float32, offset=12).reshape(rows + asked, dim)
    base, queries = data[:rows], data[rows:]
    if metric == "cosine":
        base = base / np.maximum(np.linalg.norm(base, axis=1, keepdims=True), 1e-30)
        queries = queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-30)
    space = "l2" if metric == "l2" else "ip"
    if metric == "l2":
        squares = (base * base).sum(1)
        truth = [np.argpartition(squares - 2 * base @ query, K)[:K] for query in queries]
    else:
        truth = [np.argpartition(-(base @ query), K)[:K] for query in queries]
    index = hnswlib.Index(space=space, dim=dim)
    index.init_index(rows, M=16, ef_construction=200)
    start = time.perf_counter()
    index.add_items(base, num_threads=2)
    print(json.dumps({"hnswlib_build_seconds": round(time.perf_counter() - start, 1)}), flush=True)
    index.set_num_threads(1)
    ours, theirs = [], []
    process = subprocess.Popen([bench, path, metric, "turns=1"] + sys.argv[4:],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    for _ in range(3):
        print(process.stdout.readline().strip(), flush=True)
    for turn in range(4):
        process.stdin.write("go\n")
        process.stdin.flush()
        points = json.loads(process.stdout.readline())
        peer = hnswlib_round(index, queries, truth)
        if turn > 0:
            ours.append([tuple(point) for point in points])
            theirs.append(peer)
    process.stdin.close()
    process.wait()
    for recall in (0.90, 0.95, 0.99):
        mine = [at_recall(points, recall) for points in ours]
        peer = [at_recall(points, recall) for points in theirs]
        if None in mine or None in peer:
            print(json.dumps({"recall": recall, "kith": mine, "hnswlib": peer}))
            continue
        ratios = [a / b for a, b in zip(mine, peer)]
        print(json.dumps({"recall": recall, "kith_qps": round(float(np.median(mine))),
                          "hnswlib_qps": round(float(np.median(peer))),
                          "ratio": round(float(np.median(mine) / np.median(peer)), 2),
                          "ratio_min": round(min(ratios), 2), "ratio_max": round(max(ratios), 2)}))


if __name__ == "__main__":
    main()
