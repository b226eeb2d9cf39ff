//! The time of a signature, as it is written.

use std::time::SystemTime;

use time::OffsetDateTime;

use crate::error::{AuthError, AuthErrorKind};

pub(super) const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

/// When the year takes a fifth digit, in seconds since 1970.
const YEAR_10_000: u64 = 253_402_300_800;

/// `20150830T123600Z`: ISO 8601's basic format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateTime(String);

impl DateTime {
    /// # Errors
    ///
    /// [`AuthErrorKind::Request`] past the year 9999, which does not fit in.
    pub(super) fn new(second: u64) -> Result<Self, AuthError> {
        // Said here, since `time` knows later years too if another crate wants it to.
        if second >= YEAR_10_000 {
            return Err(out_of_range());
        }
        let time = i64::try_from(second).ok();
        let time = time.and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok());
        let time = time.ok_or_else(out_of_range)?;
        Ok(Self(format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            time.year(),
            u8::from(time.month()),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
        )))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// `20150830`.
    pub(super) fn date(&self) -> &str {
        &self.0[..8]
    }
}

/// The seconds since 1970.
///
/// # Errors
///
/// [`AuthErrorKind::Request`] before 1970.
pub(super) fn second_of(time: SystemTime) -> Result<u64, AuthError> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| out_of_range())
}

#[cold]
fn out_of_range() -> AuthError {
    AuthError::new(
        AuthErrorKind::Request,
        "a signature needs a time between the years 1970 and 9999: set this machine's clock",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_signatures_have_them() {
        let text = |second| DateTime::new(second).map(|time| time.as_str().to_owned());
        assert_eq!(text(0).expect("in range"), "19700101T000000Z");
        assert_eq!(text(1_440_938_160).expect("in range"), "20150830T123600Z");
        assert_eq!(text(253_402_300_799).expect("in range"), "99991231T235959Z");
        assert!(text(253_402_300_800).is_err());
        assert!(text(u64::MAX).is_err());
    }
}
