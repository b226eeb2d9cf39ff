/* eslint-disable */
const awsExports: Record<string, unknown> = {
  aws_project_region: "ap-southeast-1",
  aws_cloud_logic_custom: [
    { name: "rides", endpoint: "https://fake2dddd1.execute-api.ap-southeast-1.amazonaws.com/dev", region: "ap-southeast-1" },
    { name: "drivers", endpoint: "https://fake2dddd2.execute-api.ap-southeast-1.amazonaws.com/dev", region: "ap-southeast-1" },
  ],
};

export default awsExports;
