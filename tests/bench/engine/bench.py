#!/usr/bin/env python3
#   bench.py - the engine beside its peers: one process, all indexes in memory, interleaved rounds
#   SPDX-License-Identifier: Apache-2.0
#
#   bench.py [section ...] | bench.py claim NAME. Sections: glove fashion texts build batch exact filters calibration load updates. Started by
#   `run`, which prepares everything. Each section writes build-bench/bench/SECTION.jsonl; report.py makes docs/benchmarks.md of them.
#   Settings by the environment: BENCH_KIND and BENCH_CODE (of Kith's index, default auto), BENCH_ROUNDS, BENCH_QUERIES.
import ctypes
import datetime
import json
import os
import sys
import time
import traceback

import numpy as np

import datasets
import filters
import report
import rounds
import subjects
import updates
from subjects import Asking, Data, Faiss, Hnswlib, Kith, Usearch, kith

FOLDER = os.path.join(os.environ.get('BENCH_BUILD', 'build-bench'), 'bench')
PEERS = os.path.join(datasets.FOLDER, 'peers')
ROUNDS = int(os.environ.get('BENCH_ROUNDS', '5'))
QUERIES = int(os.environ.get('BENCH_QUERIES', '1000'))
KIND, CODE = os.environ.get('BENCH_KIND', 'auto'), os.environ.get('BENCH_CODE', 'auto')
TARGETS = (0.90, 0.95, 0.99)
LOAD_MAX, WAIT_S = 2.5, int(os.environ.get('BENCH_WAIT', '60'))


def say(line):
    print(line, flush=True)


class Sheet:
    """The records of a section: lines of JSON."""

    def __init__(self, section):
        os.makedirs(FOLDER, exist_ok=True)
        self.path = os.path.join(FOLDER, section + '.jsonl')
        self.records = []

    def add(self, **record):
        self.records.append(record)

    def close(self):
        with open(self.path + '.part', 'w', encoding='utf-8') as file:
            file.writelines(json.dumps(record) + '\n' for record in self.records)
        os.rename(self.path + '.part', self.path)


def quiet_machine():
    """Waits a while for others to finish; says how busy the machine is."""
    until = time.time() + WAIT_S
    while os.getloadavg()[0] > LOAD_MAX and time.time() < until:
        time.sleep(5)
    say('load average %.2f %.2f %.2f; kernels %s; %s' % (*os.getloadavg(), kith.bench_kernels().decode(),
                                                        kith.bench_product().decode()))
    return os.getloadavg()


def machine(sheet):
    """The constants of the machine now."""
    load = quiet_machine()
    out = (ctypes.c_double * 6)()
    kith.bench_machine(out)
    names = ('read_gb_s', 'latency_ns', 'record_64_ns', 'record_256_ns', 'sgemm_128_gflops', 'sgemm_768_gflops')
    constants = dict(zip(names, (round(value, 1) for value in out)))
    say('sequential read %.1f GB/s, dependent read %.0f ns, random record of 64 bytes %.1f ns and of 256 bytes %.0f ns, '
        'sgemm %.0f (d = 128) and %.0f GFLOP/s (d = 768)' % tuple(out))
    sheet.add(record='machine', load=load, kernels=kith.bench_kernels().decode(), product=kith.bench_product().decode(),
              date=datetime.datetime.now().isoformat(timespec='minutes'), **constants)
    return constants


def load(name):
    return Data(name, datasets.FOLDER, datasets.METRICS[name])


def built(make, *arguments, **named):
    """A subject, or null and a line about what is missing."""
    began = time.perf_counter()
    try:
        subject = make(*arguments, **named)
    except (ImportError, OSError) as error:
        say('missing: %s' % error)
        return None
    say('%s is ready after %.1f s, %.0f bytes a row' % (subject.name, time.perf_counter() - began, subject.bytes_per_row()))
    return subject


def our(data):
    subject = built(Kith, data, KIND, CODE)
    info = subject.info
    say('kith chose %s, code %s, degree %d, lists %d; effort %d for 0.95' % (info.kind.decode(), info.code.decode(), info.degree, info.lists,
                                                                           subject.effort(0.95)))
    return subject


def peers_of(data, wanted):
    os.makedirs(PEERS, exist_ok=True)
    made = []
    for name in wanted:
        if name == 'hnswlib':
            made.append(built(Hnswlib, data, PEERS))
        elif name == 'usearch':
            made.append(built(Usearch, data, PEERS))
        else:
            made.append(built(Faiss, data, name, PEERS))
    return [subject for subject in made if subject]


def lines_of(code, dim):
    """Cache lines that one row's code takes in a walk."""
    size = {'sq4': dim / 2 + 4, 'sq8': dim + 8, 'rabitq': dim / 8 + 12}.get(code, 4 * dim)
    return int(np.ceil(size / 64))


def limit(constants, subject, data, compared, effort):
    """Seconds per query that memory and arithmetic allow, by ENGINE 4.2; only of a graph."""
    info = subject.info
    if info.kind != b'graph' or not compared:
        return None
    effort = subject.effort(effort) if effort < 1 else effort
    code, refined, hops = info.code.decode(), min(60, effort), effort + 10
    lines = lines_of(code, data.dim)
    line = constants['record_256_ns'] / 4
    codes = constants['record_64_ns'] if lines == 1 else lines * line
    memory = hops * np.ceil(4 * info.degree / 64) * line + compared * codes + refined * np.ceil(data.dim / 16) * line
    inserted = effort * np.log(max(compared / effort, 2)) + effort
    kernel = (1.7 if code in ('sq4', 'sq8') else 5.6) * data.dim / 128
    cpu = compared * kernel + hops * info.degree * 1.2 + inserted * 15 + refined * 5.6 * data.dim / 128 + 3000
    return max(memory, cpu) * 1e-9


def curves_out(sheet, data, curves, constants):
    """Whole curves, the time at each target, and latencies, as records and lines."""
    base = next((curve for curve in curves if curve.subject.name == 'hnswlib'), None)
    for curve in curves:
        subject = curve.subject
        medians = [float(np.median(times)) for times in curve.seconds]
        front = curve.front()
        sheet.add(record='curve', set=data.name, subject=subject.name, bytes_per_row=round(subject.bytes_per_row(), 1),
                  points=[[round(curve.recalls[place], 5), round(1 / medians[place], 1), curve.settings[place]] for place in front])
        for target in TARGETS:
            seconds = curve.at(target)
            against = base and rounds.ratio(base.at(target), seconds)
            record = {'record': 'at', 'set': data.name, 'subject': subject.name, 'recall': target,
                      'qps': round(1 / float(np.median(seconds)), 1) if seconds is not None else None, 'ratio': against}
            place = curve.setting_at(target)
            if place is not None:
                record['latency_us'] = rounds.latencies(subject, curve.settings[place], data, QUERIES)
            if isinstance(subject, Kith) and place is not None and constants:
                bound = limit(constants, subject, data, curve.compared[place], curve.settings[place])
                record['of_limit'] = round(bound / medians[place], 3) if bound else None
            sheet.add(**record)
            say('%-16s recall %.2f: %s' % (subject.name, target, 'never reached' if seconds is None else '%7.0f queries/s%s' % (
                record['qps'], '' if against is None else ', %.2fx hnswlib (%.2f .. %.2f)' % against)))


def search_section(name, wanted, constants=None, sheet=None):
    """Kith and peers on one set; returns the curves by name."""
    data = load(name)
    say('%s: %d rows of %d dimensions, %s; %d queries, one per call, one thread, %d rounds and more' % (
        name, data.count, data.dim, data.metric, QUERIES, ROUNDS))
    everyone = [our(data)] + peers_of(data, wanted)
    quiet_machine()
    curves = rounds.run(everyone, data, QUERIES, rounds.turns(ROUNDS), say)
    if sheet:
        curves_out(sheet, data, curves, constants)
    return {curve.subject.name.split(' ')[0] if isinstance(curve.subject, Kith) else curve.subject.name: curve for curve in curves}


def all_peers():
    return ['hnswlib', 'faiss ivf-pq4fs', 'faiss ivf-flat', 'faiss hnsw', 'usearch']


def section_search(name, sheet):
    search_section(name, os.environ.get('BENCH_PEERS', ','.join(all_peers())).split(','), machine(sheet), sheet)


def in_child(work):
    """Runs work () in a process of its own: (its result, peak of its memory in MiB over where it began)."""
    down, up = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            began = resident('VmRSS')
            with open('/proc/self/clear_refs', 'w', encoding='ascii') as file:
                file.write('5')
            result = work()
            os.write(up, json.dumps([result, resident('VmHWM') - began]).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(up)
    with os.fdopen(down) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    if not text:
        raise RuntimeError('the process that measured ended early')
    return json.loads(text)


def resident(field):
    for line in open('/proc/self/status', encoding='ascii'):
        if line.startswith(field + ':'):
            return int(line.split()[1]) / 1024
    return 0


def timed_build(make):
    """Seconds that a subject's build takes."""
    began = time.perf_counter()
    make()
    return time.perf_counter() - began


def section_build(sheet, names=('glove', 'fashion', 'texts'), threads=2):
    """Builds Kith's index and hnswlib's in turns, each in a process of its own; the recalls come from the search at equal times."""
    worst = {}
    for name in names:
        data = load(name)
        data.for_peers()
        times = {'kith': [], 'hnswlib': []}
        for turn in range(int(os.environ.get('BENCH_BUILDS', '1' if name == 'glove' else '2'))):
            quiet_machine()
            for subject, make in (('kith', lambda: Kith(data, KIND, CODE, threads=threads)),
                                  ('hnswlib', lambda: Hnswlib(data, threads=threads))):
                seconds, peak = in_child(lambda make=make: timed_build(make))
                say('%s: %s built in %.1f s by %d threads, %.0f MiB at its peak beside the rows (turn %d)' % (
                    name, subject, seconds, threads, peak, turn))
                times[subject].append(seconds)
                sheet.add(record='build', set=name, subject=subject, threads=threads, seconds=round(seconds, 2), peak_mib=round(peak))
        share = float(np.median(times['kith']) / np.median(times['hnswlib']))
        curves = rounds.run([our(data)] + peers_of(data, ['hnswlib']), data, QUERIES, range(2), lambda line: None)
        equal = {}
        for target in (0.95, 0.99):
            reached = curves[1].at(target)
            equal[target] = curves[0].recall_in(float(np.median(reached))) if reached is not None else None
        say('%s: %.2fx hnswlib\'s time; in the time that hnswlib needs for recall .95 and .99, Kith reaches %s' % (
            name, share, ' and '.join('%.4f' % value if value else '-' for value in equal.values())))
        sheet.add(record='build_share', set=name, share=share, equal=list(equal.values()))
        worst[name] = (share, all(value is not None and value >= target for target, value in equal.items()))
    return worst


def section_batch(sheet, name='glove', with_peer=True):
    """1,000 queries in one call for each thread's half, beside one query a call, at the effort of recall .95."""
    data = load(name)
    subject = our(data)
    effort = subject.effort(0.95)
    quiet_machine()
    single, pair = Asking(data.queries[:1000]), Asking(data.queries[:1000], threads=2)
    whole, halves = Asking(data.queries[:1000], whole=True), Asking(data.queries[:1000], threads=2, whole=True)
    askings = {'one query, 1 thread': single, 'one query, 2 threads': pair, 'batch, 1 thread': whole, 'batch, 2 threads': halves}
    times = {key: [] for key in askings}
    for turn in rounds.turns(ROUNDS + 1):
        for key, asking in askings.items():
            seconds = subject.ask(effort, asking)
            if turn > 0:
                times[key].append(seconds / asking.count)
    peer = next(iter(peers_of(data, ['hnswlib'])), None) if with_peer else None
    if peer:
        #   By itself: how the peer gains from a second thread
        effort_of_peer = 220
        for key, asking in (('hnswlib, 1 thread', single), ('hnswlib, 2 threads', pair)):
            seconds = [peer.ask(effort_of_peer, asking) / asking.count for _ in range(4)][1:]
            recall = data.recall(asking.rows)
            say('%-20s %7.0f queries/s, recall@10 %.4f' % (key, 1 / np.median(seconds), recall))
            sheet.add(record='batch', set=name, way=key, qps=round(1 / float(np.median(seconds))), ratio=None, recall=recall,
                      effort=effort_of_peer)
        subject.ask(effort, single)
        subject.ask(effort, pair)
    out = {}
    for key, asking in askings.items():
        threads = asking.threads
        against = rounds.ratio(times['one query, 1 thread'], np.array(times[key]) * threads)
        recall = data.recall(asking.rows)
        say('%-20s %7.0f queries/s, per thread %.2fx of one query a call by one thread (%.2f .. %.2f), recall@10 %.4f' % (
            key, 1 / np.median(times[key]), *against, recall))
        sheet.add(record='batch', set=name, way=key, qps=round(1 / float(np.median(times[key]))), ratio=against, recall=recall, effort=effort)
        out[key] = (against, recall)
    return out


def section_exact(sheet, names=('glove', 'fashion', 'texts')):
    """kith_flat_search of 1,000 queries in one call beside cblas_sgemm of the same product."""
    shares = {}
    for name in names:
        data = load(name)
        asking = Asking(data.queries[:1000], whole=True)
        ask = asking.of_kith(0)
        quiet_machine()
        product, search = [], []
        for turn in rounds.turns(ROUNDS + 1):
            alone = kith.bench_rows_product(data.rows, subjects.address(asking.queries), asking.count)
            ours = kith.bench_rows_ask(data.rows, ctypes.addressof(ask))
            if turn > 0:
                product.append(alone)
                search.append(ours)
        share = rounds.ratio(product, search)
        recall = data.recall(asking.rows)
        flops = 2.0 * asking.count * data.count * data.dim / 1e9
        say('%s: sgemm alone %.3f s (%.0f GFLOP/s), search %.3f s: %.0f %% (%.0f .. %.0f), recall@10 %.4f' % (
            name, np.median(product), flops / np.median(product), np.median(search), *(100 * value for value in share), recall))
        sheet.add(record='exact', set=name, share=share, recall=recall, gflops=round(flops / float(np.median(product)), 1))
        shares[name] = (share[0], recall)
    return shares


def section_calibration(sheet, names=('glove', 'fashion', 'texts')):
    """Asks by recall, with queries that the index has not seen."""
    out = []
    for name in names:
        data = load(name)
        subject = our(data)
        for k, asking in ((10, Asking(data.queries)), (100, Asking(data.queries[:500], k=100))):
            for target in TARGETS:
                subject.ask(0, asking, recall=target)
                seconds = subject.ask(0, asking, recall=target)
                recall, effort = data.recall(asking.rows), subject.effort(target, k)
                say('%s: of %d asked for %.2f, achieved %.4f (%+.4f), effort %d, %.0f queries/s' % (
                    name, k, target, recall, recall - target, effort, asking.count / seconds))
                sheet.add(record='calibration', set=name, k=k, asked=target, achieved=recall, effort=effort)
                out.append((name, k, target, recall))
        subject.close()
    return out


def load_once(folder, fbin, metric, cold):
    """Opens a stored index in this process and asks; {container, index, first answer} in seconds and the rows."""
    if cold:
        for path in (fbin, os.path.join(folder, 'index')):
            with open(path, 'rb') as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    seconds, rows = (ctypes.c_double * 3)(), (ctypes.c_int64 * 10)()
    why = ctypes.create_string_buffer(512)
    if kith.bench_load(folder.encode(), fbin.encode(), metric.encode(), seconds, rows, why) != 0:
        raise RuntimeError(why.value.decode())
    return list(seconds), list(rows)


def section_load(sheet, name='glove'):
    """From nothing to the first answer, each time in a new process: with the files in the page cache, and without."""
    data = load(name)
    folder = os.path.join(datasets.FOLDER, 'stored')
    subject = our(data)
    subject.store(folder)
    size = os.path.getsize(os.path.join(folder, 'index'))
    out = {}
    for cold in (False, True):
        totals = []
        for turn in range(5):
            (parts, found), _ = in_child(lambda cold=cold: load_once(folder, data.fbin, data.metric, cold))
            if found[0] != 0:
                raise RuntimeError('row 0 is not its own nearest: %s' % found)
            if turn > 0 or cold:
                totals.append(sum(parts))
        way = 'from the disk' if cold else 'from the page cache'
        say('%s: %.0f MiB opened %s: first answer after %.3f s (%.3f .. %.3f); last: container %.3f, index %.3f, answer %.4f' % (
            name, size / 2 ** 20, way, np.median(totals), min(totals), max(totals), *parts))
        sheet.add(record='load', set=name, way=way, seconds=round(float(np.median(totals)), 4), most=round(max(totals), 4),
                  mib=round(size / 2 ** 20))
        out[way] = (float(np.median(totals)), max(totals))
    os.remove(os.path.join(folder, 'index'))
    return out


def section_filters(sheet, names=('glove',), with_peer=True):
    cases = []
    for name in names:
        data = load(name)
        subject = our(data)
        peer = next(iter(peers_of(data, ['hnswlib'])), None) if with_peer else None
        quiet_machine()
        cases += filters.run(data, subject, peer, sheet, say, 3)
    return cases


def section_updates(sheet, names=('texts',)):
    for name in names:
        data = load(name)
        quiet_machine()
        updates.run(data, sheet, say, QUERIES)


SECTIONS = {
    'glove': lambda sheet: section_search('glove', sheet), 'fashion': lambda sheet: section_search('fashion', sheet),
    'texts': lambda sheet: section_search('texts', sheet), 'build': section_build, 'batch': section_batch, 'exact': section_exact,
    'filters': section_filters, 'calibration': section_calibration, 'load': section_load, 'updates': section_updates,
}


def main(names):
    if names[:1] == ['claim'] and len(names) == 2:
        import claims
        return claims.run(names[1])
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        print('bench: no section %s; sections: %s' % (unknown[0], ' '.join(SECTIONS)), file=sys.stderr)
        return 2
    for name in names or SECTIONS:
        say('== %s' % name)
        sheet = Sheet(name)
        #   A child, so that one section's memory does not press on the next
        in_child(lambda name=name, sheet=sheet: (SECTIONS[name](sheet), sheet.close(), 0)[2])
    report.write(FOLDER)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
