//! The command line.

pub mod import;

/// Runs the command line and says with which code to exit.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
