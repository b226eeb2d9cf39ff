"use strict";

module.exports = {
  aws_project_region: "us-west-1",
  aws_cloud_logic_custom: [
    {
      name: "billing",
      endpoint: "https://fake2cccc1.execute-api.us-west-1.amazonaws.com/prod",
      region: "us-west-1"
    }
  ]
}
