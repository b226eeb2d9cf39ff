//! What `--verbose` says before a call.

use tower_client_auth::{ApiConfig, AuthorizationMode};

use crate::auth::Auth;
use crate::files::File;
use crate::output;
use crate::target::Target;

pub(crate) fn tell(file: &File, target: &Target, api: &ApiConfig, auth: &Auth) {
    for warning in file.config.warnings() {
        output::remark(format_args!(
            "warning: {}",
            output::printable(&warning.to_string())
        ));
    }
    output::remark(format_args!(
        "API {} of {}: {}",
        target.api, file.name, api.endpoint
    ));
    let scope = match (api.mode, &api.region) {
        (AuthorizationMode::AwsIam, Some(region)) => {
            format!(", signed for {region}/{}", api.signing_name())
        }
        _ => String::new(),
    };
    output::remark(format_args!("mode {}{scope}", api.mode));
    output::remark(format_args!("credential: {}", auth.source));
}
