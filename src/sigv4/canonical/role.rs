//! Which headers of a request are signed.

/// What a header is to a signature.
pub(super) enum Role {
    Signed,
    /// Changed between signing and checking, or maybe.
    Unsigned,
    /// Signed as it will be sent, which the URI has a say in.
    Host,
    /// Part of a signature; of an older one, that is.
    Signature,
}

impl Role {
    #[inline]
    pub(super) fn of(name: &str) -> Self {
        // By length first: that settles it for most names.
        let unsigned = match name.len() {
            2 => name == "te",
            3 => name == "via",
            4 if name == "host" => return Self::Host,
            6 => name == "expect",
            7 => matches!(name, "baggage" | "trailer" | "upgrade"),
            9 => name == "forwarded",
            10 if name == "x-amz-date" => return Self::Signature,
            10 => matches!(
                name,
                "connection" | "keep-alive" | "tracestate" | "user-agent"
            ),
            11 => name == "traceparent",
            13 if name == "authorization" => return Self::Signature,
            14 => name == "content-length",
            15 => matches!(name, "accept-encoding" | "x-amzn-trace-id"),
            16 if name == "x-amz-region-set" => return Self::Signature,
            17 => name == "transfer-encoding",
            20 if matches!(name, "x-amz-content-sha256" | "x-amz-security-token") => {
                return Self::Signature;
            }
            _ => false,
        };
        let unsigned = unsigned
            || name.starts_with("proxy-")
            || name.starts_with("sec-websocket-")
            || name.starts_with("x-forwarded-");
        match unsigned {
            true => Self::Unsigned,
            false => Self::Signed,
        }
    }
}
