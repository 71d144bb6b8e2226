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

"""Sizes and durations, as people write and read them."""

from __future__ import annotations

import argparse
import re
import sys

_UNITS = 'KMGTPE'
_SIZE = re.compile(rf'(\d+(?:\.\d+)?)\s*([{_UNITS}]?)(?:iB)?', re.IGNORECASE)
_DURATION = re.compile(r'(\d+(?:\.\d+)?)\s*([smhd]?)')
#: More than any wait, and still a time that the system knows.
_LONGEST = 1e9
_SECONDS = {'': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400}


def size(text: str) -> int:
    """Return bytes: "50M" and "50MiB" are 50 times 2 to the power of 20."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no size (try 512K, 50M, 1.5G; units are binary)'
        )
    power = _UNITS.find(found[2].upper()) + 1 if found[2] else 0
    count = float(found[1]) * 1024**power
    if count > sys.maxsize:
        raise argparse.ArgumentTypeError('no image is so large')
    return int(count)


def rate(text: str) -> int:
    """Return bytes a second, more than none."""
    if value := size(text):
        return value
    raise argparse.ArgumentTypeError('a rate is above 0')


def duration(text: str) -> float:
    """Return seconds: "90", "90s", "5m", "1.5h", "2d"."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise argparse.ArgumentTypeError(
            f'{text!r} is no duration (try 90s, 5m, 1.5h, 2d)'
        )
    return min(float(found[1]) * _SECONDS[found[2]], _LONGEST)


def show_size(count: float) -> str:
    """Return bytes in a unit that gives one to four digits."""
    if count < 1024:
        return f'{count:.0f} B'
    for unit in _UNITS:
        count /= 1024
        if count < 1024 or unit == _UNITS[-1]:
            break
    return f'{count:.1f} {unit}iB'


def show_duration(seconds: float) -> str:
    """Return h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{rest:02}'
