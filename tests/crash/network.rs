//! The network of one server, which can be cut: nothing comes through then, and nobody is told.
//!
//! Where the machine allows it, the server lives in a network namespace of its own with two cables,
//! one to its clients and one to the database, and the second is unplugged. Elsewhere only what is
//! in between stops passing bytes on.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::server::refundry;

pub struct Network {
    namespace: Option<Namespace>,
    /// Where the server finds the database.
    database: (String, u16),
    stopped: Arc<AtomicBool>,
}

impl Network {
    /// To the database behind this socket.
    pub fn to(socket: PathBuf) -> Network {
        let namespace = Namespace::new()
            .inspect_err(|why| println!("no network namespace of its own here: {why}"))
            .ok();
        let host = namespace.as_ref().map_or("127.0.0.1", |it| &it.database_here).to_owned();
        let listener = TcpListener::bind((host.as_str(), 0)).unwrap();
        let database = (host, listener.local_addr().unwrap().port());
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = stopped.clone();
        std::thread::spawn(move || relay(&listener, &socket, &seen));
        Network { namespace, database, stopped }
    }

    pub fn database(&self) -> String {
        let (host, port) = &self.database;
        format!("host={host} port={port} user=postgres dbname=postgres")
    }

    /// The program, where this network is, and the address that it listens at.
    pub fn refundry(&self) -> (Command, String) {
        match &self.namespace {
            None => (refundry(), "127.0.0.1:0".to_owned()),
            Some(namespace) => {
                let program = refundry();
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &namespace.name]).arg(program.get_program());
                for (name, value) in program.get_envs() {
                    match value {
                        Some(value) => command.env(name, value),
                        None => command.env_remove(name),
                    };
                }
                (command, format!("{}:0", namespace.clients_there))
            }
        }
    }

    pub fn cut(&self, cut: bool) {
        match &self.namespace {
            Some(namespace) => namespace.plug(!cut),
            None => self.stopped.store(cut, Ordering::SeqCst),
        }
    }
}

/// A network namespace with two cables, gone when this is.
struct Namespace {
    name: String,
    clients_there: String,
    database_here: String,
}

impl Namespace {
    fn new() -> Result<Namespace, String> {
        let (pid, third) = (std::process::id(), std::process::id() % 256);
        // Addresses that RFC 2544 keeps for tests.
        let made = Namespace {
            name: format!("refundry-{pid}"),
            clients_there: format!("198.18.{third}.2"),
            database_here: format!("198.19.{third}.1"),
        };
        ip(&format!("netns add {}", made.name))?;
        for (cable, net) in [("c", 18), ("d", 19)] {
            let (here, there) = (format!("rf{cable}{pid}"), format!("rf{cable}{pid}x"));
            ip(&format!("link add {here} type veth peer name {there} netns {}", made.name))?;
            ip(&format!("address add 198.{net}.{third}.1/30 dev {here}"))?;
            ip(&format!("link set {here} up"))?;
            let inside = format!("-n {}", made.name);
            ip(&format!("{inside} address add 198.{net}.{third}.2/30 dev {there}"))?;
            ip(&format!("{inside} link set {there} up"))?;
        }
        Ok(made)
    }

    fn plug(&self, plugged: bool) {
        let cable = format!("rfd{}", std::process::id());
        ip(&format!("link set {cable} {}", if plugged { "up" } else { "down" })).unwrap();
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cables end in it.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    let done = Command::new("ip").args(arguments.split(' ')).output();
    let done = done.map_err(|error| format!("ip: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("ip {arguments}: {}", String::from_utf8_lossy(&done.stderr).trim()))
}

/// Passes on what comes, unless it is stopped.
fn relay(listener: &TcpListener, socket: &PathBuf, stopped: &Arc<AtomicBool>) {
    for near in listener.incoming().flatten() {
        let Ok(far) = UnixStream::connect(socket) else { continue };
        let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
        let (one, two) = (stopped.clone(), stopped.clone());
        std::thread::spawn(move || {
            carry(near, &far, &one);
            let _ = far.shutdown(std::net::Shutdown::Both);
        });
        std::thread::spawn(move || {
            carry(far_too, &near_too, &two);
            let _ = near_too.shutdown(std::net::Shutdown::Both);
        });
    }
}

fn carry(mut from: impl Read, mut to: impl Write, stopped: &AtomicBool) {
    let mut bytes = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while stopped.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
