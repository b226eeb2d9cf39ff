//! As whom AWS credentials were given out.

/// As whom a Cognito identity pool gave out the credentials of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Standing {
    /// A guest's: nobody was signed in.
    Guest,
    /// Those of a user who had signed in.
    SignedIn,
}
