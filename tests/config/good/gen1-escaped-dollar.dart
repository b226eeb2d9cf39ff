const amplifyconfig = '''
{
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
    "api": {
        "plugins": {
            "awsAPIPlugin": {
                "quotes": {
                    "endpointType": "REST",
                    "endpoint": "https://fake0gggg2.execute-api.us-east-1.amazonaws.com/prod",
                    "region": "us-east-1",
                    "authorizationType": "API_KEY",
                    "apiKey": "da2-CANARYfakeapikey1234567890"
                }
            }
        }
    },
    "auth": {
        "plugins": {
            "awsCognitoAuthPlugin": {
                "UserAgent": "aws-amplify-cli/0.1.0",
                "Version": "0.1.0",
                "IdentityManager": {
                    "Default": {}
                },
                "CognitoUserPool": {
                    "Default": {
                        "PoolId": "us-east-1_FAKEpool1",
                        "AppClientId": "fakeclientid00000000000001",
                        "Region": "us-east-1"
                    }
                },
                "Lex": {
                    "FakeBot": {
                        "Name": "FakeBot",
                        "Alias": "\$LATEST",
                        "Region": "us-east-1"
                    }
                }
            }
        }
    }
}
''';
