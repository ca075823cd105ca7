//! Nodes that leave, are restarted and arrive, and what they tell of themselves.

use super::*;

#[test]
fn one_that_leaves_counts_until_it_would_be_silent() {
    let mut crew = Crew::calm(&THREE, 2);
    crew.see("a", 0, DOWN);
    crew.see("b", 0, DOWN);
    crew.pass(INTERVAL);
    crew.leave("b");
    assert!(crew.told("a").contains(&News::Left(name("b"))));
    crew.pass(INTERVAL * 3);
    assert_eq!(crew.verdicts(0), [Some(DOWN); 2], "it may be back in a moment");
    crew.pass(INTERVAL * 2);
    assert_eq!(crew.verdicts(0), [Some(UP); 2], "one of two");
    assert_eq!(crew.node("a").peers(), 1);
    assert!(crew.told("a").is_empty(), "it is not told twice");
}

#[test]
fn a_restart_within_an_incident_changes_no_verdict_of_the_others() {
    for says_so in [true, false] {
        let mut crew = Crew::calm(&THREE, 2);
        crew.see("a", 0, DOWN);
        crew.see("b", 0, DOWN);
        crew.pass(INTERVAL);
        if says_so {
            crew.leave("b");
        } else {
            crew.nodes.remove(&name("b"));
        }
        for step in 0..1_200 {
            if step == 100 {
                crew.start("b", 2, 2);
                // It has not even probed yet: it tells what its last run saw.
                crew.see("b", 0, DOWN);
                crew.see("b", 1, UP);
            }
            crew.pass(Duration::from_millis(10));
            let verdicts = [0, 1].map(|id| ["a", "c"].map(|node| verdict(crew.node(node), QuestionId(id))));
            assert_eq!(verdicts, [[Some(DOWN); 2], [Some(UP); 2]], "step {step}");
        }
        assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
        assert!(crew.node("a").vantage_points().iter().all(|point| point.is_in_step));
    }
}

#[test]
fn a_newcomer_is_greeted_and_arrives_once_it_agrees() {
    let mut crew = Crew::calm(&["a", "b"], 2);
    crew.start("c", 1, 2);
    crew.pass(Duration::from_millis(50));
    assert_eq!(crew.node("c").peers(), 2, "nobody waits for the next report");
    let now = crew.now;
    assert!(crew.node("c").is_arriving() && crew.node("c").expects_others(now));
    crew.pass(INTERVAL * 2);
    let now = crew.now;
    assert!(!crew.node("c").is_arriving() && !crew.node("c").expects_others(now));
    assert!(crew.node("c").is_settled());
}

#[test]
fn one_that_finds_nobody_arrives_after_four_intervals_and_does_not_expect_anybody_after_one() {
    let mut crew = Crew::new(&["a"], 2);
    let begun = crew.now;
    assert!(crew.node("a").expects_others(begun));
    assert!(!crew.node("a").expects_others(begun + INTERVAL));
    assert_eq!(crew.node("a").wake_at(begun + INTERVAL), Some(begun), "its first report is due");
    crew.pass(INTERVAL * 4 - Duration::from_millis(10));
    assert!(crew.node("a").is_arriving());
    crew.pass(Duration::from_millis(10));
    assert!(!crew.node("a").is_arriving());
    // Without a server nobody is expected at all.
    let mut alone = Vantages::new(crew.node("a").me().clone(), 1);
    assert!(alone.expects_others(begun), "it may still be connected");
    alone.disconnect();
    assert!(!alone.expects_others(begun) && alone.is_arriving());
}

#[test]
fn what_a_node_runs_is_told_when_it_changes_and_asked_for_when_it_was_not_heard() {
    let identity = |serial| {
        let zone = ZoneIdentity { origin: "example.com.".into(), serial, text: 1, keys: Vec::new() };
        Identity::new("0.1.0", vec![zone])
    };
    let serials = |crew: &mut Crew, of: &str| -> Vec<Option<u32>> {
        let points = crew.node(of).vantage_points();
        points.iter().map(|point| point.identity.as_ref().map(|it| it.zones[0].serial)).collect()
    };
    let mut crew = Crew::calm(&THREE, 2);
    assert_eq!(serials(&mut crew, "a"), [None; 3]);
    crew.letters.clear();
    for node in THREE {
        let now = crew.now;
        crew.node(node).identify(identity(7), now);
    }
    crew.pass(Duration::from_millis(50));
    assert_eq!(serials(&mut crew, "a"), [Some(7); 3]);
    assert!(crew.letters.iter().all(|(_, letter)| letter.to.is_none()), "nobody had to ask");
    // A newcomer gets it with the rows; the others get that of the newcomer.
    crew.start("d", 1, 2);
    let now = crew.now;
    crew.node("d").identify(identity(8), now);
    crew.pass(Duration::from_millis(100));
    assert_eq!(serials(&mut crew, "d"), [Some(7), Some(7), Some(7), Some(8)]);
    assert_eq!(serials(&mut crew, "a"), [Some(7), Some(7), Some(7), Some(8)]);
    // One misses a change, and asks when it hears the next report.
    crew.cut("a");
    let now = crew.now;
    crew.node("b").identify(identity(9), now);
    crew.pass(Duration::from_millis(50));
    crew.mend("a");
    assert_eq!(serials(&mut crew, "a")[1], Some(7));
    crew.pass(INTERVAL + Duration::from_millis(50));
    assert_eq!(serials(&mut crew, "a")[1], Some(9));
}
