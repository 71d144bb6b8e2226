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

"""A process as Cinder's: eventlet patches everything before all else.

Run as ``python -m tests.functional.green SCENARIO SOURCE DIRECTORY [URL |
CONF POOL | OPTIONS URI STRATEGY]``. It ends with 0 when all is well.
"""

import warnings

warnings.simplefilter('ignore')
import eventlet  # noqa: E402

eventlet.monkey_patch()

import hashlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import pathlib  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402

from eventlet import patcher, tpool  # noqa: E402

from oslo_image import exception, move, stores  # noqa: E402

assert patcher.is_monkey_patched('thread')
assert patcher.is_monkey_patched('socket')

STRATEGIES = ('reflink', 'kernel_copy', 'parallel', 'stream')


def only(strategy):
    return [one for one in STRATEGIES if one != strategy]


class Heart:
    """A green thread that shows that the others get their turn."""

    def __init__(self):
        self.beats = 0
        self._thread = eventlet.spawn(self._beat)

    def _beat(self):
        while True:
            self.beats += 1
            eventlet.sleep(0.001)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self._thread.kill()


def by_each_strategy(source, directory):
    content = source.read_bytes()
    digest = hashlib.sha512(content).hexdigest()
    for strategy in STRATEGIES:
        for verify in ('auto', 'always'):
            if verify == 'always' and strategy in STRATEGIES[:2]:
                continue
            target = directory / f'{strategy}-{verify}'
            result = move.Mover(f'file://{source}').copy(
                stores.open_writer(f'file://{target}'),
                disabled=only(strategy),
                verify=verify,
            )
            assert result.strategy == strategy
            assert target.read_bytes() == content
            if verify == 'always':
                assert result.digests == {'sha512': digest}


def many_at_once(source, directory):
    content = source.read_bytes()

    def copy(number):
        target = directory / f'target{number}'
        result = move.Mover(f'file://{source}').copy(
            stores.open_writer(f'file://{target}'),
            disabled=only(STRATEGIES[number % 4]),
            verify='always' if number % 4 > 1 else 'auto',
        )
        assert target.read_bytes() == content
        return result.success

    pool = eventlet.GreenPool(8)
    assert list(pool.imap(copy, range(16))) == [True] * 16


def to_a_proxy(source, directory):
    content = source.read_bytes()
    for strategy in STRATEGIES:
        target = directory / f'target-{strategy}'
        with open(target, 'wb') as file:
            writer = tpool.Proxy(file)
            result = move.Mover(f'file://{source}').copy(
                writer, disabled=only(strategy)
            )
            assert result.strategy == strategy
            assert writer.tell() == len(content)
        assert target.read_bytes() == content


def through_a_pipe(source, directory):
    """The reader is a green thread of the same process."""
    content = source.read_bytes()
    for strategy in ('kernel_copy', 'stream'):
        read_end, write_end = os.pipe()
        received = []

        def drain(end=read_end, received=received):
            # eventlet's pipes do not block the hub
            with eventlet.greenio.GreenPipe(end, 'rb', 0) as pipe:
                while chunk := pipe.read(65536):
                    received.append(chunk)

        reading = eventlet.spawn(drain)
        os.set_blocking(write_end, False)
        with open(write_end, 'wb', buffering=0) as writer:
            result = move.Mover(f'file://{source}').copy(
                writer, disabled=only(strategy)
            )
        reading.wait()
        assert result.strategy == strategy
        assert b''.join(received) == content


def cancelled(source, directory):
    """By a green thread, while the copy waits for its rate."""
    event = threading.Event()
    eventlet.spawn_after(0.2, event.set)
    began = time.monotonic()
    try:
        move.Mover(f'file://{source}').copy(
            stores.open_writer(f'file://{directory}/target'),
            cancel=event,
            rate_limit=1024,
            zero_copy='avoid',
        )
    except exception.Cancelled:
        assert time.monotonic() - began < 5
        assert os.listdir(directory) == []
        return
    raise AssertionError('not cancelled')


def cancelled_at_a_silent_server(source, directory):
    from oslo_image.testing.scripted import ScriptedServer, silent

    def script(number, request):
        return silent if number else None

    with ScriptedServer(source.read_bytes(), script) as server:
        mover = move.Mover(server.url, {'http_read_timeout': 600.0})
        cancel = threading.Event()
        eventlet.spawn_after(0.5, cancel.set)
        begin = time.monotonic()
        try:
            mover.copy(
                stores.open_writer(f'file://{directory}/target'),
                cancel=cancel,
            )
        except exception.Cancelled:
            pass
        else:
            raise AssertionError('the copy was not cancelled')
        assert time.monotonic() - begin < 30
    assert not os.listdir(directory)


def the_others_get_their_turn(source, directory):
    def data():
        for _ in range(100):
            eventlet.sleep(0.002)
            yield b'x' * 100_000

    with Heart() as heart:
        result = move.Mover('id', data=data).copy(
            stores.open_writer(f'file://{directory}/target'), verify='always'
        )
    assert result.size == 10_000_000
    assert heart.beats >= 20, heart.beats


def from_a_web_server(source, directory, url):
    content = source.read_bytes()

    def copy(strategy):
        target = directory / f'target-{strategy}'
        result = move.Mover(url).copy(
            stores.open_writer(f'file://{target}'),
            disabled=only(strategy),
            verify='always',
        )
        assert result.strategy == strategy
        assert target.read_bytes() == content
        return True

    with Heart() as heart:
        pool = eventlet.GreenPool(2)
        assert all(pool.imap(copy, ('parallel', 'stream')))
    assert heart.beats >= 2


def to_and_from_ceph(source, directory, conf, pool):
    """Several at once, of green threads, by one connection."""
    content = source.read_bytes()
    config = {'rbd_store_ceph_conf': conf}

    def copy(number):
        target = directory / f'target{number}'
        image = f'{pool}/{directory.parent.name}-green{number}'
        try:
            move.Mover(f'file://{source}').copy(
                stores.open_writer(image, config), verify='always'
            )
            move.Mover(image, config).copy(
                stores.open_writer(f'file://{target}'),
                disabled=only(STRATEGIES[2 + number % 2]),
            )
            assert target.read_bytes() == content
        finally:
            stores.delete(image, config)
        return True

    with Heart() as heart:
        pool_of_threads = eventlet.GreenPool(4)
        assert all(pool_of_threads.imap(copy, range(4)))
    assert heart.beats >= 2


def within_ceph(source, directory, conf, pool):
    """Clones, flattened ones among them, and images behind a proxy."""
    import rados
    import rbd

    content = source.read_bytes()
    config = {'rbd_store_ceph_conf': conf}
    golden = f'{pool}/{directory.parent.name}-golden/snap'
    move.Mover(f'file://{source}').copy(stores.open_writer(golden, config))

    def clone(number):
        seen = []
        lock = threading.Lock()

        def progress(done, total):
            with lock:  # a green one
                seen.append(done)
            eventlet.sleep(0)

        image = f'{pool}/{directory.parent.name}-clone{number}'
        result = move.Mover(golden, config).copy(
            stores.open_writer(image, config, flatten=bool(number % 2)),
            progress=progress,
        )
        assert result.strategy == 'rbd_clone'
        assert (result.parent is None) == bool(number % 2)
        assert seen[-1] == len(content)
        stores.delete(image, config)
        return True

    def overwrite():
        with (
            rados.Rados(conffile=conf) as cluster,
            cluster.open_ioctx(pool.rsplit('/', 1)[1]) as ioctx,
        ):
            name = f'{directory.parent.name}-proxied'
            rbd.RBD().create(ioctx, name, len(content))
            with rbd.Image(ioctx, name) as image:
                proxied = tpool.Proxy(image)
                result = move.Mover(f'file://{source}').copy(proxied)
                assert result.strategy == 'parallel'
                assert image.read(0, len(content)) == content
            rbd.RBD().remove(ioctx, name)
        return True

    with Heart() as heart:
        pool_of_threads = eventlet.GreenPool(4)
        assert all(pool_of_threads.imap(clone, range(4)))
        assert overwrite()
    assert heart.beats >= 2
    stores.delete(golden, config)


def to_from_and_within_objects(source, directory, options, uri, strategy):
    """Several at once, of green threads, by one store's connections.

    :param strategy: of a copy that the server makes.
    """
    content = source.read_bytes()
    config = json.loads(options)

    def copy(number):
        target = directory / f'target{number}'
        there, again = f'{uri}{number}', f'{uri}{number}-again'
        move.Mover(f'file://{source}').copy(
            stores.open_writer(there, config),
            verify='always' if number % 2 else 'auto',
        )
        copied = move.Mover(there, config).copy(
            stores.open_writer(again, config)
        )
        assert copied.strategy == strategy
        move.Mover(again, config).copy(
            stores.open_writer(f'file://{target}'),
            disabled=only(STRATEGIES[2 + number % 2]),
        )
        assert target.read_bytes() == content
        for one in (there, again):
            stores.delete(one, config)
        return True

    with Heart() as heart:
        pool = eventlet.GreenPool(4)
        assert all(pool.imap(copy, range(4)))
    assert heart.beats >= 2


if __name__ == '__main__':
    scenario, source_path, directory_path, *more = sys.argv[1:]
    globals()[scenario](
        pathlib.Path(source_path), pathlib.Path(directory_path), *more
    )
