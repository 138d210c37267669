#!/usr/bin/env python3
#   tidy.py - the house rules that a program can check
#   SPDX-License-Identifier: Apache-2.0
#
#   tidy.py ROOT [--actors ARCHIVE] [--library ARCHIVE]...
#   Prints one line a finding, `path:line: what`, and exits 1 if there is any. With --actors the archive of actors/ may
#   ask the linker for a short list of names only; each --library may export kith_ names only and keep no variable.
#   Findings of size may be excused in ratchet.txt beside this file: an excuse may shrink, and must go when it is not needed.
import os
import re
import subprocess
import sys

#   A folder may include itself and what is named here; engine's parts have an order of their own.
LOWER = {
    'base': [],
    'storage': ['base'],
    'codecs': ['base', 'storage'],
    'engine/kernels': ['base'],
    'engine/indexes': ['base', 'storage', 'engine/kernels'],
    'engine/segments': ['base', 'storage', 'engine/kernels', 'engine/indexes'],
    'engine/query': ['base', 'storage', 'engine/kernels', 'engine/indexes', 'engine/segments'],
    'runtime': ['base', 'storage', 'codecs', 'engine/kernels', 'engine/indexes', 'engine/segments', 'engine/query'],
    'actors': ['base', 'storage', 'codecs', 'engine/kernels', 'engine/indexes', 'engine/segments', 'engine/query',
               'runtime'],
}
TOP = ['clients', 'tests', 'docs']              #   these may include everything but each other; tests also clients
#   Who may use which library, by the header that names it
EXTERNAL = {
    r'rocksdb/': ['storage'],
    r'msgpack': ['codecs', 'tests'],
    r'jansson\.h': ['codecs', 'clients', 'tests'],
    r'cblas\.h': ['engine/kernels', 'tests'],
    r'czmq\.h': ['codecs/gen', 'runtime', 'actors', 'clients', 'tests'],
    r'zmq\.h': ['runtime', 'clients', 'tests'],
    r'criterion/': ['tests'],
    r'pthread\.h|threads\.h': ['base', 'storage', 'engine', 'runtime', 'clients', 'tests'],    # engine: keys only
    r'immintrin\.h|nmmintrin\.h|wmmintrin\.h|x86intrin\.h|cpuid\.h': ['base', 'engine/kernels'],
    r'time\.h|sys/time\.h': ['runtime', 'clients', 'tests'],
    r'sys/mman\.h': ['storage', 'engine', 'runtime', 'clients', 'tests'],
    r'fcntl\.h|sys/file\.h|dirent\.h': ['storage', 'codecs/gen', 'runtime', 'clients', 'tests'],
    r'sys/socket\.h|netinet/|arpa/': ['runtime', 'clients', 'tests'],
}
#   All that the objects of actors/ may ask for: no clock, no randomness, no thread, no file, no socket
ACTORS_MAY = re.compile(
    r'^(kith_\w+|mem(cpy|move|set|cmp|chr|mem|rchr)|str\w+|v?snprintf|malloc|calloc|realloc|free|qsort'
    r'|__assert_fail|zhashx_\w+|zlistx_\w+|zconfig_(name|value|child|next|locate|resolve|get|at_depth)'
    r'|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__\w+_chk|__(asan|ubsan|tsan|lsan|msan|sanitizer|sancov)_\w+'
    r'|__gcov_\w+|_?__llvm_\w+|__isoc99_\w+printf)$')
FILE_MAX, FUNCTION_MAX, CODE_MAX, COMMENT_MAX = 900, 70, 100, 160
#   Written by a generator, which sees to its own form
GENERATED = ['codecs/proto.h', 'codecs/proto.c']
#   The models' form is that of the protocol's rules: one rule a line
MODELS = 'tests/spec/'


class Tidy:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.excused = {}
        self.used = set()
        self.build_texts = None
        self.read_ratchet()

    def say(self, path, line, text):
        self.findings.append('%s:%d: %s' % (path, line, text))

    def read_ratchet(self):
        path = os.path.join(self.root, 'tests/tidy/ratchet.txt')
        if not os.path.exists(path):
            return
        for number, line in enumerate(open(path, encoding='utf-8'), 1):
            words = line.split('#')[0].split()
            if len(words) == 2 and words[1].isdigit():
                self.excused[words[0]] = int(words[1])
            elif words:
                self.say('tests/tidy/ratchet.txt', number, 'expected: PATH[:FUNCTION] LINES')

    def size(self, path, line, name, lines, most, what):
        if lines <= most:
            return
        allowed = self.excused.get(name, most)
        if name in self.excused:
            self.used.add(name)
        if lines > allowed:
            self.say(path, line, '%s has %d lines, allowed are %d' % (what, lines, allowed))

    def files(self):
        names = []
        if os.path.isdir(os.path.join(self.root, '.git')):
            out = subprocess.run(['git', '-C', self.root, 'ls-files', '-z'], check=True,
                                 stdout=subprocess.PIPE).stdout
            names = [n for n in out.decode().split('\0') if n]
        else:
            for folder, folders, files in os.walk(self.root):
                folders[:] = [f for f in folders if not f.startswith(('build', '.'))]
                names += [os.path.relpath(os.path.join(folder, f), self.root) for f in files]
        return sorted(n for n in names if os.path.isfile(os.path.join(self.root, n)))

    def text(self, path):
        data = open(os.path.join(self.root, path), 'rb').read()
        if b'\0' in data:
            return None
        try:
            return data.decode('utf-8')
        except UnicodeDecodeError:
            return None

    #   Rules for every text file
    def check_text(self, path, text):
        for number, line in enumerate(text.split('\n'), 1):
            if line.endswith((' ', '\r')) and not path.endswith('.md'):
                self.say(path, number, 'blank at the end of the line')
            if '\t' in line and not path.endswith(('Makefile', '.tsv')):
                self.say(path, number, 'tab')
            if re.search(r'\b(TO' r'DO|FIX' r'ME|X' r'XX|HA' r'CK)\b', line) and not path.startswith('tests/tidy/'):
                self.say(path, number, 'a note to oneself: make it an issue')
        if text and not text.endswith('\n'):
            self.say(path, text.count('\n') + 1, 'no newline at the end')

    #   Rules for C
    def check_c(self, path, text):
        lines = text.split('\n')
        if path not in GENERATED:
            self.check_head(path, lines)
            self.check_lengths(path, lines)
            self.check_functions(path, lines)
            self.size(path, 1, path, len(lines) - 1, FILE_MAX, 'the file')
        self.check_includes(path, lines)

    def check_head(self, path, lines):
        name = os.path.basename(path)
        stem = os.path.splitext(name)[0]
        head = re.match(r'//  (\S+) - \S', lines[0])
        if not head or head.group(1) not in (name, stem):
            self.say(path, 1, 'the first line is not: //  %s - purpose' % name)
        if len(lines) < 2 or lines[1] != '//  SPDX-License-Identifier: Apache-2.0':
            self.say(path, 2, 'the second line is not: //  SPDX-License-Identifier: Apache-2.0')

    def check_lengths(self, path, lines):
        for number, line in enumerate(lines, 1):
            code = re.split(r'\s+//  ', line)[0]
            if line.lstrip().startswith('//'):
                if len(line) > COMMENT_MAX:
                    self.say(path, number, 'a comment of %d columns, allowed are %d' % (len(line), COMMENT_MAX))
            elif len(code) > CODE_MAX:
                self.say(path, number, '%d columns, allowed are %d' % (len(code), CODE_MAX))

    def check_functions(self, path, lines):
        began = name = None
        for number, line in enumerate(lines, 1):
            if line == '{':
                began = number
                head = ' '.join(lines[max(0, number - 8):number - 1])
                names = re.findall(r'(\w+) \(', head)
                starts = [re.match(r'(\w+) \(', l) for l in lines[max(0, number - 8):number - 1]]
                starts = [m.group(1) for m in starts if m]
                name = starts[-1] if starts else (names[-1] if names else '?')
                test = re.search(r'Test \((\w+), (\w+)[^(]*\)$', head)
                if test:
                    name = '%s-%s' % test.groups()
            elif line.startswith('}') and began:
                self.size(path, began, '%s:%s' % (path, name), number - began + 1, FUNCTION_MAX, 'function ' + name)
                began = None

    def folder(self, path):
        parts = path.split('/')
        if parts[0] == 'engine' and len(parts) > 2:
            return '/'.join(parts[:2])
        return parts[0]

    def check_includes(self, path, lines):
        mine = self.folder(path)
        for number, line in enumerate(lines, 1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not include:
                continue
            kind, name = include.groups()
            if kind == '<':
                self.check_external(path, number, name)
                continue
            if '/' not in name:
                if path not in ('docs/examples', ) and not path.startswith(('docs/', MODELS)):
                    self.say(path, number, 'includes "%s": write its path from the root' % name)
                continue
            theirs = self.folder(name)
            if not os.path.exists(os.path.join(self.root, name)):
                self.say(path, number, 'includes "%s", which is not there' % name)
            if mine == theirs:
                continue
            if mine in LOWER and theirs not in LOWER[mine]:
                self.say(path, number, '%s/ includes %s/: only lower layers are allowed' % (mine, theirs))
            if mine == 'clients' and theirs in ('tests', 'docs'):
                self.say(path, number, 'clients/ includes %s/' % theirs)

    def check_external(self, path, number, name):
        for pattern, folders in EXTERNAL.items():
            if re.match('(%s)' % pattern, name):
                if not any(path.startswith(folder + '/') for folder in folders):
                    self.say(path, number, '<%s> is for %s alone' % (name, ', '.join(folders)))
                return

    #   Each C file is built
    def check_built(self, path):
        folder = os.path.dirname(path)
        stem = os.path.splitext(os.path.basename(path))[0]
        while True:
            build = os.path.join(self.root, folder, 'meson.build')
            if os.path.exists(build):
                text = open(build, encoding='utf-8').read()
                short = re.sub(r'^(test|fuzz|bench|check|claim)_', '', stem)
                wanted = [os.path.relpath(path, folder or '.'), stem, short]
                if any("'%s'" % w in text for w in wanted):
                    return
            if not folder:
                break
            folder = os.path.dirname(folder)
        near = '/'.join(path.split('/')[-2:])
        if any(near + "'" in text for text in self.builds()):
            return
        self.say(path, 1, 'no meson.build names this file')

    #   Texts of all build files
    def builds(self):
        if self.build_texts is None:
            self.build_texts = [self.text(p) or '' for p in self.files() if p.endswith('meson.build')]
        return self.build_texts

    #   Links of the documentation: files, and headings of Markdown files
    def anchors(self, path):
        text = self.text(path) or ''
        found = set()
        for heading in re.findall(r'^#+ +(.*)$', text, re.M):
            plain = re.sub(r'[`*]', '', heading).strip().lower()
            found.add(re.sub(r' ', '-', re.sub(r'[^\w\- ]', '', plain)))
        return found

    def check_links(self, path, text):
        code = False
        for number, line in enumerate(text.split('\n'), 1):
            if line.startswith('```'):
                code = not code
            if code or line.startswith('    '):
                continue
            line = re.sub(r'`[^`]*`', '', line)
            for target in re.findall(r'\]\(([^)\s]+)\)', line):
                if re.match(r'[a-z]+:', target):
                    continue
                name, _, anchor = target.partition('#')
                full = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                if not os.path.exists(os.path.join(self.root, full)):
                    self.say(path, number, 'a dead link: %s' % target)
                elif anchor and full.endswith('.md') and anchor not in self.anchors(full):
                    self.say(path, number, 'no such heading: %s' % target)

    #   What objects ask for and what they export
    def check_actors(self, archive):
        asked, has = {}, set()
        for name, kind, where in symbols(archive):
            if kind == 'U':
                asked.setdefault(name, where)
            else:
                has.add(name)
        for name in sorted(asked):
            if name not in has and not ACTORS_MAY.match(name):
                self.say('actors/' + asked[name], 1, 'asks for %s, which no actor may' % name)
        if not asked:
            self.say('actors', 1, 'nothing could be read from %s' % archive)

    def check_library(self, archive):
        count = 0
        for name, kind, where in symbols(archive):
            if kind in 'TDBRCVW':
                count += 1
                if not name.startswith(('kith_', '__odr_asan', '__gcov', '__asan', '__sancov', '__llvm', '__covrec')):
                    self.say(where, 1, 'exports %s: names that others see begin with kith_' % name)
        if not count:
            self.say(archive, 1, 'nothing could be read')

    def check_stale(self):
        for name in sorted(set(self.excused) - self.used):
            self.say('tests/tidy/ratchet.txt', 1, 'the excuse for %s is not needed any more' % name)

    def run(self):
        for path in self.files():
            text = self.text(path)
            if text is None or path.startswith(('tests/golden/', 'tests/fuzz/corpus/', 'tests/data/')):
                continue
            self.check_text(path, text)
            if path.endswith(('.c', '.h')) and not path.startswith(MODELS):
                self.check_c(path, text)
            if path.endswith('.c') and not path.startswith('docs/'):
                self.check_built(path)
            if path.endswith('.md'):
                self.check_links(path, text)
        self.check_stale()


def symbols(archive):
    out = subprocess.run(['nm', '-A', '-P', archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False).stdout
    for line in out.decode().split('\n'):
        match = re.match(r'.*?\[?([^/\[\]:]+\.o)\]?: (\S+) (\S)', line)
        if match:
            where, name, kind = match.groups()
            yield name.split('@')[0], kind, re.sub(r'\.o$', '', where)


def main(arguments):
    root, actors, libraries = '.', None, []
    while arguments:
        word = arguments.pop(0)
        if word in ('--actors', '--library') and arguments:
            archive = arguments.pop(0)
            libraries.append(archive)
            actors = archive if word == '--actors' else actors
        else:
            root = word
    tidy = Tidy(os.path.abspath(root))
    tidy.run()
    if actors:
        tidy.check_actors(actors)
    for archive in libraries:
        tidy.check_library(archive)
    for finding in tidy.findings:
        print(finding)
    print('%d findings' % len(tidy.findings))
    return 1 if tidy.findings else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
