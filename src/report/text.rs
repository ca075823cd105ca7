//! Shares and lists as text.

use std::fmt;

/// Displays a share as a percentage. A share that is not exactly 0 or 1 never looks like 0 or 100 %.
pub(super) struct Percent(pub(super) f64);

/// Displays a number with the word for the counted things, such as `1 error` or `2 errors`.
pub(super) struct Counted(pub(super) usize, pub(super) &'static str);

/// Displays the first words of a list, and the number of the others.
pub(super) struct Few<'a>(pub(super) &'a [String]);

/// Displays the shares of IPv4 and of IPv6, where they exist. Equal shares are written once.
pub(super) struct Families(pub(super) Option<f64>, pub(super) Option<f64>);

/// Maximum number of words; `--json` has all.
const FEW: usize = 12;

/// Shares that differ from 0 or 1 by less than this are 0 or 1; the difference is a rounding error.
const ROUNDING: f64 = 1e-9;

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let text = match self.0 {
            share if share < ROUNDING => "0 %".to_owned(),
            share if share > 1.0 - ROUNDING => "100 %".to_owned(),
            _ if percent < 0.01 => "<0.01 %".to_owned(),
            _ if percent > 99.99 => ">99.99 %".to_owned(),
            _ => format!("{percent:.2} %"),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(v4), Some(v6)) if Percent(*v4).to_string() == Percent(*v6).to_string() => {
                write!(f, "{}", Percent(*v4))
            }
            Self(Some(v4), Some(v6)) => write!(f, "{} of IPv4, {} of IPv6", Percent(*v4), Percent(*v6)),
            Self(Some(v4), None) => write!(f, "{} of IPv4", Percent(*v4)),
            Self(None, Some(v6)) => write!(f, "{} of IPv6", Percent(*v6)),
            Self(None, None) => f.write_str("0 %"),
        }
    }
}

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = &self.0[..self.0.len().min(FEW)];
        f.write_str(&told.join(", "))?;
        match self.0.len() - told.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_not_all_or_nothing_never_reads_so() {
        let told = [0.0, 0.000_000_1, 0.003_906_25, 0.4, 0.999_999, 1.0 - f64::EPSILON]
            .map(|share| Percent(share).to_string());
        assert_eq!(told, ["0 %", "<0.01 %", "0.39 %", "40.00 %", ">99.99 %", "100 %"]);
    }
}
