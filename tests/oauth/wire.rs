//! The same faults over real connections, by `Transport::hyper()`: a server that resets, stops, and lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_client_auth::oauth::{MemoryStore, OAuthClient, Provider, RefreshTokenStore, TokenType};
use tower_client_auth::{AuthError, AuthErrorKind, BoxError, Secret, TokenSource, Transport};

use super::faults::ec_key;
use crate::support::promise;

/// Where a server stalls. Elsewhere there is all the time that a busy machine may take.
const IMPATIENT: Duration = Duration::from_millis(300);
const PATIENT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Closed with the request unread, which resets it.
    Reset,
    /// Closed without an answer.
    Closed,
    HalfHead,
    HalfBody,
    Stalled,
    StalledInside,
    Status500,
    Html,
    Long,
    LongInChunks,
    ContentType,
    NotHttp,
    Redirect,
}

const FAULTS: [Fault; 13] = [
    Fault::Reset,
    Fault::Closed,
    Fault::HalfHead,
    Fault::HalfBody,
    Fault::Stalled,
    Fault::StalledInside,
    Fault::Status500,
    Fault::Html,
    Fault::Long,
    Fault::LongInChunks,
    Fault::ContentType,
    Fault::NotHttp,
    Fault::Redirect,
];

const JSON: &str = r#"{"access_token":"c4nary-token","token_type":"Bearer"}"#;

async fn serve(mut stream: TcpStream, fault: Fault, elsewhere: u16) -> std::io::Result<()> {
    if let Fault::Reset = fault {
        stream.readable().await?;
        return Ok(());
    }
    let mut request = vec![0; 16 * 1024];
    let mut read = 0;
    // The whole request, which fits: its head and a form that says its length.
    loop {
        read += stream.read(&mut request[read..]).await?;
        let text = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                break;
            }
        }
    }
    let ok = |kind: &str, length: usize| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
    };
    let answer = match fault {
        Fault::Reset | Fault::Closed => return Ok(()),
        Fault::HalfHead => "HTTP/1.1 200 OK\r\ncontent-ty".to_owned(),
        Fault::HalfBody | Fault::StalledInside => {
            ok("application/json", JSON.len()) + &JSON[..JSON.len() / 2]
        }
        Fault::Stalled => String::new(),
        Fault::Status500 => "HTTP/1.1 500 No\r\ncontent-length: 6\r\n\r\nc4nary".to_owned(),
        Fault::Html => ok("text/html", 19) + "<html>c4nary</html>",
        Fault::Long => ok("application/json", 2 << 20) + &"c4nary!!".repeat(1 << 18),
        Fault::LongInChunks => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
            head.to_owned()
                + &format!("4000\r\n{}\r\n", " ".repeat(0x4000)).repeat(128)
                + "0\r\n\r\n"
        }
        Fault::ContentType => ok("text/plain", JSON.len()) + JSON,
        Fault::NotHttp => "c4nary\r\n\r\n".to_owned(),
        Fault::Redirect => format!(
            "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:{elsewhere}/c4nary\r\ncontent-length: 0\r\n\r\n"
        ),
    };
    stream.write_all(answer.as_bytes()).await?;
    if matches!(fault, Fault::Stalled | Fault::StalledInside) {
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    Ok(())
}

/// Starts a server, and returns its port.
async fn server(fault: Fault, elsewhere: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, fault, elsewhere));
        }
    });
    port
}

/// Where a redirect would lead to, and how many came.
async fn elsewhere() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let visitors = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&visitors);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, visitors)
}

/// What each request that there is answers, at a provider that listens on this port.
async fn answers(port: u16, patience: Duration) -> Vec<(&'static str, AuthError)> {
    let origin = format!("http://127.0.0.1:{port}");
    let transport = || Transport::hyper().expect("a transport").timeout(patience);
    let provider = Provider::new(&format!("{origin}/token"), transport())
        .and_then(|p| p.device_authorization_endpoint(&format!("{origin}/device")))
        .and_then(|p| p.authorization_endpoint(&format!("{origin}/authorize")))
        .expect("a provider");
    let client = OAuthClient::new(provider.clone(), "tests");
    let secret = client.clone().secret("c4nary-secret");
    let keyed = client.clone().private_key(ec_key());
    let discovered = Provider::discover(&origin, transport()).expect("a provider");
    let discovered = OAuthClient::new(discovered, "tests").secret("c4nary-secret");
    let store = MemoryStore::new();
    let token = Secret::new("c4nary-refresh");
    store
        .save(&format!("{origin}/token tests"), &token)
        .await
        .expect("saved");
    let session = secret.refresh_token(store);
    let subject = || async { Ok::<_, BoxError>("c4nary-subject") };
    let login = client
        .authorization_code()
        .begin("https://app.example.com/")
        .await;
    let login = login.expect("a login");
    let state = login
        .url()
        .split("&state=")
        .nth(1)
        .expect("a state")
        .split('&')
        .next();
    let back = format!("/?code=c4nary-code&state={}", state.expect("a state"));
    let in_body = client
        .clone()
        .secret_in_body("c4nary-secret")
        .client_credentials();
    let answers = vec![
        (
            "client_secret_basic",
            secret.client_credentials().token().await.map(drop),
        ),
        ("client_secret_post", in_body.token().await.map(drop)),
        (
            "private_key_jwt",
            keyed.client_credentials().token().await.map(drop),
        ),
        (
            "discovery",
            discovered.client_credentials().token().await.map(drop),
        ),
        (
            "token exchange",
            secret
                .token_exchange(subject, TokenType::Jwt)
                .token()
                .await
                .map(drop),
        ),
        (
            "device",
            client.device_authorization().begin().await.map(drop),
        ),
        ("code", login.finish(&back).await.map(drop)),
        ("refresh", session.token().await.map(drop)),
    ];
    assert!(session.is_signed_in().await.expect("a store"));
    answers
        .into_iter()
        .map(|(name, answer)| (name, answer.expect_err(name)))
        .collect()
}

#[tokio::test]
async fn faults_on_real_connections_are_errors_that_pass() {
    let (elsewhere, visitors) = elsewhere().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nobody = closed.local_addr().expect("bound").port();
    drop(closed);
    let mut cases = 0;
    let mut check = |fault: &str, all: Vec<(&'static str, AuthError)>| {
        for (name, error) in all {
            let context = format!("{fault}, {name}: {error}");
            let mut printed = format!("{error} {error:?}");
            let mut next = std::error::Error::source(&error);
            while let Some(cause) = next {
                printed.push_str(&format!("{cause} {cause:?}"));
                next = cause.source();
            }
            assert!(!printed.contains("c4nary"), "{printed}");
            assert!(error.to_string().contains("127.0.0.1"), "{context}");
            match fault {
                "Redirect" => assert!(!error.is_transient(), "{context}"),
                _ => {
                    assert!(error.is_transient(), "{context}");
                    assert_eq!(error.kind(), AuthErrorKind::Source, "{context}");
                }
            }
            cases += 1;
        }
    };
    check("nobody listens", answers(nobody, PATIENT).await);
    for fault in FAULTS {
        let patience = match fault {
            Fault::Stalled | Fault::StalledInside => IMPATIENT,
            _ => PATIENT,
        };
        let port = server(fault, elsewhere).await;
        check(&format!("{fault:?}"), answers(port, patience).await);
    }
    assert_eq!(
        visitors.load(Ordering::SeqCst),
        0,
        "no redirect was followed"
    );
    promise(
        9,
        format!("{cases} faults on real connections, 8 requests: each an error that says so"),
    );
}

#[tokio::test]
async fn the_transport_keeps_its_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                while stream.read(&mut request).await? > 0 {
                    let head =
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
                    let answer = format!("{head}: {}\r\n\r\n{JSON}", JSON.len());
                    stream.write_all(answer.as_bytes()).await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    let transport = Transport::hyper().expect("a transport");
    let provider = Provider::new(&format!("http://127.0.0.1:{port}/token"), transport);
    let client = OAuthClient::new(provider.expect("a provider"), "tests");
    for _ in 0..5 {
        client.client_credentials().token().await.expect("a token");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}
