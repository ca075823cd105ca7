//! Sums over a recent span of time.

use std::collections::VecDeque;
use std::time::Duration;

/// The number of parts of a window. Old amounts leave the window one part at a time.
const PARTS: u32 = 12;

/// Pairs of amounts that belong together, such as errors and requests, summed over a span of time that ends now.
#[derive(Clone, Debug)]
pub(super) struct Window {
    span: Duration,
    /// The beginning of each part, and its two amounts.
    parts: VecDeque<(Duration, u64, u64)>,
}

impl Window {
    pub(super) fn new(span: Duration) -> Self {
        Self { span, parts: VecDeque::new() }
    }

    pub(super) fn add(&mut self, amount: u64, of: u64, now: Duration) {
        while self.parts.front().is_some_and(|(since, ..)| *since + self.span <= now) {
            self.parts.pop_front();
        }
        match self.parts.back_mut().filter(|(since, ..)| now < *since + self.span / PARTS) {
            Some(part) => (part.1, part.2) = (part.1.saturating_add(amount), part.2.saturating_add(of)),
            None => self.parts.push_back((now, amount, of)),
        }
    }

    /// The sums of both amounts.
    pub(super) fn sums(&self, now: Duration) -> (u64, u64) {
        let recent = self.parts.iter().filter(|(since, ..)| now < *since + self.span);
        recent.fold((0, 0), |(amounts, wholes), (_, amount, of)| {
            (u64::saturating_add(amounts, *amount), u64::saturating_add(wholes, *of))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_older_than_the_span_no_longer_counts() {
        let mut window = Window::new(SECOND * 12);
        window.add(1, 10, SECOND);
        window.add(2, 20, SECOND * 12);
        assert_eq!(window.sums(SECOND * 12), (3, 30));
        assert_eq!(window.sums(SECOND * 13), (2, 20));
        assert_eq!(window.sums(SECOND * 24), (0, 0));
    }

    #[test]
    fn it_stays_small_however_much_is_added() {
        let mut window = Window::new(SECOND * 12);
        for millisecond in 0..60_000 {
            window.add(1, 1, Duration::from_millis(millisecond));
        }
        assert!(window.parts.len() <= PARTS as usize + 1);
        let (amount, _) = window.sums(SECOND * 60);
        assert!((11_000..=12_000).contains(&amount), "{amount}");
    }
}
