const awsExports = {
  aws_project_region: process.env.REACT_APP_REGION,
  aws_user_pools_id: process.env.REACT_APP_POOL,
};

export default awsExports;
