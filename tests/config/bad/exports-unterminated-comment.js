const awsExports = {
  aws_project_region: "us-east-1",
  /* Cognito
  aws_user_pools_id: "us-east-1_FAKEpool9",
};

export default awsExports;
