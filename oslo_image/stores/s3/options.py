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

"""The store's options; glance_store's keep their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oslo_config import cfg

_CHECKSUMS = ('when_required', 'when_supported')


def list_opts() -> list[cfg.Opt]:
    """Return the options."""
    from oslo_config import cfg

    return [
        cfg.StrOpt(
            's3_store_host',
            help='The endpoint, such as https://s3.example.org:8080; http '
            'where it has no scheme. The keys below are for it alone.',
        ),
        cfg.StrOpt(
            's3_store_region_name',
            default='',
            help='The region that requests are signed for; by default what '
            'boto3 finds, else us-east-1.',
        ),
        cfg.StrOpt(
            's3_store_access_key',
            secret=True,
            help='The access key; by default boto3 looks for keys where it '
            'always does.',
        ),
        cfg.StrOpt(
            's3_store_secret_key', secret=True, help='The secret key to it.'
        ),
        cfg.StrOpt(
            's3_store_bucket',
            help='Of several backends at one endpoint, this one serves the '
            'URIs of this bucket. A URI names its bucket in any case.',
        ),
        cfg.BoolOpt(
            's3_store_create_bucket_on_put',
            default=False,
            help='Make the bucket of a destination that is not there.',
        ),
        cfg.StrOpt(
            's3_store_bucket_url_format',
            default='auto',
            choices=['auto', 'virtual', 'path'],
            help='Where the bucket stands in a URL.',
        ),
        cfg.IntOpt(
            's3_store_large_object_size',
            default=100,
            min=0,
            help='The size in MiB from which on an image is sent in parts. '
            'Smaller ones go in one PUT, unless their bytes would be held in '
            'memory for it: of those that do not come from a local file, at '
            'most a part is held.',
        ),
        cfg.IntOpt(
            's3_store_large_object_chunk_size',
            default=10,
            min=5,
            help='The size of a part, in MiB. Images that would need more '
            'than 10000 get larger ones.',
        ),
        cfg.IntOpt(
            's3_store_thread_pools',
            default=10,
            help="Accepted as glance_store's, and without effect: "
            'parallel_requests says how many parts are sent at a time.',
        ),
        cfg.StrOpt(
            's3_store_cacert',
            default='',
            help='PEM file of the authorities that the endpoint is verified '
            "with, instead of the system's.",
        ),
        cfg.BoolOpt(
            's3_store_enable_data_integrity_protection',
            default=False,
            help='Let the two options below count; else both are '
            'when_required, which older servers need.',
        ),
        cfg.StrOpt(
            's3_store_request_checksum_calculation',
            default='when_required',
            choices=_CHECKSUMS,
            help="botocore's option of this name (1.36 and later). With "
            'when_supported, images go with CRC32 checksums, for which their '
            'bytes pass through this process.',
        ),
        cfg.StrOpt(
            's3_store_response_checksum_validation',
            default='when_required',
            choices=_CHECKSUMS,
            help="botocore's option of this name (1.36 and later).",
        ),
    ]
