# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""The commands that show: plan, strategies, gc, complete, help."""

import json
import os
import pty
import select
import subprocess

import pytest

from oslo_image.catalog import registry as catalog_registry
from oslo_image.cli.main import main
from oslo_image.move import strategies
from oslo_image.stores import registry
from oslo_image.stores.file import uri_for
from tests.unit.cli.conftest import COMMAND, DATA
from tests.unit.stores.leftover_help import abandon

KINDS = ['strategy', 'store', 'catalogue']


class TestPlan:
    def test_table(self, run, image, target):
        answer = run('plan', image, target)
        assert answer.code == 0
        assert answer.err == ''
        heading = answer.out.splitlines()[1]
        assert heading.strip('| ').split() == [
            *('Order', '|', 'Strategy', '|', 'Source', '|', 'Cost'),
            *('|', 'Reason', '|', 'Remedy'),
        ]
        assert 'None' not in answer.out
        assert not target.exists()

    def test_json_has_offers_and_refusals(self, run, image, target):
        answer = run(
            'plan', '-f', 'json', '--disable', 'stream', image, target
        )
        rows = json.loads(answer.out)
        by_name = {row['Strategy']: row for row in rows}
        assert by_name['parallel']['Order'] >= 1
        assert by_name['parallel']['Source'] == uri_for(image)
        assert by_name['stream'] == {
            'Order': None,
            'Strategy': 'stream',
            'Source': uri_for(image),
            'Cost': None,
            'Reason': 'it is switched off',
            'Remedy': '',
        }

    def test_nothing_possible(self, run, image, target):
        answer = run('plan', '--verify', 'always', '--zero-copy', 'require',
                     image, target)  # fmt: skip
        assert answer.code == 6
        assert 'it moves payload' in answer.out

    @pytest.mark.parametrize('end', ['-', 'named'])
    def test_streams_are_not_touched(self, image, end, target):
        ends = ['-', target] if end == '-' else [image, '-']
        done = subprocess.run(
            [*COMMAND, 'plan', '-f', 'csv', *ends],
            input=DATA,
            capture_output=True,
        )
        assert done.returncode == 0
        assert b'stream' in done.stdout
        assert DATA[:100] not in done.stdout
        assert not target.exists()

    def test_errors_are_those_of_the_copy(self, run, image, target):
        target.write_bytes(b'old')
        assert run('plan', image, target).code == 4
        assert run('plan', '/no/file', target).code == 3
        answer = run('plan', '--if-exists', 'overwrite', image, target)
        assert answer.code == 0


class TestStrategies:
    def rows(self, run, *arguments):
        answer = run('strategies', '-f', 'json', *arguments)
        assert answer.code == 0
        return {
            (row['Kind'], row['Name']): row for row in json.loads(answer.out)
        }

    def test_all_that_is_installed(self, run):
        rows = self.rows(run)
        found, _ = strategies.plugins()
        classes, _ = registry.plugins()
        catalogs, _ = catalog_registry.plugins()
        assert set(rows) == {
            *(('strategy', one.name) for one in found),
            *(('store', name) for name in classes),
            *(('catalogue', name) for name in catalogs),
        }
        assert {'glance', 'memory', 'sqlite'} <= set(catalogs)
        assert rows['strategy', 'reflink']['Cost'] == 'metadata only'
        assert rows['store', 'file']['Serves'] == 'file, filesystem'
        assert {row['State'] for row in rows.values()} <= {
            'ready',
            'unusable',
        }

    def test_cheapest_first(self, run):
        kinds = [kind for kind, _ in self.rows(run)]
        assert kinds == sorted(kinds, key=KINDS.index)
        assert next(iter(self.rows(run)))[1] == 'rbd_clone'

    def test_missing_library(self, run, monkeypatch):
        from oslo_image.stores.pyfilesystem import PyFilesystemStore

        monkeypatch.setattr(
            PyFilesystemStore,
            'libraries',
            {'no_such_library': 'pyfilesystem', 'no_other': ''},
        )
        row = self.rows(run)['store', 'pyfilesystem']
        assert row['State'] == 'unusable'
        assert row['Reason'] == (
            'the library no_such_library is missing: install '
            'oslo.image[pyfilesystem]; the library no_other is missing: it '
            'comes with the distribution'
        )

    def test_plugin_that_does_not_load(self, run, monkeypatch):
        for module in (strategies, registry, catalog_registry):
            found, _ = module.plugins()
            monkeypatch.setattr(
                module,
                'plugins',
                lambda found=found: (found, {'odd': 'ImportError: no odd'}),
            )
        rows = self.rows(run)
        for kind in KINDS:
            assert rows[kind, 'odd']['State'] == 'refused'
            assert 'no odd' in rows[kind, 'odd']['Reason']

    def test_what_the_configuration_disables(self, run, tmp_path):
        config = tmp_path / 'image.conf'
        config.write_text('[oslo_image]\ndisabled_strategies = reflink\n')
        rows = self.rows(run, '--config-file', config)
        assert rows['strategy', 'reflink']['State'] == 'disabled'

    def matrix(self, run, *arguments):
        answer = run('strategies', '--matrix', '-f', 'json', *arguments)
        assert answer.code == 0
        return {row.pop('From'): row for row in json.loads(answer.out)}

    @pytest.fixture
    def all_usable(self, monkeypatch):
        """Make all stores usable, whatever is installed here."""
        for one in registry.plugins()[0].values():
            monkeypatch.setattr(one, 'libraries', {})

    def test_matrix(self, run, all_usable):
        matrix = self.matrix(run)
        local = ['kernel_copy', 'parallel', 'stream']
        sent = ['parallel', 'stream']
        for source, row in matrix.items():
            bridge = {
                ('file', 'file'): ['reflink', *local],
                ('file', 'block device'): local,
                ('block device', 'file'): local,
                ('block device', 'block device'): local,
                ('rbd', 'rbd'): ['rbd_clone', *sent],
                ('s3', 's3'): ['s3_copy', *sent],
                ('swift', 'swift'): ['swift_copy', *sent],
            }
            usual = {
                "glance's API": ['stream', 'parallel'],
                'pyfilesystem': ['stream'],
            }.get(source, sent)
            for name in ('file', 'block device', 'rbd', 's3', 'swift'):
                expected = bridge.get((source, name), usual)
                assert row.pop(f'To {name}') == expected, (source, name)
            assert row == {
                "To glance's API": ['stream'],
                'To write()': ['stream'],
            }

    def test_matrix_of_what_can_be_used_only(
        self, run, all_usable, monkeypatch, tmp_path
    ):
        from oslo_image.stores.rbd import RbdStore

        monkeypatch.setattr(RbdStore, 'libraries', {'no_such_library': ''})
        config = tmp_path / 'image.conf'
        config.write_text('[oslo_image]\ndisabled_strategies = parallel\n')
        matrix = self.matrix(run, '--config-file', config)
        assert not any(matrix['rbd'].values())
        assert not any(row['To rbd'] for row in matrix.values())
        assert matrix['s3']['To s3'] == ['s3_copy', 'stream']

    def test_tables(self, run):
        tables = run('strategies').out
        assert '| catalogue | sqlite ' in tables
        assert '| From ' in tables
        assert tables.index('Serves') < tables.index('To write()')
        for flags in (['-c', 'Name'], ['-f', 'csv'], ['--matrix']):
            shown = run('strategies', *flags).out
            assert ('To write()' in shown) == (flags == ['--matrix'])


class TestGc:
    def rows(self, answer):
        assert answer.code == 0, answer.err
        return json.loads(answer.out)

    @pytest.mark.parametrize('by', ['uri', 'path', 'directory', 'slash'])
    def test_finds_and_removes(self, run, target, by):
        path = abandon(target.parent, target.name)
        target.write_bytes(DATA)
        where = {
            'uri': uri_for(target),
            'path': str(target),
            'directory': uri_for(target.parent),
            'slash': f'{target.parent}/',
        }[by]
        flags = ['-f', 'json', '--older-than', '0', where]
        (row,) = self.rows(run('gc', '--dry-run', *flags))
        assert row['Name'] == str(path)
        assert row['Size'] == len('part of it')
        assert row['State'] == 'found'
        assert path.exists()
        (row,) = self.rows(run('gc', *flags))
        assert row['State'] == 'removed'
        assert self.rows(run('gc', *flags)) == []
        assert os.listdir(target.parent) == [target.name]

    def test_a_day_is_the_default_age(self, run, target):
        abandon(target.parent, target.name)
        assert self.rows(run('gc', '-f', 'json', target)) == []

    def test_what_cannot_be_removed_is_an_error(
        self, run, target, monkeypatch
    ):
        abandon(target.parent, target.name)

        def unlink(*_, **__):
            raise PermissionError(13, 'no')

        monkeypatch.setattr('os.unlink', unlink)
        answer = run('gc', '-f', 'json', '--older-than', '0', target)
        assert answer.code == 11
        assert json.loads(answer.out)[0]['State'] == 'failed'
        assert 'Permission denied' in answer.err

    @pytest.mark.parametrize('encoding', ['utf-8:strict', 'ascii:strict'])
    def test_names_that_are_no_text(self, target, encoding):
        path = abandon(target.parent, 'ü\udcff')
        done = subprocess.run(
            [*COMMAND, 'gc', '--older-than', '0', target.parent],
            env={**os.environ, 'PYTHONIOENCODING': encoding},
            capture_output=True,
        )
        assert (done.returncode, done.stderr) == (0, b'')
        assert b'removed' in done.stdout
        assert rb'\udcff' in done.stdout
        assert not path.exists()

    @pytest.mark.parametrize('uri', ['s3://', 's3:///', 'file://', '/'])
    def test_no_destination(self, run, uri):
        answer = run('gc', '-f', 'json', uri)
        assert (answer.code, answer.out) == (2, '')

    def test_no_directory(self, run, target):
        answer = run('gc', f'{target.parent}/none/image')
        assert answer.code == 1
        assert 'No such file' in answer.err

    def test_a_copy_that_is_killed(self, start, run, image, target):
        process = start(
            *('copy', '--json', '--interval', '0', '--bwlimit', '256K'),
            *(image, target),
            command=[
                *(COMMAND[0], '-c'),
                'import os; os.O_TMPFILE = 0\n'
                'from oslo_image.cli.main import main; main()',
            ],
        )
        for line in process.stdout:
            if b'progress' in line:
                break
        flags = ['-f', 'json', '--older-than', '0', target]
        assert self.rows(run('gc', *flags)) == []
        process.kill()
        process.wait()
        (row,) = self.rows(run('gc', *flags))
        assert row['State'] == 'removed'
        assert os.listdir(target.parent) == []


BASH = """
{script}
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_oslo_image
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        ("oslo-image 'st'", {'strategies'}),
        ("oslo-image 'c'", {'complete', 'copy'}),
        (
            "oslo-image copy '--z'",
            {'--zero-copy'},
        ),
        ("oslo-image copy '--if'", {'--if-exists'}),
        ("oslo-image gc '--d'", {'--dry-run'}),
        ("oslo-image image 'sh'", {'show'}),
        ("oslo-image image create '--min-d'", {'--min-disk'}),
        ("oslo-image image add 'l'", {'location'}),
        ("oslo-image image add location '--i'", {'--internal'}),
        ("oslo-image -v image 'sh'", {'show'}),
        ("oslo-image '--de'", {'--debug'}),
        ("oslo-image copy --zero-copy ''", {'prefer', 'require', 'avoid'}),
        ("oslo-image copy --zero-copy '=' 'r'", {'require'}),
        ("oslo-image copy --if-exists '='", {'fail', 'overwrite'}),
        ("oslo-image plan -f 'j'", {'json'}),
        ("oslo-image copy a.raw --verify 'n'", {'never'}),
        # Files, which readline knows.
        ("oslo-image copy 'a'", set()),
        ("oslo-image copy image 'l'", set()),
        ("oslo-image copy --config-file '-'", set()),
        ("oslo-image image create --file 's'", set()),
    ],
)
def test_bash_completion(run, words, expected):
    script = run('complete').out
    done = subprocess.run(
        ['bash', '-c', BASH.format(script=script, words=words)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ''
    assert set(done.stdout.split()) == expected


def test_bash_completes_what_is_typed(run, tmp_path):
    (tmp_path / 'script').write_text(run('complete').out)
    (tmp_path / 'some-image.raw').touch()
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ['bash', '--norc', '-i'],
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={'PATH': os.environ['PATH'], 'TERM': 'dumb', 'PS1': 'ready> '},
        start_new_session=True,
    )
    os.close(theirs)

    def read_until(wanted):
        seen = b''
        while wanted not in seen and select.select([ours], [], [], 20)[0]:
            seen += os.read(ours, 65536)
        assert wanted in seen

    try:
        read_until(b'ready> ')
        os.write(ours, b'source ./script\n')
        read_until(b'ready> ')
        os.write(ours, b'oslo-image copy --zero-copy req\tsome\t./')
        read_until(b'oslo-image copy --zero-copy require some-image.raw ./')
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


@pytest.fixture
def plugin(tmp_path):
    """Install commands of a third party; return the environment to see it."""
    info = tmp_path / 'odd-1.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Name: odd\nVersion: 1\n')
    (info / 'entry_points.txt').write_text(
        '[oslo.image.cli]\n'
        'absent = oslo_image_odd.absent:Command\n'
        'number = oslo_image_odd:NUMBER\n'
        'silent = oslo_image_odd:Silent\n'
    )
    (tmp_path / 'oslo_image_odd.py').write_text(
        'import logging\n'
        'import cliff.command\n'
        'NUMBER = 7\n'
        'class Silent(cliff.command.Command):\n'
        '    def take_action(self, parsed_args):\n'
        "        text = 'see http://user:hunter2@host/'\n"
        "        logging.getLogger('urllib3.pool').warning(text)\n"
        "        logging.getLogger('oslo_image.odd').warning(text)\n"
        '        raise ValueError(text)\n'
    )
    return {
        **os.environ,
        'PYTHONPATH': str(tmp_path),
        'XDG_CACHE_HOME': str(tmp_path),
    }


@pytest.fixture
def told(plugin):
    def tell(*arguments):
        done = subprocess.run(
            [*COMMAND, *arguments], env=plugin, capture_output=True, text=True
        )
        return done.returncode, done.stdout, done.stderr

    return tell


@pytest.mark.parametrize('arguments', [['--help'], ['help'], ['complete']])
def test_a_command_that_does_not_load_spoils_no_other(told, arguments):
    code, out, err = told(*arguments)
    assert (code, err) == (0, '')
    for name in ('absent', 'copy', 'number', 'silent', 'strategies'):
        assert name in out
    if arguments != ['complete']:
        assert 'Did not load: ModuleNotFoundError: No module named' in out


def test_a_command_that_does_not_load_says_why(told):
    for name in ('absent', 'number'):
        code, out, err = told(name, '--some', 'option')
        assert (code, out) == (1, '')
        assert err.startswith(f'oslo-image: {name}: Did not load: ')
        assert err.count('\n') == 1


@pytest.mark.parametrize(
    ('flags', 'lines'), [([], 2), (['-q'], 1), (['--debug'], None)]
)
def test_what_other_libraries_log_stays_away(told, flags, lines):
    """Else Python prints what warns where nobody takes it."""
    code, out, err = told(*flags, 'silent')
    assert (code, out) == (1, '')
    assert 'hunter2' not in err
    assert err.count('see http://***@host/') == (lines or 3)
    assert ('Traceback' in err) == (lines is None)
    if lines:
        assert err == 'oslo-image: see http://***@host/\n' * lines


def test_help_of_a_command(run):
    for arguments in (['help', 'copy'], ['copy', '--help'], ['copy', '-h']):
        answer = run(*arguments)
        assert answer.code == 0
        assert '--zero-copy' in answer.out


def test_help_lists_the_commands(run):
    listed = run('--help').out.partition('Commands:')[2]
    for name in (
        *('copy', 'plan', 'strategies', 'gc', 'complete', 'help'),
        *('image list', 'image create', 'image add location'),
    ):
        assert f'\n  {name} ' in listed


def test_version(run):
    answer = run('--version')
    assert answer.code == 0
    assert answer.out.startswith('oslo-image ')


def test_interrupted_before_it_began(monkeypatch):
    def run(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('oslo_image.cli.app.App.run', run)
    assert main(['copy']) == 130
