//! Disks that lose, garble, fill up or fail.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::server::{
    Client, Server, admin_key, all_refunds, refund_body, register, run, until, until_settled,
};

/// Books with refunds in them, of a server that was killed.
fn killed_books(home: &Path) -> (PathBuf, String) {
    let data = home.join("data");
    let server = Server::start_with(&data, &[("REFUNDRY_SEAL_EVERY_MS", "50")]);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    for index in 0..20 {
        let order = register(&mut client, &index.to_string(), 10_000, "ch");
        let body = refund_body(&order, 100);
        client.post("/v1/refunds", &format!("r-{index}"), &body).unwrap().good();
    }
    until_settled(&mut client);
    server.kill();
    (data, key)
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// What a start on damaged books says: sending is stopped, or it does not start at all.
fn is_caught(data: &Path, key: &str) -> bool {
    let output = run(&["verify"], data);
    if output.status.code() == Some(2) {
        return true;
    }
    let server = Server::start(data);
    let mut client = server.client(key);
    let stopped = client.get("/readyz").unwrap().json()["sending"] == "stopped";
    if stopped {
        let before = record(data);
        let order = register(&mut client, "after-the-damage", 10_000, "ch");
        let refund = client.post("/v1/refunds", "after", &refund_body(&order, 100)).unwrap().good();
        let path = format!("/v1/refunds/{}", refund["id"].as_str().unwrap());
        // Two looks for due payouts and more.
        std::thread::park_timeout(std::time::Duration::from_millis(300));
        assert_eq!(client.get(&path).unwrap().good()["state"], "pending");
        assert_eq!(record(data), before, "no money is sent");
    }
    stopped
}

fn record(data: &Path) -> Value {
    serde_json::from_slice(&run(&["sandbox"], data).stdout).unwrap()
}

/// Lost refunds would be paid again, or forgotten in silence.
#[test]
fn a_log_without_its_end_is_noticed_each_time_and_stops_sending() {
    let home = TempDir::new().unwrap();
    let (data, key) = killed_books(home.path());
    let length = fs::metadata(data.join("refundry.db-wal")).unwrap().len();
    assert!(length > 0, "a killed server leaves its log");
    for (index, keep) in [length * 9 / 10, length / 2, 0].into_iter().enumerate() {
        let cut = home.path().join(format!("cut-{index}"));
        copied(&data, &cut);
        let wal = OpenOptions::new().write(true).open(cut.join("refundry.db-wal")).unwrap();
        wal.set_len(keep).unwrap();
        assert!(is_caught(&cut, &key), "cut to {keep} of {length} bytes");
    }
}

/// The same, when bytes in the middle are garbled.
#[test]
fn a_garbled_log_is_noticed_each_time_and_stops_sending() {
    let home = TempDir::new().unwrap();
    let (data, key) = killed_books(home.path());
    let length = fs::metadata(data.join("refundry.db-wal")).unwrap().len();
    for (index, at) in [length / 4, length / 2, length * 3 / 4].into_iter().enumerate() {
        let garbled = home.path().join(format!("garbled-{index}"));
        copied(&data, &garbled);
        let wal = OpenOptions::new()
            .read(true)
            .write(true)
            .open(garbled.join("refundry.db-wal"))
            .unwrap();
        let mut bytes = [0; 64];
        wal.read_exact_at(&mut bytes, at).unwrap();
        wal.write_all_at(&bytes.map(|byte| byte ^ 0x55), at).unwrap();
        assert!(is_caught(&garbled, &key), "garbled at {at} of {length} bytes");
    }
}

/// Asks for refunds until one is not taken; answers how many were acknowledged.
fn refund_until_refused(client: &mut Client, order: &str, most: usize) -> usize {
    for index in 0..most {
        let answer = client.post("/v1/refunds", &format!("r-{index}"), &refund_body(order, 1));
        match answer {
            Ok(answer) if answer.status == 201 => {}
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", String::from_utf8_lossy(&answer.body));
                return index;
            }
            Err(error) => panic!("the server went away: {error}"),
        }
    }
    panic!("the fault was never felt")
}

fn check_after_the_fault(data: &Path, key: &str, acknowledged: usize) {
    let server = Server::start_with(data, &[("REFUNDRY_PAYOUTS_LOOK_MS", "100")]);
    let mut client = server.client(key);
    let ready = client.get("/readyz").unwrap().json();
    assert_eq!((&ready["ready"], &ready["sending"]), (&true.into(), &"running".into()), "{ready}");
    let found = all_refunds(&mut client).len();
    // The one that was refused may have been written all the same: it was not known.
    assert!(found == acknowledged || found == acknowledged + 1, "{found} of {acknowledged}");
}

/// An acknowledged refund would be lost when the disk fills up.
#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let home = TempDir::new().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let Some(mounted) = Mounted::tmpfs(&disk, "size=3m") else { return };
    let data = disk.join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let order = register(&mut client, "1", 1_000_000, "ch");
    let acknowledged = refund_until_refused(&mut client, &order, 20_000);
    let ready = client.get("/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", String::from_utf8_lossy(&ready.body));
    server.kill();
    mounted.resize("size=64m");
    check_after_the_fault(&data, &key, acknowledged);
}

/// An acknowledged refund would be lost when the disk fails.
#[test]
fn a_failing_fsync_loses_nothing_that_was_acknowledged() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let order = register(&mut client, "1", 1_000_000, "ch");
    let Some(fault) = Fault::of(&server, "fsync,fdatasync:error=EIO:when=40+") else { return };
    let acknowledged = refund_until_refused(&mut client, &order, 2_000);
    assert!(acknowledged > 0);
    let ready = client.get("/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", String::from_utf8_lossy(&ready.body));
    // The disk is well again, and the server does not believe it until it is started again.
    drop(fault);
    let refused = client.post("/v1/refunds", "later", &refund_body(&order, 1)).unwrap();
    assert_eq!(refused.status, 503);
    assert_eq!(client.get("/readyz").unwrap().status, 503);
    server.kill();
    check_after_the_fault(&data, &key, acknowledged);
}

/// What SQLite had moved out of its log and the disk then lost would be in neither: the log begins
/// again once a later sync succeeds, and a system reports a failed one only once.
#[test]
fn a_failing_fsync_of_the_database_file_ends_writes_and_keeps_the_log() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data);
    let key = admin_key(&data);
    let mut client = server.client(&key);
    let order = register(&mut client, "1", 1_000_000, "ch");
    let file = data.join("refundry.db");
    let injection = "fsync,fdatasync:error=EIO:when=1";
    let Some(fault) = Fault::of_file(&server, injection, Some(&file)) else { return };
    let acknowledged = refund_until_refused(&mut client, &order, 5_000);
    assert!(acknowledged > 0);
    let ready = client.get("/readyz").unwrap();
    assert_eq!(ready.status, 503, "{}", String::from_utf8_lossy(&ready.body));
    drop(fault);
    let log = fs::metadata(data.join("refundry.db-wal")).unwrap().len();
    assert!(server.terminate().success());
    let kept = fs::metadata(data.join("refundry.db-wal")).map_or(0, |file| file.len());
    assert_eq!(kept, log, "a stop does not move it either");
    check_after_the_fault(&data, &key, acknowledged);
}

/// A developer's machine may lack what a fault needs; CI may not.
fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why} here");
    println!("skipped: {why} here");
}

/// A small disk of its own, for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    /// `None` where this may not be done: only root mounts.
    fn tmpfs(at: &Path, options: &str) -> Option<Mounted> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).stderr(Stdio::null());
        let mounted = mount.status().is_ok_and(|status| status.success());
        if !mounted {
            skip("a disk of its own cannot be mounted");
            return None;
        }
        Some(Mounted(at.to_owned()))
    }

    fn resize(&self, options: &str) {
        let options = format!("remount,{options}");
        let status = Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// System calls of a server that fail, for as long as this lives.
struct Fault(Child);

impl Fault {
    /// `None` where there is no strace, or it may not look into other processes.
    fn of(server: &Server, injection: &str) -> Option<Fault> {
        Fault::of_file(server, injection, None)
    }

    /// As [`Fault::of`], of calls that concern one file.
    fn of_file(server: &Server, injection: &str, file: Option<&Path>) -> Option<Fault> {
        let pid = server.pid().to_string();
        let inject = format!("inject={injection}");
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
            "-e",
            &inject,
            "-p",
            &pid,
        ]);
        if let Some(file) = file {
            command.arg("-P").arg(file);
        }
        let Ok(mut strace) = command.stderr(Stdio::piped()).spawn() else {
            skip("there is no strace");
            return None;
        };
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        if !line.contains("attached") {
            skip(&format!("strace may not attach: {line}"));
            let _ = strace.wait();
            return None;
        }
        // Somebody has to read what it says, or it would wait.
        std::thread::spawn(move || said.lines().for_each(drop));
        until("strace has all threads", || strace_has(&pid));
        Some(Fault(strace))
    }
}

/// Whether every thread of the process is traced.
fn strace_has(pid: &str) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().all(|task| {
        fs::read_to_string(task.path().join("status"))
            .is_ok_and(|status| !status.contains("TracerPid:\t0\n"))
    })
}

impl Drop for Fault {
    fn drop(&mut self) {
        let pid = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It detaches; killed, it would leave the server stopped.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}
