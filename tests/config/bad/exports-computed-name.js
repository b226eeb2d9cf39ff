const awsExports = {
  aws_project_region: "us-east-1",
  [KEY_NAME]: "da2-CANARYfakeapikey1234567890",
};

export default awsExports;
