//! Master files (RFC 1035, section 5; `$TTL` of RFC 2308, section 4; unknown types of RFC 3597, section 5; `$GENERATE`
//! of BIND).
//!
//! ```text
//!   text ─► entries ─► directive: $ORIGIN, $TTL, $INCLUDE      changes the meaning of the entries below it
//!                  ├─► $GENERATE: many records
//!                  └─► record:    [owner] [TTL] [class] type data
//!                                                         └─► RRsets: one TTL, no record twice
//! ```
//!
//! A faulty entry is reported and left out, and reading continues after it: all faults of a file are reported at once.
//! A fault that only follows from an earlier one, such as a record that continues with a faulty owner, is not reported.
//!
//! An included file begins with the origin of its directive, or without one with the origin of the file that includes
//! it. It begins without a last owner. Its origin and its owner end with the file. Its TTL does not: `$TTL` holds for
//! all records after it (RFC 2308, section 4).
//!
//! Addresses of names outside of the zone, which some servers export as glue, are ignored with a warning. Other records
//! there are faults: most of them are typing errors.

mod context;
mod generate;
mod include;
pub(super) mod rrset;

use std::fmt::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use context::{Context, Head, LastOwner, parse_class};
use generate::Template;
pub(super) use include::Includes;

use super::code::Code;
use super::fault::{Fault, Faults, Severity};
use super::presentation::{self, Entries, Entry, Token};
use super::records;
use super::source::{Place, Source};
use super::suggest::did_you_mean;
use super::ttls::MAX_TTL;
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::Record;

/// Maximum number of files that a zone includes; each inclusion counts. Without a limit, ten directives in each of
/// eight nested files would be a hundred million inclusions.
const MAX_INCLUDES: usize = 1000;

/// Deepest nesting of includes. Real zones need two or three.
const MAX_INCLUDE_DEPTH: usize = 8;

/// Maximum number of records that the `$GENERATE` directives of a zone make. A reverse zone for a /16 needs 65,536.
const MAX_GENERATED: usize = 1_000_000;

const DIRECTIVES: [&str; 4] = ["$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE"];

/// A record and the place of its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    /// The record.
    pub record: Record,
    /// From the entry's first token to its last.
    pub place: Place,
}

impl AsRef<Record> for Located {
    fn as_ref(&self) -> &Record {
        &self.record
    }
}

/// The contents of a master file.
#[derive(Debug, Default)]
pub(super) struct Master {
    /// The records, in their order.
    pub records: Vec<Located>,
    /// The files that it includes, in their order.
    pub included: Vec<Included>,
}

/// An included file.
#[derive(Debug)]
pub(super) struct Included {
    /// The path in the directive.
    pub written: String,
    /// The file.
    pub source: Arc<Source>,
}

/// Reads the records of the zone `origin` from `source` and from all files that it includes. Adds what is wrong to
/// `faults`. The records are not [settled](rrset::settle) yet.
///
/// A record without a TTL gets the TTL of `$TTL`, else the last one that was written (RFC 1035, section 5.1), else the
/// MINIMUM of the zone's SOA record above it, which was the default before `$TTL` (RFC 2308, section 4), else
/// `default_ttl`.
pub(super) fn parse_master_file(
    source: &Arc<Source>,
    origin: &Name,
    default_ttl: u32,
    includes: Includes<'_>,
    faults: &mut Faults,
) -> Master {
    let identity = includes.disk.canonicalize(&source.path).unwrap_or_else(|_| source.path.clone());
    let mut reader = Reader {
        zone: origin,
        includes,
        default_ttl,
        directive_ttl: None,
        last_ttl: None,
        open: vec![identity],
        included: Vec::new(),
        is_full: false,
        generated: 0,
        records: Vec::new(),
        faults,
    };
    reader.read(source, origin.clone());
    let Reader { mut records, included, .. } = reader;
    records.shrink_to_fit();
    Master { records, included }
}

struct Reader<'a> {
    zone: &'a Name,
    includes: Includes<'a>,
    /// The caller's, until the zone's SOA record is read.
    default_ttl: u32,
    directive_ttl: Option<u32>,
    last_ttl: Option<u32>,
    /// The files that are being read, by their canonical paths. Each includes the next.
    open: Vec<PathBuf>,
    /// The files that were included so far.
    included: Vec<Included>,
    /// True if the limit of included files was reported.
    is_full: bool,
    /// Number of records that `$GENERATE` made so far.
    generated: usize,
    records: Vec<Located>,
    faults: &'a mut Faults,
}

/// The result of an entry: it has at most one fault.
type Outcome<T> = Result<T, Box<Fault>>;

impl Reader<'_> {
    fn read(&mut self, source: &Arc<Source>, origin: Name) {
        let mut context = Context { source, origin, owner: LastOwner::None, is_cut_short: false };
        let text = source.text();
        let (mut entries, mut entry) = (Entries::new(&text), Entry::default());
        while let Some(read) = entries.read(&mut entry) {
            let outcome = match read {
                Ok(()) if source.is_latin1 => {
                    let texts: Vec<_> = entry.tokens.iter().map(|token| escape_latin1(token.text)).collect();
                    self.entry(&entry.with_texts(&texts), &mut context)
                }
                Ok(()) => self.entry(&entry, &mut context),
                Err(error) => Err(Box::new(context.fault(error.span, error.message).code(Code::Syntax))),
            };
            if let Err(fault) = outcome {
                self.faults.0.push(*fault);
            }
        }
    }

    fn entry(&mut self, entry: &Entry<'_>, context: &mut Context<'_>) -> Outcome<()> {
        let tokens = &entry.tokens[..];
        let span = tokens[0].span.start..tokens[tokens.len() - 1].span.end;
        let may_continue = std::mem::take(&mut context.is_cut_short);
        if entry.indented {
            context.require_owner(&tokens[0])?;
            // The rest of a record that needed parentheses, which was reported.
            if may_continue && !tokens.iter().any(|token| records::parse_rtype(token.text).is_some()) {
                context.is_cut_short = true;
                return Ok(());
            }
            return self.record(tokens, span, context);
        }
        if !tokens[0].quoted && tokens[0].text.starts_with('$') {
            return self.directive(tokens, span, context);
        }
        self.owned_record(tokens, span, context)
    }

    /// Reads an entry that begins with its owner.
    fn owned_record(&mut self, tokens: &[Token<'_>], span: Range<usize>, context: &mut Context<'_>) -> Outcome<()> {
        context.owner = LastOwner::Faulty;
        let owner = context.name(&tokens[0])?;
        context.owner =
            if owner.is_at_or_below(self.zone) { LastOwner::Known(owner) } else { LastOwner::Outside(owner) };
        let read = self.record(&tokens[1..], span, context);
        read.map_err(|fault| match owner_help(&tokens[0]) {
            Some(help) => with_help(fault, help),
            None => fault,
        })
    }

    /// Reads the part of an entry after the owner.
    fn record(&mut self, tokens: &[Token<'_>], span: Range<usize>, context: &mut Context<'_>) -> Outcome<()> {
        let Head { ttl, rtype, length } = context.head(tokens, &span)?;
        if ttl.is_some() {
            self.last_ttl = ttl;
        }
        if let LastOwner::Outside(owner) = &context.owner {
            let message = format!("{owner} is not in zone {}", self.zone);
            let mut fault = context.fault(span, message);
            if !matches!(rtype, Rtype::A | Rtype::AAAA) {
                return Err(fault);
            }
            fault.severity = Severity::Warning;
            "ignored".clone_into(&mut fault.label);
            self.faults.push(*fault);
            return Ok(());
        }
        let rdata = records::rdata_from_tokens(rtype, &tokens[length..], &context.origin).map_err(|error| {
            context.is_cut_short = error.token.is_none();
            let at = error.token.map_or(tokens.len() - 1, |index| length + index);
            let fault = Box::new(error.at(&context.place(tokens[at].span.clone())));
            if is_comment(tokens[at].text) { with_help(fault, COMMENT_HELP) } else { fault }
        })?;
        if rtype == Rtype::SOA {
            let minimum = rdata.last_chunk().copied().map_or(self.default_ttl, u32::from_be_bytes);
            self.default_ttl = minimum.min(MAX_TTL);
        }
        let ttl = ttl.or(self.directive_ttl).or(self.last_ttl).unwrap_or(self.default_ttl);
        // Most owners have one record. The name is copied only if a second record needs it.
        let owner = match std::mem::replace(&mut context.owner, LastOwner::Of(self.records.len())) {
            LastOwner::Known(owner) => owner,
            LastOwner::Of(number) => self.records[number].record.owner.clone(),
            without => {
                context.owner = without;
                return Ok(());
            }
        };
        self.records.push(Located { record: Record { owner, rtype, ttl, rdata }, place: context.place(span) });
        Ok(())
    }

    fn directive(&mut self, tokens: &[Token<'_>], span: Range<usize>, context: &mut Context<'_>) -> Outcome<()> {
        let (directive, arguments) = (&tokens[0], &tokens[1..]);
        let argument = || {
            let message = format!("something is missing after {}", directive.text);
            arguments.first().ok_or_else(|| context.fault(directive.span.clone(), message))
        };
        let end = |arguments: &[Token<'_>]| match arguments.first() {
            None => Ok(()),
            Some(token) => Err(context.fault(token.span.clone(), "nothing else is allowed here")),
        };
        match directive.text.to_ascii_uppercase().as_str() {
            "$ORIGIN" => {
                let origin = context.name(argument()?)?;
                end(&arguments[1..])?;
                let is_whole = |name: &Name| name.is_at_or_below(self.zone) && *self.zone != Name::root();
                if Name::parse(arguments[0].text, &Name::root()).is_ok_and(|name| is_whole(&name) && name != origin) {
                    let place = context.place(arguments[0].span.clone());
                    let fault =
                        Fault::warning(&place, format!("names below this line end in {origin}"), "no final dot")
                            .code(Code::DoubtfulName);
                    self.faults.push(fault.help(format!("did you mean {}.?", arguments[0].text)));
                }
                context.origin = origin;
                Ok(())
            }
            "$TTL" => {
                let Some(ttl) = context.ttl(argument()?)? else {
                    let fault = context.fault(arguments[0].span.clone(), "this is not a TTL");
                    return Err(with_help(
                        fault,
                        "write it in seconds or with the units s, m, h, d and w, as in 1h30m",
                    ));
                };
                end(&arguments[1..])?;
                self.directive_ttl = Some(ttl);
                Ok(())
            }
            "$INCLUDE" => {
                let path = argument()?;
                let origin = arguments.get(1).map_or(Ok(context.origin.clone()), |token| context.name(token))?;
                end(arguments.get(2..).unwrap_or_default())?;
                self.include(path, origin, context)
            }
            "$GENERATE" => self.generate(arguments, span, context),
            other => {
                let message = format!("{} is not a directive", directive.text);
                let help = match did_you_mean(other, DIRECTIVES.into_iter()) {
                    Some(known) => format!("did you mean {known}?"),
                    None => format!("the directives are {}", DIRECTIVES.join(", ")),
                };
                Err(with_help(context.fault(directive.span.clone(), message), &help))
            }
        }
    }

    /// Reads the records that a template stands for. Only the first faulty one is reported: the others have the same
    /// fault.
    fn generate(&mut self, arguments: &[Token<'_>], span: Range<usize>, context: &mut Context<'_>) -> Outcome<()> {
        let [range, template @ ..] = arguments else {
            return Err(context.fault(span, "something is missing after $GENERATE"));
        };
        let numbers = generate::numbers(range.text).map_err(|message| context.fault(range.span.clone(), message))?;
        self.generated = self.generated.saturating_add(numbers.size_hint().0);
        if self.generated > MAX_GENERATED {
            let message = format!("the $GENERATE directives of a zone make {MAX_GENERATED} records at most");
            return Err(context.fault(range.span.clone(), message));
        }
        let Some((_, record)) = template.split_first() else {
            return Err(context.fault(span, "an owner, a type and data are missing after the range"));
        };
        let (head, data) = template.split_at(1 + context.head(record, &span)?.length);
        let template = Template::new(head, data).map_err(|message| context.fault(data[0].span.clone(), message))?;
        let last_owner = std::mem::replace(&mut context.owner, LastOwner::None);
        let mut outcome = Ok(());
        for number in numbers {
            outcome = match template.texts(number) {
                Ok(texts) => self.owned_record(&template.tokens(&texts), span.clone(), context),
                Err((span, message)) => Err(context.fault(span, message)),
            };
            if outcome.is_err() {
                break;
            }
        }
        context.owner = last_owner;
        outcome
    }

    fn include(&mut self, path: &Token<'_>, origin: Name, context: &Context<'_>) -> Outcome<()> {
        let fault = |message| context.fault(path.span.clone(), message);
        let written = presentation::unescape(path.text).map_err(|error| fault(error.to_string()))?;
        let written = String::from_utf8(written).map_err(|_| fault("this path is not UTF-8".to_owned()))?;
        let file = self.includes.find(&written).map_err(fault)?;
        if self.open.contains(&file) {
            return Err(fault(format!("{written} includes itself, at once or through others")));
        }
        if self.open.len() > MAX_INCLUDE_DEPTH {
            return Err(fault(format!("includes are nested more than {MAX_INCLUDE_DEPTH} deep")));
        }
        if self.included.len() == MAX_INCLUDES {
            // Each following directive would cause the same fault.
            let message =
                format!("a zone includes {MAX_INCLUDES} files at most; this one and what follows are not read");
            return if std::mem::replace(&mut self.is_full, true) { Ok(()) } else { Err(fault(message)) };
        }
        let source = self.includes.source(&written, &file).map_err(fault)?;
        self.open.push(file);
        self.included.push(Included { written, source: source.clone() });
        self.read(&source, origin);
        self.open.pop();
        Ok(())
    }
}

/// The octets of a token in a file that is not UTF-8, each character that is not ASCII as an escape.
fn escape_latin1(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let (is_escape, character) = match character {
            '\\' => (true, characters.next()),
            plain => (false, Some(plain)),
        };
        match character {
            Some(octet) if !octet.is_ascii() => {
                let _ = write!(escaped, "\\{:03}", u32::from(octet));
            }
            _ => {
                escaped.extend(is_escape.then_some('\\'));
                escaped.extend(character);
            }
        }
    }
    escaped
}

const COMMENT_HELP: &str = "a comment begins with a semicolon";

fn is_comment(text: &str) -> bool {
    text.starts_with('#') || text.starts_with("//")
}

/// The help for a faulty record if its first token is not a name.
fn owner_help(owner: &Token<'_>) -> Option<&'static str> {
    if is_comment(owner.text) {
        return Some(COMMENT_HELP);
    }
    let is_not_a_name = records::parse_rtype(owner.text).is_some() || parse_class(owner.text).is_some();
    is_not_a_name
        .then_some("a line begins with its owner, or with a blank for that of the line before, or with @ for the zone")
}

fn with_help(mut fault: Box<Fault>, help: &str) -> Box<Fault> {
    fault.help = Some(help.to_owned());
    fault
}

#[cfg(test)]
mod tests;
