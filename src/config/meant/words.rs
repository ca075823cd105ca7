//! Words and keys of other products, and ours for them.

/// Words of other products, and ours for them. Of several, the first that is allowed in its place is suggested.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("ping", &["icmp"]),
    ("ssl", &["tls"]),
    ("h2", &["grpc", "2"]),
    ("h2c", &["http"]),
    ("http2", &["http"]),
    ("web", &["http"]),
    ("connect", &["tcp"]),
    ("port", &["tcp"]),
    ("extfile", &["push"]),
    ("http/1.1", &["1.1"]),
    ("http/2", &["2"]),
    ("1", &["1.1"]),
    ("script", &["exec"]),
    ("command", &["exec"]),
    ("external", &["exec"]),
    ("extmon", &["exec"]),
    ("program", &["exec"]),
    ("passive", &["push"]),
    ("report", &["push"]),
    ("heartbeat", &["push"]),
    ("and", &["all"]),
    ("or", &["any"]),
    ("quorum", &["at_least"]),
    ("geo", &["region"]),
    ("geoip", &["region"]),
    ("geolocation", &["region"]),
    ("country", &["region"]),
    ("proximity", &["distance"]),
    ("geoproximity", &["distance"]),
    ("nearest", &["distance"]),
    ("rtt", &["latency"]),
    ("performance", &["latency"]),
    ("topology", &["region"]),
    ("asn", &["region"]),
    ("continent", &["region"]),
    ("priority", &["failover"]),
    ("primary", &["failover"]),
    ("active-passive", &["failover"]),
    ("global-availability", &["failover"]),
    ("availability", &["failover"]),
    ("order", &["failover"]),
    ("backup", &["failover"]),
    ("weighted", &["weight"]),
    ("ratio", &["weight", "weighted"]),
    ("weight", &["weighted"]),
    ("wrr", &["weight", "weighted"]),
    ("wrandom", &["weight", "weighted"]),
    ("hash", &["sticky"]),
    ("consistent", &["sticky"]),
    ("source", &["sticky"]),
    ("affinity", &["sticky"]),
    ("persistence", &["sticky"]),
    ("round-robin", &["rotate"]),
    ("round_robin", &["rotate"]),
    ("roundrobin", &["rotate"]),
    ("rr", &["rotate"]),
    ("multi", &["rotate"]),
    ("multivalue", &["rotate"]),
    ("cyclic", &["rotate"]),
    ("rand", &["random"]),
    ("shuffle", &["random"]),
    ("leastconn", &["least-load", "load"]),
    ("least-connections", &["least-load", "load"]),
    ("empty", &["nodata"]),
];

/// Our keys, and what other products call them. The first of ours that its table has is suggested.
const KEYS: &[(&str, &str)] = &[
    ("pools", "backend backends resource resources server servers pool_name origin_pools"),
    (
        "endpoints",
        "backend backends server servers member members address addresses addrs addrs_v4 addrs_v6 origin origins target targets node nodes ip ips",
    ),
    ("pool", "name backend resource origin"),
    ("address", "addr ip ip_address ipaddr host server target"),
    ("cname", "hostname fqdn name alias"),
    ("check_port", "port"),
    ("monitor", "monitors health healthcheck healthchecks health_check check checks probe service_type service_types"),
    ("datacenter", "dc location site"),
    ("datacenters", "dcs locations sites"),
    ("min_healthy", "up_thresh min_up threshold minimum_healthy min_members"),
    ("weight", "ratio"),
    ("capacity", "limit max_load max_connections"),
    (
        "steer",
        "policy method routing routing_policy filters filter lb_mode lb_method algorithm strategy steering_policy",
    ),
    ("pick", "lb_mode lb_method method algorithm alternate"),
    ("answers", "max_answers count limit max_addrs max_addrs_v4 max_addrs_v6 max_records"),
    ("fallback", "fallback_pool backup default last_resort"),
    ("prefer", "datacenters dcs order preference priority pools"),
    ("clients", "countries country networks network nets match prefixes prefix sources source ldns continents"),
    ("type", "kind proto protocol plugin"),
    ("interval", "period every frequency check_interval"),
    ("timeout", "check_timeout deadline time_limit"),
    (
        "fall",
        "retries failure_threshold unhealthy_threshold down_thresh down_threshold max_failures failures consecutive_down",
    ),
    ("rise", "success_threshold healthy_threshold ok_thresh up_thresh up_threshold consecutive_up"),
    ("path", "url uri url_path request_path resource_path query_path"),
    ("host", "hostname host_header http_host vhost fqdn server_name"),
    ("expect_status", "status statuses status_code status_codes codes ok_codes expected_codes"),
    ("expect_body", "body search_string expected_body receive recv match expect"),
    ("send", "request payload send_string"),
    ("expect", "receive recv response match"),
    ("command", "cmd program script args"),
    ("verify", "tls_verify verify_tls ssl_verify"),
    ("latitude", "lat"),
    ("longitude", "lon long lng"),
    ("country", "country_code cc"),
    ("ttl", "default_ttl"),
    ("ttl_min", "min_ttl"),
    ("origin", "zone domain"),
    ("names", "hosts hostnames services wideips wide_ips resources"),
    ("records", "rrsets rrs static"),
    ("monitors", "service_types healthchecks health_checks checks"),
    ("regions", "geo topology"),
    ("mname", "primary master"),
    ("rname", "email mail admin contact"),
    ("minimum", "ncache negative_ttl nxdomain_ttl"),
    ("databases", "database db mmdb geoip_db"),
];

/// Returns one of `known` that means the same as `written`, in another case or in another product's words.
pub(in crate::config) fn word<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = |text: &str| known.iter().copied().find(|word| word.eq_ignore_ascii_case(text));
    let plain = |text: &str| text.to_ascii_lowercase().replace(['-', '_', ' '], "");
    let synonyms = SYNONYMS.iter().filter(|(other, _)| other.eq_ignore_ascii_case(written)).flat_map(|(_, ours)| *ours);
    // "tcp_connect", "TCP/80" and "gateway_icmp" hold the word.
    let parts = || written.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| part.len() < written.len());
    same(written)
        .or_else(|| known.iter().copied().find(|word| plain(word) == plain(written)))
        .or_else(|| synonyms.into_iter().find_map(|ours| same(ours)))
        .or_else(|| parts().find_map(same))
}

/// Returns one of `known` that means the same as the key `written` of another product.
pub(in crate::config) fn key<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = written.to_ascii_lowercase().replace('-', "_");
    let ours = KEYS.iter().filter(|(_, others)| others.split(' ').any(|other| other == plain)).map(|(ours, _)| ours);
    ours.into_iter().find_map(|ours| known.iter().copied().find(|word| word == ours))
}
