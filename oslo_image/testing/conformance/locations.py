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

"""Statements about URIs."""

from __future__ import annotations

import logging
import traceback

import pytest

from oslo_image import exception
from oslo_image.image import Location
from oslo_image.stores.registry import check_uri
from oslo_image.testing.conformance.harness import (
    Conformance,
    Harness,
    fresh_name,
    needs,
    over,
    pattern,
)

CANARY = 'c4n4ry-S3cr3t'


class LocationConformance(Conformance):
    """A URI names one image, whatever the name, and shows no secret."""

    def test_parsing_keeps_the_uri(
        self, harness: Harness, hard_name: str
    ) -> None:
        """What was parsed can be parsed again and is the same location."""
        uri = harness.uri(hard_name)
        once = harness.store.parse(uri)
        assert harness.store.parse(once.reveal()) == once

    def test_any_name_holds_an_image(
        self, harness: Harness, hard_name: str
    ) -> None:
        """Names of any printable character are read as they were written."""
        data = pattern(100)
        name = f'{hard_name}{fresh_name()}'
        harness.store_image(name, data)
        assert harness.read(name) == data

    def test_names_do_not_collide(self, harness: Harness) -> None:
        """Two names are two images."""
        images = {
            f'{name}{fresh_name()}': pattern(50, number)
            for number, name in enumerate(self.names)
        }
        for name, data in images.items():
            harness.store_image(name, data)
        for name, data in images.items():
            assert harness.read(name) == data, name

    def test_schemes_are_stated(self, harness: Harness, name: str) -> None:
        """The store states its schemes in lower case."""
        assert harness.store.schemes
        for scheme in harness.store.schemes:
            assert scheme == scheme.lower()

    @pytest.mark.parametrize('tail', ['\0', '\n', '\r\nX: y'])
    def test_control_characters_are_refused(
        self, harness: Harness, name: str, tail: str
    ) -> None:
        """NUL and line ends in a URI are InvalidLocation."""
        uri = harness.uri(name)
        with pytest.raises(exception.InvalidLocation):
            _parse(harness, uri + tail)

    @over('malformed')
    def test_malformed_uris_are_refused(
        self, harness: Harness, bad_uri: str
    ) -> None:
        """A malformed URI is InvalidLocation, and no other error."""
        with pytest.raises(exception.InvalidLocation):
            _parse(harness, bad_uri)

    @needs('secrets')
    def test_no_secret_is_shown(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        """No location, store, log record or error shows a URI's secret."""
        assert harness.secret_uri, 'the harness wants secret_uri='
        caplog.set_level(logging.DEBUG)
        location = harness.store.parse(harness.secret_uri(CANARY))
        assert CANARY in location.reveal()
        shown = [str(location), repr(location), repr(harness.store)]
        trusted = type(location)(location.reveal(), trusted=True)
        try:
            with harness.store.open_source(trusted) as source:
                shown += [repr(source), str(source.version)]
        except exception.ImageError as error:
            shown += all_of(error)
        shown += [record.getMessage() for record in caplog.records]
        for text in shown:
            assert CANARY not in text

    @needs('secrets')
    def test_no_secret_in_a_malformed_uri_is_shown(
        self, harness: Harness
    ) -> None:
        """Nor does the error about a URI that cannot be parsed."""
        assert harness.secret_uri, 'the harness wants secret_uri='
        with pytest.raises(exception.InvalidLocation) as caught:
            _parse(harness, harness.secret_uri(CANARY) + '\n')
        for text in all_of(caught.value):
            assert CANARY not in text


def _parse(harness: Harness, uri: str) -> Location:
    """Parse a URI as it comes to a store, by the registry."""
    check_uri(uri)
    return harness.store.parse(uri)


def all_of(error: BaseException) -> list[str]:
    """Return all texts of an error and of those in its chain."""
    texts = []
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        texts += [str(one), repr(one), repr(one.args)]
        texts += traceback.format_exception_only(one)
        todo += [one.__cause__, one.__context__]
    return texts
