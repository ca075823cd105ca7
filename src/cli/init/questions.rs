//! The dialogue of `truenorth init`. It asks each question, with an example, until the answer can be read.
//!
//! Questions go to standard error, so that standard output holds only the result.

use std::io::{self, BufRead, Write};

use super::answers::{
    self, Answers, Datacenter, Endpoints, Nameserver, Origin, Probe, check_datacenters, check_endpoints,
    check_nameservers,
};
use super::{Arguments, Refusal};

/// The questions, with the flag that answers each.
const QUESTIONS: [(&str, &str); 5] = [
    ("--zone", "1/5  Which zone is delegated to this server? For example gslb.example.com"),
    (
        "--nameserver",
        "2/5  Which nameservers does it have, with their addresses? For example ns1=192.0.2.53,2001:db8::53 ns2=198.51.100.53",
    ),
    (
        "--datacenter",
        "3/5  Where are your datacenters? Latitude and longitude, for example fra=50.11,8.68 iad=38.95,-77.45",
    ),
    ("--endpoints", "4/5  Which addresses serve there? For example fra=198.51.100.10,198.51.100.11 iad=192.0.2.10"),
    ("--check", "5/5  How is each of them checked? http:80/healthz, https:443/healthz, tcp:443 or none [http:80/]"),
];

/// The answer to the last question if the operator writes nothing.
const DEFAULT_CHECK: &str = "http:80/";

/// Returns the answers of the flags, and asks for the others on `input`. `is_free` fails with the reason if a zone
/// cannot be added. Fails if an answer cannot be used, or is missing and there is no `input`.
pub(super) fn answer(
    arguments: &Arguments,
    input: Option<&mut dyn BufRead>,
    is_free: impl Fn(&Origin) -> Result<(), String>,
) -> Result<Answers, Refusal> {
    let Arguments { zone, nameserver, datacenter, endpoints, check, .. } = arguments;
    let given =
        [zone.is_some(), !nameserver.is_empty(), !datacenter.is_empty(), !endpoints.is_empty(), check.is_some()];
    let missing: Vec<&str> =
        QUESTIONS.iter().zip(given).filter(|(_, given)| !given).map(|((flag, _), _)| *flag).collect();
    let mut dialogue = match input {
        Some(input) => Dialogue { input },
        None if missing.is_empty() => Dialogue { input: &mut io::empty() },
        None => {
            let flags = missing.join(", ");
            return Err(Refusal::Usage(format!(
                "there is no terminal for questions: give the answers as flags: {flags}"
            )));
        }
    };
    let origin = match zone {
        Some(zone) => is_free(zone).map(|()| zone.clone()).map_err(Refusal::Failed)?,
        None => dialogue.ask(0, |text| {
            let origin = text.parse()?;
            is_free(&origin).map(|()| origin)
        })?,
    };
    let nameservers = dialogue.unless(nameserver, 1, |list: &[Nameserver]| check_nameservers(&origin, list))?;
    let datacenters = dialogue.unless(datacenter, 2, |list: &[Datacenter]| check_datacenters(list))?;
    let endpoints = dialogue.unless(endpoints, 3, |list: &[Endpoints]| check_endpoints(&datacenters, list))?;
    let probe = match check {
        Some(check) => check.clone(),
        None => dialogue.ask(4, |text| {
            let text = if text.is_empty() { DEFAULT_CHECK } else { text };
            text.parse::<Probe>()
        })?,
    };
    Ok(Answers { origin, nameservers, datacenters, endpoints, probe })
}

struct Dialogue<'i> {
    input: &'i mut dyn BufRead,
}

impl Dialogue<'_> {
    /// Returns the list that the flags give, or asks for it. Fails if `check` refuses the list of the flags.
    fn unless<T: std::str::FromStr<Err = String> + Clone>(
        &mut self,
        given: &[T],
        question: usize,
        check: impl Fn(&[T]) -> Result<(), String>,
    ) -> Result<Vec<T>, Refusal> {
        if !given.is_empty() {
            return check(given).map(|()| given.to_vec()).map_err(Refusal::Usage);
        }
        self.ask(question, |text| {
            let list: Vec<T> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
            if list.is_empty() {
                return Err("at least one is needed".to_owned());
            }
            check(&list).map(|()| list)
        })
    }

    /// Asks until the answer can be read.
    fn ask<T>(&mut self, question: usize, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Refusal> {
        let (flag, text) = QUESTIONS[question];
        loop {
            say(&format!("{text}\n> "))?;
            let mut line = String::new();
            let octets = self
                .input
                .read_line(&mut line)
                .map_err(|error| Refusal::Failed(format!("the answer cannot be read: {error}; nothing was written")))?;
            if octets == 0 {
                // At the end of input, the cursor is still behind the prompt.
                say("\n")?;
                return Err(Refusal::Failed(format!("no answer for {flag}; nothing was written")));
            }
            match read(line.trim()) {
                Ok(answer) => return Ok(answer),
                Err(why) => say(&format!("{why}\n"))?,
            }
        }
    }
}

fn say(text: &str) -> Result<(), Refusal> {
    let mut out = io::stderr().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| Refusal::Failed(format!("the question cannot be shown: {error}; nothing was written")))
}

/// Reads the name of the service, a label below the zone.
pub(super) fn read_service(text: &str) -> Result<String, String> {
    answers::read_word(text).map(|word| word.to_ascii_lowercase())
}
