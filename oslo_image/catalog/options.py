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


"""The catalogue's own options, and the places that they name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from oslo_config import cfg

GROUP: Final = 'oslo_image'


def list_opts() -> list[cfg.Opt]:
    """Return the options of the group ``oslo_image``."""
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            'catalog',
            default='sqlite',
            help='The driver of the catalogue that is asked for an image by '
            'its id.',
        ),
        cfg.StrOpt(
            'catalog_database',
            sample_default='~/.local/share/oslo.image/catalog.sqlite',
            help='The file in which the sqlite driver keeps its records. By '
            'default it is oslo.image/catalog.sqlite below $XDG_DATA_HOME '
            'where that is set; else /var/lib/oslo.image/catalog.sqlite for '
            'root, and for others the same below ~/.local/share. It is made '
            'when the first image is.',
        ),
        cfg.StrOpt(
            'catalog_datadir',
            sample_default='<directory of catalog_database>/images',
            help="The directory of the catalogue's own file store, in which "
            'it lays the bits that it is given. file:// locations below it '
            'are allowed.',
        ),
        cfg.StrOpt(
            'location_strategy',
            default='location_order',
            choices=['location_order', 'store_type'],
            deprecated_opts=[
                cfg.DeprecatedOpt('location_strategy', 'DEFAULT')
            ],
            help='Which of several locations goes first where the paths from '
            'them cost the same: the first in the record, or the first by '
            'store_type_preference.',
        ),
        cfg.ListOpt(
            'store_type_preference',
            default=[],
            deprecated_opts=[
                cfg.DeprecatedOpt(
                    'store_type_preference', 'store_type_location_strategy'
                )
            ],
            help='Types of stores, the preferred one first, such as rbd, '
            'file, http, s3, swift; the others follow.',
        ),
    ]


def database(options: Any) -> str:
    """Return the path of the database, absolute.

    :param options: the values of the group ``oslo_image``.
    """
    named: str | None = options.catalog_database
    if not named:
        named = os.path.join(_state_home(), 'oslo.image', 'catalog.sqlite')
    return os.path.abspath(os.path.expanduser(named))


def datadir(options: Any) -> str:
    """Return the directory of the catalogue's own bits, absolute."""
    named: str | None = options.catalog_datadir
    if not named:
        named = os.path.join(os.path.dirname(database(options)), 'images')
    return os.path.abspath(os.path.expanduser(named))


def _state_home() -> str:
    """Return where this user's programs keep what they must not lose."""
    if home := os.environ.get('XDG_DATA_HOME'):
        return home
    return '/var/lib' if os.geteuid() == 0 else '~/.local/share'
