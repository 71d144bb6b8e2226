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

"""What the authors of stores, strategies and catalogues test theirs with.

* :mod:`oslo_image.testing.catalog`: the suite that every driver of a catalogue
  passes.
* :mod:`oslo_image.testing.conformance`: the suite that every store passes.
  It needs pytest and hypothesis, the extra ``oslo.image[test]``.
* :mod:`oslo_image.testing.faults`: sources and writers that fail as told.
* :mod:`oslo_image.testing.memory`: a source and a writer of any abilities.
* :mod:`oslo_image.testing.scripted`: an HTTP server that misbehaves as told.
"""
