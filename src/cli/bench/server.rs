//! The server that is measured: this same program, in a process of its own.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use super::load::{Connection, request};
use crate::cli::Failure;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// From the start of the process until it said that it is ready.
    pub ready_after: Duration,
}

impl Server {
    pub async fn start(data: &Path) -> Result<Server, Failure> {
        Server::start_with(data, &[]).await
    }

    pub async fn start_with(data: &Path, variables: &[(&str, &str)]) -> Result<Server, Failure> {
        let wrong = |problem: std::io::Error| Failure::new(format!("the server: {problem}"));
        let address = free_address().map_err(wrong)?;
        let program = std::env::current_exe().map_err(wrong)?;
        let log = fs::File::create(data.with_extension("log")).map_err(wrong)?;
        let began = Instant::now();
        let child = Command::new(program)
            .arg("serve")
            .arg("--listen")
            .arg(address.to_string())
            .arg("--data")
            .arg(data)
            .env("REFUNDRY_LOG_LEVEL", "warn")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(wrong)?;
        let mut server = Server { child, address, ready_after: Duration::ZERO };
        while !server.is_ready().await {
            if began.elapsed() > PATIENCE {
                return Err(Failure::new("the server did not become ready"));
            }
            if let Ok(Some(status)) = server.child.try_wait() {
                let said = fs::read_to_string(data.with_extension("log")).unwrap_or_default();
                return Err(Failure::new(format!("the server ended ({status}): {said}")));
            }
            sleep(Duration::from_millis(1)).await;
        }
        server.ready_after = began.elapsed();
        Ok(server)
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else { return false };
        connection.send(&request("GET", "/readyz", "", None, "")).await.is_ok()
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let file = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop_now(&mut self) -> Result<(), Failure> {
        let process = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(process) = process {
            // When it is gone already, there is nothing to ask.
            let _ = kill_process(process, Signal::TERM);
        }
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => sleep(Duration::from_millis(5)).await,
                Err(problem) => return Err(Failure::new(format!("the server: {problem}"))),
            }
        }
        Err(Failure::new("the server did not stop"))
    }
}

/// A measurement that fails leaves no server behind.
impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
