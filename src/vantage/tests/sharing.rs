//! Nodes of which one hears more than another.

use std::num::NonZeroU16;

use super::*;

const QUESTIONS: u128 = 32;

/// Spreads the questions over all parts.
fn question(number: u128) -> QuestionId {
    QuestionId(number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn start(node: &str, now: Duration) -> Vantages {
    let me = Me { node: name(node), site: "fra".into(), interval: INTERVAL, observes: false };
    let mut vantages = Vantages::new(me, 1);
    let place = |place| Place { vantages: Some(NonZeroU16::MIN), ..place };
    let places = places(QUESTIONS).into_iter().map(|(id, it)| (question(id.0), place(it)));
    vantages.set_places(places.collect(), now);
    vantages.connect(now);
    vantages
}

/// Lets time pass. What one says reaches those that hear it; everybody sees everything up.
fn pass(nodes: &mut [Vantages], time: Duration, now: &mut Duration, hears: impl Fn(usize, usize) -> bool) {
    let until = *now + time;
    while *now < until {
        *now += Duration::from_millis(50);
        for from in 0..nodes.len() {
            let letters = nodes[from].advance(*now, EPOCH + *now);
            let turned = nodes[from].take_duties();
            for (id, _) in turned.into_iter().filter(|(_, is_asked)| *is_asked) {
                nodes[from].see(id, UP, None, *now, *now);
            }
            let sender = nodes[from].me().node.clone();
            for Letter { to, message } in letters {
                for it in (0..nodes.len()).filter(|&it| it != from && hears(it, from)) {
                    if to.as_ref().is_none_or(|to| *to == nodes[it].me().node) {
                        nodes[it].hear(&sender, message.clone(), *now, EPOCH + *now).unwrap();
                    }
                }
            }
        }
    }
}

fn asked(node: &Vantages) -> Vec<bool> {
    (0..QUESTIONS).map(|number| node.is_asked(question(number))).collect()
}

#[test]
fn what_is_left_to_a_node_that_is_not_heard_is_asked_again_until_it_is_heard() {
    let mut now = Duration::from_secs(100);
    let mut nodes = vec![start("ns1", now), start("ns2", now)];
    pass(&mut nodes, INTERVAL * 8, &mut now, |_, _| true);
    let count =
        |nodes: &[Vantages]| nodes.iter().map(|it| asked(it).into_iter().filter(|it| *it).count()).sum::<usize>();
    assert_eq!(count(&nodes), QUESTIONS as usize, "each question is asked by one");

    // The second one leaves questions to a third one, which the first one does not hear.
    nodes.push(start("ns3", now));
    pass(&mut nodes, INTERVAL * 12, &mut now, |to, from| [to, from] != [0, 2]);
    let (first, second) = (asked(&nodes[0]), asked(&nodes[1]));
    assert!(first.iter().zip(&second).all(|(first, second)| *first || *second), "{first:?} {second:?}");
    let by_third = second.iter().zip(&first).filter(|(second, first)| !**second && **first).count();
    assert!(by_third > 0 && second.contains(&true));

    pass(&mut nodes, INTERVAL * 8, &mut now, |_, _| true);
    assert_eq!(count(&nodes), QUESTIONS as usize, "each question is asked by one again");
}
