//! Speaking to the database in secret: what its URL says of that, and who is believed to be it.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fail::causes;
use super::open::OpenError;

/// A database's URL, as it was read.
pub struct Target {
    pub config: Config,
    /// The certificates that are trusted; those of the system where none are named.
    roots: Option<PathBuf>,
}

impl Target {
    /// Takes what PostgreSQL's own programs take. `require` checks the certificate as `verify-full`
    /// does: a connection that anybody could have answered is not worth its name.
    pub fn read(url: &str) -> Result<Target, OpenError> {
        let malformed = |why: &str| OpenError::Url(why.replace(url, "…"));
        let (text, roots, checked) = settings(url).map_err(|why| malformed(&why))?;
        let mut config: Config =
            text.parse().map_err(|error: tokio_postgres::Error| malformed(&causes(&error)))?;
        if checked {
            config.ssl_mode(SslMode::Require);
        }
        Ok(Target { config, roots: roots.map(PathBuf::from) })
    }

    pub fn is_secret(&self) -> bool {
        self.config.get_ssl_mode() == SslMode::Require
    }

    pub fn tls(&self) -> Result<MakeRustlsConnect, OpenError> {
        let mut trusted = RootCertStore::empty();
        match &self.roots {
            None => {
                let found = rustls_native_certs::load_native_certs();
                trusted.add_parsable_certificates(found.certs);
            }
            Some(path) => {
                let unusable = |why: String| {
                    OpenError::Url(format!("sslrootcert={} cannot be used: {why}", path.display()))
                };
                let found = CertificateDer::pem_file_iter(path);
                for certificate in found.map_err(|error| unusable(error.to_string()))? {
                    let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                    trusted.add(certificate).map_err(|error| unusable(error.to_string()))?;
                }
                if trusted.is_empty() {
                    return Err(unusable("there is no certificate in it".to_owned()));
                }
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OpenError::Database(error.to_string()))?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(config))
    }
}

/// The text without what the library does not know, the file that `sslrootcert` names, and whether
/// `sslmode` wants the certificate checked.
fn settings(url: &str) -> Result<(String, Option<String>, bool), String> {
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let (start, list, between) = match url.split_once('?') {
        Some((start, list)) if is_url => (format!("{start}?"), list, '&'),
        None if is_url => return Ok((url.to_owned(), None, false)),
        Some(_) | None => (String::new(), url, ' '),
    };
    let (mut kept, mut roots, mut checked) = (Vec::new(), None, false);
    for part in list.split(between) {
        match part.split_once('=') {
            Some(("sslrootcert", path)) => roots = Some(plain(path, is_url)?),
            Some(("sslmode", "verify-full")) => checked = true,
            Some(("sslmode", "verify-ca")) => {
                let why = "sslmode=verify-ca is not offered: it believes any name; use verify-full";
                return Err(why.to_owned());
            }
            Some(_) | None => kept.push(part),
        }
    }
    let text = format!("{start}{}", kept.join(&between.to_string()));
    Ok((text.trim_end_matches('?').to_owned(), roots, checked))
}

fn plain(value: &str, is_url: bool) -> Result<String, String> {
    if !is_url {
        return Ok(value.trim_matches('\'').to_owned());
    }
    // A plus stands for itself here, as it does in paths.
    let field = format!("path={}", value.replace('+', "%2B"));
    let decoded = form_urlencoded::parse(field.as_bytes()).next();
    decoded.map(|(_, text)| text.into_owned()).ok_or_else(|| "sslrootcert is empty".to_owned())
}
