"""Signs requests with AWS's common runtime: one JSON object a line in, one a line out."""

import datetime
import json
import sys

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpHeaders, HttpRequest

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def sign(case):
    expires = case["expires"]
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4_ASYMMETRIC if case["v4a"] else AwsSigningAlgorithm.V4,
        signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS
        if expires is None
        else AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
        credentials_provider=AwsCredentialsProvider.new_static(
            "AKIDEXAMPLE", case["secret"], case["token"]
        ),
        region=case["region"],
        service=case["service"],
        date=EPOCH + datetime.timedelta(seconds=case["time"]),
        should_sign_header=None,
        use_double_uri_encode=case["double"],
        should_normalize_uri_path=case["normalize"],
        signed_body_value=case["payload"],
        signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256
        if case["tell"]
        else AwsSignedBodyHeaderType.NONE,
        expiration_in_seconds=expires,
        omit_session_token=case["append_token"],
    )
    headers = HttpHeaders([(name, value) for name, value in case["headers"]])
    request = HttpRequest(case["method"], case["target"], headers)
    try:
        aws_sign_request(request, config).result()
    except AwsCrtError as error:
        return {"error": str(error)}
    return {"target": request.path, "headers": list(request.headers)}


for line in sys.stdin.buffer:
    print(json.dumps(sign(json.loads(line))), flush=True)
