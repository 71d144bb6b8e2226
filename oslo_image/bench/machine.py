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

"""Describe the machine that was measured."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from importlib import metadata

PROGRAMS = {
    'cp': ('cp', '--version'),
    'qemu-img': ('qemu-img', '--version'),
    'rclone': ('rclone', 'version'),
    'rbd': ('rbd', '--version'),
    'curl': ('curl', '--version'),
    'aria2c': ('aria2c', '--version'),
    'nginx': ('nginx', '-v'),
}
LIBRARIES = ('oslo.image', 'requests', 'urllib3', 'glance_store')


def describe() -> dict[str, object]:
    """Return what figures depend on, in plain types."""
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_bytes': os.sysconf('SC_PAGE_SIZE')
        * os.sysconf('SC_PHYS_PAGES'),
        'kernel': f'{platform.system()} {platform.release()}',
        'python': platform.python_version(),
        'libc': ' '.join(platform.libc_ver()),
        'versions': _versions(),
        'load': load(),
    }


def load() -> float:
    """Return the load average of the last minute."""
    return round(os.getloadavg()[0], 2)


def _processor() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            for line in lines:
                if line.startswith('model name'):
                    return line.partition(':')[2].strip()
    except OSError:
        pass
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {name: _said(command) for name, command in PROGRAMS.items()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = ''
    return {name: text for name, text in found.items() if text}


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ''
    return next(iter(done.stdout.splitlines()), '')
