#!/usr/bin/env python3
#   test_tidy.py - each rule of tidy.py finds what it is for, and nothing in good files
#   SPDX-License-Identifier: Apache-2.0
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy     # noqa: E402

HEAD = '//  %s - a file of the test\n//  SPDX-License-Identifier: Apache-2.0\n'


class Rules(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.write('base/meson.build', "files ('good.c', 'bad.c')\n")
        self.write('base/good.h', HEAD % 'good.h' + 'int kith_good (void);\n')
        self.write('base/good.c', HEAD % 'good' + '#include "base/good.h"\n')
        self.write('storage/store.h', HEAD % 'store.h')

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        full = os.path.join(self.folder.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, 'w', encoding='utf-8') as file:
            file.write(text)

    def findings(self):
        checks = tidy.Tidy(self.folder.name)
        checks.run()
        return checks.findings

    def bad(self, body, path='base/bad.c'):
        self.write(path, HEAD % os.path.basename(path) + body)
        return ' | '.join(self.findings())

    def test_good_files(self):
        self.assertEqual(self.findings(), [])

    def test_upward_include(self):
        self.assertIn('only lower layers', self.bad('#include "storage/store.h"\n'))

    def test_short_include(self):
        self.assertIn('path from the root', self.bad('#include "good.h"\n'))

    def test_missing_include(self):
        self.assertIn('not there', self.bad('#include "base/gone.h"\n'))

    def test_engine_order(self):
        self.write('engine/query/read.h', HEAD % 'read.h')
        self.assertIn('only lower layers',
                      self.bad('#include "engine/query/read.h"\n', 'engine/kernels/bad.h'))

    def test_codecs_and_engine_are_strangers(self):
        self.write('codecs/msg.h', HEAD % 'msg.h')
        self.assertIn('only lower layers', self.bad('#include "codecs/msg.h"\n', 'engine/query/bad.h'))

    def test_foreign_library(self):
        self.assertIn('alone', self.bad('#include <rocksdb/c.h>\n'))

    def test_first_line(self):
        self.write('base/bad.c', '//  other.c - not this one\n//  SPDX-License-Identifier: Apache-2.0\n')
        self.assertIn('first line', ' '.join(self.findings()))

    def test_licence(self):
        self.write('base/bad.c', '//  bad - a file\n//  mine\n')
        self.assertIn('second line', ' '.join(self.findings()))

    def test_tab_blank_and_end(self):
        self.assertIn('tab', self.bad('\tint kith_x;\n'))
        self.assertIn('blank at the end', self.bad('int kith_x; \n'))
        self.assertIn('no newline', self.bad('int kith_x;'))

    def test_note_to_oneself(self):
        self.assertIn('make it an issue', self.bad('//  TO' + 'DO later\n'))

    def test_columns(self):
        self.assertIn('columns', self.bad('int kith_%s;\n' % ('x' * 100)))
        self.assertIn('comment', self.bad('//  %s\n' % ('x' * 160)))

    def test_function_size_and_ratchet(self):
        body = 'int\nkith_long (void)\n{\n' + '    ;\n' * 80 + '}\n'
        self.assertIn('kith_long has 82 lines', self.bad(body))
        self.write('tests/tidy/ratchet.txt', 'base/bad.c:kith_long 82\n')
        self.assertEqual(self.findings(), [])
        self.write('tests/tidy/ratchet.txt', 'base/bad.c:kith_long 81\n')
        self.assertIn('allowed are 81', ' '.join(self.findings()))

    def test_stale_excuse(self):
        self.write('tests/tidy/ratchet.txt', 'base/good.c:kith_gone 90\n')
        self.assertIn('not needed', ' '.join(self.findings()))

    def test_file_size(self):
        self.assertIn('the file has', self.bad('int kith_x;\n' * 900))

    def test_not_built(self):
        self.assertIn('no meson.build', self.bad('', 'base/lost.c'))

    def test_links(self):
        self.write('docs/index.md', '# One\n[a](gone.md) [b](index.md#two) [c](index.md#one)\n')
        found = self.findings()
        self.assertEqual(len(found), 2)
        self.assertIn('dead link', found[0])
        self.assertIn('no such heading', found[1])

    def test_actors_list(self):
        for name in ('kith_ctx_send', 'memcpy', '__memcpy_chk', 'snprintf', 'zhashx_insert', 'zconfig_get',
                     '__asan_report_load8', 'qsort', '__assert_fail'):
            self.assertTrue(tidy.ACTORS_MAY.match(name), name)
        for name in ('time', 'clock_gettime', 'rand', 'open', 'socket', 'zmq_send', 'pthread_create', 'usleep',
                     'zclock_time', 'zsock_new', 'printf', 'getenv', 'zconfig_load'):
            self.assertFalse(tidy.ACTORS_MAY.match(name), name)


if __name__ == '__main__':
    unittest.main()
