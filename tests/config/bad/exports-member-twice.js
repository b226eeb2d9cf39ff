const awsExports = {
  "aws_project_region": "us-east-1",
  aws_user_pools_id: "us-east-1_FAKEpool9",
  aws_user_pools_web_client_id: "fakeclientid00000000000009",
  aws_project_region: "eu-west-1",
};

export default awsExports;
