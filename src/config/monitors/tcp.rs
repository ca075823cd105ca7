//! A monitor of type tcp: the octets that it sends and expects.

use crate::health::TcpCheck;

use super::super::code::Code;
use super::super::decode::TomlTable;
use super::super::fault::{Fault, Faults};
use super::http;

/// Maximum number of octets that are sent. They fit into the buffers of any connection, even if the endpoint does not
/// read them.
const MAX_SEND: usize = 4096;

/// Takes `send` and `expect` from a monitor's table. `None` if one is faulty, which was reported.
pub(super) fn read(table: &mut TomlTable<'_>, faults: &mut Faults) -> Option<TcpCheck> {
    let send = table.take("send").map(|value| value.string(faults));
    let expect = table.take("expect").map(|value| http::read_match(&value, faults));
    let send = match send {
        None => Box::default(),
        Some(send) => {
            let send = send?;
            if send.value.len() > MAX_SEND {
                let message = format!("`send` is longer than {MAX_SEND} octets");
                faults.push(
                    Fault::error(&send.place, message, format!("{} octets", send.value.len())).code(Code::BadValue),
                );
            }
            send.value.into_bytes().into()
        }
    };
    let expect = match expect {
        None => None,
        Some(expect) => Some(expect?),
    };
    Some(TcpCheck { send, expect })
}
