import urllib.parse
import boto3, pytest
from oslo_image.stores.registry import Stores
from oslo_image.testing.conformance import Harness, StoreConformance
from oslo_image.testing.conformance.harness import NAMES
from tests.servers import ceph
from tests.servers.ceph.rgw import Rgw
MiB=1<<20

@pytest.fixture(scope='module')
def rgw():
    with ceph.Cluster() as c, Rgw(c) as g:
        yield g

@pytest.fixture(scope='module')
def user(rgw):
    return rgw.user('alice')

@pytest.fixture(scope='module')
def client(rgw,user):
    cl=boto3.client('s3',endpoint_url=rgw.url,aws_access_key_id=user.access_key,aws_secret_access_key=user.secret_key,region_name='us-east-1')
    cl.create_bucket(Bucket='bucket')
    return cl

class TestS3(StoreConformance):
    lacks={'in_place':'objects are replaced whole','sparse':'S3 has no holes','exclusive':'RGW 16.2 looks at no condition when parts are completed'}
    sizes=(5*MiB-1,5*MiB,5*MiB+1)
    chunk=8*MiB
    malformed=('s3://host','s3://host/bucket','s3://host/bucket/','s3:///bucket/key','s3://key@host/bucket/key')
    @pytest.fixture
    def harness(self, rgw, user, client):
        host=rgw.url.split('//')[1]
        stores=Stores({'s3_store_host':rgw.url,'s3_store_access_key':user.access_key,'s3_store_secret_key':user.secret_key,'s3_store_large_object_chunk_size':5})
        def uri(name, keys=''):
            return f's3://{keys}{host}/bucket/{urllib.parse.quote(name,"")}'
        def listing():
            found=[o['Key'] for o in client.list_objects_v2(Bucket='bucket').get('Contents',[])]
            return found+[u['Key']+u['UploadId'] for u in client.list_multipart_uploads(Bucket='bucket').get('Uploads',[])]
        def overwrite(name,data):
            client.put_object(Bucket='bucket',Key=name,Body=data)
        return Harness(store=stores.find(stores.location(uri('x'))),uri=uri,listing=listing,overwrite=overwrite,
          abandon=lambda name: client.create_multipart_upload(Bucket='bucket',Key=name),secret_uri=lambda secret: uri('image',f'{user.access_key}:{secret}@'))
