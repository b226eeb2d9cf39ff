import 'dart:convert';

// Written by hand for the test stage.
const amplifyConfig = '''
{
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
    "api": {
        "plugins": {
            "awsAPIPlugin": {
                "ledger": {
                    "endpointType": "REST",
                    "endpoint": "https://fake0iiii1.execute-api.eu-west-3.amazonaws.com/prod",
                    "region": "eu-west-3",
                    "authorizationType": "OPENID_CONNECT"
                }
            }
        }
    }
}
''';
