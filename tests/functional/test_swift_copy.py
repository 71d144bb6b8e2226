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

"""Copies that a Swift cluster makes by itself, and the other ways."""

import json
import secrets
import time

import pytest

from oslo_image import exception, move, stores
from oslo_image.stores.swift import writer as swift_writer
from tests.functional import boxes, clients, images
from tests.functional.images import MiB, reasons

DATA = images.noise(3 * MiB + 7)


def write(box, name, data, size=None):
    with stores.open_writer(box.uri(name), box.config, size=size) as writer:
        writer.write(data)
        writer.commit()


def manifest(box, name):
    """Return the paths that a manifest names."""
    text = box.client.get_object(
        box.name, name, query_string='multipart-manifest=get'
    )[1]
    return [one['name'] for one in json.loads(text)]


def nested(box, **more):
    """Make an object of one that is named three times, and of another."""
    names = [box.put(f'part/{n}', n.encode()) for n in ('a', 'b', '-c')]
    how = {'query_string': 'multipart-manifest=put'}
    client = box.client
    etag = client.put_object(
        box.name, 'inner', json.dumps(names[:2]), **how
    ).strip('"')
    inner = {'path': f'/{box.name}/inner', 'etag': etag}
    entries = [inner, inner, {**inner, **more}, names[2]]
    client.put_object(box.name, 'image', json.dumps(entries), **how)


class TestCopy:
    def test_an_object(self, box):
        box.put('image', DATA, X_Object_Meta_Colour='red')

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'swift_copy'
        assert tuple(result) == (True, 0)
        assert (result.zero_copy, result.size) == (True, len(DATA))
        assert box.get('copy') == DATA
        assert box.head('copy')['x-object-meta-colour'] == 'red'
        assert box.names() == ['copy', 'image']

    @pytest.mark.parametrize('large', [False, True])
    def test_what_expires_leaves_a_copy_that_does_not(self, box, large):
        day = str(int(time.time()) + 86400)
        if large:
            parts = [
                box.put(f'part/{n}', DATA[n * MiB :][:MiB], X_Delete_At=day)
                for n in range(4)
            ]
            box.client.put_object(
                box.name,
                'image',
                json.dumps(parts),
                query_string='multipart-manifest=put',
                headers={'X-Delete-At': day},
            )
        else:
            box.put('image', DATA, X_Delete_At=day)
        assert 'x-delete-at' in box.head('image')
        before = {one['name'] for one in box.client.get_container(box.name)[1]}

        assert box.copy(box.uri('image'), 'copy').success

        listed = box.client.get_container(box.name)[1]
        made = {one['name'] for one in listed} - before
        assert len(made) == (5 if large else 1)
        assert all('x-delete-at' not in box.head(name) for name in made)
        assert box.get('copy') == DATA

    def test_by_few_requests(self, faulty_box, monkeypatch):
        """One for each end, and the copy, if it is begun at once."""
        monkeypatch.setattr(swift_writer, '_JUST_NOW', 60)
        box = faulty_box
        box.put('image', DATA)
        box.config['swift_store_large_object_chunk_size'] = 4
        box.copy(box.uri('image'), 'first')  # with a token, if need be
        box.proxy.clear()

        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'

        asked = [one.method for one in box.proxy.requests]
        assert asked == ['HEAD', 'HEAD', 'PUT']

    def test_an_empty_object(self, box):
        box.put('image')
        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'
        assert box.get('copy') == b''

    def test_a_segmented_object_gets_segments_of_its_own(self, swift_box):
        box = swift_box
        write(box, 'image', bytes(2 * MiB) + DATA)

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'swift_copy'
        assert (result.bytes_written, result.size) == (0, 5 * MiB + 7)
        own = manifest(box, 'copy')
        assert len(own) == 6
        assert own[0] == own[1]
        assert not set(own) & set(manifest(box, 'image'))
        stores.delete(box.uri('image'), box.config)
        assert box.get('copy') == bytes(2 * MiB) + DATA
        stores.delete(box.uri('copy'), box.config)
        assert box.names() == []

    def test_segments_that_only_their_names_tell(self, rgw_box):
        """RGW shows no manifest; zeros are named where a number is missing."""
        box = rgw_box
        data = DATA[:MiB] + bytes(2 * MiB) + DATA[: MiB + 5] + bytes(9)
        write(box, 'image', data, len(data))
        before = box.names()
        assert 'image:zeros-1048576' in before

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'swift_copy'
        assert len(box.names()) == 2 * len(before)
        stores.delete(box.uri('image'), box.config)
        assert box.get('copy') == data
        stores.delete(box.uri('copy'), box.config)
        assert box.names() == []

    def test_a_manifest_of_manifests(self, swift_box):
        """Its copy names all segments itself."""
        box = swift_box
        nested(box)

        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'

        assert len(manifest(box, 'copy')) == 7
        assert box.get('copy') == b'ababab-c'
        stores.delete(box.uri('image'), box.config)
        assert box.get('copy') == b'ababab-c'

    def test_a_dynamic_object_becomes_a_static_one(self, box):
        for number in range(3):
            box.put(f'image-{number:05}', b'%d' % number * 1000)
        box.put('image', X_Object_Manifest=f'{box.name}/image-')

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'swift_copy'
        assert box.static('copy')
        stores.delete(box.uri('image'), box.config)
        assert box.get('copy') == b'0' * 1000 + b'1' * 1000 + b'2' * 1000

    def test_ranges_and_data_in_a_manifest_stay(self, swift_box):
        box = swift_box
        whole = box.put('part', b'0123456789')
        entries = [
            {**whole, 'range': '2-4'},
            {'data': 'aGVsbG8='},
            {**whole, 'range': '-1'},
        ]
        box.client.put_object(
            box.name,
            'image',
            json.dumps(entries),
            query_string='multipart-manifest=put',
        )
        assert box.get('image') == b'234hello9'

        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'

        stores.delete(box.uri('image'), box.config)
        assert box.get('copy') == b'234hello9'

    def test_replaces_an_object_with_its_segments(self, swift_box):
        box = swift_box
        box.put('image', b'new')
        write(box, 'old', DATA)

        result = box.copy(box.uri('image'), 'old', if_exists='replace')

        assert result.strategy == 'swift_copy'
        assert box.names() == ['image', 'old']
        assert box.get('old') == b'new'

    def test_across_accounts(self, swift, swift_box, tmp_path):
        """The other account lets ours read."""
        other = swift.users[3]
        with clients.swift(swift.auth_url, other.login, other.key) as client:
            options = boxes.options(swift.auth_url, other.login, other.key)
            theirs = boxes.Box(client, options, tmp_path.name)
            theirs.put('image', DATA)
            write(theirs, 'large', DATA)
            url = client.get_auth()[0]
            where = f'swift+http://{url.partition("://")[2]}/{theirs.name}'

            def copy(name, to):
                return swift_box.copy(f'{where}/{name}', to)

            with pytest.raises(exception.PermissionDenied):
                copy('image', 'denied')
            acl = {'X-Container-Read': swift.users[0].account}
            client.post_container(theirs.name, acl)

            assert copy('image', 'copy').strategy == 'swift_copy'
            assert copy('large', 'large').strategy == 'swift_copy'

        assert swift_box.get('copy') == swift_box.get('large') == DATA

    def test_across_accounts_of_keystone(
        self, swift_keystone, keystone, keystone_box
    ):
        """A token is for one project; the other's container names it."""
        user = keystone.user(secrets.token_hex(4), 'archive', 'member')
        login = f'{user.project}:{user.name}'
        with clients.swift_by_keystone(
            clients.password(keystone, user)
        ) as client:
            options = boxes.options(keystone.url, login, user.password)
            theirs = boxes.Box(client, options, keystone_box.name)
            theirs.put('image', DATA)
            write(theirs, 'large', DATA)
            url = swift_keystone.storage_url(user).partition('://')[2]
            where = f'swift+http://{url}/{theirs.name}'

            def copy(name, to):
                return keystone_box.copy(f'{where}/{name}', to)

            with pytest.raises(exception.PermissionDenied):
                copy('image', 'denied')
            project = keystone_box.client.get_auth()[0].rpartition('_')[2]
            acl = {'X-Container-Read': f'{project}:*'}
            client.post_container(theirs.name, acl)

            assert copy('image', 'copy').strategy == 'swift_copy'
            assert copy('large', 'large').strategy == 'swift_copy'
            stores.delete(theirs.uri('large'), theirs.config)

        assert keystone_box.get('copy') == keystone_box.get('large') == DATA


class TestRefused:
    def test_segments_that_the_server_does_not_tell(self, rgw_box):
        """Nor do their names, of what somebody else has written."""
        box = rgw_box
        entries = [box.put(f'part/{n}', bytes([n]) * 9) for n in range(3)]
        box.client.put_object(
            box.name,
            'image',
            json.dumps(entries),
            query_string='multipart-manifest=put',
        )

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'parallel'
        assert 'does not tell which seg' in reasons(result)['swift_copy']
        stores.delete(box.uri('image'), box.config)
        assert len(box.get('copy')) == 27

    def test_names_that_tell_something_else(self, rgw_box):
        """As of a copy that names a segment twice."""
        box = rgw_box
        data = bytes(3 * MiB) + DATA
        write(box, 'image', data, len(data))
        assert box.copy(box.uri('image'), 'copy').strategy == 'swift_copy'

        result = box.copy(box.uri('copy'), 'again')

        assert result.strategy == 'parallel'
        assert 'does not tell which seg' in reasons(result)['swift_copy']
        assert box.get('again') == data

    def test_names_of_what_was_replaced(self, rgw_box):
        """The ETag is that of the segments as they were."""
        box = rgw_box
        write(box, 'image', DATA, len(DATA))
        (name,) = (
            one['name']
            for one in box.client.get_container(box.name)[1]
            if one['name'].endswith('/00000002')
        )
        box.put(name, bytes(MiB))

        result = box.copy(box.uri('image'), 'copy')

        assert result.strategy == 'parallel'
        assert 'does not tell which seg' in reasons(result)['swift_copy']

    def test_a_part_of_a_manifest(self, swift_box):
        nested(swift_box, range='1-1')
        assert swift_box.get('image') == b'ababb-c'

        result = swift_box.copy(swift_box.uri('image'), 'copy')

        assert result.strategy == 'parallel'
        assert 'names a part of' in reasons(result)['swift_copy']
        assert swift_box.get('copy') == b'ababb-c'

    def test_another_cluster(self, swift_box, rgw_box):
        config = {**rgw_box.config}
        rgw_box.put('image', DATA)
        backends = {
            'enabled_backends': {'one': 'swift', 'two': 'swift'},
            'one': {**swift_box.config, 'default_swift_reference': 'one'},
            'two': {**config, 'default_swift_reference': 'two'},
        }
        source = f'swift+config://two/{rgw_box.name}/image'
        target = f'swift+config://one/{swift_box.name}/copy'

        with stores.open_writer(target, backends) as writer:
            result = move.Mover(source, backends).copy(writer)

        assert result.strategy == 'parallel'
        assert 'different clusters' in reasons(result)['swift_copy']
        assert swift_box.get('copy') == DATA

    def test_what_somebody_copied_of_segments(self, swift_box):
        """Swift then refuses it under the ETag that it tells itself."""
        box = swift_box
        write(box, 'image', DATA)
        box.client.copy_object(box.name, 'image', f'/{box.name}/joined')
        assert not box.static('joined')
        result = box.copy(box.uri('joined'), 'copy')

        assert result.strategy == 'parallel'
        assert 'another version' in reasons(result)['swift_copy']
        assert box.get('copy') == DATA
        stores.delete(box.uri('joined'), box.config)
        assert box.get('image') == DATA

    def test_a_digest_is_wanted(self, box):
        box.put('image', DATA)
        with stores.open_writer(box.uri('copy'), box.config) as writer:
            result = move.Mover(
                box.uri('image'), box.config, image={'checksum': '0' * 32}
            ).copy(writer, verify='never')
        assert result.strategy == 'swift_copy'
        with stores.open_writer(box.uri('other'), box.config) as writer:
            with pytest.raises(exception.DigestMismatch):
                move.Mover(
                    box.uri('image'), box.config, image={'checksum': '0' * 32}
                ).copy(writer, verify='always')
        assert box.names() == ['copy', 'image']

    def test_what_is_there_is_kept(self, box):
        box.put('image', DATA)
        box.put('copy', b'old')
        with pytest.raises(exception.DestinationExists):
            box.copy(box.uri('image'), 'copy')
        assert box.get('copy') == b'old'
