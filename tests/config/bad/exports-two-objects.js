const dev = {
  aws_project_region: "us-east-1",
};

const prod = {
  aws_project_region: "eu-west-1",
};

export default prod;
