//! The load: connections that are kept, each sending one request after the other. Written by hand
//! so that it takes as little as possible of the cores that it shares with the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::cli::Failure;

/// The times of many like things.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    /// In nanoseconds, the shortest first.
    sorted: Vec<u64>,
    pub took: Duration,
}

impl Latencies {
    pub fn of(mut nanos: Vec<u64>, took: Duration) -> Latencies {
        nanos.sort_unstable();
        Latencies { sorted: nanos, took }
    }

    pub fn count(&self) -> u64 {
        u64::try_from(self.sorted.len()).unwrap_or(u64::MAX)
    }

    pub fn per_second(&self) -> u64 {
        rate(self.count(), self.took)
    }

    /// The time that so many thousandths of them stay under, in nanoseconds.
    pub fn permille(&self, permille: usize) -> u64 {
        let at = self.sorted.len().saturating_sub(1) * permille / 1000;
        self.sorted.get(at).copied().unwrap_or(0)
    }
}

pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How many a second, rounded down.
pub fn rate(count: u64, took: Duration) -> u64 {
    let per_second = u128::from(count) * 1_000_000_000 / took.as_nanos().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// Makes the `n`th request of all connections together.
pub type Make = Arc<dyn Fn(u64) -> Vec<u8> + Send + Sync>;

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, key: &str, once: Option<&str>, body: &str) -> Vec<u8> {
    let once = once.map_or_else(String::new, |once| format!("idempotency-key: {once}\r\n"));
    let length = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len())
    };
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n");
    format!("{head}{once}{length}\r\n{body}").into_bytes()
}

/// What a client asks next, after an answer, before it has what it wants.
pub type Then = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// How long a client waits before it asks next.
const PAUSE: Duration = Duration::from_millis(5);

/// Sends requests over so many connections for so long; every answer must be a success.
pub async fn run(
    to: SocketAddr,
    connections: usize,
    time: Duration,
    make: Make,
) -> Result<Latencies, Failure> {
    run_until(to, connections, time, make, Arc::new(|_| None)).await
}

/// As [`run`]; a request has taken as long as all that follows it.
pub async fn run_until(
    to: SocketAddr,
    connections: usize,
    time: Duration,
    make: Make,
    then: Then,
) -> Result<Latencies, Failure> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(to).await?);
    }
    let counter = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for mut connection in open {
        let (make, counter, then) = (make.clone(), counter.clone(), then.clone());
        tasks.spawn(async move {
            let mut nanos = Vec::new();
            while began.elapsed() < time {
                let request = make(counter.fetch_add(1, Ordering::Relaxed));
                let one = Instant::now();
                let mut answer = connection.send(&request).await?;
                while let Some(next) = then(&answer) {
                    tokio::time::sleep(PAUSE).await;
                    answer = connection.send(&next).await?;
                }
                nanos.push(self::nanos(one.elapsed()));
            }
            Ok::<_, Failure>(nanos)
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        all.extend(ended.map_err(|problem| Failure::new(problem.to_string()))??);
    }
    Ok(Latencies::of(all, began.elapsed()))
}

/// One kept connection.
pub struct Connection {
    stream: TcpStream,
    /// What was read and not yet used.
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(to).await.map_err(|problem| broken(&problem))?;
        stream.set_nodelay(true).map_err(|problem| broken(&problem))?;
        Ok(Connection { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and waits for its whole answer, which must be a success; returns its body.
    pub async fn send(&mut self, request: &[u8]) -> Result<Vec<u8>, Failure> {
        let (status, body) = self.exchange(request).await?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let shown = String::from_utf8_lossy(&body).into_owned();
        Err(Failure::new(format!("the server answered {status}: {shown}")))
    }

    pub async fn exchange(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>), Failure> {
        let (status, start, whole) = self.whole(request).await?;
        Ok((status, whole[start..].to_vec()))
    }

    /// The head of the answer, whatever it says.
    pub async fn head(&mut self, request: &[u8]) -> Result<String, Failure> {
        let (_, start, whole) = self.whole(request).await?;
        Ok(String::from_utf8_lossy(&whole[..start]).into_owned())
    }

    /// The status, where the body begins, and all of it.
    async fn whole(&mut self, request: &[u8]) -> Result<(u16, usize, Vec<u8>), Failure> {
        self.write(request).await.map_err(|problem| broken(&problem))?;
        loop {
            if let Some((status, start, end)) = parse(&self.buffer)?
                && self.buffer.len() >= end
            {
                let whole = self.buffer.drain(..end).collect();
                return Ok((status, start, whole));
            }
            if self.read().await.map_err(|problem| broken(&problem))? == 0 {
                return Err(broken(&"it closed the connection"));
            }
        }
    }

    async fn write(&self, mut rest: &[u8]) -> io::Result<()> {
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(problem) => return Err(problem),
            }
        }
        Ok(())
    }

    /// Reads what is there, at least a byte; none when the other side has closed.
    async fn read(&mut self) -> io::Result<usize> {
        let mut room = [0; 16 * 1024];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut room) {
                Ok(read) => {
                    self.buffer.extend_from_slice(&room[..read]);
                    return Ok(read);
                }
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => {}
                Err(problem) => return Err(problem),
            }
        }
    }
}

/// The status of an answer, and where its body begins and ends; `None` while its head is not whole.
fn parse(buffer: &[u8]) -> Result<Option<(u16, usize, usize)>, Failure> {
    let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&buffer[..head]).map_err(|problem| broken(&problem))?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok());
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, head + 4, head + 4 + length))),
        (None, _) | (_, None) => Err(broken(&"its answer has no status or no length")),
    }
}

fn broken(problem: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("the server cannot be asked: {problem}"))
}
