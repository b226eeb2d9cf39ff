"""Fills a fresh MiniStack with what the tests use, and prints it as JSON.

Usage: ministack_setup.py ENDPOINT UPSTREAM. UPSTREAM is where the HTTP API sends what its authorizer
lets through. MiniStack never checks the signatures of its root keys (`test`), so they only make a user
and a role; everything else is done, and later tested, with those.
"""

import json
import sys

import botocore.session

REGION = "us-east-1"
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
        "pool": {
            "authorizationType": "COGNITO_USER_POOLS",
            "authorizerId": authorizer,
        },
    }
    for part, options in methods.items():
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


def http_api(client, pool, app, upstream):
    gateway = client("apigatewayv2")
    api = gateway.create_api(Name="tests", ProtocolType="HTTP")["ApiId"]
    authorizer = gateway.create_authorizer(
        ApiId=api,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={
            "Issuer": f"https://cognito-idp.{REGION}.amazonaws.com/{pool['Id']}",
            "Audience": [app],
        },
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


def main(endpoint, upstream):
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
    known["rest_api"] = rest_api(client, pool)
    known["http_api"] = http_api(client, pool, app, upstream)
    print(json.dumps(known))


main(*sys.argv[1:])
