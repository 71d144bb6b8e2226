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

"""The fault wrapper: transparent without faults, and exact with them."""

import dataclasses
import errno
import tempfile

import pytest
from oslo_config import cfg

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores import facets
from oslo_image.stores.base import DescriptorRange, fill
from oslo_image.stores.file import FileStore, uri_for
from oslo_image.testing.conformance import Harness, StoreConformance
from oslo_image.testing.faults import Fault, FaultySource, FaultyWriter
from tests.unit.stores.leftover_help import abandon

DATA = bytes(range(1, 256)) * 40
GONE = exception.SourceUnavailable('gone')


class FaultyStore(FileStore):
    """The file store behind wrappers that have no fault to raise."""

    def open_source(self, location, *, auth=None):
        source = super().open_source(location, auth=auth)
        return FaultySource(source, seed=7)

    def open_writer(self, location, **keywords):
        return FaultyWriter(super().open_writer(location, **keywords))


@pytest.fixture
def store():
    conf = cfg.ConfigOpts()
    conf.register_opts(FileStore.list_opts())
    conf(args=[], default_config_files=[])
    return FaultyStore(conf)


class TestWithoutFaults(StoreConformance):
    lacks = {'secrets': 'a path holds none'}
    chunk = 64 * 1024

    @pytest.fixture
    def harness(self, tmp_path, store):
        return Harness(
            store=store,
            uri=lambda name: uri_for(tmp_path / name),
            listing=lambda: {one.name for one in tmp_path.iterdir()},
            overwrite=lambda name, data: (tmp_path / name).write_bytes(data),
            abandon=lambda name: abandon(tmp_path, name),
        )


@pytest.fixture
def source(tmp_path, store):
    path = tmp_path / 'image'
    path.write_bytes(DATA)
    with FileStore.open_source(
        store, Location(uri_for(path), trusted=True)
    ) as opened:
        yield opened


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'new'


@pytest.fixture
def writer(store, path):
    return FileStore.open_writer(store, Location(uri_for(path), trusted=True))


def read(source, offset, length):
    reader = source.open_stream(offset)
    buffer = bytearray(length)
    return bytes(buffer[: fill(reader, memoryview(buffer))])


@pytest.mark.parametrize('at', [0, 1, 4095, 4096, len(DATA) - 1, len(DATA)])
def test_stream_breaks_at_the_byte(source, at):
    faulty = FaultySource(source, Fault(at, GONE))
    reader = faulty.open_stream()
    got = bytearray()
    buffer = memoryview(bytearray(1000))
    with pytest.raises(exception.SourceUnavailable) as caught:
        while count := reader.readinto(buffer):
            got += buffer[:count]
    assert caught.value is GONE
    assert got == DATA[:at]
    # Once only: the next stream goes on from there.
    assert got + read(faulty, at, len(DATA)) == DATA


def test_times(source):
    twice = FaultySource(source, Fault(10, GONE, times=2))
    ever = FaultySource(source, Fault(10, GONE, times=None))
    for _ in range(2):
        with pytest.raises(exception.SourceUnavailable):
            read(twice, 0, 100)
    assert read(twice, 0, 100) == DATA[:100]
    for _ in range(5):
        with pytest.raises(exception.SourceUnavailable):
            read(ever, 0, 100)
    assert read(ever, 11, 100) == DATA[11:111]


def test_positioned_read_fails_where_the_range_holds_the_byte(source):
    faulty = FaultySource(source, Fault(500, GONE, times=None))
    buffer = memoryview(bytearray(100))
    assert faulty.read_into(400, buffer) == 100
    assert faulty.read_into(501, buffer) == 100
    for offset in (401, 500):
        with pytest.raises(exception.SourceUnavailable):
            faulty.read_into(offset, buffer)


def test_faults_strike_in_order_of_bytes(source):
    other = exception.SourceError('other')
    faulty = FaultySource(source, Fault(20, other), Fault(10, GONE))
    with pytest.raises(exception.SourceUnavailable):
        read(faulty, 0, 100)
    with pytest.raises(exception.SourceError, match='other'):
        read(faulty, 10, 100)
    assert read(faulty, 20, 10) == DATA[20:30]


def test_os_error_becomes_ours(source):
    faulty = FaultySource(source, Fault(3, OSError(errno.EIO, 'broken')))
    with pytest.raises(exception.SourceError) as caught:
        read(faulty, 0, 10)
    assert caught.value.errno == errno.EIO
    assert caught.value.offset == 3
    assert caught.value.source == source.location


def lengths(source):
    reader = source.open_stream()
    buffer = memoryview(bytearray(1000))
    return list(iter(lambda: reader.readinto(buffer), 0))


def test_short_reads_follow_from_the_seed(source):
    one, again, other = (
        lengths(FaultySource(source, seed=seed)) for seed in (1, 1, 2)
    )
    assert one == again != other
    assert sum(one) == sum(other) == len(DATA)
    assert min(one) < 1000


def test_shrunken_source_keeps_its_size(source):
    faulty = FaultySource(source, shrink_to=1234)
    assert faulty.size == len(DATA)
    assert read(faulty, 0, len(DATA)) == DATA[:1234]
    buffer = memoryview(bytearray(100))
    assert faulty.read_into(1200, buffer) == 34
    assert faulty.read_into(2000, buffer) == 0


def test_changed_source(source):
    FaultySource(source).check_unchanged()
    with pytest.raises(exception.SourceChanged):
        FaultySource(source, changed=True).check_unchanged()


def test_facets_are_passed_on_or_hidden(source, writer):
    kind = facets.FileDescriptor
    assert FaultySource(source).facet(kind) == source.facet(kind)
    assert FaultySource(source, hide_facets=True).facet(kind) is None
    assert FaultyWriter(writer).facet(kind) == writer.facet(kind)
    assert FaultyWriter(writer, hide_facets=True).facet(kind) is None


@pytest.mark.parametrize('at', [0, 1, 999, 1000, 2500])
def test_write_fails_at_the_byte(writer, path, at):
    full = OSError(errno.ENOSPC, 'full')
    with FaultyWriter(writer, Fault(at, full)) as faulty:
        with pytest.raises(exception.NoSpace) as caught:
            for begin in range(0, 3000, 1000):
                faulty.write(DATA[begin : begin + 1000])
        assert caught.value.offset == at
        assert caught.value.errno == errno.ENOSPC
        kind = writer.facet(facets.FileDescriptor)
        assert kind.length == at, 'the bytes before it were stored'
    assert not path.exists()


def test_range_of_a_file_fails_at_the_byte(writer):
    with tempfile.TemporaryFile() as file:
        file.write(DATA)
        file.flush()
        with FaultyWriter(writer, Fault(700, GONE)) as faulty:
            faulty.begin(1000)
            with pytest.raises(exception.SourceUnavailable):
                faulty.put(0, DescriptorRange(file.fileno(), 0, 1000))
            assert writer.facet(facets.FileDescriptor).length == 700


def test_zeros_fail_at_the_byte(writer):
    with FaultyWriter(writer, Fault(700, GONE)) as faulty:
        faulty.begin(1000)
        with pytest.raises(exception.SourceUnavailable):
            faulty.put_zeros(0, 1000)


@pytest.mark.parametrize('step', ['begin', 'commit'])
def test_steps_fail(writer, path, step):
    boom = OSError(errno.EDQUOT, 'quota')
    with FaultyWriter(writer, **{step: boom}) as faulty:
        with pytest.raises(exception.NoSpace):
            faulty.write(DATA)
            faulty.commit()
    assert not path.exists()


def test_lost_answer_of_a_commit(writer, path):
    boom = exception.DestinationError('no answer')
    with FaultyWriter(writer, after_commit=boom) as faulty:
        faulty.write(DATA)
        with pytest.raises(exception.DestinationError):
            faulty.commit()
    assert path.read_bytes() == DATA


def test_rollback_that_cannot(writer, path):
    faulty = FaultyWriter(writer, rollback='modified')
    faulty.write(DATA)
    assert faulty.rollback() == 'modified'
    faulty.close()
    faulty = FaultyWriter(writer, rollback=RuntimeError('against the rules'))
    with pytest.raises(RuntimeError):
        faulty.rollback()
    assert not path.exists()


def test_wrappers_name_the_location(source):
    location = Location('file:///x', trusted=True)
    assert dataclasses.replace(location) == location
    assert FaultySource(source).location is source.location
