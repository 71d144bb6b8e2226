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

"""The events have the fields that the documentation names, and no others."""

import datetime
import pathlib
import re

from oslo_image import exception, move
from oslo_image.image import Location
from oslo_image.move import Refusal

PAGE = (
    pathlib.Path(__file__).parents[3] / 'doc' / 'source' / 'user' / 'cli.rst'
)
HEAD = re.compile(r'^(?:``(\w+)``|Every event)', re.MULTILINE)


def documented():
    """Return the set of fields by event."""
    text = PAGE.read_text().partition('\nEvents\n')[2]
    found = {}
    for line in text.splitlines():
        if head := HEAD.match(line):
            fields = found.setdefault(head[1], set())
        elif line.startswith('    ``'):
            fields.update(re.findall(r'``(\w+)``', line))
    common = found.pop(None)
    return {name: fields | common for name, fields in found.items()}


def check(events):
    """Compare events with the documentation; return their names."""
    page = documented()
    for event in events:
        name = event['event']
        assert event.keys() == page[name], name
        datetime.datetime.fromisoformat(event['time'])
        for one in event.get('offers', ()):
            assert one.keys() == page['attempt'] - {'event', 'time'}
        for one in event.get('refusals', ()):
            assert one.keys() == page['refusal'] - {'event', 'time'}
    return {event['event'] for event in events}


def test_fields(run, image, target, monkeypatch):
    seen = set()
    flags = ['copy', '--json', '--interval', '0', '--bwlimit', '4M']
    seen |= check(run(*flags, image, target).events)
    seen |= check(run(*flags, image, target).events)
    target.unlink()
    seen |= check(
        run(
            *(*flags, '--zero-copy', 'require', '--disable', 'reflink'),
            *(image, target),
        ).events
    )

    def copy(self, writer, *, notify, **_):
        notify(Refusal('rbd_clone', Location('rbd://a/b'), 'so', 'then'))
        error = exception.TooLarge('far', source=Location('rbd://a/b'))
        error.add_note('and more')
        raise error

    monkeypatch.setattr(move.Mover, 'copy', copy)
    answer = run(*flags, image, target)
    assert answer.events[-1]['notes'] == ['and more']
    seen |= check(answer.events)
    assert seen == set(documented())
