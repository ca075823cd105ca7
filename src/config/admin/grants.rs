//! The tokens of `[admin]`, the clients that it knows by their certificates, and what each may do.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::super::code::Code;
use super::super::decode::{Placed, TomlTable, Value, entries};
use super::super::fault::{Fault, Faults};
use super::super::kept;
use crate::disk::{Contents, Disk};

/// Length of a token in octets. 16 hexadecimal digits are 64 bits, more than anybody can guess over a network.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 16..=1024;

/// Longest name in a certificate, in octets.
const MAX_NAME: usize = 1024;

/// A token and its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The `NAME` of `tokens.NAME`; `None` for the token that may do everything.
    pub name: Option<Box<str>>,
    /// The token.
    pub token: Token,
    /// The permitted purposes; at least one.
    pub may: Vec<Purpose>,
}

/// A client that shows a certificate, and its permissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The `NAME` of `clients.NAME`.
    pub name: Box<str>,
    /// The names of its certificate, any of which it is known by; at least one.
    names: Vec<Box<str>>,
    /// The permitted purposes; at least one.
    pub may: Vec<Purpose>,
}

impl Client {
    /// True if one of these names of a certificate is this client's. Host names are compared without case.
    pub fn is(&self, shown: &[Box<str>]) -> bool {
        let is_same = |one: &str, other: &str| one == other || is_host(one) && one.eq_ignore_ascii_case(other);
        self.names.iter().any(|name| shown.iter().any(|other| is_same(name, other)))
    }
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Read the state of the node and its events.
    Read,
    /// Report the state of endpoints, the outcome of their requests, and round trips.
    Report,
    /// Register endpoints, and release their leases.
    Register,
    /// List, set and unset TXT records.
    Txt,
    /// List and change the records of external-dns.
    ExternalDns,
    /// Change the answers: overrides, roll-outs and reloads.
    Order,
}

impl Purpose {
    /// All purposes with their words.
    pub const ALL: [(&'static str, Self); 6] = [
        ("read", Self::Read),
        ("report", Self::Report),
        ("register", Self::Register),
        ("txt", Self::Txt),
        ("external-dns", Self::ExternalDns),
        ("order", Self::Order),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, purpose)| *purpose == self).map_or("", |(word, _)| word)
    }
}

/// A secret that requests show. Nothing prints it.
#[derive(Clone)]
pub struct Token(Arc<str>);

impl Token {
    /// The secret itself, to send it to a node.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True if the request showed this token. The comparison takes a time that depends only on the length.
    pub fn is(&self, shown: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.0.as_bytes())
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Reads all tokens and their permissions.
pub(super) fn read_grants(table: &mut TomlTable<'_>, folder: &Path, disk: &Disk, faults: &mut Faults) -> Vec<Grant> {
    let mut grants = Vec::new();
    let token = read_token(table, folder, disk, faults);
    grants.extend(token.map(|token| Grant {
        name: None,
        token,
        may: Purpose::ALL.map(|(_, purpose)| purpose).to_vec(),
    }));
    for value in entries(table.take("tokens").as_ref(), "`[admin.tokens]`", faults) {
        let Some(mut table) = value.table("a token", faults) else { continue };
        let before = faults.0.len();
        let token = read_token(&mut table, folder, disk, faults);
        if token.is_none() && !faults.has_errors_since(before) {
            let message = format!("the token `{}` needs `token` or `token_file`", value.key);
            faults.push(Fault::error(&value.anchor(), message, "none here").code(Code::MissingKey));
        }
        let may = read_purposes(&mut table, faults);
        table.finish(faults);
        let Some((token, may)) = token.zip(may) else { continue };
        if grants.iter().any(|other| other.token == token) {
            let message = format!("the token `{}` is the same as another one", value.key);
            faults.push(Fault::error(&value.anchor(), message, "each has its own").code(Code::Credentials));
            continue;
        }
        grants.push(Grant { name: Some(value.key.into()), token, may });
    }
    grants
}

/// Reads the clients that are known by their certificates.
pub(super) fn read_clients(value: Option<&Value<'_>>, faults: &mut Faults) -> Vec<Client> {
    let mut clients: Vec<Client> = Vec::new();
    for value in entries(value, "`[admin.clients]`", faults) {
        let Some(mut table) = value.table("a client", faults) else { continue };
        let names = table.take("names");
        let may = read_purposes(&mut table, faults);
        table.finish(faults);
        let names = match &names {
            Some(names) => {
                let items = names.items("`names` needs a name of the client's certificate", faults);
                items.iter().filter_map(|item| read_name(item, faults)).collect()
            }
            None => vec![Placed { value: Box::from(value.key), place: value.anchor() }],
        };
        for name in &names {
            if let Some(other) = clients.iter().find(|other| other.is(std::slice::from_ref(&name.value))) {
                let message = format!("`{}` is the name of the client `{}` too", name.value, other.name);
                faults.push(Fault::error(&name.place, message, "again").code(Code::Duplicate));
            }
        }
        let names = names.into_iter().map(|name| name.value).collect();
        clients.extend(may.map(|may| Client { name: value.key.into(), names, may }));
    }
    clients
}

fn read_name(item: &Value<'_>, faults: &mut Faults) -> Option<Placed<Box<str>>> {
    let expected = "names of a certificate, such as \"prometheus.example.net\" or \"ada@example.net\"";
    let is_name = |text: &str| text.len() <= MAX_NAME && !text.contains(char::is_control);
    item.parsed(expected, faults, |text| is_name(text).then(|| text.into()))
}

fn read_purposes(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<Vec<Purpose>> {
    let may = table.require("may", faults)?;
    let items = may.items("`may` needs a purpose", faults);
    Some(items.iter().filter_map(|item| item.word(&Purpose::ALL, faults)).map(|purpose| purpose.value).collect())
}

fn is_host(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'*'))
}

/// Reads the token, from its key or from the file that the configuration names.
fn read_token(table: &mut TomlTable<'_>, folder: &Path, disk: &Disk, faults: &mut Faults) -> Option<Token> {
    let (token, file) = (table.take("token"), table.take("token_file"));
    let expected = format!(
        "{} to {} visible characters of ASCII, such as `openssl rand -hex 32` makes",
        TOKEN_LENGTH.start(),
        TOKEN_LENGTH.end()
    );
    match (token, file) {
        (Some(token), Some(file)) => {
            let fault = Fault::error(&file.anchor(), "`token` and `token_file` both give the token", "the second one")
                .code(Code::Conflict);
            faults.push(fault.related(&token.anchor(), "the first one"));
            None
        }
        (Some(token), None) => {
            let place = token.anchor();
            kept::check(&place.source.path, "the token", &place, disk, faults);
            token.parsed(&expected, faults, parse_token).map(|token| token.value)
        }
        (None, Some(file)) => {
            let path = file.string(faults).map(|text| text.with(folder.join(&text.value)))?;
            match disk.read(&path.value) {
                Ok(Contents { octets, .. }) => {
                    kept::check(&path.value, "the token", &path.place, disk, faults);
                    let token = str::from_utf8(&octets).ok().and_then(|text| parse_token(text.trim()));
                    if token.is_none() {
                        let message = format!("{} does not hold {expected}", path.value.display());
                        faults.push(Fault::error(&path.place, message, "").code(Code::Credentials));
                    }
                    token
                }
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.value.display());
                    faults.push(Fault::error(&path.place, message, "").code(Code::File));
                    None
                }
            }
        }
        (None, None) => None,
    }
}

fn parse_token(text: &str) -> Option<Token> {
    let is_visible = text.bytes().all(|octet| octet.is_ascii_graphic());
    (TOKEN_LENGTH.contains(&text.len()) && is_visible).then(|| Token(text.into()))
}
