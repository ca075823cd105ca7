//! Conditions of Lua as clients of regions.

use ipnet::IpNet;

use super::answers::{Answer, Answers};
use super::lua::{Expression, Program};
use super::monitors::Monitors;
use crate::geo::{CountryCode, countries};
use crate::import::Report;

/// Answers by the client's place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Branches {
    /// Clients, such as `continent:EU`, and what they get.
    pub(super) places: Vec<(Vec<String>, Answer)>,
    /// What all others get; `None` for nothing.
    pub(super) last: Option<Answer>,
}

impl Branches {
    /// Adds the addresses of the other family. Fails if the two answer in different ways.
    pub(super) fn add(&mut self, other: Self) -> Result<(), String> {
        let clients = |branches: &Self| branches.places.iter().map(|(clients, _)| clients.clone()).collect::<Vec<_>>();
        if clients(self) != clients(&other) || self.last.is_some() != other.last.is_some() {
            return Err("A and AAAA have different conditions, and a name here answers both from one place".to_owned());
        }
        let own = self.places.iter_mut().map(|(_, answer)| answer).chain(&mut self.last);
        let theirs = other.places.into_iter().map(|(_, answer)| answer).chain(other.last);
        own.zip(theirs).try_for_each(|(answer, other)| answer.add(other))
    }

    /// The answers of all branches.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Answer> {
        self.places.iter().map(|(_, answer)| answer).chain(&self.last)
    }
}

/// Reads conditions.
pub(super) struct Conditions<'a> {
    pub(super) monitors: &'a mut Monitors,
    pub(super) report: &'a mut Report,
}

impl Conditions<'_> {
    /// Returns the answers of a program. Fails with the reason if it has no equal.
    pub(super) fn branches(mut self, program: &Program, is_cname: bool) -> Result<Branches, String> {
        let mut places: Vec<(Vec<String>, Answer)> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (conditions, returned) in &program.branches {
            let mut clients = Vec::new();
            for condition in conditions {
                clients.extend(Self::clients(condition)?);
            }
            // The first condition that holds counts there; here the most specific match does.
            clients.retain(|client| !seen.iter().any(|earlier| covers(earlier, client)));
            if let Some(narrower) =
                clients.iter().find(|client| is_network(client) && !seen.iter().all(|seen| is_network(seen)))
            {
                self.report.note(format!(
                    "{narrower} counts before countries and continents here, whatever the order of conditions"
                ));
            }
            seen.extend(clients.iter().cloned());
            let answer = self.answers(is_cname).of(returned)?;
            if !clients.is_empty() {
                places.push((clients, answer));
            }
        }
        let last = match &program.last {
            Some(returned) => Some(self.answers(is_cname).of(returned)?),
            None => None,
        };
        Ok(Branches { places, last })
    }

    fn answers(&mut self, is_cname: bool) -> Answers<'_> {
        Answers { is_cname, monitors: self.monitors, report: self.report }
    }

    fn clients(condition: &Expression) -> Result<Vec<String>, String> {
        let Expression::Call(name, arguments) = condition else {
            return Err("a condition is not one of continent, country, asnum and netmask".to_owned());
        };
        let values = arguments.first().map(Expression::items).unwrap_or_default();
        let texts = || values.iter().map(|value| value.text().ok_or_else(|| format!("{name} has no text")));
        match name.as_str() {
            "continent" | "country" => {
                texts().map(|text| Ok(format!("{name}:{}", text?.to_ascii_uppercase()))).collect()
            }
            "asnum" => {
                let number = |value: &&Expression| value.number().ok_or_else(|| "asnum has no number".to_owned());
                values.iter().map(|value| Ok(format!("asn:{}", number(value)?))).collect()
            }
            "netmask" => {
                let net = |text: &str| text.parse::<IpNet>().map_err(|_| format!("'{text}' is not a network"));
                texts().map(|text| Ok(net(text?)?.trunc().to_string())).collect()
            }
            _ => Err(format!("the condition `{name}` has no equal here")),
        }
    }
}

fn is_network(client: &str) -> bool {
    client.starts_with("asn:") || client.contains('/')
}

/// True if all of the second clients are among the first ones.
fn covers(earlier: &str, later: &str) -> bool {
    if earlier == later {
        return true;
    }
    if let (Ok(earlier), Ok(later)) = (earlier.parse::<IpNet>(), later.parse::<IpNet>()) {
        return earlier.contains(&later);
    }
    let country = later.strip_prefix("country:").and_then(CountryCode::parse).and_then(countries::country);
    let continent = earlier.strip_prefix("continent:");
    country.zip(continent).is_some_and(|(country, continent)| country.continent.as_str() == continent)
}
