//! Answers questions about the node itself: TXT records of class CH (RFC 4892, section 2).

use crate::snapshot::Identity;
use crate::wire::{CLASS_CH, ExtendedError, InfoCode, Message, NameOffset, Question, Rcode, Rtype, Section};

/// TTL in seconds. The answer is valid for one node, and the next query to the same address may reach another node.
const TTL: u32 = 0;

/// Answers a question of class CH. If the operator has not enabled a fact, its name gets REFUSED like any other name.
/// Returns the response code, and the TTL of the record in seconds; `None` for REFUSED.
pub(super) fn answer(identity: &Identity, question: &Question<'_>, reply: &mut Message<'_>) -> (Rcode, Option<u32>) {
    let asks = |names: [&[u8]; 2]| names.iter().any(|name| question.name.eq_ignore_ascii_case(name));
    let text = if asks([b"\x02id\x06server\x00", b"\x08hostname\x04bind\x00"]) {
        &identity.id
    } else if asks([b"\x07version\x06server\x00", b"\x07version\x04bind\x00"]) {
        &identity.version
    } else {
        &None
    };
    let Some(text) = text.as_deref().filter(|_| matches!(question.rtype, Rtype::TXT | Rtype::ANY)) else {
        reply.explain(ExtendedError { code: InfoCode::NotAuthoritative, text: "nothing here is of this class" });
        return (Rcode::Refused, None);
    };
    reply.set_authoritative();
    let written = reply.push_rrset(Section::Answer, |rrset| {
        rrset.owner(NameOffset::QUESTION)?;
        rrset.octets(&Rtype::TXT.0.to_be_bytes())?;
        rrset.octets(&CLASS_CH.to_be_bytes())?;
        rrset.octets(&TTL.to_be_bytes())?;
        rrset.octets(&(1 + text.len() as u16).to_be_bytes())?;
        rrset.octets(&[text.len() as u8])?;
        rrset.octets(text.as_bytes())
    });
    if written.is_err() {
        reply.set_truncated();
    }
    (Rcode::NoError, Some(TTL))
}
