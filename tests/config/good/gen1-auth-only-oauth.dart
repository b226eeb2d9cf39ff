const amplifyconfig = ''' {
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
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
                        "PoolId": "eu-west-2_FAKEpool1",
                        "AppClientId": "fakeclientid00000000000001",
                        "AppClientSecret": "CANARYclientsecret0123456789abcdefghijklmnopqrstuvw",
                        "Region": "eu-west-2"
                    }
                },
                "Auth": {
                    "Default": {
                        "OAuth": {
                            "WebDomain": "fakeapp-dev.auth.eu-west-2.amazoncognito.com",
                            "AppClientId": "fakeclientid00000000000001",
                            "AppClientSecret": "CANARYclientsecret0123456789abcdefghijklmnopqrstuvw",
                            "SignInRedirectURI": "fakeapp://callback/,http://localhost:3000/",
                            "SignOutRedirectURI": "fakeapp://signout/,http://localhost:3000/",
                            "Scopes": [
                                "phone",
                                "email",
                                "openid",
                                "profile",
                                "aws.cognito.signin.user.admin"
                            ]
                        },
                        "authenticationFlowType": "USER_SRP_AUTH"
                    }
                }
            }
        }
    }
}''';