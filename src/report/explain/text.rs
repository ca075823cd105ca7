//! The explanation as text.

use std::fmt;

use super::answer::AnswerShape;
use super::hop::{Found, HopShape};
use super::{ClientShape, Explanation};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.node, self.down.as_slice()) {
            (None, []) => writeln!(f, "offline: all taken as up")?,
            (None, down) => writeln!(f, "offline: all taken as up but {}", down.join(", "))?,
            (Some(node), []) => writeln!(f, "live: as {node} answers now")?,
            (Some(node), down) => writeln!(f, "live: as {node} would answer without {}", down.join(", "))?,
        }
        writeln!(f, "{} {} for {}", self.name, self.rtype, self.client.network)?;
        let ClientShape { looked_up_as, location, .. } = &self.client;
        writeln!(f, "  client    looked up as {looked_up_as}")?;
        if self.hops.first().is_some_and(|hop| hop.tells_no_place) {
            writeln!(
                f,
                "            such a network tells no place, so the resolver's address decides. This is the answer for a"
            )?;
            writeln!(f, "            resolver that cannot be located either")?;
        }
        writeln!(f, "  location  {location}")?;
        if self.hops.is_empty() {
            writeln!(f, "  zone      none here")?;
        }
        for (number, hop) in self.hops.iter().enumerate() {
            if number > 0 {
                writeln!(f, "  name      {}", hop.name)?;
            }
            self.draw_hop(hop, f)?;
        }
        let open_end = self.hops.last().filter(|hop| !matches!(hop.found, Found::DnameTooLong(_)));
        if let Some(target) = open_end.and_then(|hop| hop.target.as_ref()).filter(|_| self.rtype != "CNAME") {
            writeln!(f, "  end       the resolver goes on from {target}")?;
        }
        let AnswerShape { rcode, records, ttl, .. } = &self.answer;
        match ttl.filter(|_| records.is_empty()) {
            Some(ttl) => {
                let nodata = if rcode == "NOERROR" { ", no data" } else { "" };
                write!(f, "  answer    {rcode}{nodata}; resolvers keep that for {ttl} s")?;
            }
            None => write!(f, "  answer    {rcode}")?,
        }
        records.iter().try_for_each(|record| write!(f, "\n    {record}"))?;
        self.signatures.iter().try_for_each(|signature| write!(f, "\n  signed    {signature}"))?;
        self.foreign_keys.iter().try_for_each(|tag| write!(f, "\n  foreign   key {tag} is of another provider"))
    }
}

impl Explanation {
    fn draw_hop(&self, hop: &HopShape, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&hop.region, &hop.region_match) {
            (Some(region), Some(matching)) => writeln!(f, "  region    {region}, by {matching}")?,
            (Some(region), None) => writeln!(f, "  region    {region}: no region names the client")?,
            (None, _) => writeln!(f, "  region    none")?,
        }
        writeln!(f, "  zone      {}", hop.zone)?;
        self.draw_found(hop, f)?;
        hop.steering.as_ref().map_or(Ok(()), |steering| write!(f, "{steering}"))
    }

    /// Writes the result of the look-up, unless the rest of the text says everything about a steered name.
    fn draw_found(&self, hop: &HopShape, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = hop.target.as_deref().unwrap_or_default();
        let found = match &hop.found {
            Found::Steered if target.is_empty() && hop.wildcard.is_none() => return Ok(()),
            Found::Steered if target.is_empty() => "a steered name".to_owned(),
            Found::Steered => format!("a steered name, now {target}"),
            Found::Referral(cut) => format!("delegation of {cut}: its nameservers answer"),
            Found::Dname(owner) => format!("DNAME record: {target} takes the place of {owner}"),
            Found::DnameTooLong(owner) => {
                format!("DNAME record: with {target} in place of {owner} the name is too long")
            }
            Found::Cname => format!("CNAME record to {target}"),
            Found::Records => format!("static {} records", self.rtype),
            Found::AnyRecords => "one RRset, because a query of type ANY gets only one".to_owned(),
            Found::Reflecting => "a reflecting name".to_owned(),
            Found::NoRecords => format!("no {} records at this name", self.rtype),
            Found::NoSuchName => format!("no such name below {}", hop.closest_encloser),
        };
        write!(f, "  found     {found}")?;
        if let Some(wildcard) = &hop.wildcard {
            write!(f, ", by {wildcard}")?;
        }
        match hop.ttl.filter(|_| hop.steering.is_none()) {
            Some(ttl) => writeln!(f, ", ttl {ttl} s"),
            None => writeln!(f),
        }
    }
}
