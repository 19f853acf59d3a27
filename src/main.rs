fn main() -> std::process::ExitCode {
    refundry::run()
}
