#!/usr/bin/env python3
#   table.py - writes the figures of the claims as a table between the marks of a file
#   SPDX-License-Identifier: Apache-2.0
#
#   table.py README.md FOLDER [NAME ...]: FOLDER holds NAME.txt (the last line is `figure (asked for: limit)`) and NAME.status.
#   A claim that is not named keeps its row, with the commit it was run at; without names all are renewed.
import os
import re
import subprocess
import sys

BEGIN, END = '<!-- claims: begin -->', '<!-- claims: end -->'
ORDER = ['run', 'recall', 'search', 'fresh', 'import', 'idle', 'path', 'blas', 'placement', 'kill', 'restart', 'sim',
         'hostile', 'engine-glove', 'engine-fashion', 'engine-texts', 'engine-build', 'engine-batch', 'engine-exact',
         'engine-filters', 'engine-calibration', 'engine-load']


def machine():
    model = 'unknown processor'
    for line in open('/proc/cpuinfo', encoding='utf-8'):
        if line.startswith('model name'):
            model = re.sub(r'\s+', ' ', line.split(':', 1)[1]).strip()
            break
    memory = int(open('/proc/meminfo', encoding='utf-8').readline().split()[1]) / 1048576
    return '%s, %d cores, %.0f GB' % (model, os.cpu_count(), memory)


def commit():
    """The commit that was measured; '+' behind it where files other than the table's differ from it."""
    def git(*words):
        return subprocess.run(['git', *words], stdout=subprocess.PIPE, check=False)
    changed = git('diff', '--quiet', 'HEAD', '--', '.', ':!README.md').returncode != 0
    return (git('rev-parse', '--short', 'HEAD').stdout.decode().strip() or '-') + ('+' if changed else '')


def main(path, folder, names):
    text = open(path, encoding='utf-8').read()
    if BEGIN not in text or END not in text:
        print('table: %s has no marks' % path, file=sys.stderr)
        return 1
    head, rest = text.split(BEGIN, 1)
    old, tail = rest.split(END, 1)
    rows = {}
    for line in old.split('\n'):
        cells = [c.strip() for c in line.strip().strip('|').split('|')]
        if len(cells) == 6 and cells[0] in ORDER:
            rows[cells[0]] = cells
    where, measured = machine(), commit()
    for name in names or ORDER:
        status = os.path.join(folder, name + '.status')
        if not os.path.exists(status):
            continue
        lines = open(os.path.join(folder, name + '.txt'), encoding='utf-8', errors='replace').read().strip().split('\n')
        found = re.match(r'(.*) \(asked for: (.*?)\)(: does not hold)?$', lines[-1])
        figure, limit = (found.group(1), found.group(2)) if found else (lines[-1][:120], '-')
        holds = 'yes' if open(status, encoding='utf-8').read().strip() == '0' else 'no'
        cells = [name, figure, limit, holds, where, measured]
        rows[name] = [c.replace('|', '/') for c in cells]
    table = '\n| claim | figure | asked for | holds | machine | commit |\n|---|---|---|---|---|---|\n'
    for name in ORDER:
        if name in rows:
            table += '| ' + ' | '.join(rows[name]) + ' |\n'
    with open(path, 'w', encoding='utf-8') as file:
        file.write(head + BEGIN + '\n' + table + '\n' + END + tail)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
