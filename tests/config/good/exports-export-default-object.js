export default {
  "aws_project_region": "eu-west-2",
  "aws_appsync_graphqlEndpoint": "https://fakefakefakefakefakefake05.appsync-api.eu-west-2.amazonaws.com/graphql",
  "aws_appsync_region": "eu-west-2",
  "aws_appsync_authenticationType": "OPENID_CONNECT"
};
