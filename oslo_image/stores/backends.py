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

"""The backends that a configuration names: Glance's, Nova's and Cinder's.

In Glance, ``enabled_backends`` is a dict of names and stores. In Cinder it is
a list of names, of which those with the RBD driver say how a cluster is
reached; in Nova the groups ``[glance]`` and ``[libvirt]`` do. What these call
by other names becomes the default of our own options in the same group.

``[backend_defaults]`` holds for every backend that says nothing else, in
Glance as in Cinder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from oslo_image import config as configuration
from oslo_image import exception

if TYPE_CHECKING:
    from oslo_config import cfg

DEFAULTS: Final = 'backend_defaults'
RESERVED: Final = frozenset(
    {'DEFAULT', 'glance_store', 'oslo_image', DEFAULTS}
)
#: The names that Cinder's RBD driver has had.
_CINDER_DRIVER: Final = 'RBDDriver'
_CINDER: Final = {
    'rbd_ceph_conf': 'rbd_store_ceph_conf',
    'rbd_user': 'rbd_store_user',
    'rbd_pool': 'rbd_store_pool',
}
_NOVA: Final = {
    # The one that clones comes first: it may read what the other reads.
    'libvirt': {
        'images_rbd_ceph_conf': 'rbd_store_ceph_conf',
        'rbd_user': 'rbd_store_user',
        'images_rbd_pool': 'rbd_store_pool',
        'rbd_connect_timeout': 'rados_connect_timeout',
    },
    'glance': {
        'rbd_ceph_conf': 'rbd_store_ceph_conf',
        'rbd_user': 'rbd_store_user',
        'rbd_pool': 'rbd_store_pool',
        'rbd_connect_timeout': 'rados_connect_timeout',
    },
}
#: Where both keep disks if they say nothing.
_POOL: Final = 'rbd'


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """One group of options that makes a store.

    :param kind: the name of the store.
    :param theirs: our options, by another project's names for them.
    :param default: what our options are where that project says nothing.
    """

    kind: str
    theirs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    default: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def opts(self) -> Iterator[cfg.Opt]:
        """Yield the other project's options."""
        from oslo_config import cfg

        for name in self.theirs:
            number = name.endswith('_timeout')
            yield cfg.FloatOpt(name) if number else cfg.StrOpt(name)


def enabled(config: Any) -> dict[str, str] | None:
    """Return Glance's backends by name; None: the option is Cinder's.

    :raises InvalidOption: for a mapping in which it is no dict.
    """
    lenient = configuration.is_opts(config)
    if isinstance(config, Mapping) and not lenient:
        name = 'enabled_backends'
        config = {name: config[name]} if name in config else None
    if config is None:
        return {}
    try:
        conf = configuration.load(config, {'DEFAULT': [option()]})
    except exception.InvalidOption:
        if lenient:
            return None
        raise
    return dict(conf.enabled_backends or {})


def option() -> cfg.Opt:
    """Return the option, as Glance has it."""
    from oslo_config import cfg

    return cfg.DictOpt(
        'enabled_backends',
        default={},
        help='The named backends, as name:store pairs. The options of each '
        'stand in the group of its name.',
    )


def of_cinder(config: Any) -> dict[str, Backend]:
    """Return the backends of Cinder's that keep volumes in Ceph.

    :param config: a ConfigOpts whose ``enabled_backends`` is a list.
    """
    from oslo_config import cfg

    names = configuration.load(
        config, {'DEFAULT': [cfg.ListOpt('enabled_backends')]}
    ).enabled_backends
    known = [one for one in names or () if one not in RESERVED]
    conf = configuration.load(
        config,
        {
            one: [cfg.StrOpt('volume_driver'), cfg.StrOpt('rbd_cluster_name')]
            for one in (*known, DEFAULTS)
        },
    )
    found = {}
    for name in known:
        driver = conf[name].volume_driver or conf[DEFAULTS].volume_driver
        if not (driver or '').endswith(_CINDER_DRIVER):
            continue
        default = {'rbd_store_pool': _POOL}
        cluster = (
            conf[name].rbd_cluster_name or conf[DEFAULTS].rbd_cluster_name
        )
        if cluster:
            default['rbd_store_ceph_conf'] = f'/etc/ceph/{cluster}.conf'
        found[name] = Backend('rbd', _CINDER, default)
    return found


def of_nova(groups: Collection[str]) -> dict[str, Backend]:
    """Return what may be groups of Nova's, of those that there are."""
    return {
        group: Backend(
            'rbd',
            theirs,
            {'rbd_store_pool': _POOL} if group == 'libvirt' else {},
        )
        for group, theirs in _NOVA.items()
        if group in groups
    }


def inherit(
    conf: cfg.ConfigOpts,
    group: str,
    backend: Backend,
    options: Sequence[cfg.Opt],
) -> None:
    """Give a group's options the defaults that others say.

    :param conf: holds ``options`` and :meth:`Backend.opts` in the group, and
        in ``[backend_defaults]`` if there is such a group.
    """
    said = dict(backend.default)
    for place in (DEFAULTS, group) if DEFAULTS in conf else (group,):
        for name, ours in backend.theirs.items():
            if conf[place][name] is not None:
                said[ours] = conf[place][name]
    if DEFAULTS in conf:
        said |= {
            one.dest: conf[DEFAULTS][one.dest]
            for one in options
            if is_set(conf, DEFAULTS, one.dest)
        }
    for name, value in said.items():
        conf.set_default(name, value, group)


def is_told(
    conf: cfg.ConfigOpts, group: str, options: Sequence[cfg.Opt]
) -> bool:
    """Return whether a group says which cluster, pool or user it is about.

    Nova and Cinder have groups of these names that say nothing of Ceph.
    """
    return any(
        conf[group][name]
        for theirs in (_CINDER, *_NOVA.values())
        for name in theirs
        if name in conf[group]
    ) or any(is_set(conf, group, one.dest) for one in options)


def is_set(conf: cfg.ConfigOpts, group: str, name: str) -> bool:
    """Return whether somebody has set an option, which need not be there."""
    from oslo_config import cfg

    where = None if group == 'DEFAULT' else group
    if where is not None and where not in conf:
        return False
    if name not in (conf if where is None else conf[where]):
        return False
    found = conf.get_location(name, where)
    return found is not None and found.location not in (
        cfg.Locations.opt_default,
        cfg.Locations.set_default,
    )
