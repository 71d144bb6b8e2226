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

"""Write what was measured: JSON, a Markdown table, plots."""

from __future__ import annotations

import json
import pathlib

from oslo_image.bench.report import markdown, plots
from oslo_image.bench.results import Results


def write(results: Results, directory: pathlib.Path) -> list[pathlib.Path]:
    """Write all reports into a directory; return their paths.

    Those of an earlier run there are replaced.
    """
    directory.mkdir(parents=True, exist_ok=True)
    table = directory / 'results.json'
    table.write_text(json.dumps(results.as_dict(), indent=1) + '\n')
    pictures = plots.write(results, directory)
    text = directory / 'results.md'
    text.write_text(markdown.render(results, pictures))
    return [table, text, *pictures]
