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

"""What a cluster is configured by: ceph.conf and keys."""

from __future__ import annotations

import base64
import os
import struct
import time
from collections.abc import Mapping

CONF = """\
[global]
fsid = {fsid}
mon_host = v2:{host}:{port}/0
public_addr = {host}
cluster_addr = {host}
ms_bind_msgr1 = false
keyring = {directory}/ceph.$name.keyring
run_dir = {directory}
crash_dir = {directory}

# A log of what went wrong, rather than of every placement group.
debug_bdev = 0
debug_bluefs = 0
debug_bluestore = 0
debug_mgr = 0
debug_osd = 0
debug_rocksdb = 0
mon_cluster_log_file_level = info

# one OSD
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pgp_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_max_pg_per_osd = 1000
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false

# A command takes 0.05 s instead of 1 s, and a quota is seen after about 2 s.
paxos_propose_interval = 0.01
mon_tick_interval = 1
mgr_tick_period = 1
mgr_stats_period = 1
mon_mgr_digest_period = 1

[mon]
mon_data = {directory}/mon
keyring = {directory}/mon/keyring
mon_allow_pool_delete = true
mon_data_avail_warn = 2
mon_data_avail_crit = 1
auth_allow_insecure_global_id_reclaim = false

[mgr]
mgr_data = {directory}/mgr
# No modules: 37 MB instead of 300, though the cluster calls that an error.
mgr_initial_modules =
mgr_module_path = {directory}/mgr

[osd]
osd_data = {directory}/osd
osd_fast_shutdown_notify_mon = true
osd_mon_shutdown_timeout = 2
bluestore_block_size = {block_size}
bluestore_fsck_on_mkfs = false
# little memory: the cache, and what RocksDB keeps until it writes
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
bluestore_rocksdb_options = {rocksdb}
"""

#: As in Ceph, but for write_buffer_size: 4 times 16 MiB instead of 256 MiB.
ROCKSDB = (
    'compression=kNoCompression,max_write_buffer_number=4,'
    'min_write_buffer_number_to_merge=1,recycle_log_file_num=4,'
    'write_buffer_size=16777216,writable_file_max_buffer_size=0,'
    'compaction_readahead_size=2097152,max_background_compactions=2'
)

#: Whom the monitor knows from the beginning, and what each may do.
CAPS: Mapping[str, Mapping[str, str]] = {
    'mon.': {'mon': 'allow *'},
    'mgr.x': {'mon': 'allow profile mgr', 'osd': 'allow *', 'mds': 'allow *'},
    'osd.0': {
        'mon': 'allow profile osd',
        'mgr': 'allow profile osd',
        'osd': 'allow *',
    },
    'client.admin': {'mon': 'allow *', 'mgr': 'allow *', 'osd': 'allow *'},
}


def new_key() -> str:
    """Return a secret of cephx, as ``ceph-authtool --gen-print-key`` does."""
    secret = os.urandom(16)
    header = struct.pack('<hiih', 1, int(time.time()), 0, len(secret))
    return base64.b64encode(header + secret).decode()


def keyring(entity: str, key: str, caps: Mapping[str, str]) -> str:
    """Return the section of a keyring file for one entity."""
    lines = [f'[{entity}]', f'key = {key}']
    lines += [f'caps {service} = "{what}"' for service, what in caps.items()]
    return '\n'.join(lines) + '\n'
