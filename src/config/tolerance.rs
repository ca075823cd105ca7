//! `latency_tolerance`: differences that the step `latency` treats as a tie.

use crate::latency::Tolerance;
use crate::steering::Step;

use super::code::Code;
use super::decode::Value;
use super::fault::{Fault, Faults};

/// A share or a time.
enum Part {
    PerMille(u16),
    Tenths(u16),
}

/// Reads `"20%"`, `"10ms"`, or a list of both, of which the larger counts.
pub(super) fn read(value: &Value<'_>, steer: &[Step], faults: &mut Faults) -> Option<Tolerance> {
    if !steer.contains(&Step::Latency) {
        let message = "`latency_tolerance` has no effect: `steer` has no step `latency`";
        faults.push(Fault::warning(&value.anchor(), message, "").code(Code::NoEffect));
    }
    let items =
        if value.is_list() { value.items("a tolerance needs a share or a time", faults) } else { vec![value.clone()] };
    let (mut per_mille, mut tenths) = (None, None);
    for item in &items {
        let expected = "a share such as \"20%\" or a time such as \"10ms\"";
        let part = match meant(item) {
            Some(meant) => return item.misread(expected, Some(format!("\"{meant}\"")), faults),
            None => item.parsed(expected, faults, parse)?,
        };
        let (known, number) = match part.value {
            Part::PerMille(number) => (&mut per_mille, number),
            Part::Tenths(number) => (&mut tenths, number),
        };
        if known.replace(number).is_some() {
            faults.push(
                Fault::error(&part.place, "`latency_tolerance` takes at most one share and one time", "again")
                    .code(Code::Duplicate),
            );
        }
    }
    Tolerance::try_new(per_mille.unwrap_or(0), tenths.unwrap_or(0))
}

/// The tolerance that was probably meant: without blanks, or with the missing percent sign. `None` if the value is
/// valid, or has no probable meaning.
fn meant(item: &Value<'_>) -> Option<String> {
    let written: String = match item.float() {
        Some(part) => format!("{:.1}%", part.parse::<f64>().ok()? * 100.0).replace(".0%", "%"),
        None => item.word_or_number()?.split_whitespace().collect(),
    };
    let candidates = [written.clone(), format!("{written}%")];
    candidates.into_iter().find(|text| parse(text).is_some()).filter(|meant| item.text() != Some(meant))
}

/// Reads a share or a time. A share may have one decimal place: `"7.5%"`.
fn parse(text: &str) -> Option<Part> {
    let (digits, is_share) = match text.strip_suffix('%') {
        Some(digits) => (digits, true),
        None => (text.strip_suffix("ms")?, false),
    };
    let (whole, tenth) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    if !all_digits(whole) || !all_digits(tenth) || tenth.len() != 1 {
        return None;
    }
    let tenths = format!("{whole}{tenth}").parse::<u16>().ok()?;
    if is_share {
        (tenths <= Tolerance::MAX_PER_MILLE).then_some(Part::PerMille(tenths))
    } else {
        (tenths <= Tolerance::MAX_TENTHS).then_some(Part::Tenths(tenths))
    }
}
