"""Signs requests with botocore: one JSON object a line in, one a line out."""

import datetime
import json
import sys
import types

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SIGNERS = {"s3": botocore.auth.S3SigV4Auth, "v4": botocore.auth.SigV4Auth}
QUERY_SIGNERS = {
    "s3": botocore.auth.S3SigV4QueryAuth,
    "v4": botocore.auth.SigV4QueryAuth,
}
OWN_HEADERS = (
    "authorization",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
)


def sign(case):
    now = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=case["time"])
    # A signer has no other way to be told the time.
    botocore.auth.get_current_datetime = lambda: now
    credentials = Credentials("AKIDEXAMPLE", case["secret"], case["token"])
    expires = case["expires"]
    if expires is None:
        signer = SIGNERS[case["signer"]](credentials, case["service"], case["region"])
    else:
        signer = QUERY_SIGNERS[case["signer"]](
            credentials, case["service"], case["region"], expires=expires
        )
    canonical = []
    compute = signer.canonical_request
    signer.canonical_request = lambda request: canonical.append(compute(request)) or canonical[-1]

    body = bytes.fromhex(case["body"])
    request = AWSRequest(method=case["method"], url=case["url"], data=body)
    for name, value in case["headers"]:
        request.headers[name] = value  # appends
    if case["payload"] == "sent" and expires is None:
        request.headers["x-amz-content-sha256"] = signer.payload(request)
    if case["payload"] == "unsigned":
        request.context["payload_signing_enabled"] = False
        config = types.SimpleNamespace(s3={"payload_signing_enabled": False})
        request.context["client_config"] = config
    signer.add_auth(request)

    headers = {name: request.headers.get(name) for name in OWN_HEADERS}
    return {"headers": headers, "url": request.url, "canonical": canonical[-1]}


for line in sys.stdin.buffer:
    print(json.dumps(sign(json.loads(line))), flush=True)
