//! What a value or a call of Lua answers with.

use std::net::IpAddr;

use super::lua::Expression;
use super::monitors::Monitors;
use crate::import::Report;
use crate::import::tables::{Endpoint, Pool, Target};

/// The most addresses that a name here answers with at once.
const MANY: u32 = 64;

/// Pools, best first; those of a tier answer together. Without any, nothing is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) tiers: Vec<Vec<Pool>>,
    /// True if each pool is one address, and the nearest one answers.
    pub(super) is_closest: bool,
    pub(super) pick: Option<&'static str>,
    pub(super) answers: Option<u32>,
}

impl Answer {
    fn of(pool: Pool) -> Self {
        Self { tiers: vec![vec![pool]], is_closest: false, pick: None, answers: None }
    }

    /// Adds the addresses of the other family. Fails if the two answer in different ways.
    pub(super) fn add(&mut self, other: Self) -> Result<(), String> {
        let shape = |answer: &Self| -> Vec<Vec<(Option<String>, bool)>> {
            let of_tier = |tier: &Vec<Pool>| tier.iter().map(|pool| (pool.monitor.clone(), pool.draws)).collect();
            answer.tiers.iter().map(of_tier).collect()
        };
        let settings = |answer: &Self| (answer.is_closest, answer.pick, answer.answers);
        if self.is_closest && settings(self) == settings(&other) {
            self.tiers[0].extend(other.tiers.into_iter().flatten());
            return Ok(());
        }
        if self.tiers.len() == other.tiers.len() && settings(self) == settings(&other) && shape(self) != shape(&other) {
            // Pools of different families answer together, each for its own.
            for (tier, other) in self.tiers.iter_mut().zip(other.tiers) {
                tier.extend(other);
            }
            return Ok(());
        }
        if shape(self) != shape(&other) || settings(self) != settings(&other) {
            return Err(
                "A and AAAA are answered in different ways, and a name here answers both from one place".to_owned()
            );
        }
        for (pool, other) in self.tiers.iter_mut().flatten().zip(other.tiers.into_iter().flatten()) {
            for endpoint in other.endpoints {
                pool.add(endpoint);
            }
        }
        Ok(())
    }
}

/// Makes answers of expressions.
pub(super) struct Answers<'a> {
    /// True if canonical names are answered, not addresses.
    pub(super) is_cname: bool,
    pub(super) monitors: &'a mut Monitors,
    pub(super) report: &'a mut Report,
}

impl Answers<'_> {
    /// Returns what an expression answers with. Fails with the reason if it has no equal.
    pub(super) fn of(&mut self, expression: &Expression) -> Result<Answer, String> {
        let Expression::Call(name, arguments) = expression else {
            let pool = self.pool(expression)?;
            let is_empty = pool.endpoints.is_empty();
            return Ok(Answer {
                tiers: if is_empty { Vec::new() } else { vec![vec![pool]] },
                ..Answer::of(Pool::default())
            });
        };
        let argument = |place: usize| arguments.get(place).ok_or_else(|| format!("{name} has too few arguments"));
        match name.as_str() {
            "all" => Ok(Answer::of(self.pool(argument(0)?)?)),
            "pickrandom" => Ok(Answer::of(Pool { draws: true, ..self.pool(argument(0)?)? })),
            "pickrandomsample" => {
                let count =
                    argument(0)?.number().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
                let count = count.ok_or("pickrandomsample has no number")?;
                let answer = Answer::of(self.pool(argument(1)?)?);
                Ok(Answer { pick: Some("random"), answers: Some(count.min(MANY)), ..answer })
            }
            "pickwrandom" => Ok(Answer::of(Pool { draws: true, ..self.weighted(argument(0)?)? })),
            "pickhashed" | "pickchashed" | "pickwhashed" => {
                let has_weights = argument(0)?.items().first().is_some_and(|item| item.text().is_none());
                let pool = if has_weights { self.weighted(argument(0)?)? } else { self.pool(argument(0)?)? };
                self.report.note(
                    "hashes differ: clients stay at one endpoint as before, but it may be another one, and a whole /24 or /56 goes together",
                );
                Ok(Answer { pick: Some("sticky"), ..Answer::of(pool) })
            }
            "pickclosest" => self.closest(argument(0)?),
            "ifportup" => {
                let port = argument(0)?.number().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
                let port = port.ok_or("ifportup has no port")?;
                let monitor = self.monitors.tcp(port, arguments.get(2), self.report);
                self.monitored(argument(1)?, &monitor, arguments.get(2))
            }
            "ifurlup" => {
                let url = argument(0)?.text().ok_or("ifurlup has no URL")?;
                let (monitor, _) = self.monitors.url(url, arguments.get(2), self.report)?;
                self.monitored(argument(1)?, &monitor, arguments.get(2))
            }
            "ifurlextup" => self.external(argument(0)?, arguments.get(1)),
            _ => Err(format!("`{name}` has no equal here")),
        }
    }

    fn target(&self, text: &str) -> Result<Target, String> {
        if self.is_cname {
            let dot = if text.ends_with('.') { "" } else { "." };
            return Ok(Target::Cname(format!("{text}{dot}")));
        }
        text.parse::<IpAddr>().map(Target::Address).map_err(|_| format!("'{text}' is not an address"))
    }

    fn endpoint(&self, text: &str) -> Result<Endpoint, String> {
        Ok(Endpoint { target: self.target(text)?, weight: 1, check: None })
    }

    /// A pool of all texts of a table. It may be empty.
    fn pool(&self, table: &Expression) -> Result<Pool, String> {
        let mut pool = Pool::default();
        for text in table.texts().ok_or("a list of addresses has something else in it")? {
            pool.add(self.endpoint(text)?);
        }
        Ok(pool)
    }

    /// A pool of pairs of a weight and a text.
    fn weighted(&self, table: &Expression) -> Result<Pool, String> {
        let mut pool = Pool::default();
        for pair in table.items() {
            let pair = pair.items();
            let [weight, text] = pair[..] else {
                return Err("a pair of a weight and an address is expected".to_owned());
            };
            let weight = weight
                .number()
                .and_then(|weight| u16::try_from(weight).ok())
                .ok_or("a weight is not from 0 to 65535")?;
            let text = text.text().ok_or("a weight has no address")?;
            pool.add(Endpoint { weight, ..self.endpoint(text)? });
        }
        Ok(pool)
    }

    fn closest(&mut self, table: &Expression) -> Result<Answer, String> {
        self.report.note("distances: here they are great circles, PowerDNS compares degrees of latitude and longitude");
        let pool = self.pool(table)?;
        let each = pool.endpoints.into_iter().map(|endpoint| Pool { endpoints: vec![endpoint], ..Pool::default() });
        Ok(Answer { is_closest: true, ..Answer { tiers: vec![each.collect()], ..Answer::of(Pool::default()) } })
    }

    /// Sets of addresses that are probed: the first one with an address that is up answers, as the selector says.
    fn monitored(&mut self, sets: &Expression, monitor: &str, options: Option<&Expression>) -> Result<Answer, String> {
        let is_nested = sets.items().first().is_some_and(|item| matches!(item, Expression::Table(_)));
        let sets = if is_nested { sets.items() } else { vec![sets] };
        let mut tiers = Vec::new();
        for set in sets {
            tiers.push(vec![Pool { monitor: Some(monitor.to_owned()), ..self.pool(set)? }]);
        }
        self.selected(Answer { tiers, is_closest: false, pick: None, answers: None }, options)
    }

    fn selected(&mut self, mut answer: Answer, options: Option<&Expression>) -> Result<Answer, String> {
        let option = |key: &str| options.and_then(|options| options.get(key)?.text());
        match option("selector").unwrap_or("random") {
            "random" => answer.tiers.iter_mut().flatten().for_each(|pool| pool.draws = true),
            "all" => {}
            "hashed" => answer.pick = Some("sticky"),
            "pickclosest" if answer.tiers.len() == 1 => {
                let pools = answer.tiers.remove(0);
                let each = pools.into_iter().flat_map(|pool| {
                    let Pool { endpoints, .. } = pool.clone();
                    endpoints.into_iter().map(move |endpoint| Pool { endpoints: vec![endpoint], ..pool.clone() })
                });
                answer = Answer { tiers: vec![each.collect()], is_closest: true, ..answer };
            }
            other => return Err(format!("the selector {other} has no equal here")),
        }
        if let Some(other) = option("backupSelector").filter(|other| *other != "random") {
            self.report.note(format!(
                "the backupSelector {other}: if all addresses are down, the name answers as if the first ones were up"
            ));
        }
        Ok(answer)
    }

    /// Addresses with a URL each. Those with the same host and path are one pool.
    fn external(&mut self, sets: &Expression, options: Option<&Expression>) -> Result<Answer, String> {
        let is_nested = sets.items().first().is_some_and(|item| matches!(item, Expression::Table(_)));
        let sets = if is_nested { sets.items() } else { vec![sets] };
        let mut tiers: Vec<Vec<Pool>> = Vec::new();
        for set in sets {
            let Expression::Table(entries) = set else { return Err("ifurlextup has no table".to_owned()) };
            let mut tier: Vec<Pool> = Vec::new();
            for (address, url) in entries {
                let (Some(address), Some(url)) = (address, url.text()) else {
                    return Err("ifurlextup has an address without a URL".to_owned());
                };
                let (monitor, check) = self.monitors.url(url, options, self.report)?;
                let endpoint = Endpoint { check, ..self.endpoint(address)? };
                match tier.iter_mut().find(|pool| pool.monitor.as_ref() == Some(&monitor)) {
                    Some(pool) => pool.add(endpoint),
                    None => tier.push(Pool { monitor: Some(monitor), endpoints: vec![endpoint], ..Pool::default() }),
                }
            }
            tiers.push(tier);
        }
        if tiers.iter().any(|tier| tier.len() > 1) {
            // Each pool would give an endpoint: one of all must be picked.
            self.report
                .note("ifurlextup with several hosts: all addresses of a set that are up answer, not one of them");
            return Ok(Answer { tiers, is_closest: false, pick: None, answers: None });
        }
        self.selected(Answer { tiers, is_closest: false, pick: None, answers: None }, options)
    }
}
