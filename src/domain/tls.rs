//! The implementation of TLS that every client in the process uses.

/// Makes ring the TLS provider of the process, unless one is set already.
pub fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}
