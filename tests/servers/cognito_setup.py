"""Fills a running MiniStack with what the tests of Cognito use, and prints it as JSON.

Usage: cognito_setup.py ENDPOINT. What `ministack_setup.py` makes may be there already. A sign-in
gives the newcomers their passwords, so each of them is there for one test.
"""

import base64
import hashlib
import hmac
import io
import json
import struct
import sys
import time
import zipfile

# Or the import would leave a folder here.
sys.dont_write_bytecode = True

from ministack_setup import REGION, clients, rest_api

# What an escape, a trim or a wrong encoding would spoil.
ODD_PASSWORD = "P4 \"quoted\" 'too' \\ back\\\\slash  ü€ w0rd!"
PASSWORDS = {
    "alice": "Passw0rd!for-alice",
    "bob": ODD_PASSWORD,
    "totp": "Passw0rd!for-totp",
    "banned": "Passw0rd!for-banned",
    "reset": "Passw0rd!for-reset",
}
TEMPORARY_PASSWORDS = {
    "newcomer": "Temp0rary!for-newcomer",
    "newcomer-srp": "Temp0rary!for-newcomer-srp",
}
UNCONFIRMED = {"Username": "unconfirmed", "Password": "Passw0rd!unconfirmed"}
# Of tokens from the client `short`. AWS has no less than five minutes.
SHORT_SECONDS = 5
SCOPES = {"read": "To read", "write": "To write"}
# A wrong answer ends the sign-in.
CUSTOM_QUESTION = "What opens the cave?"
CUSTOM_ANSWER = "open sesame"
CUSTOM_AUTH = f"""
def handler(event, context):
    request, response = event["request"], event["response"]
    trigger = event["triggerSource"].split("_")[0]
    if trigger == "DefineAuthChallenge":
        session = request["session"]
        passed = bool(session) and session[-1]["challengeResult"] is True
        response["issueTokens"] = passed
        response["failAuthentication"] = bool(session) and not passed
        if not session:
            response["challengeName"] = "CUSTOM_CHALLENGE"
    if trigger == "CreateAuthChallenge":
        response["publicChallengeParameters"] = {{"question": {CUSTOM_QUESTION!r}}}
        response["privateChallengeParameters"] = {{"answer": {CUSTOM_ANSWER!r}}}
    if trigger == "VerifyAuthChallengeResponse":
        answer = request["privateChallengeParameters"]["answer"]
        response["answerCorrect"] = request["challengeAnswer"] == answer
    return event
"""
TRIGGERS = (
    "DefineAuthChallenge",
    "CreateAuthChallenge",
    "VerifyAuthChallengeResponse",
)
FLOWS = [
    "ALLOW_CUSTOM_AUTH",
    "ALLOW_REFRESH_TOKEN_AUTH",
    "ALLOW_USER_PASSWORD_AUTH",
    "ALLOW_USER_SRP_AUTH",
]


def role(iam, name, principal, action, allowed):
    trust = {"Effect": "Allow", "Principal": principal, "Action": action}
    policy = {"Effect": "Allow", "Action": allowed, "Resource": "*"}

    def document(statement):
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    arn = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=document(trust)
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name, PolicyName=name, PolicyDocument=document(policy)
    )
    return arn


def custom_auth(client):
    """A function that asks one question, for all the triggers of CUSTOM_AUTH."""
    runner = role(
        client("iam"),
        "custom-auth",
        {"Service": "lambda.amazonaws.com"},
        "sts:AssumeRole",
        "logs:*",
    )
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("custom_auth.py", CUSTOM_AUTH)
    arn = client("lambda").create_function(
        FunctionName="custom-auth",
        Runtime="python3.12",
        Role=runner,
        Handler="custom_auth.handler",
        Code={"ZipFile": code.getvalue()},
    )["FunctionArn"]
    return dict.fromkeys(TRIGGERS, arn)


def user_pool(client):
    cognito = client("cognito-idp")
    pool = cognito.create_user_pool(
        PoolName="cognito-tests",
        # So that who signs in is not who the challenges then name.
        AliasAttributes=["email"],
        MfaConfiguration="OPTIONAL",
        LambdaConfig=custom_auth(client),
    )["UserPool"]
    cognito.set_user_pool_mfa_config(
        UserPoolId=pool["Id"],
        SoftwareTokenMfaConfiguration={"Enabled": True},
        MfaConfiguration="OPTIONAL",
    )
    return pool


def app_clients(cognito, pool):
    cognito.create_resource_server(
        UserPoolId=pool["Id"],
        Identifier="orders",
        Name="orders",
        Scopes=[
            {"ScopeName": name, "ScopeDescription": description}
            for name, description in SCOPES.items()
        ],
    )
    without_password = [flow for flow in FLOWS if "PASSWORD" not in flow]
    options = {
        "plain": {"ExplicitAuthFlows": FLOWS},
        # It also says of an unknown user what it says of a wrong password.
        "secret": {
            "ExplicitAuthFlows": FLOWS,
            "GenerateSecret": True,
            "PreventUserExistenceErrors": "ENABLED",
        },
        "srp_only": {"ExplicitAuthFlows": without_password},
        "short": {
            "ExplicitAuthFlows": FLOWS,
            "AccessTokenValidity": SHORT_SECONDS,
            "IdTokenValidity": SHORT_SECONDS,
            "TokenValidityUnits": {
                "AccessToken": "seconds",
                "IdToken": "seconds",
            },
        },
        "machine": {
            "GenerateSecret": True,
            "AllowedOAuthFlows": ["client_credentials"],
            "AllowedOAuthFlowsUserPoolClient": True,
            "AllowedOAuthScopes": ["orders/read"],
        },
    }
    made = {}
    for name, chosen in options.items():
        app = cognito.create_user_pool_client(
            UserPoolId=pool["Id"], ClientName=name, **chosen
        )["UserPoolClient"]
        made[name] = {"id": app["ClientId"]}
        if "ClientSecret" in app:
            made[name]["secret"] = app["ClientSecret"]
    return made


def users(cognito, pool, app):
    def user(name, **options):
        return {"UserPoolId": pool["Id"], "Username": name, **options}

    def create(name, **options):
        email = [
            {"Name": "email", "Value": f"{name}@example.com"},
            {"Name": "email_verified", "Value": "true"},
        ]
        cognito.admin_create_user(
            **user(name, UserAttributes=email, MessageAction="SUPPRESS"),
            **options,
        )
        return {"alias": f"{name}@example.com"}

    made = {}
    for name, password in PASSWORDS.items():
        made[name] = {**create(name), "password": password}
        cognito.admin_set_user_password(
            **user(name, Password=password, Permanent=True)
        )
    for name, password in TEMPORARY_PASSWORDS.items():
        made[name] = create(name, TemporaryPassword=password)
        made[name]["password"] = password
    cognito.sign_up(ClientId=app, **UNCONFIRMED)
    made["unconfirmed"] = {"password": UNCONFIRMED["Password"]}
    made["totp"]["totp_secret"] = enrolled(cognito, app, "totp")
    cognito.admin_disable_user(**user("banned"))
    cognito.admin_reset_user_password(**user("reset"))
    return made


def enrolled(cognito, app, name):
    """Gives the user an authenticator, and returns its secret: MiniStack chooses it."""
    token = cognito.initiate_auth(
        ClientId=app,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": PASSWORDS[name]},
    )["AuthenticationResult"]["AccessToken"]
    secret = cognito.associate_software_token(AccessToken=token)["SecretCode"]
    cognito.verify_software_token(AccessToken=token, UserCode=totp(secret))
    cognito.set_user_mfa_preference(
        AccessToken=token,
        SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True},
    )
    return secret


def totp(secret):
    counter = struct.pack(">Q", int(time.time()) // 30)
    code = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    start = code[-1] & 15
    number = int.from_bytes(code[start : start + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"


def identity_pools(client, provider, apps):
    cognito = client("cognito-identity")
    iam = client("iam")
    roles = {
        flavour: role(
            iam,
            name,
            {"Federated": "cognito-identity.amazonaws.com"},
            "sts:AssumeRoleWithWebIdentity",
            ["s3:*", "sts:*", "execute-api:*"],
        )
        for flavour, name in (
            ("unauthenticated", "guest"),
            ("authenticated", "member"),
        )
    }
    made = {}
    # MiniStack lets guests into both, but in the second one they have no role.
    for name, guests in (("with_guests", True), ("members_only", False)):
        pool = cognito.create_identity_pool(
            IdentityPoolName=name,
            AllowUnauthenticatedIdentities=guests,
            CognitoIdentityProviders=[
                {"ProviderName": provider, "ClientId": app} for app in apps
            ],
        )["IdentityPoolId"]
        allowed = roles if guests else {"authenticated": roles["authenticated"]}
        cognito.set_identity_pool_roles(IdentityPoolId=pool, Roles=allowed)
        made[name] = pool
    return made


def main(endpoint):
    client = clients(endpoint, "test", "test")
    bucket = "cognito-tests"
    client("s3").create_bucket(Bucket=bucket)
    pool = user_pool(client)
    cognito = client("cognito-idp")
    apps = app_clients(cognito, pool)
    provider = f"cognito-idp.{REGION}.amazonaws.com/{pool['Id']}"
    trusted = [apps[name]["id"] for name in ("plain", "secret")]
    known = {
        "user_pool": {"id": pool["Id"], "provider": provider},
        "clients": apps,
        "scope": "orders/read",
        # Defined, but not for the client `machine`.
        "other_scope": "orders/write",
        "users": users(cognito, pool, apps["plain"]["id"]),
        "custom_auth": {"question": CUSTOM_QUESTION, "answer": CUSTOM_ANSWER},
        "identity_pools": identity_pools(client, provider, trusted),
        "roles": {"guest": "guest", "member": "member"},
        "bucket": bucket,
        "rest_api": rest_api(client, pool),
    }
    print(json.dumps(known))


main(*sys.argv[1:])
