//! Homes, and the URLs that mean them, nearly mean them, or pretend to.

use tower_client_auth::Scope;

/// An origin in scope, and where its server may send a client.
pub(crate) struct Home {
    pub(crate) origin: &'static str,
    pub(crate) scope: fn() -> Scope,
    /// Redirect targets that mean the origin itself.
    same: &'static [&'static str],
    foreign: &'static [&'static str],
}

impl Home {
    /// The targets, each with whether it means the origin itself.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let same = self.same.iter().map(|target| (*target, true));
        same.chain(self.foreign.iter().map(|target| (*target, false)))
    }
}

pub(crate) const HOMES: [Home; 6] = [
    Home {
        origin: "https://api.example.com",
        scope: || Scope::origin("https://api.example.com").expect("an origin"),
        same: &[
            "/relative",
            "?query",
            "https:/relative",
            "https:evil.example/../../\\/evil.example",
            "//api.example.com/x",
            "https://api.example.com/",
            "https://API.EXAMPLE.COM/",
            "https://api.example.com:443/",
            "https://api.example.com:0443/",
            "https://api.example.com:/",
            "https://user:password@api.example.com/",
            "https://evil.example@api.example.com/",
            "https://%61pi.example.com/",
            "https://api\u{3002}example.com/",
        ],
        foreign: &[
            "http://api.example.com/",
            "http://api.example.com:443/",
            "http://user@API.example.com/",
            "https://api.example.com:8443/",
            "https://api.example.com:80/",
            "https://api.example.com:4430/",
            "https://example.com/",
            "https://com/",
            "https://www.example.com/",
            "https://evil.api.example.com/",
            "https://api.api.example.com/",
            "https://evilapi.example.com/",
            "https://api.example.com./",
            "https://API.EXAMPLE.COM./",
            "https://api.example.co/",
            "https://api.example.com.evil.example/",
            "https://api.example.comevil.example/",
            "https://api-example.com/",
            "https://api.example.com@evil.example/",
            "https://api.example.com:443@evil.example/",
            "https://api.example.com%2F@evil.example/",
            "https://api.example.com:443@evil.example:443/",
            "https://evil.example/api.example.com",
            "https://evil.example/@api.example.com",
            "https://evil.example?@api.example.com/",
            "https://evil.example#@api.example.com/",
            "https:\\\\evil.example\\@api.example.com/",
            "//evil.example/x",
            "\\\\evil.example/x",
            "https:///evil.example",
            "https://ap\u{456}.example.com/",
            "https://[2001:db8::1]/",
            "https://[::ffff:192.0.2.1]/",
            "https://192.0.2.1/",
            "https://3221225985/",
            "https://0x7f.1/",
            "http://127.0.0.1/",
            "http://localhost/",
            "http://api.example.com.localhost/",
        ],
    },
    Home {
        origin: "https://api.example.com:8443",
        scope: || Scope::origin("https://api.example.com:8443").expect("an origin"),
        same: &["/x", "https://Api.Example.com:08443/"],
        foreign: &[
            "https://api.example.com/",
            "https://api.example.com:443/",
            "https://api.example.com:8442/",
            "http://api.example.com:8443/",
            "https://api.example.com:8443@evil.example/",
        ],
    },
    Home {
        origin: "https://[2001:db8::1]",
        scope: || Scope::origin("https://[2001:db8::1]").expect("an origin"),
        same: &[
            "https://[2001:0DB8:0:0:0:0:0:1]:443/",
            "https://[2001:db8::0.0.0.1]/",
        ],
        foreign: &[
            "https://[2001:db8::2]/",
            "https://[2001:db8::1]:8443/",
            "https://[2001:db8::1]@evil.example/",
            "http://[2001:db8::1]/",
            "https://0.0.0.1/",
            "https://[::1]/",
        ],
    },
    Home {
        origin: "https://192.0.2.7",
        scope: || Scope::origin("https://192.0.2.7").expect("an origin"),
        // Spellings of the address that the redirect layer's URL parser resolves.
        same: &[
            "https://0xc0000207/",
            "https://0300.0.519/",
            "https://192.0.2.7./",
        ],
        foreign: &[
            "https://192.0.2.70/",
            "https://192.0.2.8/",
            "https://[::ffff:192.0.2.7]/",
            "https://192.0.2.7.evil.example/",
            "https://192.0.2.7@evil.example/",
            "http://3221225991/",
        ],
    },
    Home {
        // Plain http is fine here, and still it is not any origin on this machine.
        origin: "http://localhost:8080",
        scope: || Scope::origin("http://localhost:8080").expect("an origin"),
        same: &["/x", "http://LOCALHOST:8080/"],
        foreign: &[
            "http://localhost/",
            "https://localhost:8080/",
            "http://api.localhost:8080/",
            "http://localhost.:8080/",
            "http://127.0.0.1:8080/",
            "http://[::1]:8080/",
            "http://localhost:8080@evil.example/",
        ],
    },
    Home {
        // The default of SigV4, given to all.
        origin: "https://abc123.execute-api.eu-west-1.amazonaws.com",
        scope: Scope::aws,
        same: &[
            "/x",
            "https://abc123.execute-api.EU-WEST-1.amazonaws.com:443/",
        ],
        foreign: &[
            "https://evilamazonaws.com/",
            "https://amazonaws.com.evil.example/",
            "https://abc123.execute-api.eu-west-1.amazonaws.com./",
            "https://amazonaws.com@evil.example/",
            "https://amazonaws.evil/",
            "https://example.aws/",
            "http://abc123.execute-api.eu-west-1.amazonaws.com/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
        ],
    },
];
