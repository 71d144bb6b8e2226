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

"""The options that ``copy`` and ``plan`` share: what is demanded of a copy."""

from __future__ import annotations

import argparse
from typing import Any

from oslo_image import exception
from oslo_image.cli import cloud, ends, sizes


def add_ends(parser: argparse.ArgumentParser) -> None:
    """Add SRC and DST."""
    parser.add_argument('source', metavar='SRC', help=ends.SOURCE_HELP)
    parser.add_argument(
        'destination', metavar='DST', help=ends.DESTINATION_HELP
    )


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --config-file and --os-cloud."""
    parser.add_argument(
        '--config-file',
        action='append',
        default=[],
        metavar='FILE',
        help='read options from FILE, such as a glance-api.conf; of several '
        'files the last word counts',
    )
    cloud.add_cloud(parser)


def add_needs(parser: argparse.ArgumentParser) -> None:
    """Add what is demanded of a copy."""
    parser.add_argument(
        '--zero-copy',
        choices=('prefer', 'require', 'avoid'),
        default='prefer',
        help='prefer a way that moves no data (default); require one, or '
        'refuse; or avoid them',
    )
    parser.add_argument(
        '--verify',
        choices=('auto', 'always', 'never'),
        default='auto',
        help="check the image's digest where the bytes pass anyway "
        '(default), always, or never',
    )
    parser.add_argument(
        '--inspect',
        choices=('auto', 'always', 'never'),
        default='auto',
        help='look at the content when its format is known (default), '
        'always, or never',
    )
    parser.add_argument(
        '--disk-format',
        metavar='FORMAT',
        help='what the content must be: raw, qcow2, vmdk, …',
    )
    parser.add_argument(
        '--disable',
        action='append',
        default=[],
        metavar='STRATEGY',
        help='do not use this strategy (repeatable)',
    )
    parser.add_argument(
        '--if-exists',
        choices=('fail', 'overwrite'),
        default='fail',
        help='what to do with a destination that is there already: fail '
        '(default), or overwrite. A block device is always there, and is '
        'overwritten in place',
    )
    parser.add_argument(
        '--bwlimit',
        type=sizes.rate,
        metavar='RATE',
        help='move at most this many bytes a second, such as 50M',
    )
    parser.add_argument(
        '--max-size',
        type=sizes.size,
        metavar='SIZE',
        help='fail for an image, or a disk in it, that is larger, such as 10G',
    )


def needs_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return the needs, as keywords of Mover.plan and Mover.copy."""
    return {
        'zero_copy': args.zero_copy,
        'verify': args.verify,
        'inspect': args.inspect,
        'disabled': frozenset(args.disable),
        'rate_limit': args.bwlimit,
        'max_size': args.max_size,
    }


def config_of(args: argparse.Namespace, *, asks_cloud: bool = True) -> Any:
    """Return the configuration that was named, or None.

    A file that says which catalogue it is stands against a cloud of the
    environment, and not against one that was named.

    :param asks_cloud: whether the command may ask a cloud; if not, it does not
        matter what the environment says of one.
    :raises InvalidOption: for a file that is not there or does not parse, or
        a cloud that cannot be used.
    :raises MissingDependency: when a cloud cannot be read.
    """
    named = args.os_cloud is not None
    if not args.config_file:
        return cloud.settings(args.os_cloud) if named or asks_cloud else None
    from oslo_config import cfg

    conf = cfg.ConfigOpts()
    try:
        conf(
            args=[],
            project='oslo.image',
            default_config_files=args.config_file,
            default_config_dirs=[],
        )
        if named or asks_cloud and not cloud.has_catalog(conf):
            settings = cloud.settings(args.os_cloud)
            cloud.override(conf, settings or {})
    except cfg.Error as error:
        raise exception.InvalidOption(str(error)) from error
    return conf
