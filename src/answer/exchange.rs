//! Checks a query before it is answered: EDNS, cookies, and whether a message of this kind is answered at all.
//!
//! The checks are made in this order, and the first that fails gives the response code:
//!
//! ```text
//!   EDNS version ── BADVERS    opcode ── NOTIMP    the message's form, its options ── FORMERR    TSIG ── NOTAUTH
//!   a required cookie ── BADCOOKIE    the question's type and class ── FORMERR, NOTIMP, REFUSED or NOTAUTH
//! ```

use std::net::IpAddr;

use super::{Asker, Client, Transport, access};
use crate::counters::SubnetUse;
use crate::snapshot::{ServedZone, Snapshot};
use crate::wire::{
    BadSubnet, CLASS_CH, CLASS_IN, ClientSubnet, Cookie, Edns, ExtendedError, InfoCode, MAX_MESSAGE, MAX_PLAIN_UDP,
    Message, Opt, Options, Query, Question, Rcode, Rtype,
};

const OPCODE_QUERY: u8 = 0;

/// The only EDNS version (RFC 6891, section 6.1.3).
const EDNS_VERSION: u8 = 0;

/// Length of a unit of edns-tcp-keepalive in milliseconds (RFC 7828, section 3.1).
const KEEPALIVE_UNIT: u128 = 100;

/// A query, its asker, and the meaning of its options.
#[derive(Debug)]
pub struct Exchange<'a> {
    snapshot: &'a Snapshot,
    query: &'a Query<'a>,
    asker: Asker,
    now: u64,
    /// `None` without EDNS, with another EDNS version, or if the options cannot be read.
    options: Option<&'a Options<'a>>,
    /// The Client Subnet option or its fault; `None` if the query has no such option, or if it is disabled.
    subnet: Option<&'a Result<ClientSubnet<'a>, BadSubnet>>,
    cookie: Option<Held<'a>>,
    /// The OPT record of the reply; `None` without EDNS.
    opt: Option<Opt<'a>>,
    admission: Admission<'a>,
}

/// A well-formed COOKIE option, and whether the server cookie in it is valid.
#[derive(Debug)]
struct Held<'a> {
    cookie: &'a Cookie<'a>,
    is_valid: bool,
}

/// The part of the node that answers a message.
#[derive(Clone, Copy, Debug)]
pub(super) enum Admission<'a> {
    /// The zones answer.
    Question(&'a Question<'a>),
    /// The node itself answers, because the question is of class CH.
    Identity(&'a Question<'a>),
    /// A transfer of this zone answers.
    Transfer(&'a Question<'a>, &'a ServedZone),
    /// Nobody answers: the query is rejected.
    Rejection(&'static Rejection),
}

/// The response code of a rejected query, and an explanation for the asker if there is one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rejection {
    pub(super) rcode: Rcode,
    why: Option<ExtendedError>,
}

impl Rejection {
    const NOT_IMPLEMENTED: Self = Self::new(Rcode::NotImp, InfoCode::NotSupported, "opcode");
    const LONG_OPTION: Self = Self::malformed("an option runs past the OPT record");
    const COOKIE: Self = Self::malformed("cookie: length is neither 8 nor 16 to 40");
    const META_TYPE: Self = Self::new(Rcode::NotImp, InfoCode::NotSupported, "question type");
    /// RFC 9824, section 3.5: "If an explicit query for the NXNAME RR type is received, the DNS server MUST return a
    /// Format Error (response code FORMERR)."
    const NXNAME: Self = Self::new(Rcode::FormErr, InfoCode::InvalidQueryType, "NXNAME is not a type of questions");
    const CLASS: Self = Self::new(Rcode::Refused, InfoCode::NotAuthoritative, "no zone here is of this class");

    const fn plain(rcode: Rcode) -> Self {
        Self { rcode, why: None }
    }

    pub(super) const fn new(rcode: Rcode, code: InfoCode, text: &'static str) -> Self {
        Self { rcode, why: Some(ExtendedError { code, text }) }
    }

    const fn malformed(text: &'static str) -> Self {
        Self::new(Rcode::FormErr, InfoCode::Other, text)
    }

    fn of_subnet(fault: BadSubnet) -> &'static Self {
        match fault {
            BadSubnet::Short => &const { Self::malformed(BadSubnet::Short.as_str()) },
            BadSubnet::Family => &const { Self::malformed(BadSubnet::Family.as_str()) },
            BadSubnet::Source => &const { Self::malformed(BadSubnet::Source.as_str()) },
            BadSubnet::Scope => &const { Self::malformed(BadSubnet::Scope.as_str()) },
            BadSubnet::AddressLength => &const { Self::malformed(BadSubnet::AddressLength.as_str()) },
            BadSubnet::AddressBits => &const { Self::malformed(BadSubnet::AddressBits.as_str()) },
        }
    }
}

impl<'a> Exchange<'a> {
    /// Checks a query, and decides who answers it. `now` is the time in Unix seconds.
    #[inline(never)]
    pub fn new(snapshot: &'a Snapshot, query: &'a Query<'a>, asker: Asker, now: u64) -> Self {
        // Options of other EDNS versions have an unknown meaning, so they are ignored.
        let edns = query.edns.as_ref().filter(|edns| edns.version == EDNS_VERSION);
        let options = edns.and_then(|edns| edns.options.as_ref().ok());
        let subnet = options.and_then(|options| options.client_subnet.as_ref());
        let subnet = subnet.filter(|_| snapshot.world().ecs.enabled);
        let cookie = options.and_then(|options| options.cookie.as_ref()?.as_ref().ok());
        let cookie = cookie
            .map(|cookie| Held { cookie, is_valid: cookie.is_valid(asker.address, now, snapshot.cookie_secrets()) });
        let admission = Admission::Rejection(&const { Rejection::plain(Rcode::FormErr) });
        let mut exchange = Self { snapshot, query, asker, now, options, subnet, cookie, opt: None, admission };
        // RFC 6891, section 6.1.1: "If an OPT record is present in a received request, compliant responders MUST
        // include an OPT record in their respective responses."
        if let Some(edns) = &query.edns {
            exchange.add_opt(edns);
        }
        exchange.admission = exchange.admit().unwrap_or_else(Admission::Rejection);
        exchange
    }

    pub(super) fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    pub(super) fn query(&self) -> &'a Query<'a> {
        self.query
    }

    /// Returns the asker.
    pub fn asker(&self) -> Asker {
        self.asker
    }

    pub(super) fn admission(&self) -> Admission<'a> {
        self.admission
    }

    /// Returns the question if the zones must answer it.
    pub fn question(&self) -> Option<&'a Question<'a>> {
        match self.admission {
            Admission::Question(question) => Some(question),
            Admission::Identity(_) | Admission::Transfer(..) | Admission::Rejection(..) => None,
        }
    }

    /// Returns the time in Unix seconds.
    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// True if the asker wants signatures (RFC 3225, section 3).
    pub(super) fn is_dnssec_ok(&self) -> bool {
        self.opt.as_ref().is_some_and(|opt| opt.dnssec_ok)
    }

    /// True if the asker accepts NXDOMAIN beside a compact proof (RFC 9824, section 5.1).
    pub(super) fn is_compact_ok(&self) -> bool {
        self.opt.as_ref().is_some_and(|opt| opt.compact_ok)
    }

    /// Returns the client that the answer is for.
    pub fn client(&self) -> Client {
        Client::find(&self.snapshot.world().ecs, self.client_subnet(), self.asker.address)
    }

    /// True if the asker has proven with a cookie that it uses its own address.
    pub fn has_valid_cookie(&self) -> bool {
        self.cookie.as_ref().is_some_and(|held| held.is_valid)
    }

    /// True if the query contains an option that its transport forbids. RFC 9250, section 5.5.2: clients and servers
    /// "MUST NOT send the edns-tcp-keepalive EDNS(0) Option [RFC7828] in any messages sent on a DoQ connection".
    pub fn breaks_protocol(&self) -> bool {
        self.asker.transport == Transport::Quic && self.options.is_some_and(|options| options.asks_keepalive)
    }

    /// Begins the reply. If the query was rejected, the reply says why.
    pub(super) fn reply<'b>(&'b self, out: &'b mut [u8]) -> Message<'b>
    where
        'a: 'b,
    {
        let mut reply = self.begin(out);
        if let Admission::Rejection(rejection) = self.admission {
            self.reject(rejection, &mut reply);
        }
        reply
    }

    /// Begins the reply to a query that was not rejected.
    #[inline]
    pub(super) fn begin<'b>(&'b self, out: &'b mut [u8]) -> Message<'b>
    where
        'a: 'b,
    {
        Message::begin(out, self.limit(), self.query, self.opt.as_ref())
    }

    #[cold]
    fn reject<'b>(&'b self, rejection: &Rejection, reply: &mut Message<'b>) {
        if let Some(why) = rejection.why {
            reply.explain(why);
        }
        if let Some(tsig) = self.query.tsig.as_ref().filter(|_| rejection.rcode == Rcode::NotAuth) {
            reply.disown_key(tsig);
        }
    }

    /// Returns the maximum length of the reply in octets.
    pub(super) fn limit(&self) -> usize {
        match (self.asker.transport.is_stream(), &self.query.edns) {
            (true, _) => MAX_MESSAGE,
            // RFC 6891, section 6.2.3: "Values lower than 512 MUST be treated as equal to 512."
            (false, Some(edns)) => {
                usize::from(edns.payload.min(self.snapshot.world().protocol.payload)).max(MAX_PLAIN_UDP)
            }
            (false, None) => MAX_PLAIN_UDP,
        }
    }

    /// Adds the OPT record of the reply. It is filled in place, because most options are rare.
    #[inline]
    fn add_opt(&mut self, edns: &Edns<'_>) {
        let protocol = &self.snapshot.world().protocol;
        // RFC 3225, section 3: "The DO bit of the query MUST be copied in the response." RFC 9824, section 5.1: in
        // responses to queries with CO, "an authoritative server implementing both Compact Denial of Existence and this
        // signaling scheme will set the Compact Answers OK EDNS header flag". No other flag is copied.
        let (dnssec_ok, compact_ok) = (edns.dnssec_ok, edns.dnssec_ok && edns.compact_ok);
        let opt = self.opt.insert(Opt { payload: protocol.payload, dnssec_ok, compact_ok, ..Opt::default() });
        let Some(options) = self.options else { return };
        if let Some(Ok(subnet)) = self.subnet {
            opt.client_subnet = Some(subnet.octets);
        }
        if let (Some(held), Some(secret)) = (&self.cookie, self.snapshot.cookie_secrets().first()) {
            opt.cookie = Some(held.cookie.renew(self.asker.address, self.now, secret));
        }
        if options.asks_nsid {
            opt.nsid = protocol.identity.nsid.as_deref().map(str::as_bytes);
        }
        if options.asks_keepalive {
            opt.keepalive = keepalive(self.asker);
        }
        // RFC 7830, section 6: only encrypted transports use padding. A message with a TSIG record is not padded, because
        // that record comes after the padding.
        opt.is_padded = options.is_padded && self.asker.transport.is_encrypted() && self.query.tsig.is_none();
    }

    /// Returns the Client Subnet option if it is valid and enabled.
    fn client_subnet(&self) -> Option<&'a ClientSubnet<'a>> {
        self.subnet?.as_ref().ok()
    }

    /// Returns the network of the Client Subnet option and its source prefix length, if the option is valid and names a
    /// network.
    pub(super) fn subnet_prefix(&self) -> Option<(IpAddr, u8)> {
        let subnet = self.client_subnet()?;
        Some((subnet.address?, subnet.source))
    }

    /// Returns how the query uses Client Subnet; `None` without the option, or if it is disabled.
    pub(super) fn subnet_use(&self) -> Option<SubnetUse> {
        Some(match self.subnet? {
            Ok(ClientSubnet { address: Some(_), source, .. }) if *source > 0 => SubnetUse::Network,
            Ok(_) => SubnetUse::Private,
            Err(_) => SubnetUse::Malformed,
        })
    }

    /// Decides who answers the query. Fails with the rejection.
    #[inline]
    fn admit(&self) -> Result<Admission<'a>, &'static Rejection> {
        if self.query.edns.as_ref().is_some_and(|edns| edns.version > EDNS_VERSION) {
            return Err(&const { Rejection::plain(Rcode::BadVers) });
        }
        if self.query.opcode != OPCODE_QUERY {
            return Err(&Rejection::NOT_IMPLEMENTED);
        }
        let (Ok(question), Ok(())) = (&self.query.question, self.query.records) else {
            return Err(&const { Rejection::plain(Rcode::FormErr) });
        };
        self.check_options()?;
        if self.query.tsig.is_some() {
            // RFC 8945, section 5.2.1: "If a non-forwarding server does not recognize the key [...] the server MUST
            // generate an error response with RCODE 9 (NOTAUTH) and TSIG ERROR 17 (BADKEY)."
            return Err(&const { Rejection::plain(Rcode::NotAuth) });
        }
        let question = question.as_ref().ok_or_else(|| self.without_question())?;
        self.check_cookie()?;
        self.admit_question(question)
    }

    #[inline]
    fn check_options(&self) -> Result<(), &'static Rejection> {
        let Some(edns) = &self.query.edns else { return Ok(()) };
        if edns.options.is_err() {
            return Err(&Rejection::LONG_OPTION);
        }
        if let Some(Err(fault)) = self.subnet {
            return Err(Rejection::of_subnet(*fault));
        }
        match self.options.map(|options| &options.cookie) {
            Some(Some(Err(_))) => Err(&Rejection::COOKIE),
            _ => Ok(()),
        }
    }

    /// Returns the response to a query without a question. Such a query asks for a cookie, or whether its cookie is
    /// valid (RFC 7873, section 5.4). If it has no cookie, it is malformed.
    fn without_question(&self) -> &'static Rejection {
        match &self.cookie {
            Some(held) if held.cookie.has_server_cookie() && !held.is_valid => {
                &const { Rejection::plain(Rcode::BadCookie) }
            }
            Some(_) => &const { Rejection::plain(Rcode::NoError) },
            None => &const { Rejection::plain(Rcode::FormErr) },
        }
    }

    /// Fails if a valid cookie is required and the query contains another one. The reply with BADCOOKIE gives the asker
    /// a valid one (RFC 7873, sections 5.2.3 and 5.2.4). Over a stream the asker's address is already proven. Askers
    /// without cookies are answered as usual (section 5.2.1).
    fn check_cookie(&self) -> Result<(), &'static Rejection> {
        let is_required = self.snapshot.world().protocol.cookies.are_required && !self.asker.transport.is_stream();
        match &self.cookie {
            Some(held) if is_required && !held.is_valid => Err(&const { Rejection::plain(Rcode::BadCookie) }),
            _ => Ok(()),
        }
    }

    #[inline]
    fn admit_question(&self, question: &'a Question<'a>) -> Result<Admission<'a>, &'static Rejection> {
        if question.class == CLASS_IN && !question.rtype.is_meta() {
            Ok(Admission::Question(question))
        } else {
            self.admit_special(question)
        }
    }

    /// Decides the same for a question of another class, or for a type that no record in a zone has.
    #[inline(never)]
    fn admit_special(&self, question: &'a Question<'a>) -> Result<Admission<'a>, &'static Rejection> {
        match question.rtype {
            // These records belong to messages; no question can ask for them.
            Rtype::OPT | Rtype::TSIG => return Err(&const { Rejection::plain(Rcode::FormErr) }),
            // A transfer needs a stream (RFC 1035, section 4.2). IXFR may come over UDP (RFC 1995, section 2), so
            // `find_zone` refuses it there without calling it malformed.
            Rtype::AXFR if !self.asker.transport.is_stream() => {
                return Err(&const { Rejection::plain(Rcode::FormErr) });
            }
            Rtype::AXFR | Rtype::IXFR if question.class == CLASS_IN => {
                let zone = access::find_zone(self.snapshot, self.query, question, self.asker)?;
                return Ok(Admission::Transfer(question, zone));
            }
            Rtype::AXFR | Rtype::IXFR | Rtype::ANY => {}
            Rtype::NXNAME => return Err(&Rejection::NXNAME),
            rtype if rtype.is_meta() => return Err(&Rejection::META_TYPE),
            _ => {}
        }
        match question.class {
            CLASS_IN => Ok(Admission::Question(question)),
            CLASS_CH => Ok(Admission::Identity(question)),
            _ => Err(&Rejection::CLASS),
        }
    }
}

/// Returns the value of the edns-tcp-keepalive option for an asker that asks for it, in units of 100 ms. Over UDP the
/// option is ignored (RFC 7828, section 3.3.1). HTTPS and QUIC have idle timeouts of their own.
fn keepalive(asker: Asker) -> Option<u16> {
    let idle = asker.idle.filter(|_| matches!(asker.transport, Transport::Tcp | Transport::Tls))?;
    Some(u16::try_from(idle.as_millis() / KEEPALIVE_UNIT).unwrap_or(u16::MAX))
}
