//! Conversations of a few nodes. Messages arrive at once, unless a test holds them back.

mod arrival;
mod latency;
mod sharing;
mod simulation;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::*;
use crate::geo::DatacenterId;
use crate::health::{Identity, Opinion, Quorum, Share, Weight, ZoneIdentity};

const UP: Opinion = Some(Share::FULL);
const DOWN: Opinion = None;
const INTERVAL: Duration = Duration::from_secs(2);

/// The wall clock at the beginning.
const EPOCH: Duration = Duration::from_secs(1_700_000_000);

/// The opinion that a node follows; `None` if it decides alone.
fn verdict(node: &Vantages, id: QuestionId) -> Option<Opinion> {
    Quorum::Majority.agree(&mut node.opinions(&[id])[0])
}

fn name(text: &str) -> NodeName {
    NodeName::try_new(text).unwrap()
}

/// Questions 0 to `count`, on as many addresses in three datacenters.
fn places(count: u128) -> HashMap<QuestionId, Place> {
    let place = |id: u128| Place {
        address: Some(([192, 0, 2, id as u8], 0).into()).map(|at: std::net::SocketAddr| at.ip()),
        datacenters: vec![DatacenterId::from_index(id as usize % 3)],
        vantages: None,
    };
    (0..count).map(|id| (QuestionId(id), place(id))).collect()
}

/// Nodes, and the network between them.
struct Crew {
    now: Duration,
    nodes: BTreeMap<NodeName, Vantages>,
    /// The nodes that are cut off.
    cut: Vec<NodeName>,
    /// How far the wall clock of a node is ahead.
    ahead: HashMap<NodeName, Duration>,
    /// The news of each node.
    news: Vec<(NodeName, News)>,
    /// Everything that was sent.
    letters: Vec<(NodeName, Letter)>,
}

impl Crew {
    fn new(names: &[&str], questions: u128) -> Self {
        let mut crew = Self {
            now: Duration::from_secs(100),
            nodes: BTreeMap::new(),
            cut: Vec::new(),
            ahead: HashMap::new(),
            news: Vec::new(),
            letters: Vec::new(),
        };
        for node in names {
            crew.start(node, 1, questions);
        }
        crew
    }

    fn start(&mut self, node: &str, incarnation: u64, questions: u128) {
        let me = Me { node: name(node), site: "fra".into(), interval: INTERVAL, observes: false };
        let mut vantages = Vantages::new(me, incarnation);
        vantages.set_places(places(questions), self.now);
        vantages.connect(self.now);
        self.nodes.insert(name(node), vantages);
    }

    /// All see everything up, and hear each other.
    fn calm(names: &[&str], questions: u128) -> Self {
        let mut crew = Self::new(names, questions);
        for node in names {
            (0..questions).for_each(|id| crew.see(node, id, UP));
        }
        crew.pass(INTERVAL * 4);
        crew
    }

    fn node(&mut self, node: &str) -> &mut Vantages {
        self.nodes.get_mut(&name(node)).unwrap()
    }

    fn see(&mut self, node: &str, id: u128, opinion: Opinion) {
        let now = self.now;
        self.node(node).see(QuestionId(id), opinion, Some(Duration::from_millis(3)), now, now);
    }

    fn see_all(&mut self, node: &str, opinion: Opinion) {
        let count = self.node(node).places.len() as u128;
        (0..count).for_each(|id| self.see(node, id, opinion));
    }

    /// A node stops, and says so.
    fn leave(&mut self, node: &str) {
        let wall = self.wall(&name(node));
        let letter = self.node(node).farewell(wall).unwrap();
        self.nodes.remove(&name(node));
        self.hear(&name(node), &letter);
    }

    fn cut(&mut self, node: &str) {
        self.cut.push(name(node));
        self.node(node).disconnect();
    }

    fn mend(&mut self, node: &str) {
        self.cut.retain(|cut| *cut != name(node));
        let now = self.now;
        self.node(node).connect(now);
    }

    fn wall(&self, node: &NodeName) -> Duration {
        EPOCH + self.now + self.ahead.get(node).copied().unwrap_or_default()
    }

    /// Lets time pass, in steps of 10 ms.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.now += Duration::from_millis(10);
            // Answers to answers come within the same step.
            while self.deliver() {}
        }
    }

    fn deliver(&mut self) -> bool {
        let mut sent = Vec::new();
        let now = self.now;
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let wall = self.wall(&node);
            let vantages = self.nodes.get_mut(&node).unwrap();
            sent.extend(vantages.advance(now, wall).into_iter().map(|letter| (node.clone(), letter)));
            self.news.extend(vantages.take_news().into_iter().map(|news| (node.clone(), news)));
        }
        for (from, letter) in &sent {
            self.hear(from, letter);
        }
        let any = !sent.is_empty();
        self.letters.extend(sent);
        any
    }

    fn hear(&mut self, from: &NodeName, letter: &Letter) {
        for node in self.nodes.keys().cloned().collect::<Vec<_>>() {
            let is_meant = letter.to.as_ref().is_none_or(|to| *to == node);
            if node == *from || !is_meant || self.cut.contains(from) || self.cut.contains(&node) {
                continue;
            }
            let wall = self.wall(&node);
            let now = self.now;
            let vantages = self.nodes.get_mut(&node).unwrap();
            let _ = vantages.hear(from, letter.message.clone(), now, wall);
            self.news.extend(vantages.take_news().into_iter().map(|news| (node.clone(), news)));
        }
    }

    /// The verdicts of all nodes about a question, by name; `None` for those that decide alone.
    fn verdicts(&self, id: u128) -> Vec<Option<Opinion>> {
        self.nodes.values().map(|node| verdict(node, QuestionId(id))).collect()
    }

    fn told(&mut self, node: &str) -> Vec<News> {
        let node = name(node);
        let (told, rest) = std::mem::take(&mut self.news).into_iter().partition(|(of, _)| *of == node);
        self.news = rest;
        let told: Vec<(NodeName, News)> = told;
        told.into_iter().map(|(_, news)| news).collect()
    }
}

const THREE: [&str; 3] = ["a", "b", "c"];

#[test]
fn one_of_three_fails_nothing_over_and_two_fail_it_over_everywhere_at_once() {
    let mut crew = Crew::calm(&THREE, 4);
    assert_eq!(crew.verdicts(0), [Some(UP); 3]);
    crew.see("a", 0, DOWN);
    crew.pass(INTERVAL * 10);
    assert_eq!(crew.verdicts(0), [Some(UP); 3]);
    crew.see("b", 0, DOWN);
    crew.pass(Duration::from_millis(20));
    assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
    crew.see("a", 0, UP);
    crew.pass(Duration::from_millis(20));
    assert_eq!(crew.verdicts(0), [Some(UP); 3]);
}

#[test]
fn a_node_that_was_stopped_does_not_blame_the_others_for_that_time() {
    for hears_first in [false, true] {
        let mut crew = Crew::calm(&THREE, 4);
        for node in ["b", "c"] {
            crew.see(node, 0, DOWN);
        }
        crew.pass(INTERVAL * 2);
        let mut stopped = crew.nodes.remove(&name("a")).unwrap();
        crew.pass(INTERVAL * 20);
        stopped.sleep(INTERVAL * 20);
        crew.nodes.insert(name("a"), stopped);
        if hears_first {
            let letter =
                crew.letters.iter().rfind(|(of, letter)| *of == name("b") && letter.to.is_none()).unwrap().clone();
            crew.hear(&letter.0, &letter.1);
            assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
        }
        for _ in 0..300 {
            crew.pass(Duration::from_millis(10));
            assert_eq!(verdict(crew.node("a"), QuestionId(0)), Some(DOWN));
        }
        assert!(crew.told("a").iter().all(|news| !matches!(news, News::Alone(_) | News::Silent(_))));
        // But when it runs, it notices that they stop.
        crew.nodes.retain(|node, _| *node == name("a"));
        crew.pass(INTERVAL * 6);
        assert!(crew.told("a").iter().any(|news| matches!(news, News::Alone(_))));
        assert_eq!(verdict(crew.node("a"), QuestionId(0)), None);
    }
}

#[test]
fn a_calm_fleet_says_little_and_all_times_come_round() {
    let mut crew = Crew::calm(&THREE, 40);
    crew.letters.clear();
    crew.pass(INTERVAL * 3);
    assert_eq!(crew.letters.len(), 9, "one report of each node in each interval");
    let rows: usize = crew
        .letters
        .iter()
        .map(|(_, letter)| match &letter.message.body {
            Body::Report(report) => report.rows.len(),
            Body::Ask(_) | Body::Identity(_) | Body::Rtts(_) | Body::Samples(_) | Body::Reported(_) => {
                panic!("nobody needs to ask, and nothing else is new")
            }
        })
        .sum();
    assert_eq!(rows, 3 * 40, "16, 16 and the remaining 8");
}

#[test]
fn a_newcomer_asks_for_everything_and_only_it_gets_that() {
    let mut crew = Crew::calm(&["a", "b"], 1_200);
    crew.see("a", 7, DOWN);
    crew.see("b", 7, DOWN);
    crew.pass(INTERVAL);
    crew.letters.clear();
    crew.start("c", 1, 1_200);
    crew.pass(INTERVAL * 4);
    let parts = |crew: &Crew, from: &str| {
        let meant = |(of, letter): &&(NodeName, Letter)| *of == name(from) && letter.to == Some(name("c"));
        crew.letters.iter().filter(meant).count()
    };
    assert_eq!((parts(&crew, "a"), parts(&crew, "b")), (3, 3), "1,200 rows, of which 512 go into a message");
    assert_eq!(crew.verdicts(7), [Some(DOWN); 3], "c has no probes yet, and knows what the others see");
    let points = crew.node("c").vantage_points();
    assert!(points.iter().all(|point| point.is_in_step), "{points:?}");
}

#[test]
fn lost_messages_are_made_good_within_an_interval() {
    let mut crew = Crew::calm(&THREE, 4);
    // Nobody hears of the fall.
    crew.see("a", 0, DOWN);
    crew.see("b", 0, DOWN);
    crew.now += Duration::from_millis(20);
    let (now, wall) = (crew.now, crew.wall(&name("a")));
    assert_eq!(crew.node("a").advance(now, wall).len(), 1);
    assert_eq!(crew.node("b").advance(now, wall).len(), 1);
    assert_eq!(crew.verdicts(0), [Some(UP); 3]);
    crew.pass(INTERVAL + Duration::from_millis(50));
    assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
}

#[test]
fn late_and_repeated_messages_and_those_of_an_earlier_run_are_ignored() {
    let mut crew = Crew::calm(&["a", "b"], 4);
    crew.see("a", 0, DOWN);
    crew.now += Duration::from_millis(20);
    let (now, wall) = (crew.now, crew.wall(&name("a")));
    let fall = crew.node("a").advance(now, wall).remove(0).message;
    crew.see("a", 0, UP);
    crew.now += Duration::from_millis(20);
    let now = crew.now;
    let rise = crew.node("a").advance(now, wall).remove(0).message;
    let b = crew.node("b");
    assert_eq!(b.hear(&name("a"), rise.clone(), now, wall), Ok(()));
    assert_eq!(b.hear(&name("a"), fall.clone(), now, wall), Err(Ignored::Stale));
    assert_eq!(b.hear(&name("a"), rise.clone(), now, wall), Err(Ignored::Stale));
    assert_eq!(crew.verdicts(0), [Some(UP); 2]);
    crew.start("a", 2, 4);
    crew.pass(INTERVAL);
    let now = crew.now;
    let late = Message { sequence: 1_000, ..rise };
    assert_eq!(crew.node("b").hear(&name("a"), late.clone(), now, wall), Err(Ignored::Stale));
    // If its clock was set back, the new run has the smaller number. The silence of the old run shows it.
    crew.nodes.remove(&name("a"));
    crew.pass(INTERVAL * 5);
    let now = crew.now;
    assert_eq!(crew.node("b").hear(&name("a"), late, now, wall), Ok(()));
}

#[test]
fn a_node_that_is_cut_off_decides_alone_and_comes_back_in_one_step() {
    let mut crew = Crew::calm(&["a", "b", "c", "d", "e"], 4);
    for node in ["b", "c", "d"] {
        crew.see(node, 0, DOWN);
    }
    crew.pass(INTERVAL);
    assert_eq!(crew.verdicts(0), [Some(DOWN); 5]);
    crew.cut("a");
    crew.told("a");
    let mut seen = Vec::new();
    for step in 0..1_600 {
        if step == 1_200 {
            crew.mend("a");
        }
        crew.pass(Duration::from_millis(10));
        let verdict = crew.verdicts(0)[0];
        if seen.last() != Some(&verdict) {
            seen.push(verdict);
        }
        assert_eq!(crew.verdicts(0)[1..], [Some(DOWN); 4]);
    }
    assert_eq!(seen, [Some(DOWN), None], "it is not settled yet, and hears all others");
    crew.pass(INTERVAL * 2);
    assert_eq!(crew.verdicts(0), [Some(DOWN); 5]);
    let told = crew.told("a");
    assert!(matches!(&told[0], News::Alone(nodes) if nodes.len() == 4), "{told:?}");
    assert_eq!(told.iter().filter(|news| matches!(news, News::Heard(_))).count(), 4);
    assert_eq!(told.iter().filter(|news| matches!(news, News::Together(_))).count(), 1);
    assert_eq!(told.len(), 6, "{told:?}");
}

#[test]
fn a_short_break_changes_nothing() {
    let mut crew = Crew::calm(&THREE, 4);
    crew.see("a", 0, DOWN);
    crew.pass(INTERVAL);
    for _ in 0..5 {
        for node in THREE {
            crew.cut(node);
        }
        crew.pass(INTERVAL * 3);
        assert_eq!(crew.verdicts(0), [Some(UP); 3]);
        for node in THREE {
            crew.mend(node);
        }
        crew.pass(INTERVAL * 2);
        assert_eq!(crew.verdicts(0), [Some(UP); 3]);
    }
    assert!(THREE.iter().all(|node| crew.told(node).iter().all(|news| matches!(news, News::Heard(_)))));
}

#[test]
fn who_can_hear_but_does_not_is_alone_in_one_step_too() {
    let mut crew = Crew::calm(&["a", "b", "c", "d", "e"], 4);
    for node in ["b", "c", "d"] {
        crew.see(node, 0, DOWN);
    }
    crew.pass(INTERVAL);
    // The connection hangs: nobody notices.
    crew.cut.push(name("a"));
    let mut seen = Vec::new();
    for _ in 0..1_200 {
        crew.pass(Duration::from_millis(10));
        let verdict = crew.verdicts(0)[0];
        if seen.last() != Some(&verdict) {
            seen.push(verdict);
        }
    }
    assert_eq!(seen, [Some(DOWN), None]);
}

#[test]
fn one_that_sees_everything_down_alone_does_not_count() {
    let mut crew = Crew::calm(&["a", "b", "c"], 6);
    crew.see_all("a", DOWN);
    crew.see_all("b", DOWN);
    crew.pass(INTERVAL);
    // The third one sees everything up, and nobody else counts: it decides by its own probes.
    assert_eq!(crew.verdicts(0), [Some(UP), Some(UP), None], "two of three are sick");
    let weights =
        |crew: &mut Crew| crew.node("c").witnesses(QuestionId(0)).iter().map(|it| it.weight).collect::<Vec<_>>();
    assert_eq!(weights(&mut crew), [Weight::Discounted, Weight::Discounted, Weight::Counts]);
    assert!(crew.told("c").contains(&News::Discounted(name("a"))));
    assert!(crew.told("a").contains(&News::Discounted(name("a"))), "it knows that it is the sick one");
    crew.see("a", 5, UP);
    crew.pass(INTERVAL);
    assert_eq!(weights(&mut crew), [Weight::Counts, Weight::Discounted, Weight::Counts]);
    assert!(crew.told("c").contains(&News::Counted(name("a"))));
    crew.see_all("a", DOWN);
    crew.see_all("c", DOWN);
    crew.pass(INTERVAL);
    assert_eq!(crew.verdicts(0), [Some(DOWN); 3], "nobody contradicts");
}

#[test]
fn two_endpoints_or_one_datacenter_may_really_be_down() {
    let mut crew = Crew::calm(&THREE, 2);
    crew.see_all("a", DOWN);
    crew.see_all("b", DOWN);
    crew.pass(INTERVAL);
    assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
}

#[test]
fn one_that_doubts_its_probes_does_not_count() {
    let mut crew = Crew::calm(&THREE, 4);
    crew.see("a", 0, DOWN);
    crew.see("b", 0, DOWN);
    let now = crew.now;
    crew.node("a").doubt(true, now);
    crew.pass(Duration::from_millis(30));
    assert_eq!(crew.verdicts(0), [Some(UP); 3], "one of two sees it down");
    let now = crew.now;
    crew.node("a").doubt(false, now);
    crew.pass(Duration::from_millis(30));
    assert_eq!(crew.verdicts(0), [Some(DOWN); 3]);
}

#[test]
fn wrong_clocks_change_no_age_and_are_told() {
    let mut crew = Crew::calm(&["a", "b"], 2);
    crew.ahead.insert(name("a"), Duration::from_secs(3_600));
    crew.see("a", 0, DOWN);
    crew.pass(INTERVAL * 20);
    let witness = crew.node("b").witnesses(QuestionId(0))[0].clone();
    let age = crew.now - witness.turned;
    let off = age.abs_diff(INTERVAL * 20);
    assert!(off < Duration::from_millis(100), "{age:?}");
    assert!(crew.told("b").contains(&News::WrongClock(name("a"), 3_600_000)));
    assert!(crew.told("a").contains(&News::WrongClock(name("b"), -3_600_000)));
    crew.ahead.clear();
    crew.pass(INTERVAL * 20);
    assert!(crew.told("b").contains(&News::RightClock(name("a"))));
}

#[test]
fn what_is_no_longer_watched_is_forgotten_everywhere() {
    let mut crew = Crew::calm(&THREE, 4);
    crew.see("a", 3, DOWN);
    crew.see("b", 3, DOWN);
    crew.pass(INTERVAL);
    let now = crew.now;
    crew.node("a").set_places(places(3), now);
    crew.pass(Duration::from_millis(30));
    assert_eq!(crew.verdicts(3), [Some(UP); 3], "of b and c one sees it down");
    assert_eq!(crew.node("c").witnesses(QuestionId(3)).len(), 2);
}

#[test]
fn two_processes_with_one_name_are_told_once() {
    let mut crew = Crew::calm(&["a", "b"], 2);
    let (now, wall) = (crew.now, crew.wall(&name("b")));
    let report = |crew: &mut Crew| crew.node("b").advance(now + INTERVAL, wall).remove(0).message;
    let message = Message { incarnation: 9, ..report(&mut crew) };
    let a = crew.node("a");
    assert_eq!(a.hear(&name("a"), message.clone(), now, wall), Err(Ignored::OwnName));
    assert_eq!(a.hear(&name("a"), message, now, wall), Err(Ignored::OwnName));
    assert_eq!(a.take_news(), [News::NameTaken(name("a"))]);
}
