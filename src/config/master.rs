//! Master files (RFC 1035, section 5; `$TTL` of RFC 2308, section 4; unknown types of RFC 3597, section 5).
//!
//! ```text
//!   text ─► entries ─► directive: $ORIGIN, $TTL, $INCLUDE      changes the meaning of the entries below it
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

mod include;
pub(super) mod rrset;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) use include::Includes;

use super::code::Code;
use super::fault::{Fault, Faults};
use super::presentation::{self, Entries, Entry, Token};
use super::records;
use super::source::{Place, Source};
use super::suggest::did_you_mean;
use crate::name::Name;
use crate::wire::Rtype;
use crate::zone::Record;

/// The largest TTL, in seconds (RFC 2181, section 8).
const MAX_TTL: u32 = (1 << 31) - 1;

/// Maximum number of files that a zone includes; each inclusion counts. Without a limit, ten directives in each of
/// eight nested files would be a hundred million inclusions.
const MAX_INCLUDES: usize = 1000;

/// Deepest nesting of includes. Real zones need two or three.
const MAX_INCLUDE_DEPTH: usize = 8;

const DIRECTIVES: [&str; 3] = ["$ORIGIN", "$TTL", "$INCLUDE"];

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
/// A record without a TTL gets the TTL of `$TTL`, else the last one that was written (RFC 1035, section 5.1), else
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
    default_ttl: u32,
    directive_ttl: Option<u32>,
    last_ttl: Option<u32>,
    /// The files that are being read, by their canonical paths. Each includes the next.
    open: Vec<PathBuf>,
    /// The files that were included so far.
    included: Vec<Included>,
    /// True if the limit of included files was reported.
    is_full: bool,
    records: Vec<Located>,
    faults: &'a mut Faults,
}

/// The values that entries of one file inherit from earlier ones.
struct Context<'a> {
    source: &'a Arc<Source>,
    origin: Name,
    owner: LastOwner,
    /// True if the last record ended before its data was complete. The following lines may be the rest of it.
    is_cut_short: bool,
}

enum LastOwner {
    /// The file had no record yet.
    None,
    /// The last record is faulty, which was reported.
    Faulty,
    Known(Name),
    /// The owner of the record with this number.
    Of(usize),
}

/// The result of an entry: it has at most one fault.
type Outcome<T> = Result<T, Box<Fault>>;

impl Reader<'_> {
    fn read(&mut self, source: &Arc<Source>, origin: Name) {
        let mut context = Context { source, origin, owner: LastOwner::None, is_cut_short: false };
        let (mut entries, mut entry) = (Entries::new(&source.text), Entry::default());
        while let Some(read) = entries.read(&mut entry) {
            let outcome = match read {
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
            return self.directive(tokens, context);
        }
        context.owner = LastOwner::Faulty;
        context.owner = LastOwner::Known(context.owner_in(self.zone, &tokens[0])?);
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
        let ttl = ttl.or(self.directive_ttl).or(self.last_ttl).unwrap_or(self.default_ttl);
        let rdata = records::rdata_from_tokens(rtype, &tokens[length..], &context.origin).map_err(|error| {
            context.is_cut_short = error.token.is_none();
            let at = error.token.map_or(tokens.len() - 1, |index| length + index);
            let fault = Box::new(error.at(&context.place(tokens[at].span.clone())));
            if is_comment(tokens[at].text) { with_help(fault, COMMENT_HELP) } else { fault }
        })?;
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

    fn directive(&mut self, tokens: &[Token<'_>], context: &mut Context<'_>) -> Outcome<()> {
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

/// The part of a record between its owner and its data.
struct Head {
    ttl: Option<u32>,
    rtype: Rtype,
    /// Length in tokens.
    length: usize,
}

impl Context<'_> {
    /// `[TTL] [class] type` or `[class] [TTL] type` (RFC 1035, section 5.1).
    fn head(&self, tokens: &[Token<'_>], entry: &Range<usize>) -> Outcome<Head> {
        let (mut ttl, mut class) = (None, false);
        for (index, token) in tokens.iter().enumerate() {
            if let Some(rtype) = records::parse_rtype(token.text) {
                return Ok(Head { ttl, rtype, length: index + 1 });
            }
            match parse_class(token.text) {
                Some(CLASS_IN) if !class => class = true,
                Some(CLASS_IN) => return Err(self.fault(token.span.clone(), "the class is given twice")),
                Some(_) => return Err(self.fault(token.span.clone(), "only class IN is served")),
                None => match self.ttl(token)? {
                    Some(_) if ttl.is_some() => {
                        return Err(self.fault(token.span.clone(), "the TTL is given twice"));
                    }
                    None => return Err(self.not_a_type(token)),
                    seconds => ttl = seconds,
                },
            }
        }
        Err(self.fault(entry.clone(), "the record has no type"))
    }

    fn not_a_type(&self, token: &Token<'_>) -> Box<Fault> {
        let fault = self.fault(token.span.clone(), format!("`{}` is neither a record type nor a TTL", token.text));
        with_help(fault, &records::unknown::help(token.text))
    }

    /// Reads a TTL. Returns `None` if the token is not a time, and a fault if the time is too long.
    fn ttl(&self, token: &Token<'_>) -> Outcome<Option<u32>> {
        let Some(seconds) = presentation::seconds(token.text) else { return Ok(None) };
        match u32::try_from(seconds) {
            Ok(ttl) if ttl <= MAX_TTL => Ok(Some(ttl)),
            _ => Err(self.fault(token.span.clone(), format!("a TTL is at most {MAX_TTL} seconds"))),
        }
    }

    fn name(&self, token: &Token<'_>) -> Outcome<Name> {
        Name::parse(token.text, &self.origin).map_err(|error| self.fault(token.span.clone(), error.to_string()))
    }

    fn owner_in(&self, zone: &Name, token: &Token<'_>) -> Outcome<Name> {
        let owner = self.name(token)?;
        if owner.is_at_or_below(zone) {
            return Ok(owner);
        }
        Err(self.fault(token.span.clone(), format!("{owner} is not in zone {zone}")))
    }

    fn require_owner(&mut self, token: &Token<'_>) -> Outcome<()> {
        if !matches!(self.owner, LastOwner::None) {
            return Ok(());
        }
        self.owner = LastOwner::Faulty;
        let fault = self.fault(token.span.clone(), "the first record of a file needs an owner");
        Err(with_help(fault, "a line that begins with a blank continues with the last owner"))
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span }
    }

    fn fault(&self, span: Range<usize>, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault::error(&self.place(span), message, "").code(Code::Syntax))
    }
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

const CLASS_IN: u16 = 1;

/// Classes by their mnemonics (RFC 1035, section 3.2.4).
const CLASSES: [(&str, u16); 4] = [("IN", CLASS_IN), ("CS", 2), ("CH", 3), ("HS", 4)];

/// Reads a class: its mnemonic (RFC 1035, section 3.2.4) or `CLASSnnn` (RFC 3597, section 5).
fn parse_class(text: &str) -> Option<u16> {
    let known = CLASSES.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(text));
    known.map(|&(_, class)| class).or_else(|| {
        let (prefix, number) = text.split_at_checked("CLASS".len())?;
        let is_number = prefix.eq_ignore_ascii_case("CLASS") && number.bytes().all(|octet| octet.is_ascii_digit());
        number.parse().ok().filter(|_| is_number)
    })
}

#[cfg(test)]
mod tests;
