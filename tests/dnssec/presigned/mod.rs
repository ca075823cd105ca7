//! Zones that other programs have signed: they are served as their files say, and every answer of them validates.

mod answers;
mod checks;
pub(crate) mod peers;
pub(crate) mod signers;
mod transfers;
mod validity;
