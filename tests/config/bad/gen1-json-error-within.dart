/* one
   two */
const amplifyconfig = ''' {
    "UserAgent": "aws-amplify-cli/2.0",
    "Version": "1.0",
    "api": {
        "plugins": {
            "awsAPIPlugin": {
                "petstore": {
                    "endpointType": "REST",
                    "endpoint": "https://fake9aaaa1.execute-api.eu-central-1.amazonaws.com/prod",
                    "region": "eu-central-1",
                    "authorizationType": "AWS_IAM",
                }
            }
        }
    }
}''';