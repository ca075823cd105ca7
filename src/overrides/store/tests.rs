use super::*;

const NOW: Duration = Duration::from_secs(1_796_090_400);
const HOUR: Duration = Duration::from_secs(3600);

fn order(mode: Mode, target: &str) -> Order {
    let target = target.parse().unwrap();
    Order { mode, target, from: None, until: None, over: None, reason: "test".into(), who: "ada".into() }
}

fn place(store: &mut OverrideStore, order: Order, now: Duration) -> Vec<String> {
    told(&store.place(order, now, |_| true).unwrap())
}

fn told(changes: &[Change]) -> Vec<String> {
    let tell = |Change { happening, item }: &Change| {
        format!("{} {} {} {}", happening.as_str(), item.id, item.order.mode, item.order.target)
    };
    changes.iter().map(tell).collect()
}

fn effective_override(store: &OverrideStore, endpoint: &str) -> Option<Mode> {
    store.effective_overrides().of_endpoint(Some("fra"), "web/fra", || endpoint.to_owned()).map(|item| item.order.mode)
}

#[test]
fn what_is_placed_counts_until_it_ends() {
    let mut store = OverrideStore::default();
    let drain = Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
    assert_eq!(place(&mut store, drain, NOW), ["placed 1 drain dc:fra"]);
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain));
    assert_eq!(store.change_at(), Some(NOW + HOUR));
    assert!(store.advance(NOW + HOUR - Duration::from_nanos(1)).is_empty());
    assert_eq!(told(&store.advance(NOW + HOUR)), ["ended 1 drain dc:fra"]);
    assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at(), store.all().count()), (None, None, 0));
}

#[test]
fn what_is_scheduled_waits_for_its_time() {
    let mut store = OverrideStore::default();
    let later = Order { from: Some(NOW + HOUR), until: Some(NOW + HOUR * 2), ..order(Mode::Drain, "dc:fra") };
    assert_eq!(place(&mut store, later, NOW), ["placed 1 drain dc:fra"]);
    assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at()), (None, Some(NOW + HOUR)));
    place(&mut store, order(Mode::ForceUp, "dc:fra"), NOW);
    assert_eq!(store.all().count(), 2, "an override that has not begun is not replaced");
    assert_eq!(told(&store.advance(NOW + HOUR)), ["began 1 drain dc:fra"]);
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::ForceUp), "the one made last");
    assert_eq!(told(&store.advance(NOW + HOUR * 2)), ["ended 1 drain dc:fra"]);
}

#[test]
fn what_was_said_of_the_same_target_gives_way() {
    let mut store = OverrideStore::default();
    place(&mut store, order(Mode::Drain, "dc:fra"), NOW);
    let told = place(&mut store, order(Mode::ForceDown, "dc:fra"), NOW);
    assert_eq!(told, ["lifted 1 drain dc:fra", "placed 2 force-down dc:fra"]);
}

#[test]
fn open_undoes_and_is_kept_only_as_an_exception() {
    let mut store = OverrideStore::default();
    place(&mut store, order(Mode::Drain, "pool:web/fra"), NOW);
    place(&mut store, order(Mode::ForceDown, "endpoint:192.0.2.9"), NOW);
    assert_eq!(place(&mut store, order(Mode::Open, "pool:web/fra"), NOW), ["lifted 1 drain pool:web/fra"]);
    assert!(place(&mut store, order(Mode::Open, "pool:web/fra"), NOW).is_empty(), "it is open");
    place(&mut store, order(Mode::Drain, "dc:fra"), NOW);
    place(&mut store, order(Mode::Open, "pool:web/fra"), NOW);
    assert_eq!((effective_override(&store, "192.0.2.1"), store.change_at()), (Some(Mode::Open), None));
    let apart = store.place(order(Mode::Open, "pool:web/iad"), NOW, |_| false).unwrap();
    assert!(apart.is_empty(), "what drains elsewhere needs no exception here");
}

#[test]
fn an_exception_ends_with_what_it_is_an_exception_from() {
    let mut store = OverrideStore::default();
    let window = |hours: std::ops::Range<u32>| {
        let (from, until) = (Some(NOW + HOUR * hours.start), Some(NOW + HOUR * hours.end));
        Order { from, until, ..order(Mode::Drain, "dc:fra") }
    };
    store.set_windows(&[window(0..2), window(5..6)], NOW);
    place(&mut store, Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:f*") }, NOW);
    place(&mut store, order(Mode::Open, "dc:fra"), NOW);
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Open));
    store.advance(NOW + HOUR * 2);
    assert_eq!(effective_override(&store, "192.0.2.1"), None);
    store.advance(NOW + HOUR * 5);
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain), "the next window has its effect");
    let own = Order { until: Some(NOW + HOUR * 9), ..order(Mode::Open, "dc:fra") };
    place(&mut store, own, NOW + HOUR * 5);
    store.advance(NOW + HOUR * 7);
    assert_eq!(store.change_at(), Some(NOW + HOUR * 9), "its own end counts");
}

#[test]
fn what_is_not_taken() {
    let mut store = OverrideStore::default();
    let drain = || order(Mode::Drain, "dc:fra");
    let refusal = |store: &mut OverrideStore, order| store.place(order, NOW, |_| true).unwrap_err();
    assert_eq!(refusal(&mut store, Order { until: Some(NOW), ..drain() }), OverrideRefusal::Over);
    let (from, until) = (Some(NOW + HOUR), Some(NOW + HOUR));
    assert_eq!(refusal(&mut store, Order { from, until, ..drain() }), OverrideRefusal::Over);
    let over = Some(HOUR);
    for order in [order(Mode::ForceDown, "dc:fra"), order(Mode::Drain, "name:www.example.com")] {
        assert_eq!(refusal(&mut store, Order { over, ..order }), OverrideRefusal::NotGradual);
    }
    let at_once = Order { over: Some(Duration::ZERO), ..drain() };
    assert_eq!(refusal(&mut store, at_once), OverrideRefusal::NotGradual);
    let reason = "r".repeat(MAX_REASON + 1).into();
    assert_eq!(refusal(&mut store, Order { reason, ..drain() }), OverrideRefusal::TooLong);
    let who = "w".repeat(MAX_WHO + 1).into();
    assert_eq!(refusal(&mut store, Order { who, ..drain() }), OverrideRefusal::TooLong);
    let full = (1..=MAX_OVERRIDES as u64).map(|number| Override {
        id: OverrideId::Placed(number),
        made_at: NOW,
        order: order(Mode::Drain, &format!("endpoint:2001:db8::{number:x}")),
    });
    store.restore(full, NOW);
    assert_eq!(refusal(&mut store, drain()), OverrideRefusal::TooMany);
    place(&mut store, order(Mode::Open, "endpoint:2001:db8::7"), NOW);
    assert_eq!(effective_override(&store, "2001:db8::7"), Some(Mode::Open), "one that replaces another has room");
}

#[test]
fn windows_stand_beside_what_is_placed_and_commands_go_before_them() {
    let mut store = OverrideStore::default();
    let window = Order { from: Some(NOW), until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
    assert_eq!(told(&store.set_windows(std::slice::from_ref(&window), NOW)), ["began window-1 drain dc:fra"]);
    assert!(store.set_windows(std::slice::from_ref(&window), NOW).is_empty(), "a reload that changes nothing");
    let id = OverrideId::Window(1);
    assert_eq!(store.lift(&Selector::Id(id), "ada", NOW), Err(OverrideRefusal::IsWindow(id)));
    place(&mut store, order(Mode::Open, "dc:fra"), NOW);
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Open));
    store.lift(&Selector::Target("dc:fra".parse().unwrap()), "ada", NOW).unwrap();
    assert_eq!(effective_override(&store, "192.0.2.1"), Some(Mode::Drain));
    assert_eq!(told(&store.set_windows(&[], NOW)), ["ended window-1 drain dc:fra"]);
    assert_eq!(told(&store.set_windows(&[window], NOW + HOUR)), [""; 0]);
}

#[test]
fn what_is_kept_over_a_restart_counts_and_its_numbers_are_not_given_again() {
    let mut store = OverrideStore::default();
    let short = Order { until: Some(NOW + HOUR), ..order(Mode::Drain, "dc:fra") };
    place(&mut store, short, NOW);
    place(&mut store, order(Mode::ForceDown, "endpoint:192.0.2.1"), NOW);
    let kept: Vec<Override> = store.placed().cloned().collect();
    let mut next = OverrideStore::default();
    let changes = next.restore(kept, NOW + HOUR);
    assert_eq!(told(&changes), ["ended 1 drain dc:fra", "began 2 force-down endpoint:192.0.2.1"]);
    assert_eq!(effective_override(&next, "192.0.2.1"), Some(Mode::ForceDown));
    assert_eq!(place(&mut next, order(Mode::Drain, "dc:fra"), NOW), ["placed 3 drain dc:fra"]);
    let nowhere = Selector::Id(OverrideId::Placed(9));
    assert_eq!(next.lift(&nowhere, "ada", NOW), Err(OverrideRefusal::NotPlaced(nowhere)));
}

#[test]
fn what_has_a_date_keeps_it_when_the_clock_is_set() {
    let mut store = OverrideStore::default();
    let window = Order { from: Some(NOW + HOUR), until: Some(NOW + HOUR * 2), ..order(Mode::Drain, "dc:fra") };
    store.set_windows(&[window], NOW);
    place(&mut store, Order { until: Some(NOW + HOUR * 3), ..order(Mode::ForceDown, "dc:iad") }, NOW);
    assert!(!store.is_due(NOW) && !store.is_due(NOW + Duration::from_secs(1)));
    assert!(store.is_due(NOW + HOUR));
    assert_eq!(told(&store.advance(NOW + HOUR)), ["began window-1 drain dc:fra"]);
    assert!(store.is_due(NOW), "set back");
    assert_eq!(told(&store.advance(NOW)), ["ended window-1 drain dc:fra"]);
    assert!(!store.is_due(NOW));
    assert_eq!(store.change_at(), Some(NOW + HOUR));
    assert!(store.is_due(NOW + HOUR * 9));
    assert_eq!(told(&store.advance(NOW + HOUR * 9)), ["ended 1 force-down dc:iad"]);
}

#[test]
fn ids_are_read_as_they_are_written() {
    for id in [OverrideId::Window(3), OverrideId::Placed(12)] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
}
