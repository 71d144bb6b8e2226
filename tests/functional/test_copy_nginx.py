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

"""Images copied from a real web server, plain, over TLS and by certificate."""

import hashlib
import os

import pytest
import trustme

from oslo_image import exception, move
from tests.destinations import Destination
from tests.functional import images
from tests.functional.images import KiB, MiB
from tests.servers import nginx as nginx_server
from tests.servers import policy

pytestmark = pytest.mark.usefixtures('nothing_stays_open')

#: Around what the probe asks for, and around what one range asks for.
SIZES = [
    1,
    64 * KiB - 1,
    64 * KiB,
    64 * KiB + 1,
    8 * MiB - 1,
    8 * MiB,
    8 * MiB + 1,
]
LARGE = 20 * MiB
NOISE = images.noise(8 * MiB + 1)
#: What is copied by each strategy: BytesIO takes its bytes in order only.
WAYS = [
    ('store', 'parallel'),
    ('store', 'stream'),
    ('open file', 'parallel'),
    ('open file', 'stream'),
    ('BytesIO', 'stream'),
]
by_every_way = pytest.mark.parametrize(
    ('kind', 'strategy'), WAYS, ids=[' by '.join(way) for way in WAYS]
)
declared_or_not = pytest.mark.parametrize(
    'declared', [True, False], ids=['digest', 'no digest']
)


class Served:
    """An image on a server, and the mover that gets it from there."""

    def __init__(self, server, name, config):
        self.path = server.root / name
        self.url = server.url(name)
        self.config = config

    def mover(self, image=None, **config):
        return move.Mover(self.url, {**self.config, **config}, image=image)


@pytest.fixture
def destination(place, kind):
    return Destination(kind, place)


@pytest.fixture
def plain(nginx, tmp_path):
    served = Served(nginx, tmp_path.name, {})
    yield served
    served.path.unlink(missing_ok=True)


@pytest.fixture
def over_tls(nginx_tls, tmp_path):
    trust = {'https_ca_certificates_file': str(nginx_tls.ca_file)}
    served = Served(nginx_tls, tmp_path.name, trust)
    yield served
    served.path.unlink(missing_ok=True)


@pytest.fixture(scope='module')
def nginx_certificates(tmp_path_factory):
    """nginx that demands a certificate of its clients."""
    root = tmp_path_factory.mktemp('nginx')
    with policy.provided(
        nginx_server.Nginx(root, tls=True, client_certificates=True)
    ) as server:
        yield server


@pytest.fixture
def by_certificate(nginx_certificates, tmp_path):
    served = Served(
        nginx_certificates,
        tmp_path.name,
        {
            'https_ca_certificates_file': str(nginx_certificates.ca_file),
            'http_client_certificate_file': str(
                nginx_certificates.client_certificate
            ),
        },
    )
    yield served
    served.path.unlink(missing_ok=True)


def sparse(path):
    """Write 20 MiB of which all but both ends are zeros; return them."""
    images.make(path, LARGE, {0: NOISE[:MiB], LARGE - MiB: NOISE[-MiB:]})
    return path.read_bytes()


def declaration(content, declared):
    if not declared:
        return None
    return {
        'size': len(content),
        'os_hash_algo': 'sha256',
        'os_hash_value': hashlib.sha256(content).hexdigest(),
    }


def copy(mover, destination, strategy, **more):
    """Copy by one strategy only."""
    disabled = images.all_but(strategy)
    return destination.copy(mover, disabled=disabled, **more)


def assert_arrives(served, destination, strategy, content, declared):
    """Copy; the bytes, the result and the progress are right."""
    seen = []
    result = copy(
        served.mover(declaration(content, declared)),
        destination,
        strategy,
        progress=lambda *call: seen.append(call),
    )

    assert tuple(result) == (True, len(content))
    assert result.strategy == strategy
    assert destination.content() == content
    assert result.verified is declared
    assert bool(result.digests) is declared
    assert (seen or [(0, 0)])[-1] == (len(content), len(content))


class TestPlain:
    @by_every_way
    @declared_or_not
    @pytest.mark.parametrize('size', SIZES)
    def test_arrives(self, plain, destination, strategy, size, declared):
        plain.path.write_bytes(NOISE[:size])
        assert_arrives(plain, destination, strategy, NOISE[:size], declared)

    @by_every_way
    @declared_or_not
    def test_zeros_become_holes(self, plain, destination, strategy, declared):
        content = sparse(plain.path)
        assert_arrives(plain, destination, strategy, content, declared)
        if destination.kind != 'BytesIO':
            # A block more at each end of the hole, at the most 64 KiB.
            allocated = images.allocated(destination.target)
            assert allocated <= 2 * MiB + 128 * KiB

    @by_every_way
    def test_a_wrong_digest(self, plain, destination, strategy):
        plain.path.write_bytes(NOISE)
        other = declaration(NOISE[::-1], True)

        with pytest.raises(exception.DigestMismatch) as caught:
            copy(plain.mover(other), destination, strategy)

        assert caught.value.side == 'source'
        assert caught.value.strategy == strategy
        destination.assert_as_before()

    @by_every_way
    def test_a_wrong_size(self, plain, destination, strategy):
        plain.path.write_bytes(NOISE)
        mover = plain.mover({'size': len(NOISE) - 1})
        with pytest.raises(exception.SizeMismatch):
            copy(mover, destination, strategy)
        destination.assert_as_before()

    @by_every_way
    def test_absent(self, plain, destination, strategy):
        with pytest.raises(exception.ImageNotFound) as caught:
            copy(plain.mover(), destination, strategy)
        assert caught.value.side == 'source'
        destination.assert_as_before()

    @pytest.mark.parametrize('kind', ['store', 'open file', 'BytesIO'])
    @declared_or_not
    def test_an_empty_image(self, plain, destination, declared):
        """nginx knows no ranges of nothing: only a stream will do."""
        plain.path.write_bytes(b'')
        assert_arrives(plain, destination, 'stream', b'', declared)


class TestTls:
    @pytest.mark.parametrize('kind', ['store', 'open file', 'BytesIO'])
    @declared_or_not
    def test_an_empty_image(self, over_tls, destination, declared):
        over_tls.path.write_bytes(b'')
        assert_arrives(over_tls, destination, 'stream', b'', declared)

    @by_every_way
    @declared_or_not
    @pytest.mark.parametrize('size', [64 * KiB + 1, 8 * MiB + 1])
    def test_arrives(self, over_tls, destination, strategy, size, declared):
        over_tls.path.write_bytes(NOISE[:size])
        assert_arrives(over_tls, destination, strategy, NOISE[:size], declared)

    @by_every_way
    def test_zeros_become_holes(self, over_tls, destination, strategy):
        content = sparse(over_tls.path)
        assert_arrives(over_tls, destination, strategy, content, True)
        if destination.kind != 'BytesIO':
            allocated = images.allocated(destination.target)
            assert allocated <= 2 * MiB + 128 * KiB

    @by_every_way
    def test_by_another_authority(
        self, over_tls, destination, strategy, tmp_path
    ):
        over_tls.path.write_bytes(NOISE)
        authority = tmp_path / 'other.pem'
        trustme.CA().cert_pem.write_to_path(str(authority))
        mover = over_tls.mover(https_ca_certificates_file=str(authority))

        with pytest.raises(exception.SourceError, match='TLS') as caught:
            copy(mover, destination, strategy)

        assert caught.value.side == 'source'
        assert not caught.value.temporary
        destination.assert_as_before()


class TestClientCertificate:
    @by_every_way
    @declared_or_not
    @pytest.mark.parametrize('size', [1, 8 * MiB + 1])
    def test_arrives(
        self, by_certificate, destination, strategy, size, declared
    ):
        by_certificate.path.write_bytes(NOISE[:size])
        assert_arrives(
            by_certificate, destination, strategy, NOISE[:size], declared
        )

    @by_every_way
    def test_key_in_a_file_of_its_own(
        self, by_certificate, destination, strategy, tmp_path
    ):
        by_certificate.path.write_bytes(NOISE)
        both = by_certificate.config['http_client_certificate_file']
        with open(both) as file:
            head, begin, rest = file.read().partition('-----BEGIN CERT')
        (tmp_path / 'key.pem').write_text(head)
        (tmp_path / 'certificate.pem').write_text(begin + rest)
        mover = by_certificate.mover(
            http_client_certificate_file=str(tmp_path / 'certificate.pem'),
            http_client_key_file=str(tmp_path / 'key.pem'),
        )

        result = copy(mover, destination, strategy)

        assert result.success
        assert destination.content() == NOISE

    @by_every_way
    def test_without_one(self, by_certificate, destination, strategy):
        by_certificate.path.write_bytes(NOISE)
        mover = by_certificate.mover(http_client_certificate_file=None)
        with pytest.raises(exception.SourceError, match='400'):
            copy(mover, destination, strategy)
        destination.assert_as_before()

    @by_every_way
    def test_by_another_authority(
        self, by_certificate, nginx_tls, destination, strategy
    ):
        by_certificate.path.write_bytes(NOISE)
        mover = by_certificate.mover(
            http_client_certificate_file=str(nginx_tls.client_certificate)
        )
        with pytest.raises(exception.SourceError, match='400'):
            copy(mover, destination, strategy)
        destination.assert_as_before()


class TestReplacedInTheMiddle:
    """os.replace() on the server, when the first bytes have arrived."""

    SIZE = 40 * MiB

    @pytest.fixture(params=['plain', 'over_tls'])
    def served(self, request):
        served = request.getfixturevalue(request.param)
        served.path.write_bytes(NOISE[:MiB] * 40)
        return served

    @staticmethod
    def replacing(served, size):
        """Return a progress callback that does it, once."""
        new = served.path.with_name(f'{served.path.name}.new')
        new.write_bytes(NOISE[MiB : 2 * MiB] * (size // MiB))
        os.utime(new, (1, 1))
        new_name = iter([new])

        def progress(done, total):
            for name in new_name:
                os.replace(name, served.path)

        return progress

    @pytest.mark.parametrize('kind', ['store', 'open file'])
    @pytest.mark.parametrize('size', [SIZE, SIZE - MiB, SIZE + MiB])
    @declared_or_not
    def test_ranges_are_of_one_version(
        self, served, destination, size, declared
    ):
        old = NOISE[:MiB] * 40
        # One range at a time, so that the first is there before the last
        # has been asked for.
        mover = served.mover(declaration(old, declared), parallel_requests=1)

        with pytest.raises(exception.SourceChanged) as caught:
            copy(
                mover,
                destination,
                'parallel',
                progress=self.replacing(served, size),
            )

        assert caught.value.side == 'source'
        assert caught.value.strategy == 'parallel'
        assert served.url in str(caught.value)
        assert caught.value.destination_state == (
            'untouched' if destination.kind == 'store' else 'restored'
        )
        destination.assert_as_before()

    @pytest.mark.parametrize('kind', ['store', 'open file', 'BytesIO'])
    def test_a_stream_is_of_one_version(self, served, destination):
        """nginx goes on with the file that it opened, and so do we."""
        result = copy(
            served.mover(),
            destination,
            'stream',
            progress=self.replacing(served, self.SIZE),
        )

        assert tuple(result) == (True, self.SIZE)
        assert destination.content() == NOISE[:MiB] * 40
