#   subjects.py - Kith and its peers behind one small interface, each asked by a loop of native code
#   SPDX-License-Identifier: Apache-2.0
#
#   A subject has a name, settings to sweep, and ask (setting, asking) -> seconds. Whoever is missing says so in `missing`.
import ctypes
import os
import time

import numpy as np

K = 10
pointer = ctypes.c_void_p


class Build(ctypes.Structure):
    """bench_build_t of subject.h."""
    _fields_ = [('kind', ctypes.c_char_p), ('code', ctypes.c_char_p), ('degree', ctypes.c_uint32),
                ('build_effort', ctypes.c_uint32), ('lists', ctypes.c_uint32), ('threads', ctypes.c_uint32),
                ('recall', ctypes.c_float), ('seed', ctypes.c_uint64)]


class Ask(ctypes.Structure):
    """bench_ask_t of subject.h."""
    _fields_ = [('queries', pointer), ('nq', ctypes.c_uint32), ('stride', ctypes.c_uint32), ('k', ctypes.c_uint32),
                ('effort', ctypes.c_uint32), ('recall', ctypes.c_float), ('threads', ctypes.c_uint32), ('whole', ctypes.c_uint32),
                ('live', pointer), ('rows', pointer), ('ns', pointer), ('compared', ctypes.c_uint64)]


class Info(ctypes.Structure):
    """bench_info_t of subject.h."""
    _fields_ = [('kind', ctypes.c_char_p), ('code', ctypes.c_char_p), ('rows', ctypes.c_uint32), ('degree', ctypes.c_uint32),
                ('lists', ctypes.c_uint32), ('effort', ctypes.c_uint32), ('bytes', ctypes.c_uint64), ('recall', ctypes.c_float)]


class PeerAsk(ctypes.Structure):
    """asked of peer_*.cpp."""
    _fields_ = [('queries', pointer), ('nq', ctypes.c_uint32), ('stride', ctypes.c_uint32), ('k', ctypes.c_uint32),
                ('live', pointer), ('rows', pointer), ('ns', pointer)]


def library(path, functions):
    """A shared library with the result and argument types of its functions."""
    loaded = ctypes.CDLL(path)
    for name, result, arguments in functions:
        getattr(loaded, name).restype = result
        getattr(loaded, name).argtypes = arguments
    return loaded


u32, text, f64 = ctypes.c_uint32, ctypes.c_char_p, ctypes.c_double
kith = library(os.path.abspath(os.environ['KITH_SUBJECT']), [
    ('bench_kernels', text, []), ('bench_product', text, []),
    ('bench_alloc', pointer, [ctypes.c_size_t]),
    ('bench_rows_new', pointer, [pointer, u32, u32, text]),
    ('bench_rows_destroy', None, [pointer]),
    ('bench_rows_ask', f64, [pointer, pointer]),
    ('bench_rows_product', f64, [pointer, pointer, u32]),
    ('bench_index_build', pointer, [pointer, pointer, text]),
    ('bench_index_destroy', None, [pointer]),
    ('bench_index_describe', None, [pointer, pointer]),
    ('bench_index_effort', u32, [pointer, ctypes.c_float, u32]),
    ('bench_index_ask', f64, [pointer, pointer]),
    ('bench_index_store', ctypes.c_int, [pointer, text, text]),
    ('bench_load', ctypes.c_int, [text, text, text, pointer, pointer, text]),
    ('bench_live_new', pointer, [pointer, u32, u32, text]),
    ('bench_live_destroy', None, [pointer]),
    ('bench_live_insert', f64, [pointer, u32]),
    ('bench_live_remove', f64, [pointer, pointer, u32]),
    ('bench_live_repair', f64, [pointer, u32]),
    ('bench_live_ask', f64, [pointer, pointer]),
    ('bench_machine', None, [pointer]),
])


def address(array):
    return array.ctypes.data_as(pointer)


def roomy(shape, dtype=np.float32):
    """Zeros in huge pages, aligned; never freed."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = (ctypes.c_char * count).from_address(kith.bench_alloc(count))
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


class Asking:
    """Queries of a set in the forms that subjects want, and room for the answers."""

    def __init__(self, queries, live=None, threads=1, whole=False, latency=False, k=K):
        self.count, self.dim = queries.shape
        #   A call a query: each begins at a multiple of 64 bytes; whole: without gaps
        self.stride = self.dim if whole else (self.dim + 15) // 16 * 16
        self.queries = roomy((self.count, self.stride))
        self.queries[:, :self.dim] = queries
        norms = np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-30)
        self.unit = roomy((self.count, self.stride))
        self.unit[:, :self.dim] = queries / norms
        self.live, self.threads, self.whole, self.k = live, threads, whole, k
        self.rows = np.full((self.count, k), -1, dtype=np.int64)
        self.ns = np.zeros(self.count, dtype=np.uint32) if latency else None

    def of_peer(self, unit):
        return PeerAsk(queries=address(self.unit if unit else self.queries), nq=self.count, stride=self.stride, k=self.k,
                       live=None if self.live is None else address(self.live), rows=address(self.rows),
                       ns=None if self.ns is None else address(self.ns))

    def of_kith(self, effort, recall=0.0):
        return Ask(queries=address(self.queries), nq=self.count, stride=self.stride, k=self.k, effort=effort, recall=recall,
                   threads=self.threads, whole=int(self.whole), live=None if self.live is None else address(self.live),
                   rows=address(self.rows), ns=None if self.ns is None else address(self.ns))


class Data:
    """A set: rows in huge pages, queries, the distance of the tenth neighbour."""

    def __init__(self, name, folder, metric):
        self.name, self.metric = name, metric
        self.fbin = os.path.join(folder, name + '.base.fbin')
        self.base = self.read(self.fbin)
        self.queries = self.read(os.path.join(folder, name + '.query.fbin'))
        self.nearest = np.load(os.path.join(folder, name + '.distance.npy')).astype(np.float64)
        #   The files keep the order of the set (frequent words first, names by letter): their first half is no fair sample
        order = np.random.default_rng(1).permutation(len(self.queries))
        self.queries[:], self.nearest = self.queries[order], self.nearest[order]
        self.limits = self.nearest[:, K - 1]
        self.count, self.dim = self.base.shape
        self.rows = kith.bench_rows_new(address(self.base), self.count, self.dim, metric.encode())
        self.unit_base = None

    @staticmethod
    def read(path):
        shape = np.fromfile(path, dtype='<u4', count=2)
        rows = roomy(tuple(int(side) for side in shape))
        with open(path, 'rb') as file:
            file.seek(8)
            file.readinto(rows.data.cast('B'))
        return rows

    def for_peers(self):
        """Peers know cosine as inner product of vectors of length 1."""
        if self.metric != 'cosine':
            return self.base
        if self.unit_base is None:
            self.unit_base = roomy(self.base.shape)
            self.unit_base[:] = self.base / np.maximum(np.linalg.norm(self.base, axis=1, keepdims=True), 1e-30)
        return self.unit_base

    def distances(self, queries, rows):
        """Exact distances of rows [queries, k] in float64; +inf for no row."""
        vectors = self.base[np.maximum(rows, 0)].astype(np.float64)
        asked = queries.astype(np.float64)[:, None, :]
        if self.metric == 'cosine':
            lengths = np.linalg.norm(vectors, axis=2) * np.linalg.norm(asked, axis=2)
            out = -(vectors * asked).sum(2) / np.maximum(lengths, 1e-30)
        else:
            out = ((vectors - asked) ** 2).sum(2)
        return np.where(rows < 0, np.inf, out)

    def recall(self, rows, first=0, limits=None, queries=None):
        """Share of k hits that are as near as the k-th neighbour; rows found twice count once."""
        k = rows.shape[1]
        limits = self.nearest[first:first + len(rows), k - 1] if limits is None else limits
        queries = self.queries[first:first + len(rows)] if queries is None else queries
        found = self.distances(queries, rows)
        ordered = np.sort(rows, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
        slack = 1e-6 * np.maximum(np.abs(limits), 1e-3)[:, None]
        wanted = np.minimum(k, np.isfinite(limits) * k)
        good = (found <= limits[:, None] + slack).sum(1) - twice.sum(1)
        return float((np.minimum(good, wanted) / np.maximum(wanted, 1)).mean())


class Kith:
    def __init__(self, data, kind='auto', code='auto', threads=2, **more):
        self.name = 'kith' if kind == 'auto' and code == 'auto' else 'kith %s %s' % (kind, code)
        self.data = data
        why = ctypes.create_string_buffer(512)
        build = Build(kind=kind.encode(), code=code.encode(), threads=threads, seed=1, **more)
        began = time.perf_counter()
        self.index = kith.bench_index_build(data.rows, ctypes.addressof(build), why)
        self.build_s = time.perf_counter() - began
        if not self.index:
            raise RuntimeError('%s: %s' % (self.name, why.value.decode()))
        self.info = Info()
        kith.bench_index_describe(self.index, ctypes.addressof(self.info))
        if self.info.kind == b'ivf':
            self.settings = [1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512]
        else:
            #   Efforts below k can only be had by asking for a recall
            low = [recall for recall in (0.80, 0.85, 0.90, 0.925, 0.95, 0.97) if self.effort(recall) < K]
            self.settings = low + [10, 14, 20, 28, 40, 56, 80, 110, 160, 220, 300, 420, 600, 850, 1200, 1700]

    def ask(self, setting, asking, recall=0.0):
        """A setting below 1 is a recall to ask for."""
        ask = asking.of_kith(0, setting) if 0 < setting < 1 else asking.of_kith(setting, recall)
        seconds = kith.bench_index_ask(self.index, ctypes.addressof(ask))
        if seconds < 0:
            raise RuntimeError('%s: a search failed' % self.name)
        self.compared = ask.compared / asking.count
        return seconds

    def effort(self, recall, k=K):
        return kith.bench_index_effort(self.index, recall, k)

    def bytes_per_row(self):
        return self.info.bytes / self.info.rows + 4 * self.data.dim

    def store(self, folder):
        why = ctypes.create_string_buffer(512)
        if kith.bench_index_store(self.index, folder.encode(), why) != 0:
            raise RuntimeError(why.value.decode())

    def close(self):
        kith.bench_index_destroy(ctypes.byref(ctypes.c_void_p(self.index)))
        self.index = None


def hnswlib_library():
    path = os.environ.get('KITH_PEER_HNSWLIB')
    return library(path, [
        ('hnsw_build', pointer, [pointer, u32, u32, u32, u32, u32, u32]), ('hnsw_save', None, [pointer, text]),
        ('hnsw_load', pointer, [text, u32, u32]), ('hnsw_free', None, [pointer]), ('hnsw_bytes', ctypes.c_uint64, [pointer]),
        ('hnsw_ask', f64, [pointer, pointer, u32, u32])]) if path else None


class Hnswlib:
    """hnswlib, the measure of all: M 16, ef_construction 200."""
    name = 'hnswlib'

    def __init__(self, data, cache=None, threads=2):
        self.native = hnswlib_library()
        if not self.native:
            raise ImportError('hnswlib cannot be installed')
        self.data, self.cosine = data, data.metric == 'cosine'
        saved = cache and os.path.join(cache, 'hnswlib-0.8.0-M16-ef200-%s-%d.bin' % (data.name, data.count))
        self.index = None
        if saved and os.path.exists(saved):
            self.index = self.native.hnsw_load(saved.encode(), data.dim, int(not self.cosine))
        if not self.index:
            self.index = self.native.hnsw_build(address(data.for_peers()), data.count, data.dim, int(not self.cosine), 16, 200,
                                                threads)
            if saved:
                self.native.hnsw_save(self.index, (saved + '.part').encode())
                os.rename(saved + '.part', saved)
        self.settings = [10, 14, 20, 28, 40, 56, 80, 110, 160, 220, 300, 420, 600, 850, 1200, 1700, 2400]

    def ask(self, setting, asking):
        ask = asking.of_peer(self.cosine)
        return self.native.hnsw_ask(self.index, ctypes.addressof(ask), setting, asking.threads)

    def bytes_per_row(self):
        return self.native.hnsw_bytes(self.index) / self.data.count

    def close(self):
        self.native.hnsw_free(self.index)
        self.index = None


class Faiss:
    """An index of faiss; its search is called by address (Itanium C++ names)."""
    SEARCH = '_ZNK5faiss%s6searchElPKflPfPlPKNS_16SearchParametersE'
    #   What is made, how it is swept
    KINDS = {
        'faiss hnsw': ('HNSW16,Flat', '9IndexHNSW', [(ef,) for ef in (16, 28, 40, 56, 80, 110, 160, 220, 300, 420, 600, 850, 1200, 1700)]),
        'faiss ivf-flat': ('IVF%d,Flat', '8IndexIVF', [(n,) for n in (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384)]),
        'faiss ivf-pq4fs': ('IVF%d,PQ%dx4fs,RFlat', '15IndexRefineFlat',
                            [(n, factor) for n in (2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384) for factor in (5, 10, 20, 40)]),
    }

    def __init__(self, data, name, cache=None, threads=2):
        import faiss
        self.faiss, self.name, self.data = faiss, name, data
        recipe, owner, self.settings = self.KINDS[name]
        lists = int(2 ** np.round(np.log2(2 * np.sqrt(data.count))))
        recipe = recipe % tuple([lists, data.dim // 2][:recipe.count('%d')])
        self.cosine = data.metric == 'cosine'
        saved = cache and os.path.join(cache, 'faiss-%s-%s-%s-%d.bin' % (faiss.__version__, recipe, data.name, data.count))
        faiss.omp_set_num_threads(threads)
        if saved and os.path.exists(saved):
            self.index = faiss.read_index(saved)
        else:
            self.index = faiss.index_factory(data.dim, recipe, faiss.METRIC_INNER_PRODUCT if self.cosine else faiss.METRIC_L2)
            if name == 'faiss hnsw':
                self.index.hnsw.efConstruction = 200
            self.index.train(data.for_peers())
            self.index.add(data.for_peers())
            if saved:
                faiss.write_index(self.index, saved + '.part')
                os.rename(saved + '.part', saved)
        faiss.omp_set_num_threads(1)
        if hasattr(self.index, 'base_index'):
            self.base = faiss.downcast_index(self.index.base_index)
        self.native = library(os.environ['KITH_PEER_FAISS'], [('faiss_ask', f64, [pointer, pointer, pointer, u32, u32])])
        self.search = ctypes.cast(getattr(ctypes.CDLL(os.path.join(os.path.dirname(faiss.__file__), 'libfaiss.so')),
                                          self.SEARCH % owner), pointer)

    def ask(self, setting, asking):
        if self.name == 'faiss hnsw':
            self.index.hnsw.efSearch = setting[0]
        elif len(setting) == 1:
            self.index.nprobe = setting[0]
        else:
            self.base.nprobe = setting[0]
            self.index.k_factor = setting[1]
        ask = asking.of_peer(self.cosine)
        return self.native.faiss_ask(self.search, int(self.index.this), ctypes.addressof(ask), asking.threads, int(asking.whole))

    def bytes_per_row(self):
        return len(self.faiss.serialize_index(self.index)) / self.data.count

    def close(self):
        self.index = None


class Usearch:
    """usearch by its own loop over a matrix of queries: its Python calls native code once for all."""
    name = 'usearch'

    def __init__(self, data, cache=None, threads=2):
        from usearch.index import Index
        self.data = data
        saved = cache and os.path.join(cache, 'usearch-M16-ef200-%s-%d.bin' % (data.name, data.count))
        self.index = Index(ndim=data.dim, metric='ip' if data.metric == 'cosine' else 'l2sq', dtype='f32', connectivity=16,
                           expansion_add=200)
        self.cosine = data.metric == 'cosine'
        if saved and os.path.exists(saved):
            self.index.load(saved)
        else:
            self.index.add(np.arange(data.count), data.for_peers(), threads=threads)
            if saved:
                self.index.save(saved)
        self.settings = [10, 20, 40, 80, 110, 160, 220, 300, 420, 600, 850, 1200, 1700]

    def ask(self, setting, asking):
        self.index.expansion_search = setting
        queries = (asking.unit if self.cosine else asking.queries)[:, :asking.dim]
        queries = np.ascontiguousarray(queries)
        clock = time.process_time if asking.threads == 1 else time.perf_counter
        began = clock()
        found = self.index.search(queries, K, threads=asking.threads)
        seconds = clock() - began
        asking.rows[:] = found.keys.astype(np.int64)
        return seconds

    def bytes_per_row(self):
        return self.index.serialized_length / self.data.count

    def close(self):
        self.index = None
