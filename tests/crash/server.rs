//! The real binary as a process, and a small client that knows when a connection broke.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes longer, on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The connection was closed before a byte of the answer came.
const UNANSWERED: &str = "the connection was closed without an answer";

/// Any free port of this machine.
pub const LOCAL: &str = "127.0.0.1:0";

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// What it said on stdout before it was ready.
    pub said: Vec<String>,
}

pub fn refundry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refundry"));
    // The settings of whoever runs the tests are not the tests'.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("REFUNDRY_")) {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub fn run(arguments: &[&str], data: &Path) -> Output {
    refundry().args(arguments).arg("--data").arg(data).output().unwrap()
}

impl Server {
    pub fn start(data: &Path) -> Server {
        Server::start_with(data, &[])
    }

    pub fn start_with(data: &Path, variables: &[(&str, &str)]) -> Server {
        Server::start_as(refundry(), LOCAL, data, variables)
    }

    /// The program in some place of its own, listening at an address there.
    pub fn start_as(
        mut program: Command,
        listen: &str,
        data: &Path,
        variables: &[(&str, &str)],
    ) -> Server {
        let log = data.with_extension("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = program
            .args(["serve", "--listen", listen, "--data"])
            .arg(data)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let ready = line.strip_prefix("Refundry is ready at http://").map(str::to_owned);
            said.push(line);
            if let Some(address) = ready {
                return Server { child, address: address.parse().unwrap(), said };
            }
        }
        let status = child.wait().unwrap();
        panic!("{status}: {}", std::fs::read_to_string(&log).unwrap_or_default());
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }

    pub fn client(&self, key: &str) -> Client {
        Client::new(self.address, key)
    }
}

/// A test that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub struct Client {
    address: SocketAddr,
    key: String,
    stream: Option<BufReader<TcpStream>>,
    pub patience: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The answer, which must be a success.
    pub fn good(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert!((200..300).contains(&self.status), "{}: {text}", self.status);
        self.json()
    }
}

impl Client {
    pub fn new(address: SocketAddr, key: &str) -> Client {
        Client { address, key: key.to_owned(), stream: None, patience: PATIENCE }
    }

    pub fn move_to(&mut self, address: SocketAddr) {
        if self.address != address {
            self.address = address;
            self.stream = None;
        }
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, "", "")
    }

    pub fn post(&mut self, path: &str, key: &str, body: &str) -> io::Result<Answer> {
        self.send("POST", path, key, body)
    }

    /// For what takes no idempotency key.
    pub fn post_unkeyed(&mut self, path: &str, body: &str) -> io::Result<Answer> {
        self.send("POST", path, "", body)
    }

    fn send(&mut self, method: &str, path: &str, key: &str, body: &str) -> io::Result<Answer> {
        let kept = self.stream.is_some();
        let answer = self.exchange(method, path, key, body);
        let Err(error) = &answer else { return answer };
        self.stream = None;
        // A server closes connections that were idle for long, perhaps at this very moment: as any
        // client, ask once more by a new one, where asking twice is asking once.
        let again = kept && error.to_string() == UNANSWERED && (method == "GET" || !key.is_empty());
        let answer = if again { self.exchange(method, path, key, body) } else { return answer };
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn exchange(&mut self, method: &str, path: &str, key: &str, body: &str) -> io::Result<Answer> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(self.patience))?;
            stream.set_nodelay(true)?;
            self.stream = Some(BufReader::new(stream));
        }
        let stream = self.stream.as_mut().unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: refundry\r\nAuthorization: Bearer {}\r\n",
            self.key
        );
        if method == "POST" {
            let length = body.len();
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {length}\r\n"
            ));
            if !key.is_empty() {
                head.push_str(&format!("Idempotency-Key: {key}\r\n"));
            }
        }
        stream.get_mut().write_all(format!("{head}\r\n{body}").as_bytes())?;
        read_answer(stream)
    }
}

fn read_answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let broken = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off");
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, UNANSWERED));
    }
    let status = line.split(' ').nth(1).and_then(|text| text.parse().ok()).ok_or_else(broken)?;
    let (mut length, mut replayed) = (None, false);
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            return Err(broken());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok(),
            "idempotent-replayed" => replayed = value.trim() == "true",
            _ => {}
        }
    }
    let mut body = vec![0; length.ok_or_else(broken)?];
    stream.read_exact(&mut body)?;
    Ok(Answer { status, replayed, body })
}

/// Looks until it is so; a state that never comes is a failure, with its name.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The first admin key of a data directory.
pub fn admin_key(data: &Path) -> String {
    std::fs::read_to_string(data.join("admin.key")).unwrap().trim().to_owned()
}

/// An order of so many cents with one sandbox payment; answers its name.
pub fn register(client: &mut Client, reference: &str, cents: i64, script: &str) -> String {
    let amount = decimal(cents);
    let body = format!(
        r#"{{"reference": "{reference}", "currency": "EUR",
            "lines": [{{"kind": "product", "sku": "s", "quantity": 1, "amount": "{amount}"}}],
            "payments": [{{"provider": "sandbox", "method": "card", "amount": "{amount}",
                          "provider_reference": "{script}"}}]}}"#
    );
    let answer = client.post("/v1/orders", &format!("order-{reference}"), &body).unwrap();
    answer.good()["id"].as_str().unwrap().to_owned()
}

pub fn refund_body(order: &str, cents: i64) -> String {
    format!(r#"{{"order": "{order}", "amount": "{}"}}"#, decimal(cents))
}

/// Every refund there is, newest first.
pub fn all_refunds(client: &mut Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut path = "/v1/refunds?limit=100".to_owned();
    loop {
        let page = client.get(&path).unwrap().good();
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] != true {
            return all;
        }
        path = format!("/v1/refunds?limit=100&after={}", page["next_cursor"].as_str().unwrap());
    }
}

/// Waits until no refund is on its way any more.
pub fn until_settled(client: &mut Client) {
    until("every refund is settled", || {
        ["pending", "processing"].iter().all(|state| {
            let page = client.get(&format!("/v1/refunds?limit=1&state={state}")).unwrap().good();
            page["data"].as_array().unwrap().is_empty()
        })
    });
}

pub fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

pub fn cents(value: &Value) -> i64 {
    let (whole, part) = value.as_str().unwrap().split_once('.').unwrap();
    assert_eq!(part.len(), 2, "{value}");
    whole.parse::<i64>().unwrap() * 100 + part.parse::<i64>().unwrap()
}
