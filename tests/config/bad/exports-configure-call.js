import { Amplify } from "aws-amplify";

Amplify.configure({
  aws_project_region: "us-east-1",
});
