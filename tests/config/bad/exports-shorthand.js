const awsExports = {
  aws_user_pools_id: "us-east-1_FAKEpool9",
  aws_project_region,
};

export default awsExports;
