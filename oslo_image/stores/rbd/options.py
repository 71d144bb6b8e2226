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

"""The store's options; glance_store's keep their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oslo_config import cfg


def list_opts() -> list[cfg.Opt]:
    """Return the options."""
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            'rbd_store_ceph_conf',
            default='',
            help='The path of the ceph.conf of the cluster. By default it is '
            'searched where Ceph does: /etc/ceph/ceph.conf, ~/.ceph/config, '
            'ceph.conf.',
        ),
        cfg.StrOpt(
            'rbd_store_user',
            help="The client's id, without 'client.'; by default Ceph's own, "
            'admin. Its key is found by the ceph.conf.',
        ),
        cfg.StrOpt(
            'rbd_store_pool',
            default='images',
            help='The pool in which rbd://image lies.',
        ),
        cfg.IntOpt(
            'rbd_store_chunk_size',
            default=8,
            min=1,
            max=32,
            help='The size of the objects of a new Glance image, in MiB; it '
            'should be a power of two. A plain disk gets what the cluster '
            'has as its default.',
        ),
        cfg.FloatOpt(
            'rados_connect_timeout',
            default=30,
            help='Seconds to wait for a connection to the cluster; 0 is what '
            'Ceph waits, five minutes.',
        ),
        cfg.FloatOpt(
            'rbd_operation_timeout',
            default=60,
            help='Seconds after which a request that the cluster does not '
            'answer fails; 0 waits for ever. An OSD that restarts takes some '
            'of it.',
        ),
        cfg.IntOpt(
            'rbd_clone_format',
            default=1,
            choices=[1, 2],
            help='The version of clones. Version 2 takes unprotected '
            'snapshots too, but clients older than Mimic cannot open them.',
        ),
        cfg.BoolOpt(
            'rbd_protect_snapshots',
            default=False,
            help='Protect an unprotected snapshot in order to clone it. It '
            'stays protected, and so cannot be removed, until somebody '
            'unprotects it.',
        ),
        cfg.BoolOpt(
            'rbd_read_unpinned',
            default=False,
            help='Read an image whose location names no snapshot as it is '
            'when the user may not make one. If somebody writes to it '
            'meanwhile, the copy is neither the old bits nor the new ones.',
        ),
    ]
