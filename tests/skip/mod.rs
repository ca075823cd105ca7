//! A test that the machine cannot run fails with the reason, unless the environment allows to skip it.

/// Users set it to 1 if they know that their machine lacks something. `tests/run` does not set it.
const MAY_SKIP: &str = "TRUENORTH_TESTS_MAY_SKIP";

/// Fails the test, because the machine lacks what it needs; returns if the environment allows to skip it.
#[track_caller]
pub(crate) fn cannot(why: &str) {
    let may_skip = std::env::var(MAY_SKIP).is_ok_and(|value| value == "1");
    assert!(may_skip, "this machine cannot show it: {why}. With {MAY_SKIP}=1 such tests are skipped");
    println!("skipped: {why}");
}
