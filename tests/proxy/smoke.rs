//! It starts, says what it does, and answers for itself.

use super::Proxy;
use crate::servers::answers;

#[test]
fn it_says_where_it_listens_and_where_requests_go() {
    let upstream = "orders=https://abc123.execute-api.eu-west-1.amazonaws.com/prod";
    let proxy = Proxy::start(&["--upstream", upstream], ("AKIDEXAMPLE", "secret"));
    assert!(answers(proxy.port(), "/healthz"));
    assert!(answers(proxy.port(), "/readyz"));
    let messages = proxy.messages();
    let line = "orders: https://abc123.execute-api.eu-west-1.amazonaws.com/prod, AWS_IAM for execute-api in eu-west-1";
    assert!(messages.contains(line), "{messages}");
}
