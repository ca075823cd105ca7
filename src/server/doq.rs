//! One query of DNS over QUIC and its answer. They have a stream of their own (RFC 9250, section 4.2).
//!
//! A protocol error on one stream ends the whole connection, as RFC 9250, section 4.3.3, requires.

use std::sync::Arc;

use bytes::Bytes;
use quinn::{ReadError, RecvStream, SendStream, VarInt};
use tokio::time::timeout;

use super::recorder::Ends;
use super::service::{LENGTH, Peer, SHORT_QUERY, SharedResponder, TcpLimits};
use crate::answer::Transport;
use crate::vital;
use crate::wire::{HEADER_LENGTH, MAX_MESSAGE};

/// RFC 9250, section 4.3: "No error. This is used when the connection or stream needs to be closed, but there is no
/// error to signal."
pub(super) const DOQ_NO_ERROR: VarInt = VarInt::from_u32(0);

/// "The DoQ implementation encountered a protocol error and is forcibly aborting the connection."
pub(super) const DOQ_PROTOCOL_ERROR: VarInt = VarInt::from_u32(2);

/// "A DoQ implementation uses this to signal when closing a connection due to excessive load."
pub(super) const DOQ_EXCESSIVE_LOAD: VarInt = VarInt::from_u32(4);

/// "A DoQ implementation uses this in the absence of a more specific error code": here for a message that takes too
/// long.
const DOQ_UNSPECIFIED_ERROR: VarInt = VarInt::from_u32(5);

/// The client violated the protocol, so its connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProtocolError;

/// A query and its answer.
pub(super) struct Exchange {
    pub(super) send: SendStream,
    pub(super) receive: RecvStream,
    pub(super) ends: Ends,
    pub(super) limits: TcpLimits,
}

impl Exchange {
    /// Answers the query. Returns when the client has received the answer or has gone. Fails if the client violated the
    /// protocol.
    pub(super) async fn run(mut self, responder: Arc<SharedResponder>) -> Result<(), ProtocolError> {
        vital::breaking_point("a query over QUIC");
        if self.answer(&responder).await? && timeout(self.limits.answer, self.send.stopped()).await.is_err() {
            self.give_up();
        }
        Ok(())
    }

    /// Reads the query to its end, waits for its turn, and answers it. Returns true if an answer was sent.
    async fn answer(&mut self, responder: &SharedResponder) -> Result<bool, ProtocolError> {
        let _turn = responder.turn().await;
        let stream = match timeout(self.limits.query, read_to_end(&mut self.receive, responder)).await {
            Ok(Ok(stream)) if stream.len() > LENGTH + MAX_MESSAGE => return Err(ProtocolError),
            Ok(Ok(stream)) => stream,
            // The client cancelled the query, or closed the connection.
            Ok(Err(_)) => return Ok(false),
            Err(_) => {
                self.give_up();
                return Ok(false);
            }
        };
        let peer = Peer { transport: Transport::Quic, ends: self.ends, idle: None };
        // Only messages that are not queries, and queries with the option edns-tcp-keepalive, get no answer.
        let Ok(answer) = timeout(self.limits.answer, responder.answer(query(&stream)?, peer)).await else {
            self.give_up();
            return Ok(false);
        };
        let answer = answer.ok_or(ProtocolError)?.message;
        let mut framed = [Bytes::copy_from_slice(&(answer.len() as u16).to_be_bytes()), answer];
        match timeout(self.limits.answer, self.send.write_all_chunks(&mut framed)).await {
            // RFC 9250, section 4.2: the server "MUST indicate, after the last response, through the STREAM FIN
            // mechanism that no further data will be sent on that stream".
            Ok(Ok(())) => Ok(self.send.finish().is_ok()),
            Ok(Err(_)) => Ok(false),
            Err(_) => {
                self.give_up();
                Ok(false)
            }
        }
    }

    /// Aborts both halves of the stream. A half that is closed already stays as it is.
    fn give_up(&mut self) {
        let _ = self.receive.stop(DOQ_UNSPECIFIED_ERROR);
        let _ = self.send.reset(DOQ_UNSPECIFIED_ERROR);
    }
}

/// Reads a stream to its end, up to the maximum length of a message. If the message is long, waits until the connection
/// may read a long query.
async fn read_to_end(receive: &mut RecvStream, responder: &SharedResponder) -> Result<Vec<u8>, ReadError> {
    let mut stream = Vec::new();
    let mut long_turn = None;
    while let Some(chunk) = receive.read_chunk(LENGTH + MAX_MESSAGE, true).await? {
        stream.extend_from_slice(&chunk.bytes);
        if stream.len() > LENGTH + MAX_MESSAGE {
            break;
        }
        if stream.len() > SHORT_QUERY && long_turn.is_none() {
            long_turn = Some(responder.long_turn().await);
        }
    }
    Ok(stream)
}

/// Returns the query of a stream that has ended. RFC 9250, section 4.3.3, names the errors: an end "before all the
/// bytes for a message indicated in the 2-octet length field", more than one query, and a Message ID other than 0
/// (section 4.2.1).
fn query(stream: &[u8]) -> Result<&[u8], ProtocolError> {
    let (length, query) = stream.split_first_chunk::<LENGTH>().ok_or(ProtocolError)?;
    if query.len() != usize::from(u16::from_be_bytes(*length)) || query.len() < HEADER_LENGTH {
        return Err(ProtocolError);
    }
    if query[..2] != [0, 0] {
        return Err(ProtocolError);
    }
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a query for the root's NS with these additional records, with its length in front.
    fn framed(id: u8, additional: &[&[u8]]) -> Vec<u8> {
        let header = [0, id, 0, 0, 0, 1, 0, 0, 0, 0, 0, additional.len() as u8];
        let message = [&header[..], &[0, 0, 2, 0, 1], &additional.concat()].concat();
        [&(message.len() as u16).to_be_bytes()[..], &message].concat()
    }

    #[test]
    fn rfc9250_4_2_a_stream_is_one_query_behind_its_length() {
        let sound = framed(0, &[]);
        assert_eq!(query(&sound), Ok(&sound[2..]));
        for end in 0..sound.len() {
            assert_eq!(query(&sound[..end]), Err(ProtocolError), "{end}");
        }
        assert_eq!(query(&sound.repeat(2)), Err(ProtocolError));
    }

    #[test]
    fn rfc9250_4_3_3_what_ends_a_connection() {
        assert_eq!(query(&framed(1, &[])), Err(ProtocolError));
        assert!(query(&framed(0, &[&[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]])).is_ok());
    }
}
