//! Whole configurations, and the worlds they become.

use super::*;

#[test]
fn the_samples_are_without_fault() {
    let config = sample();
    assert_eq!(config.warnings.render(false), "");
    println!("{:#?}", config.world);
}
