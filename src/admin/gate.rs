//! Access control: accepts requests that are sent to this server, do not come from another site's page, and show a
//! token or a certificate with the necessary permission.
//!
//! A client that is known by its certificate needs no token for the requests that it may send. Other clients need a
//! token if any token is configured. If neither tokens nor clients are configured, everybody who can reach the loopback
//! address, or who shows an accepted certificate, may do everything.
//!
//! A browser on the operator's machine can reach loopback, and runs the scripts of any page. A page's host name may
//! resolve to 127.0.0.1 (DNS rebinding), so `Host` must be an address, `localhost` or a name from the configuration. A
//! page may send requests whose answers it cannot read (CSRF), so an `Origin` must be this server's own.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::Extension;
use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;

use super::encryption::Peer;
use super::refusal::ApiError;
use super::rooms::{Room, Visit};
use super::{AppState, external_dns, leases, page, txt};
use crate::config::{Admin, Client, Grant, Purpose};
use crate::lease::Asker;

/// True for the paths that need no token: `/healthz`, which anycast speakers and load balancers request, and
/// the page. Its files are the same everywhere and hold no secret; what it shows comes from paths that need a token.
fn is_open(path: &str) -> bool {
    path == "/healthz" || page::is_page(path)
}

/// The way by which a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Over a port of an address that other machines reach.
    Network,
    /// Over a port of a loopback address.
    Loopback,
    /// Over the socket in the file system, which only its owner can open. Every request is allowed.
    File,
}

/// The sender of a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The name of the token or of the client, or a name of its certificate; `None` if it has none of them.
    name: Option<Box<str>>,
    /// True if it may give orders.
    may_order: bool,
}

/// True if the caller may read the state of the node. It belongs to requests for paths that need no token.
#[derive(Clone, Copy, Debug)]
pub(super) struct MayRead(pub(super) bool);

/// The author of an order if neither the order nor its caller has a name.
const SOMEBODY: &str = "admin API";

impl Caller {
    /// Returns the author of an order: the one that the order names, else the name of the caller.
    pub(super) fn who(&self, said: String) -> Box<str> {
        if said.is_empty() { self.name.clone().unwrap_or_else(|| SOMEBODY.into()) } else { said.into() }
    }

    /// Returns who claims or releases a lease. What the request itself says does not count.
    pub(super) fn asker(&self) -> Asker {
        Asker { name: self.name.clone(), may_order: self.may_order }
    }

    /// A caller without a name who may do everything.
    fn unnamed() -> Self {
        Self { name: None, may_order: true }
    }
}

/// Returns the purposes of a request. A token for any one of them is enough.
fn purposes(method: &Method, path: &str) -> &'static [Purpose] {
    let is_reading = method == Method::GET || method == Method::HEAD;
    match path {
        _ if txt::is_txt(path) && is_reading => &[Purpose::Txt, Purpose::Read],
        _ if txt::is_txt(path) => &[Purpose::Txt],
        "/external-dns/records" | "/external-dns/adjustendpoints" if !is_reading => &[Purpose::ExternalDns],
        _ if external_dns::is_external_dns(path) => &[Purpose::ExternalDns, Purpose::Read],
        _ if is_reading => &[Purpose::Read],
        "/v1/reports" | "/v1/latency" => &[Purpose::Report],
        _ if leases::is_lease(path) => &[Purpose::Register, Purpose::Order],
        _ => &[Purpose::Order],
    }
}

/// The conditions for access.
#[derive(Debug)]
pub(super) struct Gate {
    grants: Vec<Grant>,
    clients: Vec<Client>,
    hosts: Vec<Box<str>>,
}

impl Gate {
    pub(super) fn new(admin: &Admin) -> Self {
        Self { grants: admin.grants.clone(), clients: admin.clients.clone(), hosts: admin.hosts.clone() }
    }

    /// Returns the caller. Fails with the reason why the request is not allowed.
    fn check(
        &self,
        (way, peer): (Way, &Peer),
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        let host = self.check_host(uri, headers)?;
        check_origin(host, headers)?;
        check_site(method, headers)?;
        if is_open(uri.path()) {
            return Ok(Caller { name: None, may_order: false });
        }
        self.check_caller((way, peer), purposes(method, uri.path()), headers)
    }

    /// Returns the caller. Fails if the caller needs a token or a certificate for one of these purposes, and shows
    /// none.
    fn check_caller(
        &self,
        (way, Peer(names)): (Way, &Peer),
        purposes: &[Purpose],
        headers: &HeaderMap,
    ) -> Result<Caller, ApiError> {
        if way == Way::File {
            return Ok(Caller::unnamed());
        }
        let shown = names.as_deref();
        let mut known = self.clients.iter().filter(|client| shown.is_some_and(|names| client.is(names))).peekable();
        let may = |may: &[Purpose]| purposes.iter().any(|purpose| may.contains(purpose));
        let refused = known.peek().map(|client| too_little("certificate", purposes, &client.may));
        if let Some(client) = known.find(|client| may(&client.may)) {
            return Ok(Caller { name: Some(client.name.clone()), may_order: client.may.contains(&Purpose::Order) });
        }
        if !self.grants.is_empty() {
            let is_shown = headers.contains_key(header::AUTHORIZATION);
            return match refused {
                Some(refused) if !is_shown => Err(refused),
                _ => self.check_token(purposes, headers),
            };
        }
        match (shown, refused) {
            (_, Some(refused)) => Err(refused),
            (Some(names), None) if self.clients.is_empty() => {
                Ok(Caller { name: names.first().cloned(), may_order: true })
            }
            (Some(names), None) => {
                let names = names.join(", ");
                let why = format!("no client of [admin.clients] has a name of this certificate: {names}");
                Err(ApiError::new(StatusCode::FORBIDDEN, why))
            }
            (None, None) if way == Way::Loopback => Ok(Caller::unnamed()),
            // The node still listens on the addresses of an earlier configuration, which had tokens.
            (None, None) => {
                let why = "the configuration has neither tokens nor clients, so requests over the network are refused";
                Err(ApiError::new(StatusCode::FORBIDDEN, why))
            }
        }
    }

    /// Returns the request's authority (RFC 9112, section 3.2). Fails if it does not name this server.
    fn check_host<'a>(&self, uri: &'a Uri, headers: &'a HeaderMap) -> Result<&'a str, ApiError> {
        let mut fields = headers.get_all(header::HOST).iter();
        // "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host
        // header field and to any request message that contains more than one Host header field line" (RFC 9112,
        // section 3.2).
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(ApiError::bad("a request needs exactly one Host field"));
        };
        let field = field.to_str().map_err(|_| ApiError::bad("the Host field does not hold a host"))?;
        let named = uri.authority().map_or(field, |authority| authority.as_str());
        for host in [field, named] {
            if !self.is_ours(host) {
                let why = format!("the host `{host}` is neither an address nor among `hosts` of [admin]");
                return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, why));
            }
        }
        Ok(named)
    }

    /// True if a host, with or without a port, can be this server: an address, `localhost` or a configured name.
    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host);
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let is_address = match address {
            Some(v6) => v6.parse::<Ipv6Addr>().is_ok(),
            None => name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        is_address || name.eq_ignore_ascii_case("localhost") || self.hosts.iter().any(|h| h.eq_ignore_ascii_case(name))
    }

    /// Returns the caller that a token names. Fails if there is no token, or it is unknown or not for these purposes.
    fn check_token(&self, purposes: &[Purpose], headers: &HeaderMap) -> Result<Caller, ApiError> {
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN"));
        };
        let of_basic = purposes.contains(&Purpose::ExternalDns).then(|| basic(shown)).flatten();
        let shown = bearer(shown).or(of_basic.as_deref()).unwrap_or_default();
        // All tokens are compared, so that the time of the check does not depend on which of them matches.
        let meant =
            self.grants.iter().fold(None, |meant, grant| if grant.token.is(shown) { Some(grant) } else { meant });
        let Some(grant) = meant else {
            return Err(ApiError::new(StatusCode::UNAUTHORIZED, "the token is unknown"));
        };
        if purposes.iter().any(|purpose| grant.may.contains(purpose)) {
            return Ok(Caller { name: grant.name.clone(), may_order: grant.may.contains(&Purpose::Order) });
        }
        Err(too_little("token", purposes, &grant.may))
    }
}

/// Returns the refusal of a caller whose token or certificate is for other purposes.
fn too_little(shown: &str, purposes: &[Purpose], may: &[Purpose]) -> ApiError {
    let words = |purposes: &[Purpose]| purposes.iter().map(|purpose| purpose.as_str()).collect::<Vec<_>>();
    let (needed, may) = (words(purposes).join(" or "), words(may).join(" and "));
    let why = format!("this request needs a {shown} that may {needed}; this one may {may}");
    ApiError::new(StatusCode::FORBIDDEN, why)
}

/// Checks the `Origin` field. Browsers send it with every request that may change something, and with every request of
/// a script to another origin. Fails if it is not this server's.
fn check_origin(host: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    for origin in headers.get_all(header::ORIGIN) {
        let authority =
            origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        if authority.is_none_or(|authority| !authority.eq_ignore_ascii_case(host)) {
            return Err(ApiError::new(StatusCode::FORBIDDEN, "the request comes from another site's page"));
        }
    }
    Ok(())
}

/// Checks the fields in which browsers say which page a request comes from (Fetch Metadata Request Headers, section 2).
/// Other programs do not send them. A page of another site may link to this server. It may neither give orders, nor
/// embed an answer of this server.
fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let field = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match field("sec-fetch-site") {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => {
            let is_reading = method == Method::GET || method == Method::HEAD;
            let is_link = field("sec-fetch-mode") == Some(b"navigate") && field("sec-fetch-dest") == Some(b"document");
            if is_reading && is_link {
                return Ok(());
            }
            Err(ApiError::new(StatusCode::FORBIDDEN, "the request comes from another site's page"))
        }
    }
}

/// Returns the token after `Bearer` (RFC 6750, section 2.1). Schemes are compared without case (RFC 9110, section
/// 11.1).
fn bearer(field: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = field.as_bytes().split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// Returns the password of the scheme `Basic` (RFC 7617, section 2). external-dns knows a secret only as a part of the
/// URL, and sends it so; the name before it means nothing here.
fn basic(field: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, credentials) = field.as_bytes().split_at_checked(b"Basic ".len())?;
    let credentials =
        BASE64.decode(credentials.trim_ascii()).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic "))?;
    let colon = credentials.iter().position(|&octet| octet == b':')?;
    Some(credentials[colon + 1..].to_vec())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Passes an allowed request to its room and its route, or answers it with an error.
pub(super) async fn keep(
    State((app, way)): State<(Arc<AppState>, Way)>,
    Extension(visit): Extension<Arc<Visit>>,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let gate = app.gate.load();
    let checked = gate.check((way, &peer), request.method(), request.uri(), request.headers());
    let may_read =
        is_open(request.uri().path()) && gate.check_caller((way, &peer), &[Purpose::Read], request.headers()).is_ok();
    drop(gate);
    let room = Room::of(request.method(), request.uri().path());
    let mut response = match checked.and_then(|caller| visit.enter(room).map(|()| caller)) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(MayRead(may_read));
            // Until the body is complete, the connection waits for its client and can be closed for another one.
            // Requests for /healthz can always be closed, because they are short.
            if request.body().is_end_stream() && room != Room::Health {
                visit.hold();
            }
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    visit.release();
    protect(response.headers_mut());
    response
}

/// Adds the fields that forbid browsers to store a response, to guess another type for it, and to show or run it within
/// another site's page. Fields that the response has already stay as they are: the page has rules of its own.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
