// Signs requests with AWS's JavaScript signer: a JSON object a line on standard input, the value of
// its `authorization` header a line on standard output.

const readline = require("node:readline");
const { SignatureV4 } = require("@smithy/signature-v4");
const { Sha256 } = require("@aws-crypto/sha256-js");

async function authorization(request) {
  const single = request.service === "s3";
  const signer = new SignatureV4({
    service: request.service,
    region: request.region,
    credentials: request.credentials,
    sha256: Sha256,
    uriEscapePath: !single,
    applyChecksum: single,
  });
  const signed = await signer.sign(
    {
      method: request.method,
      protocol: "https:",
      hostname: request.headers.host,
      path: request.path,
      query: request.query,
      headers: request.headers,
      body: request.body,
    },
    { signingDate: new Date(request.time * 1000) },
  );
  return signed.headers.authorization;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(await authorization(JSON.parse(line)));
  }
}

main();
