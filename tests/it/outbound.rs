//! The HTTP client: what it bounds, and that it never calls "not sent" what may have been.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hyper::{Method, Uri};
use refundry::testing::outbound::{Call, Client, Failure, Limits, Resolve, SystemResolver};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

fn limits() -> Limits {
    Limits { connect: Duration::from_millis(500), answer: 1000, ..Limits::default() }
}

fn client() -> Client {
    Client::new(&limits(), Arc::new(SystemResolver))
}

fn post(address: SocketAddr) -> Call {
    to(&format!("http://{address}/pay"))
}

fn to(uri: &str) -> Call {
    let uri: Uri = uri.parse().unwrap();
    Call::new(Method::POST, uri, Duration::from_secs(5)).body("text/plain", "ten euros")
}

/// A far side that hands every connection to `serve`, with its number.
async fn far_side<F, S>(serve: S) -> (SocketAddr, Arc<AtomicUsize>)
where
    S: Fn(TcpStream, usize) -> F + Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream, number));
        }
    });
    (address, count)
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while !text.ends_with(b"ten euros") {
        let read = stream.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        text.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(text).unwrap()
}

fn is_not_sent(failure: &Failure) -> bool {
    matches!(failure, Failure::NotSent(_))
}

#[tokio::test]
async fn an_answer_comes_whole_and_the_connection_is_used_again() {
    let (address, connections) = far_side(|mut stream, _| async move {
        loop {
            let request = read_request(&mut stream).await;
            if request.is_empty() {
                return;
            }
            assert!(request.starts_with("POST /pay HTTP/1.1\r\n"), "{request}");
            assert!(request.to_lowercase().contains("user-agent: refundry/"), "{request}");
            let answer = "HTTP/1.1 402 Payment Required\r\nx-why: because\r\n\
                          content-length: 2\r\n\r\nno";
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        let reply = client.call(post(address)).await.unwrap();
        assert_eq!(reply.status.as_u16(), 402);
        assert_eq!(reply.header("x-why"), Some("because"));
        assert_eq!(&reply.body[..], b"no");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (address, connections) = far_side(|mut stream, _| async move {
        read_request(&mut stream).await;
        let answer = "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\n\
                      content-length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let reply = client().call(post(address)).await.unwrap();
    assert_eq!(reply.status.as_u16(), 307);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_never_left_is_not_sent() {
    // A port that nobody listens at.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let failure = client().call(post(closed)).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
    let failure = client().call(to("http://host.invalid/pay")).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
    let failure = client().call(to("ftp://127.0.0.1/pay")).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
}

/// Neither a greeting that is no TLS, nor one that never comes, lets anything through.
#[tokio::test]
async fn without_trust_nothing_is_sent() {
    let (plain, _) = far_side(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    })
    .await;
    let failure = client().call(to(&format!("https://{plain}/"))).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
    let (silent, _) = far_side(|mut stream, _| async move {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let failure = client().call(to(&format!("https://{silent}/"))).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
    assert!(failure.to_string().contains("no connection in 500 ms"), "{failure}");
    // The same when the whole call's time is over first.
    let mut call = to(&format!("https://{silent}/"));
    call.deadline = Duration::from_millis(100);
    let failure = client().call(call).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
}

#[tokio::test]
async fn what_may_have_arrived_is_not_known() {
    let (hangs_up, connections) = far_side(|mut stream, _| async move {
        read_request(&mut stream).await;
    })
    .await;
    let failure = client().call(post(hangs_up)).await.unwrap_err();
    assert!(!is_not_sent(&failure), "{failure}");
    // And it was not sent a second time.
    assert_eq!(connections.load(Ordering::SeqCst), 1);

    let (silent, _) = far_side(|mut stream, _| async move {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let mut call = post(silent);
    call.deadline = Duration::from_millis(200);
    let failure = client().call(call).await.unwrap_err();
    assert_eq!(failure, Failure::Unknown("no answer in 200 ms".to_owned()));

    // A question without a body: nothing tells whether it has left.
    let uri: Uri = format!("http://{silent}/").parse().unwrap();
    let call = Call::new(Method::GET, uri, Duration::from_millis(200));
    let failure = client().call(call).await.unwrap_err();
    assert!(!is_not_sent(&failure), "{failure}");
}

/// A kept connection that the far side has closed meanwhile: the request goes over a new one, or
/// its fate is not known; it is never taken for not sent.
#[tokio::test]
async fn a_connection_that_died_is_replaced() {
    let (address, connections) = far_side(|mut stream, number| async move {
        read_request(&mut stream).await;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let client = client();
    let first = client.call(post(address)).await.unwrap();
    assert_eq!(&first.body[..], b"0");
    match client.call(post(address)).await {
        Ok(reply) => assert_eq!(&reply.body[..], b"1"),
        Err(failure) => assert!(!is_not_sent(&failure), "{failure}"),
    }
    assert!(connections.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (address, _) = far_side(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
    })
    .await;
    let failure = client().call(post(address)).await.unwrap_err();
    assert_eq!(failure, Failure::Unknown("the answer is longer than 1000 bytes".to_owned()));
}

#[tokio::test]
async fn a_slow_answer_has_a_deadline_too() {
    let (address, _) = far_side(|mut stream, _| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    let mut call = post(address);
    call.deadline = Duration::from_millis(200);
    let failure = client().call(call).await.unwrap_err();
    assert!(!is_not_sent(&failure), "{failure}");
}

/// Refuses every address, and notes what it was asked for.
struct Refuses(parking_lot::Mutex<Vec<String>>);

#[async_trait]
impl Resolve for Refuses {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.0.lock().push(format!("{host} {port}"));
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "this address is not called"))
    }
}

/// Numeric addresses do not get around the resolver.
#[tokio::test]
async fn the_resolver_is_asked_for_every_host() {
    let refuses = Arc::new(Refuses(parking_lot::Mutex::default()));
    let client = Client::new(&limits(), refuses.clone());
    for host in ["http://127.0.0.1:81", "http://[::1]", "https://example.com"] {
        let failure = client.call(to(&format!("{host}/"))).await.unwrap_err();
        assert!(is_not_sent(&failure), "{failure}");
        assert!(failure.to_string().contains("this address is not called"), "{failure}");
    }
    assert_eq!(*refuses.0.lock(), ["127.0.0.1 81", "::1 80", "example.com 443"]);
}

#[tokio::test]
async fn a_trusted_host_is_spoken_to_in_secret() {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let chain = vec![made.cert.der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    let (address, _) = far_side(move |stream, _| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            assert!(read_request(&mut stream).await.ends_with("ten euros"));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await;
    let uri = format!("https://{address}/");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let trusting = Client::trusting(&limits(), Arc::new(SystemResolver), roots);
    assert_eq!(&trusting.call(to(&uri)).await.unwrap().body[..], b"ok");
    // Nobody else vouches for it.
    let failure = client().call(to(&uri)).await.unwrap_err();
    assert!(is_not_sent(&failure), "{failure}");
}
