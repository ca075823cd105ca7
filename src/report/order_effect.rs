//! The effect of an order: which clients it moves, and which names it leaves without a usable pool. Told before an
//! order is given (`dry_run`) and after.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::impact::is_zero;
use super::{Changes, Impact};

/// Maximum number of names that are listed as left without a usable pool; further ones are counted.
const MAX_EMPTIED: usize = 16;

/// The effect of an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderEffect {
    /// The clients that move.
    #[serde(flatten)]
    pub impact: Impact,
    /// The first names that have a usable pool now and would have none, so that only the lower rungs of the ladder are
    /// left.
    pub emptied: Vec<String>,
    /// Number of further names.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub emptied_more: usize,
    /// True if nothing was changed, because somebody only asked for the effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

impl OrderEffect {
    /// Returns the effect of an order, from the snapshots before and after it.
    pub fn new(changes: &mut Changes<'_>, dry_run: bool) -> Self {
        let mut emptied = changes.emptied();
        let names = emptied.by_ref().take(MAX_EMPTIED).map(ToString::to_string).collect();
        let emptied_more = emptied.count();
        Self { impact: changes.impact(), emptied: names, emptied_more, dry_run }
    }

    /// Returns the number of names that are left without a usable pool.
    pub fn emptied_count(&self) -> usize {
        self.emptied.len() + self.emptied_more
    }

    /// Returns the names that are left without a usable pool, as a sentence; `None` if there are none.
    pub fn warning(&self) -> Option<String> {
        let names = self.emptied.join(", ");
        match (self.emptied_count(), self.emptied_more) {
            (0, _) => None,
            (_, 0) => Some(format!("no usable pool is left for {names}")),
            (_, more) => Some(format!("no usable pool is left for {names} and {more} more names")),
        }
    }
}

/// Writes one line for each move, and one for the names without a usable pool.
impl fmt::Display for OrderEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.dry_run { "effect (dry run, nothing is changed): " } else { "effect: " })?;
        let Impact { moves, more } = &self.impact;
        if moves.is_empty() && *more == 0 {
            f.write_str("no client is sent elsewhere")?;
        }
        let mut gap = "";
        for shift in moves {
            write!(f, "{gap}{shift}")?;
            gap = "\n        ";
        }
        if *more > 0 {
            write!(f, "{gap}{more} more names were not looked at")?;
        }
        self.warning().map_or(Ok(()), |warning| write!(f, "\nwarning: {warning}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Shift;

    fn shift(from: &str, to: &str) -> Shift {
        Shift {
            names: vec!["www.".into()],
            more: 0,
            from: vec![from.into()],
            to: vec![to.into()],
            clients: vec!["europe".into()],
        }
    }

    #[test]
    fn an_effect_is_told_line_by_line_and_comes_back_from_json() {
        let none = OrderEffect { dry_run: true, ..OrderEffect::default() };
        assert_eq!(none.to_string(), "effect (dry run, nothing is changed): no client is sent elsewhere");
        let effect = OrderEffect {
            impact: Impact { moves: vec![shift("fra", "iad"), shift("iad", "nowhere")], more: 2 },
            emptied: vec!["a.".into(), "b.".into()],
            emptied_more: 3,
            dry_run: false,
        };
        assert_eq!(
            effect.to_string(),
            "effect: name www.: fra -> iad for europe\n        name www.: iad -> nowhere for europe\n        \
             2 more names were not looked at\nwarning: no usable pool is left for a., b. and 3 more names"
        );
        let json = serde_json::to_value(&effect).unwrap();
        assert_eq!((&json["impact_more"], &json["emptied_more"], json.get("dry_run")), (&2.into(), &3.into(), None));
        assert_eq!(serde_json::from_value::<OrderEffect>(json).unwrap(), effect);
    }
}
