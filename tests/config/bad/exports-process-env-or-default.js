const awsExports = {
  aws_project_region: "us-east-1",
  aws_appsync_apiKey: process.env.API_KEY || "da2-CANARYfakeapikey1234567890",
};

export default awsExports;
