//! A plain HTTP client over one kept connection, for the commands that talk to a server of ours.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Failure;

pub struct Client {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
    authorization: String,
}

/// What is asked.
pub struct Ask<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub body: Option<&'a str>,
    pub idempotency_key: Option<&'a str>,
}

impl<'a> Ask<'a> {
    pub fn get(path: &'a str) -> Ask<'a> {
        Ask { method: "GET", path, body: None, idempotency_key: None }
    }
}

pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Client {
    /// `secret` is the API key.
    pub async fn connect(to: SocketAddr, secret: &str) -> Result<Client, Failure> {
        let stream = TcpStream::connect(to).await.map_err(|problem| cannot(&problem))?;
        stream.set_nodelay(true).map_err(|problem| cannot(&problem))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|problem| cannot(&problem))?;
        // Ends with the connection; what went wrong is told to whoever is sending.
        tokio::spawn(connection);
        Ok(Client { sender, host: to.to_string(), authorization: format!("Bearer {secret}") })
    }

    pub async fn send(&mut self, ask: &Ask<'_>) -> Result<Reply, Failure> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization);
        if ask.body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(key) = ask.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let body = Full::new(Bytes::copy_from_slice(ask.body.unwrap_or_default().as_bytes()));
        let request = request.body(body).map_err(|problem| cannot(&problem))?;
        self.sender.ready().await.map_err(|problem| cannot(&problem))?;
        let answer = self.sender.send_request(request).await.map_err(|problem| cannot(&problem))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|problem| cannot(&problem))?.to_bytes();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body })
    }
}

fn cannot(problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the server cannot be reached: {problem}"))
}
