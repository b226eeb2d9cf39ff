"""Asks S3, DynamoDB and SQS through the endpoint of the environment, and prints what came of it as JSON lines.

Usage: proxy_boto3.py FILE PREFIX. FILE is what goes into S3 and comes back; names of what is made begin with
PREFIX, so that two runs do not meet. Each line has what was asked, the refusal's status and code if there was
one, and whether what came back is what was sent.
"""

import hashlib
import io
import json
import sys

import boto3
from botocore.client import Config
from botocore.exceptions import ClientError
from boto3.exceptions import S3UploadFailedError

REGION = "us-east-1"
BUCKET = "tests"
# What was refused once is refused again, and would only be two lines in a log.
ONCE = Config(retries={"total_max_attempts": 1})
TEXT = "Größe ½ – 日本語 🦀"


class Asked:
    def __init__(self, file, prefix):
        self.file = file
        self.prefix = prefix
        self.s3 = boto3.client("s3", region_name=REGION, config=ONCE)
        self.dynamodb = boto3.client(
            "dynamodb", region_name=REGION, config=ONCE
        )
        self.sqs = boto3.client("sqs", region_name=REGION, config=ONCE)
        self.queue = "http://localhost/000000000000/" + prefix

    def digest(self, stream):
        return hashlib.file_digest(stream, "sha256").digest()

    def is_file(self, stream):
        with open(self.file, "rb") as file:
            return self.digest(file) == self.digest(stream)

    def s3_single_put(self):
        with open(self.file, "rb") as body:
            self.s3.put_object(
                Bucket=BUCKET,
                Key=self.prefix + "/one put ½",
                Body=body,
                Metadata={"note": "two  spaces"},
            )

    def s3_single_get(self):
        got = self.s3.get_object(Bucket=BUCKET, Key=self.prefix + "/one put ½")
        same = self.is_file(io.BytesIO(got["Body"].read()))
        return same and got["Metadata"] == {"note": "two  spaces"}

    def s3_multipart_put(self):
        self.s3.upload_file(self.file, BUCKET, self.prefix + "/parts")

    def s3_multipart_get(self):
        into = io.BytesIO()
        self.s3.download_fileobj(BUCKET, self.prefix + "/parts", into)
        into.seek(0)
        return self.is_file(into)

    def s3_list(self):
        listed = self.s3.list_objects_v2(
            Bucket=BUCKET, Prefix=self.prefix + "/", Delimiter="/"
        )
        keys = [one["Key"] for one in listed["Contents"]]
        return keys == [self.prefix + "/one put ½", self.prefix + "/parts"]

    def dynamodb_create(self):
        self.dynamodb.create_table(
            TableName=self.prefix,
            AttributeDefinitions=[
                {"AttributeName": "id", "AttributeType": "S"}
            ],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def dynamodb_put(self):
        item = {"id": {"S": TEXT}, "bytes": {"B": bytes(range(256))}}
        self.dynamodb.put_item(TableName=self.prefix, Item=item)

    def dynamodb_get(self):
        got = self.dynamodb.get_item(
            TableName=self.prefix, Key={"id": {"S": TEXT}}
        )["Item"]
        return got["bytes"]["B"] == bytes(range(256))

    def sqs_create(self):
        made = self.sqs.create_queue(QueueName=self.prefix)
        self.queue = made["QueueUrl"]

    def sqs_send(self):
        self.sqs.send_message(QueueUrl=self.queue, MessageBody=TEXT)

    def sqs_receive(self):
        got = self.sqs.receive_message(QueueUrl=self.queue)
        return [one["Body"] for one in got["Messages"]] == [TEXT]


ORDER = [
    "s3_single_put",
    "s3_single_get",
    "s3_multipart_put",
    "s3_multipart_get",
    "s3_list",
    "dynamodb_create",
    "dynamodb_put",
    "dynamodb_get",
    "sqs_create",
    "sqs_send",
    "sqs_receive",
]


def main(file, prefix):
    asked = Asked(file, prefix)
    for name in ORDER:
        line = {"what": name, "status": 200, "code": None}
        try:
            line["same"] = getattr(asked, name)() in (None, True)
        except ClientError as error:
            line["status"] = error.response["ResponseMetadata"][
                "HTTPStatusCode"
            ]
            line["code"] = error.response["Error"]["Code"]
        except S3UploadFailedError as error:
            # It keeps no more of the refusal than this.
            cause = error.__context__
            line["status"] = cause.response["ResponseMetadata"][
                "HTTPStatusCode"
            ]
            line["code"] = cause.response["Error"]["Code"]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
