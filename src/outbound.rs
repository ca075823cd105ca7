//! The HTTP client for servers that the node asks by itself: receivers of webhooks, and sources of endpoints.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, redirect};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// Returns a client that trusts these authorities. It does not follow redirects: a redirect could send the headers, which
/// may be secret, to any server. It uses no proxy for the same reason.
pub fn client(authorities: impl IntoIterator<Item = CertificateDer<'static>>) -> ClientBuilder {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(authorities);
    // Named explicitly, so that the choice does not depend on other code in the process.
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).redirect(redirect::Policy::none()).no_proxy();
    client.user_agent(concat!("truenorth/", env!("CARGO_PKG_VERSION"))).pool_max_idle_per_host(1)
}

/// Returns the authorities of the system. It reads many files.
pub fn system_authorities() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// Returns the text of the innermost error, which says what happened. The outer ones only say that something failed, and
/// hold the URL.
pub fn root_cause(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// The time that a server asks to wait before the next attempt (RFC 9110, section 10.2.3); a date is ignored.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok()).map(Duration::from_secs)
}
