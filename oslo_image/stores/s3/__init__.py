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

"""Objects in S3: ``s3://`` URIs, for reading and writing.

boto3 signs and does the control plane; it is imported with the first request.
The bytes go through :mod:`oslo_image.stores.wire`.
"""

from oslo_image.stores.s3.service import S3Auth
from oslo_image.stores.s3.store import S3Store

__all__ = ['S3Auth', 'S3Store']
