#   report.py - writes docs/benchmarks.md and its pictures from the records of the sections
#   SPDX-License-Identifier: Apache-2.0
import json
import math
import os

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PAGE = os.path.join(ROOT, 'docs', 'benchmarks.md')
PICTURES = os.path.join(ROOT, 'docs', 'benchmarks')
SETS = {'glove': 'GloVe words, 339,479 x 100, cosine', 'fashion': 'Fashion-MNIST, 60,000 x 784, L2',
        'texts': 'Descriptions of Debian packages, 384 dimensions, cosine'}
COLOURS = {'kith': '#c0392b', 'hnswlib': '#2c3e50', 'faiss ivf-pq4fs': '#2980b9', 'faiss ivf-flat': '#7fb3d5', 'faiss hnsw': '#1abc9c',
           'usearch': '#8e44ad'}
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 440, 70, 30, 180, 50
RECALL_FROM = 0.80


def records(folder, section):
    path = os.path.join(folder, section + '.jsonl')
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file]


def of(rows, kind):
    return [row for row in rows if row['record'] == kind]


def x_of(recall):
    """More room for the high recalls: by the logarithm of what is missed."""
    def scale(value):
        return -math.log10(1.0005 - value)
    return LEFT + (scale(recall) - scale(RECALL_FROM)) / (scale(1) - scale(RECALL_FROM)) * (WIDTH - LEFT - RIGHT)


def picture(path, title, curves):
    """Queries per second over recall, both as logarithms, as SVG."""
    points = [point for curve in curves for point in curve['points'] if point[0] >= RECALL_FROM]
    low = math.floor(math.log10(min(point[1] for point in points)) * 2) / 2
    high = math.ceil(math.log10(max(point[1] for point in points)) * 2) / 2

    def y_of(speed):
        return HEIGHT - BOTTOM - (math.log10(speed) - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (WIDTH, HEIGHT),
           '<rect width="100%%" height="100%%" fill="white"/><text x="%d" y="18" font-size="14">%s</text>' % (LEFT, title)]
    for recall in (0.80, 0.85, 0.90, 0.95, 0.98, 0.99, 0.995, 1.0):
        out.append('<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (
            x_of(recall), TOP, HEIGHT - BOTTOM, x_of(recall), HEIGHT - BOTTOM + 16, recall))
    for power in range(math.floor(low), math.ceil(high) + 1):
        for step in (1, 2, 5):
            speed = step * 10 ** power
            if low <= math.log10(speed) <= high:
                out.append('<path d="M%d %.1f H%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' % (
                    LEFT, y_of(speed), WIDTH - RIGHT, LEFT - 6, y_of(speed) + 4, format(speed, ',')))
    out.append('<text x="%d" y="%d" text-anchor="middle">recall@10</text>' % ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10))
    out.append('<text transform="translate(14 %d) rotate(-90)" text-anchor="middle">queries per second, one thread</text>' % (HEIGHT / 2))
    for place, curve in enumerate(curves):
        colour = COLOURS.get(curve['subject'], COLOURS['kith'])
        line = ' '.join('%.1f,%.1f' % (x_of(recall), y_of(speed)) for recall, speed, _ in curve['points'] if recall >= RECALL_FROM)
        heavy = 3 if curve['subject'].startswith('kith') else 1.6
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="%g"/>' % (line, colour, heavy))
        y = TOP + 14 + 18 * place
        out.append('<path d="M%d %d h22" stroke="%s" stroke-width="%g"/><text x="%d" y="%d">%s</text>' % (
            WIDTH - RIGHT + 14, y - 4, colour, heavy, WIDTH - RIGHT + 42, y, curve['subject']))
    out.append('</svg>\n')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(out))


def table(head, rows):
    return '\n'.join(['| ' + ' | '.join(head) + ' |', '|' + '---|' * len(head)] +
                     ['| ' + ' | '.join(str(cell) for cell in row) + ' |' for row in rows]) + '\n'


def ratio(value):
    return '%.2fx (%.2f .. %.2f)' % tuple(value) if value else '-'


def search_part(name, rows):
    curves = sorted(of(rows, 'curve'), key=lambda curve: not curve['subject'].startswith('kith'))
    if not curves:
        return ''
    os.makedirs(PICTURES, exist_ok=True)
    picture(os.path.join(PICTURES, name + '.svg'), SETS[name], curves)
    lines = []
    for curve in curves:
        for at in of(rows, 'at'):
            if at['subject'] != curve['subject']:
                continue
            latency = at.get('latency_us')
            share = at.get('of_limit')
            lines.append([at['subject'], '%.2f' % at['recall'], format(round(at['qps']), ',') if at['qps'] else 'never reached',
                          ratio(at['ratio']), ' / '.join('%.0f' % value for value in latency) if latency else '-',
                          '%.0f %%' % (100 * share) if share else '-', '%.0f' % curve['bytes_per_row']])
    head = ['index', 'recall@10', 'queries/s', 'times hnswlib', 'µs at p50 / p95 / p99', 'of the limit', 'bytes a row']
    return '## %s\n\n![Queries per second over recall](benchmarks/%s.svg)\n\n%s%s\n' % (SETS[name], name, machine_part(rows),
                                                                                       table(head, lines))


def machine_part(rows):
    found = of(rows, 'machine')
    if not found:
        return ''
    m = found[0]
    return ('%s, load average %.2f before. Kernels %s; %s. Sequential read %.1f GB/s, dependent read %.0f ns, random record of 64 bytes '
            '%.1f ns and of 256 bytes %.0f ns, sgemm %.0f GFLOP/s at 128 and %.0f at 768 dimensions.\n\n' % (
                m['date'].replace('T', ' '), m['load'][0], m['kernels'], m['product'], m['read_gb_s'], m['latency_ns'], m['record_64_ns'],
                m['record_256_ns'], m['sgemm_128_gflops'], m['sgemm_768_gflops']))


def build_part(rows):
    lines = [[SETS[row['set']].split(',')[0], row['subject'], row['threads'], '%.1f' % row['seconds'], row['peak_mib']] for row in of(rows, 'build')]
    shares = ['%s: %.2f of hnswlib\'s time; in the time that hnswlib needs for recall .95 and .99, Kith reaches %s.' % (
        row['set'], row['share'], ' and '.join('%.4f' % value if value else '-' for value in row['equal'])) for row in of(rows, 'build_share')]
    return '## Builds\n\n' + table(['set', 'index', 'threads', 'seconds', 'MiB at the peak, beside the rows'], lines) + '\n' + '\n'.join(shares) + '\n\n'


def batch_part(rows):
    return '## Batches of 1,000 queries\n\nAt the effort of recall .95, GloVe. The ratio is per thread, to one query a call by one thread.\n\n' + table(
        ['way', 'queries/s', 'ratio per thread', 'recall@10'],
        [[row['way'], format(row['qps'], ','), ratio(row['ratio']), '%.4f' % row['recall']] for row in of(rows, 'batch')]) + '\n'


def exact_part(rows):
    return '## Exact search\n\n1,000 queries in one call, one thread, beside `cblas_sgemm` of the same product.\n\n' + table(
        ['set', 'share of sgemm\'s speed', 'sgemm GFLOP/s', 'recall@10'],
        [[row['set'], '%.0f %% (%.0f .. %.0f)' % tuple(100 * value for value in row['share']), row['gflops'], '%.4f' % row['recall']]
         for row in of(rows, 'exact')]) + '\n'


def filters_part(rows):
    return ('## Filters\n\nAsked for recall .95. The last column is the time over the better of a scan of the matching rows (gathered before) and '
            'three times the unfiltered search: at most 1 is asked for.\n\n') + table(
        ['set', 'filter', 'rows allowed', 'recall@10', 'µs', 'scan µs', 'without filter µs', 'hnswlib ef 160: recall, µs', 'over the better'],
        [[row['set'], row['kind'], '%g %%' % (100 * row['share']), '%.4f' % row['recall'], row['us'], row['scan_us'], row['plain_us'],
          '%.3f, %.0f' % (row['hnswlib_recall'], row['hnswlib_us']), '%.2f' % row['over']] for row in of(rows, 'filter')]) + '\n'


def calibration_part(rows):
    return '## Calibration\n\n2,000 queries (500 for 100 answers) that the index has not seen, asked by recall.\n\n' + table(
        ['set', 'answers', 'asked', 'achieved', 'effort'],
        [[row['set'], row.get('k', 10), '%.2f' % row['asked'], '%.4f' % row['achieved'], row['effort']] for row in of(rows, 'calibration')]) + '\n'


def load_part(rows):
    return '## Load\n\nA stored index opened in a new process, to the first answer.\n\n' + table(
        ['set', 'file', 'MiB', 'seconds', 'slowest'],
        [[row['set'], row['way'], row['mib'], row['seconds'], row['most']] for row in of(rows, 'load')]) + '\n'


def updates_part(rows):
    lines = [['%.0f %%' % (100 * row['replaced']), format(row['inserts'], ','), format(row['removals'], ','), row['repair_s'],
              format(row['qps'], ','), '%.4f' % row['recall']] for row in of(rows, 'update')]
    lines += [['fresh build', '-', '-', '-', format(row['qps'], ','), '%.4f' % row['recall']] for row in of(rows, 'update_fresh')]
    return ('## Updates\n\nA graph over half of the texts whose rows are replaced in random order; one thread inserts and asks, two repair; '
            'the same effort throughout.\n\n') + table(
        ['replaced', 'insertions/s', 'removals/s', 'repair s', 'queries/s', 'recall@10'], lines) + '\n'


def write(folder):
    parts = ['# Benchmarks\n\n'
             'Written by `make bench`. One process holds all indexes of a set and asks them in turns, round by round, from native loops; one thread '
             'and one query per call unless a row says otherwise, timed by what the thread computed; recall@10 against exact search. Ratios are those of medians, with the least and '
             'the greatest of a round; compare figures of one table only. hnswlib is built with M 16 and ef_construction 200 by '
             '`-O3 -march=native`. "Of the limit": the time that reads and arithmetic of the walk need at least, by the constants of the '
             'machine, over the time taken. How it is done: `tests/bench/engine/README.md`.\n']
    parts += [search_part(name, records(folder, name)) for name in SETS]
    for name, part in (('build', build_part), ('batch', batch_part), ('exact', exact_part), ('filters', filters_part),
                       ('calibration', calibration_part), ('load', load_part), ('updates', updates_part)):
        rows = records(folder, name)
        if rows:
            parts.append(part(rows))
    with open(PAGE, 'w', encoding='utf-8') as file:
        file.write('\n'.join(part.rstrip('\n') + '\n' for part in parts if part))
