//! The page without JavaScript: tables of datacenters, pools and endpoints.

use std::fmt::{self, Write};

use crate::printable::Printable;
use crate::report::{DatacenterStatus, Status};

/// Maximum number of rows of a table. `truenorth status` shows all.
const MAX_ROWS: usize = 500;

/// The text for requests that may not read the state of the node.
pub(super) const WITHOUT_TOKEN: &str = "<p>This node shows its state only to those who have a token, and without JavaScript \
     this page cannot ask for it. Use <code>truenorth status</code>, or send the token with the request: \
     <code>curl -H 'Authorization: Bearer TOKEN'</code> followed by the address of this page.</p>";

/// Displays text so that it can be a part of HTML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in Printable(self.0).to_string().chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Returns the tables. Endpoints that are not up come first.
pub(super) fn render(status: &Status) -> String {
    let mut html = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut html, status);
    html
}

fn write(html: &mut String, status: &Status) -> fmt::Result {
    let Status { node, version, generation, datacenters, pools, zones, .. } = status;
    write!(html, "<p>Node <b>{}</b>, truenorth {}, ", Escaped(node), Escaped(version))?;
    write!(html, "generation {generation}, {} zones. It answers.</p>", zones.len())?;
    begin(html, "Datacenters", &["Datacenter", "Endpoints up", "All endpoints", "Pools usable", "All pools"])?;
    for datacenter in datacenters.iter().take(MAX_ROWS) {
        let DatacenterStatus { datacenter, endpoints, pools, usable_pools, .. } = datacenter;
        let name = datacenter.as_deref().unwrap_or("(none)");
        row(html, name, &[endpoints.in_use(), endpoints.all(), *usable_pools, *pools].map(|count| count.to_string()))?;
    }
    end(html, datacenters.len())?;
    begin(html, "Pools", &["Pool", "Datacenter", "Usable", "IPv4 open", "IPv6 open"])?;
    for pool in pools.iter().take(MAX_ROWS) {
        let usable = match (pool.usable_v4, pool.usable_v6) {
            (false, false) => "no",
            (true, false) => "for A",
            (false, true) => "for AAAA",
            (true, true) => "yes",
        };
        let (v4, v6) =
            (format!("{} of {}", pool.open_v4, pool.given_v4), format!("{} of {}", pool.open_v6, pool.given_v6));
        row(html, &pool.pool, &[pool.datacenter.clone().unwrap_or_default(), usable.to_owned(), v4, v6])?;
    }
    end(html, pools.len())?;
    begin(html, "Endpoints", &["Endpoint", "Pool", "State", "By the probes", "Last probe", "Answers"])?;
    let mut endpoints: Vec<_> =
        pools.iter().flat_map(|pool| pool.endpoints.iter().map(move |endpoint| (pool, endpoint))).collect();
    endpoints.sort_by_key(|(_, endpoint)| endpoint.state == "up");
    for (pool, endpoint) in endpoints.iter().take(MAX_ROWS) {
        let (seen, answers) = (endpoint.last_seen(), endpoint.answers.to_string());
        let cells = [&*pool.pool, &*endpoint.state, &*endpoint.really, &*seen, &*answers];
        row(html, &endpoint.endpoint, &cells.map(str::to_owned))?;
    }
    end(html, endpoints.len())
}

fn begin(html: &mut String, caption: &str, columns: &[&str]) -> fmt::Result {
    write!(html, "<table><caption>{caption}</caption><thead><tr>")?;
    columns.iter().try_for_each(|column| write!(html, "<th scope=\"col\">{column}</th>"))?;
    html.write_str("</tr></thead><tbody>")
}

fn row(html: &mut String, head: &str, cells: &[String]) -> fmt::Result {
    write!(html, "<tr><th scope=\"row\">{}</th>", Escaped(head))?;
    cells.iter().try_for_each(|cell| write!(html, "<td>{}</td>", Escaped(cell)))?;
    html.write_str("</tr>\n")
}

fn end(html: &mut String, rows: usize) -> fmt::Result {
    html.write_str("</tbody></table>")?;
    match rows.saturating_sub(MAX_ROWS) {
        0 => Ok(()),
        more => write!(html, "<p>And {more} more: see <code>truenorth status</code>.</p>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_stays_text() {
        assert_eq!(
            Escaped("<b onclick='x'>\"&\"</b>").to_string(),
            "&lt;b onclick=&#39;x&#39;&gt;&quot;&amp;&quot;&lt;/b&gt;"
        );
        assert!(!Escaped("a\u{1b}[31m\nb").to_string().contains(['\u{1b}', '\n']));
    }
}
