//! All integration tests but the ones that count allocations, which need a binary of their own.
//!
//! Figures by which the crate's promises are kept are printed as `promise 22: …`;
//! `cargo test --all-features -- --nocapture` shows them.

mod support;

// What goes into a test: every scheme behind one type, servers that keep the bytes they got.
mod schemes;
mod targets;
mod wire;

// The engine.
mod atomic;
mod bodies;
mod contract;
mod engine;
mod rejections;
mod streaming;

// Where a credential may go, and what is there already.
mod default_origin;
mod existing;
mod hosts;
mod origins;
mod plaintext;
mod redirect_policy;
mod sensitive;

// Secrets, and what goes wrong.
mod bad_input;
mod observed;
mod secrets;
mod wiped;

// Signatures.
mod botocore;
mod ecdsa;
mod explain;
mod official_suite;
mod oracle;
mod plain;
mod presets;
mod remembered;
mod s3s_server;
mod signer;
mod smithy_js;

// Identities.
mod cache;
mod cognito;
mod oauth;
mod token_file;

// The configuration, and the layers it makes.
mod config;
mod live;
mod selector;

// Against servers that others wrote.
mod amplify_parser;
mod chunked;
mod heals;
mod loopback;
mod ministack;
mod on_the_wire;
mod presigned;
mod selected_servers;
mod servers;

// The other side, as a browser meets it.
mod browser;

// What newcomers copy from, and the check of signatures that it shares with these tests.
mod call;
mod events;
mod examples;
mod proxy;
#[allow(dead_code, reason = "a part of it is for the examples")]
#[path = "../examples/stand_in/signature.rs"]
mod signature;
