// Ids of the test stage, see the wiki.
const awsExports = {
  aws_project_region: 'us-east-2', // Ohio

  /* Cognito */
  aws_cognito_region: 'us-east-2',
  aws_user_pools_id: 'us-east-2_FAKEpool3',
  'aws_user_pools_web_client_id': "fakeclientid00000000000003",

  // API Gateway
  aws_cloud_logic_custom: [{
    name: 'shop-api',
    endpoint: 'https://fake2bbbb1.execute-api.us-east-2.amazonaws.com/prod',
    region: 'us-east-2',
  },],

  // AppSync
  aws_appsync_graphqlEndpoint: 'https://fakefakefakefakefakefake06.appsync-api.us-east-2.amazonaws.com/graphql',
  aws_appsync_region: 'us-east-2',
  aws_appsync_authenticationType: 'API_KEY',
  aws_appsync_apiKey: 'da2-CANARYfakeapikey1234567890',
};

export default awsExports;
