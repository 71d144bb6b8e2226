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

"""Glance's single store where it was before ``[glance_store]``: ``[DEFAULT]``.

Such a file has its stores' options there, with ``stores`` (or
``known_stores``) and ``default_store``. They are read where one of the options
that tell a place stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from oslo_image import config as configuration
from oslo_image.stores import backends

if TYPE_CHECKING:
    from oslo_config import cfg

_TELLING: Final = (
    *('stores', 'known_stores', 'default_store', 'filesystem_store_datadir'),
    *('filesystem_store_datadirs', 'rbd_store_pool', 'rbd_store_ceph_conf'),
    *('s3_store_host', 'swift_store_auth_address', 'swift_store_config_file'),
)


def add_to(groups: dict[str, Sequence[cfg.Opt]]) -> None:
    """Add the options that tell, to those that are to be read by group."""
    from oslo_config import cfg

    telling = [cfg.StrOpt(name) for name in _TELLING]
    groups['DEFAULT'] = [*groups.get('DEFAULT', ()), *telling]


def adopt(
    conf: cfg.ConfigOpts, config: Any, group: str, options: Sequence[cfg.Opt]
) -> None:
    """Have what ``[DEFAULT]`` says in a group that does not say it.

    :param conf: where :func:`add_to` has the options read.
    :param config: the caller's.
    :param options: all of the group.
    """
    if not any(backends.is_set(conf, 'DEFAULT', one) for one in _TELLING):
        return
    theirs = configuration.load(config, {'DEFAULT': options})
    for option in options:
        name = option.dest
        if backends.is_set(theirs, 'DEFAULT', name) and not backends.is_set(
            conf, group, name
        ):
            conf.set_override(name, theirs[name], group)
