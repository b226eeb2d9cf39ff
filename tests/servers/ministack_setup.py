"""Fills a fresh MiniStack with what the tests use, and prints it as JSON.

Usage: ministack_setup.py ENDPOINT UPSTREAM [ISSUER]. UPSTREAM is where HTTP APIs send what their
authorizers let through. With ISSUER, an OpenID provider, there are also APIs that trust it or a Lambda
function: together, one for each of Amplify's ways to authorize. MiniStack never checks the signatures
of its root keys (`test`), so they only make a user and a role; everything else is done, and later
tested, with those.
"""

import io
import json
import sys
import zipfile

import botocore.session

REGION = "us-east-1"
AUDIENCE = "https://api.example.com"
LAMBDA_TOKEN = "Custom let-me-in"
# A REST API's authorizer answers 401 to what fails with this very message, and 403 to what is denied;
# AppSync asks another question and wants another answer.
AUTHORIZER = f"""
def handler(event, context):
    good = event["authorizationToken"] == {LAMBDA_TOKEN!r}
    if "methodArn" not in event:
        return {{"isAuthorized": good}}
    if not good and event["authorizationToken"] != "deny":
        raise Exception("Unauthorized")
    statement = {{
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if good else "Deny",
        "Resource": event["methodArn"],
    }}
    policy = {{"Version": "2012-10-17", "Statement": [statement]}}
    return {{"principalId": "tester", "policyDocument": policy}}
"""
ALLOW_ALL = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
ANYBODY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def clients(endpoint, key, secret, token=None):
    session = botocore.session.get_session()

    def client(service):
        return session.create_client(
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            verify=False,
        )

    return client


def identities(endpoint):
    root = clients(endpoint, "test", "test")
    iam = root("iam")
    iam.create_user(UserName="tester")
    iam.put_user_policy(
        UserName="tester", PolicyName="all", PolicyDocument=ALLOW_ALL
    )
    user = iam.create_access_key(UserName="tester")["AccessKey"]
    role = iam.create_role(
        RoleName="tester", AssumeRolePolicyDocument=ANYBODY
    )["Role"]
    iam.put_role_policy(
        RoleName="tester", PolicyName="all", PolicyDocument=ALLOW_ALL
    )
    key, secret = user["AccessKeyId"], user["SecretAccessKey"]
    sts = clients(endpoint, key, secret)("sts")
    assumed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="tests")
    session = assumed["Credentials"]
    return {
        "user": {"key": key, "secret": secret},
        "role": {
            "key": session["AccessKeyId"],
            "secret": session["SecretAccessKey"],
            "token": session["SessionToken"],
        },
    }


def user_pool(client):
    cognito = client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="tests")["UserPool"]
    app = cognito.create_user_pool_client(
        UserPoolId=pool["Id"],
        ClientName="tests",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"],
    )["UserPoolClient"]["ClientId"]
    password = "Passw0rd!for-tests"
    cognito.admin_create_user(
        UserPoolId=pool["Id"], Username="tester", MessageAction="SUPPRESS"
    )
    cognito.admin_set_user_password(
        UserPoolId=pool["Id"],
        Username="tester",
        Password=password,
        Permanent=True,
    )
    tokens = cognito.initiate_auth(
        ClientId=app,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "tester", "PASSWORD": password},
    )["AuthenticationResult"]
    return pool, app, tokens


def mock(gateway, api, root, part, options):
    """A method that says 200 to whatever its authorization lets through."""
    resource = gateway.create_resource(
        restApiId=api, parentId=root, pathPart=part
    )["id"]
    of = {"restApiId": api, "resourceId": resource, "httpMethod": "ANY"}
    gateway.put_method(**of, **options)
    gateway.put_integration(
        **of,
        type="MOCK",
        requestTemplates={"application/json": '{"statusCode": 200}'},
    )
    gateway.put_method_response(**of, statusCode="200")
    gateway.put_integration_response(
        **of,
        statusCode="200",
        responseTemplates={"application/json": '{"ok": true}'},
    )


def rest_api(client, pool):
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="tests")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    authorizer = gateway.create_authorizer(
        restApiId=api,
        name="pool",
        type="COGNITO_USER_POOLS",
        providerARNs=[pool["Arn"]],
        identitySource="method.request.header.Authorization",
    )["id"]
    methods = {
        "iam": {"authorizationType": "AWS_IAM"},
        "iam-and-key": {
            "authorizationType": "AWS_IAM",
            "apiKeyRequired": True,
        },
        "key": {"authorizationType": "NONE", "apiKeyRequired": True},
        "open": {"authorizationType": "NONE"},
        "pool": {
            "authorizationType": "COGNITO_USER_POOLS",
            "authorizerId": authorizer,
        },
    }
    for part, options in methods.items():
        mock(gateway, api, root, part, options)
    gateway.create_deployment(restApiId=api, stageName="prod")
    key = gateway.create_api_key(name="tests", enabled=True)
    plan = gateway.create_usage_plan(
        name="tests", apiStages=[{"apiId": api, "stage": "prod"}]
    )
    gateway.create_usage_plan_key(
        usagePlanId=plan["id"], keyId=key["id"], keyType="API_KEY"
    )
    disabled = gateway.create_api_key(name="disabled", enabled=False)
    gateway.create_usage_plan_key(
        usagePlanId=plan["id"], keyId=disabled["id"], keyType="API_KEY"
    )
    return {
        "id": api,
        "key": key["value"],
        "disabled_key": disabled["value"],
    }


def http_api(client, issuer, audience, upstream):
    gateway = client("apigatewayv2")
    api = gateway.create_api(Name="tests", ProtocolType="HTTP")["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=api,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": issuer, "Audience": [audience]},
    )["AuthorizerId"]
    integration = gateway.create_integration(
        ApiId=api,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri=upstream,
        PayloadFormatVersion="1.0",
    )["IntegrationId"]
    gateway.create_route(
        ApiId=api,
        RouteKey="GET /jwt",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
    )
    gateway.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    return api


def function(client, role):
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("authorizer.py", AUTHORIZER)
    return client("lambda").create_function(
        FunctionName="authorizer",
        Runtime="python3.12",
        Role=role,
        Handler="authorizer.handler",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]


def lambda_api(client, arn):
    gateway = client("apigateway")
    api = gateway.create_rest_api(name="lambda")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    authorizer = gateway.create_authorizer(
        restApiId=api,
        name="lambda",
        type="TOKEN",
        authorizerUri=f"arn:aws:apigateway:{REGION}:lambda:path"
        f"/2015-03-31/functions/{arn}/invocations",
        identitySource="method.request.header.Authorization",
        # Or a verdict would outlive its request.
        authorizerResultTtlInSeconds=0,
    )["id"]
    custom = {"authorizationType": "CUSTOM", "authorizerId": authorizer}
    mock(gateway, api, root, "lambda", custom)
    gateway.create_deployment(restApiId=api, stageName="prod")
    return {"id": api, "token": LAMBDA_TOKEN}


def graphql_api(client, arn):
    appsync = client("appsync")
    key_or_iam = appsync.create_graphql_api(
        name="key-or-iam",
        authenticationType="API_KEY",
        additionalAuthenticationProviders=[{"authenticationType": "AWS_IAM"}],
    )["graphqlApi"]["apiId"]
    custom = appsync.create_graphql_api(
        name="lambda",
        authenticationType="AWS_LAMBDA",
        lambdaAuthorizerConfig={
            "authorizerUri": arn,
            "authorizerResultTtlInSeconds": 0,
        },
    )["graphqlApi"]["apiId"]
    for api in (key_or_iam, custom):
        appsync.start_schema_creation(
            apiId=api, definition=b"type Query { ok: Boolean }"
        )
    key = appsync.create_api_key(apiId=key_or_iam)["apiKey"]["id"]
    return {"id": key_or_iam, "key": key, "lambda_id": custom}


def main(endpoint, upstream, issuer=None):
    known = identities(endpoint)
    client = clients(endpoint, known["user"]["key"], known["user"]["secret"])
    client("s3").create_bucket(Bucket="tests")
    client("dynamodb").create_table(
        TableName="tests",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    known["queue"] = client("sqs").create_queue(QueueName="tests")["QueueUrl"]
    known["topic"] = client("sns").create_topic(Name="tests")["TopicArn"]
    pool, app, tokens = user_pool(client)
    known["id_token"] = tokens["IdToken"]
    known["access_token"] = tokens["AccessToken"]
    known["rest_api"] = rest_api(client, pool)
    cognito = f"https://cognito-idp.{REGION}.amazonaws.com/{pool['Id']}"
    known["http_api"] = http_api(client, cognito, app, upstream)
    if issuer:
        known["oidc_api"] = http_api(client, issuer, AUDIENCE, upstream)
        role = client("iam").get_role(RoleName="tester")["Role"]["Arn"]
        arn = function(client, role)
        known["lambda_api"] = lambda_api(client, arn)
        known["graphql_api"] = graphql_api(client, arn)
    print(json.dumps(known))


if __name__ == "__main__":
    main(*sys.argv[1:])
