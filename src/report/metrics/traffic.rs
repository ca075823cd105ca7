//! Metrics about queries, responses and connections.

use super::Metrics;
use super::exposition::{Exposition, Kind};
use crate::answer::Transport;
use crate::counters::{QueryType, SubnetUse};
use crate::snapshot::Rung;

impl Metrics<'_> {
    pub(super) fn traffic_families(&self, out: &mut Exposition) {
        let sums = &self.totals.traffic;
        let help = "Responses to DNS queries, by transport, type of the question and response code.";
        out.family("truenorth_responses", Kind::Counter, help, |samples| {
            for (transport, rtype, rcode, count) in sums.responses() {
                let rtype = match rtype {
                    QueryType::Known(rtype) => rtype.to_string(),
                    QueryType::Other => "other".to_owned(),
                    QueryType::None => "none".to_owned(),
                };
                let transport = label(Transport::ALL[transport]);
                samples.count(&[("transport", &transport), ("type", &rtype), ("rcode", rcode.as_str())], count);
            }
        });
        let help = "Octets of responses, without headers of lower layers and without zone transfers.";
        out.family("truenorth_response_bytes", Kind::Counter, help, |samples| {
            for transport in Transport::ALL {
                samples.count(&[("transport", &label(transport))], sums.octets(transport as usize));
            }
        });
        let help = "Responses over UDP that did not fit and have TC set.";
        out.counter("truenorth_truncated_responses", help, sums.truncated());
        let help = "Messages over UDP that got no response, because they are no queries.";
        out.counter("truenorth_ignored_messages", help, sums.ignored());
        let help = "Queries over UDP without a response because of a bug: the log has the panic.";
        out.counter("truenorth_panicked_queries", help, sums.panics());
        let help = "Queries over UDP that the kernel dropped, because the workers could not read them fast enough.";
        out.counter("truenorth_dropped_queries", help, self.traffic.dropped_queries);
        let help = "Responses over the rate limit, by what was done with them.";
        out.family("truenorth_rate_limited_responses", Kind::Counter, help, |samples| {
            samples.count(&[("action", "truncated")], self.traffic.slipped_responses);
            samples.count(&[("action", "dropped")], self.traffic.limited_responses);
        });
        let help = "Queries with EDNS Client Subnet, by what the option says.";
        out.family("truenorth_client_subnet_queries", Kind::Counter, help, |samples| {
            for (subnet, word) in
                [(SubnetUse::Network, "network"), (SubnetUse::Private, "private"), (SubnetUse::Malformed, "malformed")]
            {
                samples.count(&[("option", word)], sums.subnets(subnet));
            }
        });
        let help = "Zone transfers that began.";
        out.counter("truenorth_zone_transfers", help, sums.transfers());
        let help = "Zone transfers that took too long and were cut.";
        out.counter("truenorth_cut_zone_transfers", help, self.traffic.cut_transfers);
        let help =
            "Signatures of answers: kept from earlier answers, made anew, or refused because the budget was spent.";
        out.family("truenorth_signatures", Kind::Counter, help, |samples| {
            for (source, count) in ["kept", "made", "refused"].into_iter().zip(sums.signatures()) {
                samples.count(&[("source", source)], count);
            }
        });
        let help =
            "Signatures made ahead for answers of steered names, and those of them that an answer has needed since.";
        out.family("truenorth_signatures_ahead", Kind::Counter, help, |samples| {
            for (state, count) in ["made", "used"].into_iter().zip(sums.signed_ahead()) {
                samples.count(&[("state", state)], count);
            }
        });
        let help = "Choices of steered names, by the rung of the ladder that they were made on.";
        out.family("truenorth_choices", Kind::Counter, help, |samples| {
            for rung in Rung::ALL {
                samples.count(&[("rung", rung.as_str())], sums.rung(rung as usize));
            }
        });
        self.connection_families(out);
    }

    fn connection_families(&self, out: &mut Exposition) {
        let traffic = &self.traffic;
        let help = "Present DNS connections over TCP, TLS, HTTPS and QUIC.";
        out.gauge("truenorth_connections", help, traffic.connections as f64);
        let help = "Maximum number of DNS connections.";
        out.gauge("truenorth_connections_limit", help, traffic.most_connections as f64);
        let help = "Connections that were closed to make room for others.";
        out.family("truenorth_closed_connections", Kind::Counter, help, |samples| {
            samples.count(&[("server", "dns")], traffic.closed_connections);
            samples.count(&[("server", "admin")], traffic.closed_admin_connections);
        });
        let help = "Connections that the kernel refused, because they could not be accepted fast enough.";
        out.family("truenorth_refused_connections", Kind::Counter, help, |samples| {
            samples.count(&[("server", "dns")], traffic.refused_connections);
            samples.count(&[("server", "admin")], traffic.refused_admin_connections);
        });
    }
}

/// Returns the value of the label `transport`.
fn label(transport: Transport) -> String {
    transport.as_str().to_ascii_lowercase()
}
