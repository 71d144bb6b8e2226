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

"""``oslo-image copy``: its arguments, its words, its exit codes."""

import os
import struct
import subprocess

import pytest

from oslo_image.cli import display
from oslo_image.move import CopyResult
from oslo_image.stores.file import uri_for
from oslo_image.testing.scripted import Reset, ScriptedServer
from tests.unit.cli.conftest import COMMAND, DATA

SECRET = 'hunter2'


def test_paths(run, image, target):
    answer = run('copy', image, target)
    assert (answer.code, answer.out) == (0, '')
    assert answer.err.startswith('oslo-image: copied 1.0 MiB by ')
    assert target.read_bytes() == DATA


def test_uris(run, image, target):
    assert run('copy', uri_for(image), uri_for(target)).code == 0
    assert target.read_bytes() == DATA


def test_names_in_the_directory(run, image, target, monkeypatch):
    monkeypatch.chdir(image.parent)
    assert run('copy', image.name, 'new.raw').code == 0
    assert (image.parent / 'new.raw').read_bytes() == DATA


def test_what_is_no_file_and_no_uri_is_an_id(run, target):
    answer = run('copy', '5b4d9a1e-no-such-image', target)
    assert answer.code == 3
    assert 'no image' in answer.err


def test_quiet(run, image, target):
    answer = run('-q', 'copy', image, target)
    assert (answer.code, answer.out, answer.err) == (0, '', '')


@pytest.mark.parametrize('json', [[], ['--json']])
def test_existing_destination(run, image, target, json):
    target.write_bytes(b'old')
    answer = run('copy', *json, image, target)
    assert answer.code == 4
    assert answer.err.count('\n') == 1
    assert str(target) in answer.err
    assert target.read_bytes() == b'old'
    assert run('copy', '--if-exists', 'overwrite', image, target).code == 0
    assert target.read_bytes() == DATA


def test_a_directory_is_no_destination(run, image, target):
    for how in ('fail', 'overwrite'):
        answer = run('copy', '--if-exists', how, image, target.parent)
        assert answer.code in (1, 4)
    assert run('copy', image, f'{target.parent}/new/').code == 2
    assert os.listdir(target.parent) == []


@pytest.mark.parametrize('source', ['/no/such/file', 'file:///no/such/file'])
def test_source_not_found(run, target, source):
    answer = run('copy', source, target)
    assert answer.code == 3
    assert 'reading the source: No such file' in answer.err
    assert not target.exists()


def test_refused(run, image, target):
    answer = run(
        'copy',
        *('--json', '--zero-copy', 'require', '--disable', 'reflink'),
        *(image, target),
    )
    assert answer.code == 6
    assert answer.kinds == ['start', 'plan', 'refused']
    assert answer.events[-1]['exit_code'] == 6
    assert {one['strategy'] for one in answer.events[-1]['refusals']} == {
        'kernel_copy',
        'parallel',
        'rbd_clone',
        'reflink',
        's3_copy',
        'stream',
        'swift_copy',
    }
    assert 'it is switched off' in answer.err
    assert not target.exists()


def test_too_large(run, image, target):
    assert run('copy', '--max-size', '512K', image, target).code == 9
    assert run('copy', '--max-size', '1M', image, target).code == 0


def test_unsafe(run, image, target):
    image.write_bytes(b'QFI\xfb\0\0\0\3' + bytes(4088))
    answer = run('copy', '--disk-format', 'raw', image, target)
    assert answer.code == 8
    assert not target.exists()


def test_disk_format_of_an_image_with_a_record(run, target):
    answer = run('copy', '--disk-format', 'raw', 'some-id', target)
    assert answer.code == 2


@pytest.mark.parametrize('how', ['prefer', 'avoid'])
def test_zero_copy(run, image, target, how):
    answer = run('copy', '--json', '--zero-copy', how, image, target)
    assert answer.code == 0
    _, plan, *_, done = answer.events
    avoided = {
        one['strategy']
        for one in plan['refusals']
        if 'zero_copy is "avoid"' in one['reason']
    }
    assert ('reflink' in avoided) == (how == 'avoid')
    if how == 'avoid':
        assert not done['zero_copy']
        assert done['bytes_moved'] == len(DATA)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ('how', 'state'),
    [('auto', 'absent'), ('always', 'computed'), ('never', 'absent')],
)
def test_verify(run, image, target, how, state):
    answer = run('copy', '--json', '--verify', how, image, target)
    assert answer.code == 0
    done = answer.events[-1]
    assert done['digest_state'] == state
    assert bool(done['digests']) == (how == 'always')


@pytest.mark.parametrize(
    ('how', 'code'), [('auto', 0), ('always', 8), ('never', 0)]
)
def test_inspect(run, image, target, how, code):
    """Of what has no known format, a backing file matters on demand only."""
    header = struct.pack('>4sIQI', b'QFI\xfb', 3, 512, 11)
    image.write_bytes(header.ljust(4096, b'\0'))
    assert run('copy', '--inspect', how, image, target).code == code
    assert target.exists() == (code == 0)


def test_config_files_last_word_counts(run, image, target, tmp_path):
    one, two = tmp_path / 'one.conf', tmp_path / 'two.conf'
    one.write_text('[DEFAULT]\nimage_size_cap = 1000\n')
    two.write_text('[DEFAULT]\nimage_size_cap = 2000000\n')
    flags = ['--config-file', one]
    assert run('copy', *flags, image, target).code == 9
    assert run('copy', *flags, '--config-file', two, image, target).code == 0


def test_config_file_that_is_not_there(run, image, target):
    answer = run('copy', '--config-file', '/no/file', image, target)
    assert answer.code == 2
    assert '/no/file' in answer.err


@pytest.mark.parametrize(
    'arguments',
    [
        ['copy'],
        ['copy', 'a'],
        ['copy', 'a', 'b', 'c'],
        ['copy', '--bwlimit', '5MB', 'a', 'b'],
        ['copy', '--verify', 'perhaps', 'a', 'b'],
        ['copy', 'nothing://x/y', '/tmp/y'],
        ['copy', 'file://relative', '/tmp/y'],
        ['copy', '--json', '/dev/null', '-'],
        ['cpoy', 'a', 'b'],
        [],
        ['-v'],
    ],
)
def test_usage(run, arguments):
    answer = run(*arguments)
    assert (answer.code, answer.out) == (2, '')
    assert 'oslo-image' in answer.err
    assert 'Traceback' not in answer.err


@pytest.mark.parametrize(
    'arguments',
    [
        ['copy', '{}', '{target}'],
        ['copy', '--json', '{}', '{target}'],
        ['--debug', 'copy', '{}', '{target}'],
        ['-vv', 'copy', '{target}', '{}'],
        ['-v', 'plan', '{}', '{target}'],
        ['copy', 'a', 'b', '{}'],
        ['copy', '--disable={}', '{}', '{}'],
        ['copy', '--bwlimit', '{}', 'a', 'b'],
        ['copy', '--verify', '{}', 'a', 'b'],
        ['--debug', '{}'],
        ['gc', '{}'],
    ],
)
@pytest.mark.parametrize(
    'uri',
    [
        f'http://user:{SECRET}@127.0.0.1:1/image',
        f'http://127.0.0.1:1/image?sig={SECRET}',
        f'swift://acc:user:{SECRET}@127.0.0.1:1/c/o',
        f'nothing://user:{SECRET}@x',
        f'ftp://user:{SECRET}@127.0.0.1:1!/image',
    ],
)
def test_no_secret_is_shown(run, target, arguments, uri):
    filled = [one.format(uri, target=target) for one in arguments]
    answer = run(*filled)
    assert SECRET not in answer.out + answer.err


def test_secret_in_a_uri_is_taken_with_a_warning(run, target):
    with ScriptedServer(DATA) as server:
        url = server.url.replace('://', f'://user:{SECRET}@')
        answer = run('copy', url, target)
    assert answer.code == 0
    assert 'every user of this machine can see the secret' in answer.err
    assert '://***@127.0.0.1' in answer.err
    assert target.read_bytes() == DATA


def test_debug_shows_the_traceback(run, target):
    answer = run('--debug', 'copy', '/no/such/file', target)
    assert answer.code == 3
    assert 'Traceback' in answer.err


def test_temporary(run, target):
    with ScriptedServer(DATA, lambda *_: Reset(at=0)) as server:
        url = server.url
    answer = run('copy', '--json', url, target)
    assert answer.code == 5
    assert answer.kinds == ['start', 'error']
    assert answer.events[-1]['temporary'] is True


@pytest.mark.parametrize('debug', [[], ['--debug']])
def test_what_nobody_expected(run, image, target, monkeypatch, debug):
    from oslo_image import move

    def copy(*_, **__):
        raise ZeroDivisionError(f'http://user:{SECRET}@host/ by none')

    monkeypatch.setattr(move.Mover, 'copy', copy)
    answer = run(*debug, 'copy', '--json', image, target)
    assert answer.code == 1
    assert answer.kinds == ['start', 'error']
    assert answer.events[-1]['error'] == 'ImageError'
    message = 'ZeroDivisionError: http://***@host/ by none'
    assert answer.events[-1]['message'] == message
    assert answer.err.splitlines()[-1] == f'oslo-image: {message}'
    assert ('Traceback' in answer.err) == bool(debug)
    assert SECRET not in answer.out + answer.err


def test_interrupted_before_it_began(run, image, target, monkeypatch):
    from oslo_image.cli import ends

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ends, 'mover', interrupt)
    answer = run('copy', '--json', image, target)
    assert answer.code == 130
    assert answer.kinds == ['start', 'error']
    assert answer.events[-1]['exit_code'] == 130


def test_events(run, image, target):
    answer = run(
        *('copy', '--json', '--interval', '0', '--bwlimit', '2M'),
        *('--disable', 'reflink', '--verify', 'always', image, target),
    )
    assert answer.code == 0
    assert answer.err == ''
    kinds = answer.kinds
    assert kinds[:3] == ['start', 'plan', 'attempt']
    assert set(kinds[3:-1]) == {'progress'}
    assert kinds[-1] == 'done'
    start, plan, attempt, *progress, done = answer.events
    assert start['version'] == 1
    assert start['source'] == str(image)
    assert plan['destination'] == uri_for(target)
    assert attempt == {
        **plan['offers'][0],
        'event': 'attempt',
        'time': attempt['time'],
    }
    counts = [one['bytes'] for one in progress]
    assert counts == sorted(counts)
    assert done['size'] == done['bytes_written'] == len(DATA)
    assert list(done['digests']) == ['sha512']
    assert done['exit_code'] == 0


def test_lines_at_an_interval(run, image, target):
    answer = run(
        *('copy', '--interval', '0.2', '--bwlimit', '1M', image, target)
    )
    assert (answer.code, answer.out) == (0, '')
    *lines, last = answer.err.splitlines()
    assert lines
    assert ' of 1.0 MiB (' in lines[0]
    assert '/s, ' in lines[-1]
    assert ' left, by ' in lines[-1]
    assert last.startswith('oslo-image: copied 1.0 MiB by ')


def test_bar_waits_for_a_copy_that_is_not_short(monkeypatch):
    drawn = []

    class Progress:
        def __init__(self):
            drawn.append(self)

        def add_task(self, *_, **__):
            pass

        start = update = refresh = stop = add_task

    monkeypatch.setattr(display, '_make_bar', Progress)
    now = [100.0]
    monkeypatch.setattr(display.time, 'monotonic', lambda: now[0])
    bar = display.Bar()
    bar.progress(1, 10)
    now[0] += 1.4
    bar.progress(2, 10)
    assert not drawn
    now[0] += 0.2
    bar.progress(3, 10)
    bar.progress(4, 10)
    bar.close()
    bar.close()
    bar.progress(5, 10)
    assert len(drawn) == 1


def test_last_word_on_a_clone():
    result = CopyResult(
        success=True, size=5 << 30, zero_copy=True, strategy='reflink'
    )
    assert display.summary(result) == (
        'copied 5.0 GiB by reflink, zero-copy, in 0.00 s'
    )


class TestStreams:
    """Standard input and output, in a process of its own."""

    def test_from_pipe_to_pipe(self):
        done = subprocess.run(
            [*COMMAND, 'copy', '-', '-'], input=DATA, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == DATA

    def test_from_a_file_to_a_file(self, image, target):
        with image.open('rb') as source, target.open('wb') as destination:
            done = subprocess.run(
                [*COMMAND, 'copy', '-', '-'], stdin=source, stdout=destination
            )
        assert done.returncode == 0
        assert target.read_bytes() == DATA

    def test_appended_file_is_restored(self, target):
        target.write_bytes(b'old')
        with target.open('ab') as destination:
            done = subprocess.run(
                [*COMMAND, 'copy', '--max-size', '100', '-', '-'],
                input=DATA,
                stdout=destination,
                stderr=subprocess.PIPE,
            )
        assert done.returncode == 9
        assert target.read_bytes() == b'old'

    def test_nothing_is_an_empty_image(self, target):
        done = subprocess.run([*COMMAND, 'copy', '-', target], input=b'')
        assert done.returncode == 0
        assert target.read_bytes() == b''

    def test_reader_that_leaves(self, image):
        process = subprocess.Popen(
            [*COMMAND, 'copy', '--bwlimit', '1M', image, '-'],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.read(10)
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 1
        assert b'Traceback' not in error

    def test_events_that_nobody_reads(self, image, target):
        process = subprocess.Popen(
            [
                *(*COMMAND, 'copy', '--json', '--interval', '0'),
                *('--bwlimit', '512K', image, target),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        assert process.wait() == 141
        assert error == b''
        assert os.listdir(target.parent) == []

    def test_closed_standard_output(self, image):
        done = subprocess.run(
            ['sh', '-c', '"$@" >&-', 'sh', *COMMAND, 'copy', image, '-'],
            stderr=subprocess.PIPE,
        )
        assert done.returncode == 1
        assert done.stderr.startswith(b'oslo-image: writing the destination')

    def test_closed_standard_input(self, target):
        done = subprocess.run(
            ['sh', '-c', '"$@" <&-', 'sh', *COMMAND, 'copy', '-', target],
            capture_output=True,
        )
        assert done.returncode == 1
        assert b'Traceback' not in done.stderr
        assert not target.exists()


def test_standard_input_is_there_once():
    import threading

    from oslo_image import exception
    from oslo_image.cli import ends

    stdin = ends.Stdin(threading.Event())
    assert stdin() is stdin
    with pytest.raises(exception.SourceError, match='again'):
        stdin()


def test_a_cancelled_standard_input_is_not_at_its_end(monkeypatch):
    import threading

    from oslo_image import exception
    from oslo_image.cli import ends

    class Idle:
        def register(self, *_):
            pass

        def poll(self, _):
            return []

    monkeypatch.setattr(ends.select, 'poll', Idle)
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(exception.Cancelled):
        ends.Stdin(cancel).read(10)


def test_a_block_device_exists_and_is_written_in_place(
    run, image, monkeypatch, target
):
    """The store is told so."""
    from oslo_image import stores
    from oslo_image.cli import ends

    target.write_bytes(bytes(len(DATA) + 5))
    told = []
    plain = stores.open_writer
    monkeypatch.setattr(ends, '_is_block_device', lambda uri: True)
    monkeypatch.setattr(
        stores,
        'open_writer',
        lambda *args, **kw: told.append(kw) or plain(*args, **kw),
    )
    answer = run('copy', image, target)
    assert answer.code == 4
    assert '--if-exists overwrite' in answer.err
    assert told == []
    assert run('copy', '--if-exists', 'overwrite', image, target).code == 0
    assert told == [{'if_exists': 'in_place'}]


def test_ends_are_masked_in_events(run, target):
    answer = run('copy', '--json', f'http://a:{SECRET}@127.0.0.1:1/', target)
    assert answer.events[0]['source'] == 'http://***@127.0.0.1:1/'
