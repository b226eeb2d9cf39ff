// Verifies SigV4a signatures with AWS's common runtime: one JSON object a line in, one string a line out, which
// is empty if the signature is right, and otherwise says what is wrong.

const readline = require("node:readline");
const { auth, http } = require("aws-crt");

function verify(request) {
  const config = {
    algorithm: auth.AwsSigningAlgorithm.SigV4Asymmetric,
    signature_type:
      request.expires === null
        ? auth.AwsSignatureType.HttpRequestViaHeaders
        : auth.AwsSignatureType.HttpRequestViaQueryParams,
    provider: auth.AwsCredentialsProvider.newStatic(
      "AKIDEXAMPLE",
      request.secret,
      request.token ?? undefined,
    ),
    region: request.region,
    service: request.service,
    date: new Date(request.time * 1000),
    use_double_uri_encode: request.double,
    should_normalize_uri_path: request.normalize,
    omit_session_token: request.append_token,
    signed_body_value: request.payload,
    signed_body_header: request.tell
      ? auth.AwsSignedBodyHeaderType.XAmzContentSha256
      : auth.AwsSignedBodyHeaderType.None,
    expiration_in_seconds: request.expires ?? undefined,
  };
  const headers = new http.HttpHeaders(request.headers);
  const { method, target, canonical, signature, x, y } = request;
  const message = new http.HttpRequest(method, target, headers);
  try {
    auth.aws_verify_sigv4a_signing(message, config, canonical, signature, x, y);
    return "";
  } catch (error) {
    return error.message;
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(verify(JSON.parse(line))));
  }
}

main();
