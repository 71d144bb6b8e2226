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

"""Find the store that serves a URI.

Stores are plugins under the entry point ``oslo.image.stores``. Each installed
one serves its schemes with the options of ``[glance_store]``; a backend named
in ``enabled_backends`` (``fast:file, ceph:rbd``) is one more store, with its
options in the group of its own name, and is found by the ``store`` in a
location's metadata or by ``default_backend``. What Nova and Cinder call by
other names is understood too (:mod:`oslo_image.stores.backends`).
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import oslo_image.plugins
from oslo_image import config as configuration
from oslo_image import exception, masking
from oslo_image.image import Location
from oslo_image.stores import backends, older, services
from oslo_image.stores.backends import Backend
from oslo_image.stores.base import Store

if TYPE_CHECKING:
    from oslo_config import cfg

NAMESPACE = 'oslo.image.stores'
_DEFAULT_GROUP = 'glance_store'
_SCHEME = re.compile(r'[a-z][a-z0-9+.-]*\Z', re.IGNORECASE)


@functools.cache
def plugins() -> tuple[dict[str, type[Store]], dict[str, str]]:
    """Return the store classes by name, and why the others are not there."""
    return oslo_image.plugins.load(NAMESPACE, _check)


def _check(plugin: Any) -> type[Store]:
    if not (isinstance(plugin, type) and issubclass(plugin, Store)):
        raise TypeError('it is not a subclass of oslo_image.stores.base.Store')
    plugin.list_opts()
    if not plugin.schemes:
        raise ValueError('it serves no scheme')
    return plugin


def groups(
    others: configuration.Groups,
) -> dict[str, Sequence[cfg.Opt]]:
    """Return all options by group: the stores' and ``others``."""
    classes, _ = plugins()
    return {
        **others,
        'DEFAULT': [*others.get('DEFAULT', ()), backends.option()],
        _DEFAULT_GROUP: [*_core_opts(), *_all_opts(*classes.values())],
    }


def check_uri(uri: str) -> str:
    """Return the URI's scheme in lower case.

    :raises InvalidLocation: for what no scheme can have: no scheme, an empty
        rest, two ``://``, a control character.
    """
    shown = masking.mask_uri(uri)
    scheme, separator, rest = uri.partition('://')
    if masking.CONTROL.search(uri):
        reason = 'it holds a control character'
    elif not separator or not _SCHEME.match(scheme):
        reason = 'it has no scheme'
    elif not rest:
        reason = 'nothing follows the scheme'
    elif '://' in rest.partition('?')[0]:
        reason = 'it holds two "://"'
    else:
        return scheme.lower()
    raise exception.InvalidLocation(f'malformed URI {shown!r}: {reason}')


class Stores:
    """The stores of one configuration.

    :param config: as in :func:`oslo_image.config.load`.
    :param options: further options to hold, by group.
    :raises InvalidOption: for an option or a backend that is not known.
    """

    def __init__(
        self, config: Any = None, options: configuration.Groups | None = None
    ) -> None:
        classes, broken = plugins()
        #: The plugins and backends that cannot be used, and why.
        self.broken = dict(broken)
        by_group = groups(options or {})
        lenient = configuration.is_opts(config)
        named = self._named(config, classes, lenient)
        if named is None:
            by_group['DEFAULT'] = list((options or {}).get('DEFAULT', ()))
        mentioned = configuration.mentioned(config)
        others: dict[str, Backend] = {}
        if lenient and 'rbd' in classes:
            others = backends.of_cinder(config) if named is None else {}
            others |= backends.of_nova(mentioned - {*(named or ()), *others})
        every = {**(named or {}), **others}
        for group, opts in _held(every, classes).items():
            if group != backends.DEFAULTS or group in mentioned:
                by_group[group] = [*by_group.get(group, ()), *opts]
        if lenient:
            services.add_to(by_group, mentioned - {*(named or ())})
            older.add_to(by_group)
        #: The private ConfigOpts behind it all.
        self.conf = configuration.load(config, by_group)
        if lenient:
            services.adopt(self.conf)
            older.adopt(
                *(self.conf, config, _DEFAULT_GROUP),
                by_group[_DEFAULT_GROUP],
            )
        self._by_backend: dict[str, Store] = {}
        unnamed: dict[str, Store] = {}
        for group, backend in every.items():
            kind = classes[backend.kind]
            backends.inherit(self.conf, group, backend, kind.list_opts())
            if group not in others:
                self._make(group, kind, self._by_backend)
            elif backends.is_told(self.conf, group, kind.list_opts()):
                self._make(group, kind, unnamed)
        shared: dict[str, Store] = {}
        for name, one in classes.items():
            self._make(name, one, shared, group=_DEFAULT_GROUP)
        self._shared = frozenset(shared.values())
        default = self.conf[_DEFAULT_GROUP].default_backend
        single = self.conf[_DEFAULT_GROUP].default_store
        met = self._by_backend
        if not met and single in shared:
            default, met = single, {single: shared[single]}
        for store in (*self._by_backend.values(), *shared.values()):
            store.meet(met, default)
        self._by_scheme: dict[str, list[Store]] = {}
        for store in (
            *self._default_backend(),
            *self._by_backend.values(),
            *unnamed.values(),
        ):
            for scheme in store.schemes:
                self._by_scheme.setdefault(scheme, []).append(store)
        # Of two plugins that claim a scheme, the first serves it.
        first: dict[str, Store] = {}
        for store in shared.values():
            for scheme in store.schemes:
                first.setdefault(scheme, store)
        for scheme, store in first.items():
            self._by_scheme.setdefault(scheme, []).append(store)
        self._any_url = shared.get('pyfilesystem')

    def _named(
        self, config: Any, classes: dict[str, type[Store]], lenient: bool
    ) -> dict[str, Backend] | None:
        """Return the enabled backends; None: the option is not ours.

        A service's file may enable backends that are not for us: Glance has
        stores that we have not. In a mapping, which is meant for us, these
        are mistakes.
        """
        enabled = backends.enabled(config)
        if enabled is None:
            return None
        found = {}
        for backend, kind in enabled.items():
            if kind in classes and backend not in backends.RESERVED:
                found[backend] = Backend(kind)
                continue
            why = self.broken.get(kind, 'is not installed')
            reason = (
                'the name is taken by a group of options'
                if backend in backends.RESERVED
                else f'it wants the store {kind!r}, which {why}'
            )
            if not lenient:
                raise exception.InvalidOption(f'backend {backend!r}: {reason}')
            self.broken[backend] = reason
        return found

    def _make(
        self,
        name: str,
        kind: type[Store],
        made: dict[str, Store],
        *,
        group: str | None = None,
    ) -> None:
        try:
            made[name] = kind(self.conf[group or name])
        except exception.ImageError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code
            self.broken[name] = oslo_image.plugins.told(error)

    def _default_backend(self) -> Sequence[Store]:
        name = self.conf[_DEFAULT_GROUP].default_backend
        if not name or name in self.broken:
            return ()
        if name not in self._by_backend:
            raise exception.InvalidOption(
                f'default_backend {name!r} is not among enabled_backends'
            )
        return (self._by_backend[name],)

    def allow(self, directory: str) -> None:
        """Let untrusted file:// locations name what lies below a directory."""
        name = 'filesystem_store_datadirs'
        for group in (_DEFAULT_GROUP, *self._by_backend):
            if name in self.conf[group]:
                # Whatever the path ends in, a priority ends it.
                named = [*(self.conf[group][name] or ()), f'{directory}:0']
                self.conf.set_override(name, named, group)

    def location(self, uri: str, *, trusted: bool = True) -> Location:
        """Check a URI and return its location.

        :raises InvalidLocation: when it is malformed.
        :raises UnknownScheme: when no store serves it.
        """
        store = self._candidates(check_uri(uri), uri)[0]
        parsed = store.parse(uri)
        return Location(parsed.reveal(), parsed.metadata, trusted, parsed.name)

    def find(self, location: Location) -> Store:
        """Return the store that serves a location.

        That is the backend that its metadata names; else of those of its
        scheme the one that knows it best, the default backend before others.
        """
        backend = location.metadata.get('store') or location.metadata.get(
            'backend'
        )
        if isinstance(backend, str):
            store = self._by_backend.get(backend)
            if store and location.scheme in store.schemes:
                return store
        uri = location.reveal()
        candidates = self._candidates(check_uri(uri), uri)
        if len(candidates) == 1:
            return candidates[0]
        ranked = [(one.affinity(location), one) for one in candidates]
        known = [
            (rank, one)
            for rank, one in ranked
            if rank and not (one in self._shared and self._unset(one))
        ]
        return max(known or ranked, key=operator.itemgetter(0))[1]

    def _unset(self, shared: Store) -> bool:
        """Return whether nobody has set an option of a store, for all."""
        return not any(
            backends.is_set(self.conf, _DEFAULT_GROUP, option.dest)
            for option in shared.list_opts()
        )

    def _candidates(self, scheme: str, uri: str) -> Sequence[Store]:
        if stores := self._by_scheme.get(scheme):
            return stores
        if '!/' in uri and self._any_url is not None:
            return [self._any_url]
        reason = f'no store serves the scheme {scheme!r}'
        if scheme in self.broken:
            reason += f' (it did not load: {self.broken[scheme]})'
        raise exception.UnknownScheme(
            f'{reason}; there are {", ".join(sorted(self._by_scheme))}'
        )

    def close(self) -> None:
        """Close the connections that the stores keep."""
        for store in {
            *itertools.chain(*self._by_scheme.values()),
            *self._by_backend.values(),
        }:
            store.close()


def _held(
    found: Mapping[str, Backend], classes: Mapping[str, type[Store]]
) -> dict[str, list[cfg.Opt]]:
    """Return the options of the backends' groups, and of their defaults."""
    held: dict[str, list[cfg.Opt]] = {}
    defaults: dict[str, cfg.Opt] = {}
    for group, backend in found.items():
        held[group] = [*classes[backend.kind].list_opts(), *backend.opts()]
        for option in held[group]:
            defaults.setdefault(option.dest, option)
    held[backends.DEFAULTS] = list(defaults.values())
    return held


def _core_opts() -> list[cfg.Opt]:
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            'default_backend',
            help='The backend that serves a URI whose location names none.',
        ),
        cfg.StrOpt(
            'default_store',
            help='The store in which Glance has new images where there are no '
            'backends, such as rbd.',
        ),
    ]


@functools.cache
def _all_opts(*classes: type[Store]) -> tuple[cfg.Opt, ...]:
    """Return each store's options once, whichever store names them first.

    They are made once: for a zero-copy, that is much of the price.
    """
    options: dict[str, cfg.Opt] = {}
    for one in classes:
        for option in one.list_opts():
            options.setdefault(option.dest, option)
    return tuple(options.values())
