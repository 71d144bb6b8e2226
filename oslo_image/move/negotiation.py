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

"""Ask every strategy about every source, and rank what they offer."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from oslo_image import exception, plugins
from oslo_image.image import Image
from oslo_image.move import digest
from oslo_image.move.needs import Needs
from oslo_image.move.plan import Offer, Plan, Refusal
from oslo_image.move.strategies.base import No, Strategy, Yes
from oslo_image.stores.base import Source, Writer
from oslo_image.stores.facets import FileDescriptor

LOG = logging.getLogger(__name__)


def negotiate(
    image: Image,
    sources: Sequence[Source],
    writer: Writer,
    needs: Needs,
    strategies: Iterable[Strategy],
    *,
    broken: Mapping[str, str] | None = None,
    refusals: Iterable[Refusal] = (),
) -> Plan:
    """Return the plan for moving an image from its sources to a writer.

    Offers are ranked by cost, then by the order of the locations; then one
    that sees the bytes goes first, unless they would have to be hashed; then
    one that sees them at its usual cost; then by name. The same inputs give
    the same plan. Nothing is changed anywhere.

    :param broken: the strategies that did not load, and why.
    :param refusals: what is known of the locations that gave no source.
    """
    refused = list(refusals)
    refused += [
        Refusal(name, None, f'it did not load: {why}')
        for name, why in sorted((broken or {}).items())
    ]
    ranked = []
    hashed = digest.wanted(image, needs.verify)
    for strategy in sorted(strategies, key=lambda one: one.name):
        for order, source in enumerate(sources):
            answer = (
                _veto(strategy, needs)
                or _doubtful(strategy, source, image, needs)
                or _formatted(strategy, image)
                or _same(source, writer)
                or _ask(strategy, source, writer, needs)
            )
            if isinstance(answer, No):
                refused.append(
                    Refusal(
                        strategy.name,
                        source.location,
                        answer.reason,
                        answer.remedy,
                    )
                )
                continue
            size = source.size if image.size is None else image.size
            notes = [answer.note]
            if strategy.sees_bytes:
                notes.append(digest.note(image, needs.verify, size))
            cost = answer.cost or strategy.cost
            offer = Offer(
                strategy.name,
                source.location,
                cost,
                size,
                strategy.zero_copy,
                '; '.join(filter(None, notes)),
                runner=strategy,
                opened=source,
            )
            blind = hashed or not strategy.sees_bytes
            dearer = strategy.sees_bytes and cost > strategy.cost
            ranked.append((cost, order, blind, dearer, strategy.name, offer))
    ranked.sort(key=lambda one: one[:5])
    return Plan(
        writer.location, tuple(offer for *_, offer in ranked), tuple(refused)
    )


def _ask(
    strategy: Strategy, source: Source, writer: Writer, needs: Needs
) -> Yes | No:
    try:
        return strategy.offer(source, writer, needs)
    except exception.Refused as refused:
        return No(refused.reason, refused.remedy)
    except exception.ImageError as error:
        return No(error.message)
    except Exception as error:
        LOG.exception('the strategy %s failed to answer', strategy.name)
        return No(f'it failed to answer ({plugins.told(error)})')


def _veto(strategy: Strategy, needs: Needs) -> No | None:
    """Return what the caller's needs have against a strategy."""
    if strategy.name in needs.disabled:
        return No('it is switched off')
    if needs.zero_copy == 'require' and not strategy.zero_copy:
        return No('it moves payload, and zero_copy is "require"')
    if needs.zero_copy == 'avoid' and strategy.zero_copy:
        return No('it is zero-copy, and zero_copy is "avoid"')
    if needs.sees_bytes and not strategy.sees_bytes:
        what = 'a verifier' if needs.verifier else 'verify="always"'
        return No(f'it does not see the bytes that {what} asks for')
    if needs.rate_limit is not None and not (
        strategy.paced or strategy.zero_copy
    ):
        return No('a rate limit cannot bind it')
    if needs.independent and not strategy.independent:
        return No('its result depends on the source')
    return None


def _doubtful(
    strategy: Strategy, source: Source, image: Image, needs: Needs
) -> No | None:
    """Refuse to take bits that are not ours unseen, where they can be checked.

    For an external location verify="auto" is as "always".
    """
    if (
        source.location.external
        and image.digest
        and needs.verify != 'never'
        and not strategy.sees_bytes
    ):
        return No(
            'it does not see the bits, and those of an external location may '
            'have changed',
            'verify="never" takes them unseen',
        )
    return None


#: The disk formats that are a disk's bytes as they are, and the containers
#: that add nothing. None is unknown: the caller's own URI, taken at its word.
_RAW = (None, 'raw', 'iso')
_BARE = (None, 'bare')


def _formatted(strategy: Strategy, image: Image) -> No | None:
    """Refuse to make a disk of what is not one."""
    if not strategy.raw_only:
        return None
    for form, allowed in (
        (image.disk_format, _RAW),
        (image.container_format, _BARE),
    ):
        if form not in allowed:
            return No(
                f'the image is {form}; a clone would carry {form} bytes',
                'convert it to raw first',
            )
    return None


def _same(source: Source, writer: Writer) -> No | None:
    """Refuse to copy a file onto itself."""
    origin = source.facet(FileDescriptor)
    target = writer.facet(FileDescriptor)
    if (
        origin is not None
        and target is not None
        and target.inode is not None
        and (origin.device, origin.inode) == (target.device, target.inode)
    ):
        return No('source and destination are the same file')
    return None
