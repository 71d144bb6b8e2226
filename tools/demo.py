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

"""Copy real disk images, and show how each copy was decided: ``make demo``.

Two images are registered in a catalogue and go three ways, by their ids: onto
a filesystem with reflink, onto one without, and from an HTTP server to a file.
Each copy prints its plan, what came of it and the time, and is compared with
the image byte by byte. Nothing is left behind.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from oslo_image import catalog, image, move, stores
from tests.servers import base, filesystems, nginx

RESCUE_DISK = pathlib.Path('/usr/lib/grub-rescue/grub-rescue-cdrom.iso')
CONTENT = pathlib.Path('/usr/share/doc')
GiB = 1 << 30
BLOCK = 4 << 20
WIDTH = 79


class Registered(NamedTuple):
    """An image of the catalogue, and the file that it was made from."""

    image: image.Image
    original: pathlib.Path


def main() -> int:
    say(
        'One call moves an image, by the cheapest path there is:\n\n'
        '    success, bytes_written = '
        'move.Mover(image_id, config).copy(writer)\n\n'
        'bytes_written is 0 when the payload was not copied at all.'
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    with contextlib.ExitStack() as undo:
        work = pathlib.Path(
            undo.enter_context(
                tempfile.TemporaryDirectory(
                    prefix='oslo-image-demo-', dir='/var/tmp'
                )
            )
        )
        (work / 'source').mkdir()
        reflink = mount('xfs', work, undo)
        plain = mount('ext4', work, undo)
        config = {
            'http_allow_local_addresses': True,
            'oslo_image': {
                'catalog_database': os.fspath(work / 'catalog.sqlite'),
                'catalog_datadir': os.fspath((reflink or work) / 'images'),
            },
        }
        originals = make_images(reflink or work / 'source')
        server = undo.enter_context(nginx.Nginx(originals[0].parent))
        images = register(originals, server, config)

        story: list[str] = []

        heading('1. Onto the same filesystem, with reflink (XFS)')
        if reflink:
            for one in images:
                copies = reflink / 'copies'
                story.append(show('1.', one, None, copies, config))
        else:
            say('    Left out: there is no such filesystem, see above.')

        heading(
            '2. Onto another filesystem, without reflink (ext4)'
            if plain
            else '2. Onto the filesystem of /var/tmp'
        )
        target = (plain or work) / 'copies'
        for one in images:
            story.append(show('2.', one, None, target, config))

        heading('3. From an HTTP server (nginx) to a file, sha512 checked')
        for one in images:
            story.append(show('3.', one, 'web', target, config))

        heading('In short')
        for line in story:
            say(line)
    say('\nEvery copy equals its image, and nothing was left behind.')
    return 0


def mount(
    kind: filesystems.Kind, work: pathlib.Path, undo: contextlib.ExitStack
) -> pathlib.Path | None:
    """Mount a new filesystem, or say why it cannot be had."""
    try:
        return undo.enter_context(
            filesystems.loop_filesystem(kind, 16 * GiB, work)
        )
    except base.Unavailable as error:
        say(f'\nNo {kind} filesystem here: {error}.')
        return None


def make_images(directory: pathlib.Path) -> list[pathlib.Path]:
    """Put two real disk images into a directory."""
    rescue = directory / RESCUE_DISK.name
    shutil.copyfile(RESCUE_DISK, rescue)
    disk = directory / 'documentation.raw'
    with disk.open('xb') as blank:
        blank.truncate(2 * GiB)
    mkfs = base.program('mkfs.ext4')
    subprocess.run(
        [mkfs, '-q', '-F', '-d', os.fspath(CONTENT), os.fspath(disk)],
        check=True,
    )
    heading('The images')
    for path, what in (
        (rescue, "a bootable rescue disk, from Debian's grub-rescue-pc"),
        (disk, f'a sparse disk, an ext4 filesystem holding {CONTENT}'),
    ):
        say(f'    {path.name}')
        field('size', amounts(path))
        field('holds', what)
    return [rescue, disk]


def register(
    originals: Sequence[pathlib.Path],
    server: nginx.Nginx,
    config: Mapping[str, Any],
) -> list[Registered]:
    """Give the catalogue the images, and where else their bits lie."""
    api = catalog.API(config)
    heading('The catalogue')
    registered = []
    for path in originals:
        start = time.monotonic()
        record = {
            'name': path.stem,
            'disk_format': 'iso' if path.suffix == '.iso' else 'raw',
            'container_format': 'bare',
        }
        made = api.create(record, data=path)
        made = api.add_location(
            str(made.id), server.url(path.name), name='web'
        )
        seconds = time.monotonic() - start
        say(f'    {made.name}')
        field('id', str(made.id))
        field('sha512', f'{str(made.os_hash_value)[:16]}… ({seconds:.1f} s)')
        tell('lies at', [str(one) for one in made.locations])
        registered.append(Registered(made, path))
    return registered


def show(
    way: str,
    one: Registered,
    location: str | None,
    directory: pathlib.Path,
    config: Mapping[str, Any],
) -> str:
    """Copy an image into a directory, tell all about it, and sum it up."""
    directory.mkdir(exist_ok=True)
    copy = directory / one.original.name
    say(f'    {one.image.name}')
    field('from', f'{one.image.id}{f", its {location!r}" if location else ""}')
    field('to', copy.as_uri())
    mover = move.Mover(str(one.image.id), config, location=location)
    with stores.open_writer(
        copy.as_uri(), config, if_exists='replace'
    ) as writer:
        plan = mover.plan(writer)
        tell(
            'plan',
            [
                f'{place}. {offer.strategy} from {offer.source.scheme}, '
                f'cost: {offer.cost}'
                f'{"; " + offer.note if offer.note else ""}'
                for place, offer in enumerate(plan.offers, 1)
            ],
        )
        tell('refused', [why(refusal) for refusal in plan.refusals])
        result = mover.copy(writer)
    late = [one for one in result.refusals if one not in plan.refusals]
    tell('in doing', [why(refusal) for refusal in late])
    field(
        'result',
        f'{tuple(result)}, by {result.strategy} in {result.seconds:.3f} s'
        f'{", zero-copy" if result.zero_copy else ""}'
        f'{", sha512 verified" if result.verified else ""}',
    )
    start = time.monotonic()
    if not result.success or difference(one.original, copy) is not None:
        sys.exit(f'{copy} differs from {one.original}')
    seconds = time.monotonic() - start
    field('copy', amounts(copy))
    field('check', f'every byte equals the source ({seconds:.1f} s)')
    say('')
    copy.unlink()
    answer = str(tuple(result))
    return (
        f'    {way} {one.image.name:22} {result.strategy:12} {answer:18}'
        f' {result.seconds:8.3f} s'
    )


def why(refusal: move.Refusal) -> str:
    remedy = f' ({refusal.remedy})' if refusal.remedy else ''
    return f'{refusal.strategy}: {refusal.reason}{remedy}'


def difference(one: pathlib.Path, other: pathlib.Path) -> int | None:
    """Return the offset of a block that differs, or None.

    What is a hole in both files is equal, and not read.
    """
    with one.open('rb') as left, other.open('rb') as right:
        size = os.fstat(left.fileno()).st_size
        if size != os.fstat(right.fileno()).st_size:
            return size
        offset = 0
        while offset < size:
            offset = min(
                next_data(left.fileno(), offset, size),
                next_data(right.fileno(), offset, size),
            )
            if os.pread(left.fileno(), BLOCK, offset) != os.pread(
                right.fileno(), BLOCK, offset
            ):
                return offset
            offset += BLOCK
    return None


def next_data(descriptor: int, offset: int, size: int) -> int:
    try:
        return os.lseek(descriptor, offset, os.SEEK_DATA)
    except OSError:  # ENXIO: a hole up to the end
        return size


def amounts(path: pathlib.Path) -> str:
    status = path.stat()
    return f'{status.st_size:,} bytes, {status.st_blocks * 512:,} on disk'


def heading(text: str) -> None:
    say(f'\n{text}\n{"=" * len(text)}\n')


def tell(name: str, texts: list[str]) -> None:
    for place, text in enumerate(texts):
        field(name if place == 0 else '', text)


def field(name: str, text: str) -> None:
    """Print a line of a copy's story, wrapped under its name."""
    for line in textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f'      {name:8} ',
        subsequent_indent=' ' * 18,
        break_long_words=False,
        break_on_hyphens=False,
    ):
        say(line)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == '__main__':
    sys.exit(main())
