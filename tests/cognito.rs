//! Cognito: users who sign in, identities that get credentials, and the session that joins them.

#[path = "cognito/challenges.rs"]
mod challenges;
#[path = "cognito/config.rs"]
mod config;
#[path = "cognito/downgrade.rs"]
mod downgrade;
#[path = "cognito/ends.rs"]
mod ends;
#[path = "cognito/faults.rs"]
mod faults;
#[path = "cognito/identities.rs"]
mod identities;
#[path = "cognito/modes.rs"]
mod modes;
#[path = "cognito/pools.rs"]
mod pools;
#[path = "cognito/refresh.rs"]
mod refresh;
#[path = "cognito/rotation.rs"]
mod rotation;
#[path = "cognito/schedules.rs"]
mod schedules;
#[path = "cognito/sign_in.rs"]
mod sign_in;
#[path = "cognito/signatures.rs"]
mod signatures;
#[path = "cognito/spills.rs"]
mod spills;
#[path = "cognito/stand_in.rs"]
mod stand_in;
#[path = "cognito/upkeep.rs"]
mod upkeep;

pub(crate) use pools::Pools;
