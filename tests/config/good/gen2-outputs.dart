const amplifyConfig = '''{
  "auth": {
    "user_pool_id": "ap-south-1_FAKEpool2",
    "aws_region": "ap-south-1",
    "user_pool_client_id": "fakeclientid00000000000002",
    "identity_pool_id": "ap-south-1:00000000-1111-4222-8333-555555555555"
  },
  "data": {
    "url": "https://fakefakefakefakefakefake02.appsync-api.ap-south-1.amazonaws.com/graphql",
    "aws_region": "ap-south-1",
    "default_authorization_type": "OPENID_CONNECT",
    "authorization_types": []
  },
  "version": "1.3"
}''';