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


"""Find the driver of the catalogue, a plugin under ``oslo.image.catalogs``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import oslo_image.plugins
from oslo_image import exception
from oslo_image.catalog import options
from oslo_image.catalog.base import Driver, check_id
from oslo_image.image import Image, check_active

if TYPE_CHECKING:
    from oslo_config import cfg

NAMESPACE: Final = 'oslo.image.catalogs'


@functools.cache
def plugins() -> tuple[dict[str, type[Driver]], dict[str, str]]:
    """Return the driver classes by name, and why the others are not there."""
    return oslo_image.plugins.load(NAMESPACE, _check)


def _check(plugin: Any) -> type[Driver]:
    if not (isinstance(plugin, type) and issubclass(plugin, Driver)):
        raise TypeError('it is not a subclass of catalog.base.Driver')
    plugin.list_opts()
    return plugin


def list_opts() -> dict[str, Sequence[cfg.Opt]]:
    """Return the catalogue's options and its drivers', by group."""
    groups: dict[str, list[cfg.Opt]] = {options.GROUP: options.list_opts()}
    classes, _ = plugins()
    for driver in classes.values():
        groups.setdefault(driver.group, []).extend(driver.list_opts())
    return dict(groups)


def load(conf: Any, auth: Any = None) -> Driver:
    """Return the configured driver; it touches nothing yet.

    :param conf: a ConfigOpts that holds the options of :func:`list_opts`.
    :raises InvalidOption: when no driver of that name is installed.
    """
    classes, broken = plugins()
    name = conf[options.GROUP].catalog
    if name not in classes:
        why = f'did not load: {broken[name]}' if name in broken else 'is none'
        raise exception.InvalidOption(
            f'the catalogue {name!r} {why}; there are '
            f'{", ".join(sorted(classes))}'
        )
    return classes[name](conf[classes[name].group], auth=auth)


def lookup(driver: Driver, image_id: str) -> Image:
    """Return an image whose bits can be had.

    :raises InvalidLocation: for what is no id, a path for instance.
    :raises ImageNotFound: when there is no such image, or no longer.
    :raises PermissionDenied: when it is deactivated.
    :raises SourceUnavailable: when it has no bits yet.
    """
    image = driver.get(check_id(image_id))
    check_active(image_id, image.status)
    return image
