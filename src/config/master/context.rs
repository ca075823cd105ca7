//! The part of an entry that has the same form for all types: owner, TTL, class and type (RFC 1035, section 5.1).

use std::ops::Range;
use std::sync::Arc;

use super::{Outcome, with_help};
use crate::config::code::Code;
use crate::config::fault::Fault;
use crate::config::presentation::{self, Token};
use crate::config::records;
use crate::config::source::{Place, Source};
use crate::config::ttls::MAX_TTL;
use crate::name::Name;
use crate::wire::Rtype;

const CLASS_IN: u16 = 1;

/// Classes by their mnemonics (RFC 1035, section 3.2.4).
const CLASSES: [(&str, u16); 4] = [("IN", CLASS_IN), ("CS", 2), ("CH", 3), ("HS", 4)];

/// The values that entries of one file inherit from earlier ones.
pub(super) struct Context<'a> {
    pub(super) source: &'a Arc<Source>,
    pub(super) origin: Name,
    pub(super) owner: LastOwner,
    /// True if the last record ended before its data was complete. The following lines may be the rest of it.
    pub(super) is_cut_short: bool,
}

pub(super) enum LastOwner {
    /// The file had no record yet.
    None,
    /// The last record is faulty, which was reported.
    Faulty,
    Known(Name),
    /// The owner of the record with this number.
    Of(usize),
    /// A name that is not in the zone.
    Outside(Name),
}

/// The part of a record between its owner and its data.
pub(super) struct Head {
    pub(super) ttl: Option<u32>,
    pub(super) rtype: Rtype,
    /// Length in tokens.
    pub(super) length: usize,
}

impl Context<'_> {
    /// `[TTL] [class] type` or `[class] [TTL] type` (RFC 1035, section 5.1).
    pub(super) fn head(&self, tokens: &[Token<'_>], entry: &Range<usize>) -> Outcome<Head> {
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
    pub(super) fn ttl(&self, token: &Token<'_>) -> Outcome<Option<u32>> {
        let Some(seconds) = presentation::seconds(token.text) else { return Ok(None) };
        match u32::try_from(seconds) {
            Ok(ttl) if ttl <= MAX_TTL => Ok(Some(ttl)),
            _ => Err(self.fault(token.span.clone(), format!("a TTL is at most {MAX_TTL} seconds"))),
        }
    }

    pub(super) fn name(&self, token: &Token<'_>) -> Outcome<Name> {
        Name::parse(token.text, &self.origin).map_err(|error| self.fault(token.span.clone(), error.to_string()))
    }

    pub(super) fn require_owner(&mut self, token: &Token<'_>) -> Outcome<()> {
        if !matches!(self.owner, LastOwner::None) {
            return Ok(());
        }
        self.owner = LastOwner::Faulty;
        let fault = self.fault(token.span.clone(), "the first record of a file needs an owner");
        Err(with_help(fault, "a line that begins with a blank continues with the last owner"))
    }

    pub(super) fn place(&self, span: Range<usize>) -> Place {
        Place { source: Arc::clone(self.source), span }
    }

    pub(super) fn fault(&self, span: Range<usize>, message: impl Into<String>) -> Box<Fault> {
        Box::new(Fault::error(&self.place(span), message, "").code(Code::Syntax))
    }
}

/// Reads a class: its mnemonic (RFC 1035, section 3.2.4) or `CLASSnnn` (RFC 3597, section 5).
pub(super) fn parse_class(text: &str) -> Option<u16> {
    let known = CLASSES.iter().find(|(mnemonic, _)| mnemonic.eq_ignore_ascii_case(text));
    known.map(|&(_, class)| class).or_else(|| {
        let (prefix, number) = text.split_at_checked("CLASS".len())?;
        let is_number = prefix.eq_ignore_ascii_case("CLASS") && number.bytes().all(|octet| octet.is_ascii_digit());
        number.parse().ok().filter(|_| is_number)
    })
}
