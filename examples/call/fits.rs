//! Options that have nothing to do with an API's mode.

use tower_client_auth::AuthorizationMode::{
    self, ApiKey, AwsIam, AwsLambda, CognitoUserPools, OpenIdConnect,
};
use tower_client_auth::Config;

use crate::args::CredentialArgs;
use crate::exit::Failure;

/// Whether the options fit the mode: what would be passed over is a slip.
pub(crate) fn check(
    config: &Config,
    name: &str,
    mode: AuthorizationMode,
    args: &CredentialArgs,
) -> Result<(), Failure> {
    let auth = &config.auth;
    let (iam, pools, oidc) = (
        mode == AwsIam,
        mode == CognitoUserPools,
        mode == OpenIdConnect,
    );
    let has_pool_user = pools || iam && auth.user_pool.is_some() && auth.identity_pool.is_some();
    let takes_token = pools || oidc || mode == AwsLambda;
    let has_token =
        args.token_env.is_some() || args.token_file.is_some() || args.token_command.is_some();
    for (option, is_given, fits, what) in [
        (
            "--user",
            args.user.is_some(),
            has_pool_user,
            "signs a user of a user pool in",
        ),
        (
            "--browser",
            args.browser,
            has_pool_user || oidc,
            "signs a user in",
        ),
        (
            "--device",
            args.device,
            oidc,
            "signs a user of an OpenID provider in",
        ),
        (
            "--guest",
            args.guest,
            iam && auth.identity_pool.is_some(),
            "is about identity pools",
        ),
        ("--aws", args.aws, iam, "signs with AWS credentials"),
        (
            "--profile",
            args.profile.is_some(),
            iam,
            "signs with AWS credentials",
        ),
        (
            "--id-token",
            args.id_token,
            pools,
            "is about users of a user pool",
        ),
        ("--token-…", has_token, takes_token, "gives a token"),
        ("--bearer", args.bearer, takes_token, "is about tokens"),
        (
            "--api-key-env",
            args.api_key_env.is_some(),
            mode == ApiKey,
            "gives an API key",
        ),
    ] {
        if is_given && !fits {
            return Err(Failure::usage(format!(
                "`{option}` {what}, and that is nothing for the API `{name}` (mode {mode}): leave it out, or name \
                 another mode by `--mode`"
            )));
        }
    }
    Ok(())
}
