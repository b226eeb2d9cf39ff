const awsExports = {
  aws_appsync_apiKey: "da2-CANARYfakeapikey1234567890"
  aws_project_region: "us-east-1"
};

export default awsExports;
