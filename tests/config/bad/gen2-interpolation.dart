const amplifyConfig = '''{
  "auth": {
    "user_pool_id": "eu-central-1_FAKEpool2",
    "aws_region": "eu-central-1",
    "user_pool_client_id": "fakeclientid00000000000002",
    "identity_pool_id": "eu-central-1:00000000-1111-4222-8333-555555555555"
  },
  "data": {
    "url": "https://fakefakefakefakefakefake02.appsync-api.eu-central-1.amazonaws.com/graphql",
    "aws_region": "eu-central-1",
    "api_key": "da2-CANARYfakeapikey1234567890",
    "default_authorization_type": "API_KEY",
    "authorization_types": [
      "AWS_IAM"
    ]
  },
  "custom": {
    "prices": "from $max"
  },
  "version": "1.3"
}''';