//! The answer, as a zone file would show it.

use std::borrow::Cow;

use domain::base::Message;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::AllRecordData;
use serde::{Deserialize, Serialize};

use crate::answer::{Exchange, Reply, Resolution, Worker, render};
use crate::wire::MAX_MESSAGE;

/// The answer that a resolver would get.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnswerShape {
    pub(super) rcode: Cow<'static, str>,
    pub(super) records: Vec<String>,
    /// Time for which the answer, or the negative answer, may be cached, in seconds.
    pub(super) ttl: Option<u32>,
    /// Absent without a Client Subnet option.
    pub(super) scope: Option<u8>,
}

impl AnswerShape {
    /// Writes the answer of a resolution as a message, as the server does, and reads that message with another library.
    /// Fails if the library cannot read it.
    pub(super) fn new(
        exchange: &Exchange<'_>,
        resolution: &Resolution<'_>,
        worker: &mut Worker,
    ) -> Result<Self, String> {
        let mut out = vec![0; MAX_MESSAGE];
        let Reply { length, rcode, ttl, .. } = render(exchange, resolution, worker, &mut out);
        let message = Message::from_slice(&out[..length]).map_err(|error| error.to_string())?;
        let answers = message.answer().map_err(|error| error.to_string())?;
        let records = answers.limit_to::<AllRecordData<_, _>>().map(|record| match record {
            Ok(record) => Ok(record.display_zonefile(DisplayKind::Simple).to_string()),
            Err(error) => Err(format!("the answer cannot be read: {error}")),
        });
        let scope = resolution.client().subnet.map(|_| resolution.scope());
        Ok(Self { rcode: rcode.as_str().into(), records: records.collect::<Result<_, _>>()?, ttl, scope })
    }
}
