//! The resources of this process, as Linux tells them in `/proc`.

use std::fs;

use crate::report::ProcessFacts;

/// Number of ticks in a second, the unit of the times in `/proc/self/stat` (USER_HZ). It is 100 on every architecture
/// that current versions of Linux support.
const TICKS: f64 = 100.0;

/// Fields of `/proc/self/stat` behind the command, which ends with the last parenthesis: proc(5) numbers the first one
/// 3.
const USER_TIME: usize = 14 - 3;
const SYSTEM_TIME: usize = 15 - 3;
const START: usize = 22 - 3;

/// Reads the facts about this process. A fact that cannot be read is 0.
pub(super) fn facts() -> ProcessFacts {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    let fields: Vec<&str> = stat.rsplit_once(") ").map_or_else(Vec::new, |(_, fields)| fields.split(' ').collect());
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default() / TICKS;
    let boot = number_after(&read("/proc/stat"), "btime ");
    ProcessFacts {
        started: boot as f64 + ticks(START),
        processor: ticks(USER_TIME) + ticks(SYSTEM_TIME),
        resident: number_after(&read("/proc/self/status"), "VmRSS:") * 1024,
        // The list contains the descriptor by which it is read.
        descriptors: fs::read_dir("/proc/self/fd").map_or(0, |list| list.count().saturating_sub(1) as u64),
        most_descriptors: number_after(&read("/proc/self/limits"), "Max open files"),
    }
}

/// Returns the first number of the line that begins with these words; 0 if there is none.
fn number_after(text: &str, words: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(words));
    line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_those_of_this_process() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let ProcessFacts { started, processor, resident, descriptors, most_descriptors } = facts();
        assert!(started > now - 86_400.0 && started < now + 5.0, "{started}, {now}");
        assert!((0.0..86_400.0).contains(&processor), "{processor}");
        assert!(resident > 1 << 20, "{resident}");
        assert!(descriptors >= 3 && descriptors <= most_descriptors, "{descriptors} of {most_descriptors}");
    }
}
