module.exports = require("./amplifyconfiguration.json");
