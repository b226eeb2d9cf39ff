import base from "./base";

const awsExports = {
  ...base,
  aws_project_region: "us-east-1",
};

export default awsExports;
