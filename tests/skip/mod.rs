//! What this machine cannot do, a test cannot show: it fails, and says what is missing, unless it is told that it may skip that.

/// Whoever knows that a machine lacks something sets it to 1; `tests/run` does not.
const MAY_SKIP: &str = "TRUENORTH_TESTS_MAY_SKIP";

/// Fails the test, for the machine cannot do what it needs; returns where the environment allows to skip it.
#[track_caller]
pub(crate) fn cannot(why: &str) {
    let may_skip = std::env::var(MAY_SKIP).is_ok_and(|value| value == "1");
    assert!(may_skip, "this machine cannot show it: {why}. With {MAY_SKIP}=1 such tests are skipped");
    println!("skipped: {why}");
}
