// Copyright 2023 The Fake App authors. {not json}
/// Configuration, was: const amplifyconfig = ''' { } ''';
/* outer """ is still a comment { */

var amplifyconfig = """{
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
    "api": {
        "plugins": {
            "awsAPIPlugin": {
                "weather": {
                    "endpointType": "REST",
                    "endpoint": "https://fake0hhhh1.execute-api.eu-north-1.amazonaws.com/prod",
                    "region": "eu-north-1",
                    "authorizationType": "AMAZON_COGNITO_USER_POOLS"
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
                        "PoolId": "eu-north-1_FAKEpool1",
                        "AppClientId": "fakeclientid00000000000001",
                        "Region": "eu-north-1"
                    }
                }
            }
        }
    }
}""";
