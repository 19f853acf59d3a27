use std::io::ErrorKind;
use std::path::Path;
use std::sync::OnceLock;

use refundry_fuzz::server::Server;

/// The server of this process. A fuzzer clears nothing away when it ends, and so it clears away what the
/// one before has left.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let name = std::env::args().next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default();
        let folder = std::env::temp_dir().join("refundry-fuzz").join(name);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                panic!("{}: {error}", folder.display())
            }
            Ok(()) | Err(_) => Server::start(&folder),
        }
    })
}
