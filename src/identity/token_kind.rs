//! Which of a user's tokens an API is sent.

/// Which of a session's tokens is sent to the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "schemars",
    schemars(description = "Which of a user's tokens is sent to the API.")
)]
#[non_exhaustive]
pub enum TokenKind {
    /// The access token, which is what it is for. The default. In a configuration: `access`.
    #[default]
    #[cfg_attr(feature = "schemars", schemars(rename = "access"))]
    Access,
    /// The ID token, which some gateways ask for instead: API Gateway's Cognito authorizers without scopes
    /// do. In a configuration: `id`.
    #[cfg_attr(feature = "schemars", schemars(rename = "id"))]
    Id,
}

#[cfg(feature = "amplify")]
impl TokenKind {
    pub(crate) const ALL: &'static [Self] = &[Self::Access, Self::Id];

    /// Its name in a file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Id => "id",
        }
    }
}
