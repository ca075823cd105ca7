//! `[[windows]]` of the server file, and the orders that names give for their pools.

use std::fmt::Write as _;

use super::*;
use crate::overrides::Mode;
use crate::timestamp::rfc3339;

const ZONE: &[u8] = b"[nameservers]\nns1 = [\"192.0.2.53\"]\n\
    [datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n\
    [pools.web]\nendpoints.fra = [\"192.0.2.1\"]\n[names.www]\npools = [\"web\"]\nsteer = []\n";

fn load_windows(windows: &str) -> Result<Config, Faults> {
    load_files(&[("truenorth.toml", windows.as_bytes()), ("zones/example.com.toml", ZONE)])
}

#[test]
fn windows_are_orders_with_times() {
    let config = load_windows(
        "[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\n\
         from = 2026-12-01T02:00:00Z\nuntil = 2026-12-01 06:00:00+02:00\nreason = \"new switches\"\n\
         [[windows]]\ntarget = \"name:www.example.com.\"\nmode = \"force-down\"\n\
         from = 2026-12-02T02:00:00-00:30\nuntil = 2026-12-02T04:00:00Z\n",
    )
    .unwrap();
    let told = config.world.windows.iter().map(|order| {
        let time = |time: Option<std::time::Duration>| rfc3339(time.unwrap());
        (order.mode, order.target.to_string(), time(order.from), time(order.until), &*order.reason)
    });
    let expected = [
        (Mode::Drain, "dc:fra", "2026-12-01T02:00:00Z", "2026-12-01T04:00:00Z", "new switches"),
        (Mode::ForceDown, "name:www.example.com", "2026-12-02T02:30:00Z", "2026-12-02T04:00:00Z", ""),
    ];
    let expected = expected.map(|(mode, target, from, until, reason)| {
        (mode, target.to_owned(), from.to_owned(), until.to_owned(), reason)
    });
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn names_give_orders_for_their_pools() {
    const HEAD: &str = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 50.11, longitude = 8.68 }\n\
        iad = { latitude = 38.95, longitude = -77.45 }\n[pools.web]\nendpoints.fra = [\"192.0.2.1\"]\nendpoints.iad = [\"192.0.2.2\"]\n\
        [pools.green]\nendpoints = [\"192.0.2.3\"]\n";
    let load = |pools: &str| {
        let zone = format!("{HEAD}[names.\"*.apps\"]\nsteer = [\"failover\"]\npools = [{pools}]\n");
        let server: &[u8] = b"[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\n";
        load_files(&[("truenorth.toml", server), ("zones/example.com.toml", zone.as_bytes())])
    };
    for (pools, told) in [
        ("\"web\", \"green\"", vec![]),
        ("{ pool = \"web\", mode = \"drain\" }, \"green\"", vec![r"drain pool:web@\*.apps.example.com"]),
        (
            "[{ pool = \"web/fra\", mode = \"force-down\", weight = 3 }, \"web/iad\"], { pool = \"green\", mode = \"drain\" }",
            vec![r"force-down pool:web/fra@\*.apps.example.com", r"drain pool:green@\*.apps.example.com"],
        ),
    ] {
        let windows = load(pools).unwrap().world.windows;
        let orders = windows[1..].iter().map(|order| {
            assert_eq!((order.from, order.until, &*order.who), (None, None, "zone file"));
            format!("{} {}", order.mode.as_str(), order.target)
        });
        assert_eq!(orders.collect::<Vec<_>>(), told, "{pools}");
    }
    for (pools, told) in [
        ("{ pool = \"web\", mode = \"force-up\" }, \"green\"", "takes one of `drain`, `force-down`"),
        ("{ pool = \"web\", mode = 3 }, \"green\"", "`mode`"),
    ] {
        let line = lines(&load(pools).unwrap_err()).remove(0);
        assert!(line.contains(told), "{line}");
    }
}

#[test]
fn modes_of_names_are_bounded() {
    let pools: String = (0..64)
        .fold(String::new(), |text, number| format!("{text}[pools.p{number}]\nendpoints = [\"10.0.0.{number}\"]\n"));
    let uses: Vec<String> = (0..64).map(|number| format!("{{ pool = \"p{number}\", mode = \"drain\" }}")).collect();
    let zone = |names: usize| {
        let names = (0..names).fold(String::new(), |text, number| {
            format!("{text}[names.n{number}]\nsteer = []\npools = [{}]\n", uses.join(", "))
        });
        format!("[nameservers]\nns1 = [\"192.0.2.53\"]\n{pools}{names}")
    };
    assert_eq!(
        load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", zone(64).as_bytes())])
            .unwrap()
            .world
            .windows
            .len(),
        4096
    );
    let faults = load_files(&[("truenorth.toml", b""), ("zones/example.com.toml", zone(65).as_bytes())]).unwrap_err();
    assert!(
        lines(&faults)[0].contains("names have a `mode` for more than 4096 of their pools"),
        "{:?}",
        lines(&faults)
    );
}

#[test]
fn a_window_may_be_open_at_both_ends_and_stand_in_a_file_of_its_own() {
    let file =
        b"[[windows]]\ntarget = \"pool:web/fra@www.example.com\"\nmode = \"drain\"\nuntil = 2099-12-01T02:00:00Z\n";
    let server = b"overrides = \"orders.toml\"\n[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\n";
    let files = |orders: &'static [u8]| -> [(&str, &[u8]); 3] {
        [("truenorth.toml", server), ("zones/example.com.toml", ZONE), ("orders.toml", orders)]
    };
    let windows = load_files(&files(file)).unwrap().world.windows;
    let told = windows.iter().map(|order| (order.target.to_string(), order.from, order.until.is_some(), &*order.who));
    let expected = [
        ("dc:fra".to_owned(), None, false, "server file"),
        ("pool:web/fra@www.example.com".to_owned(), None, true, "orders.toml"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    for (orders, told) in [
        (
            &b"[[windows]]\ntarget = \"dc:fro\"\nmode = \"drain\"\n"[..],
            "2:10 error: nothing is named `dc:fro` | did you mean `dc:fra`?",
        ),
        (
            b"[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\nover = \"5m\"\n",
            "4:8 error: a gradual drain needs a `from`, because it takes its time from there | from when?",
        ),
        (
            b"[[windows]]\ntarget = \"pool:web@www.example.com\"\nmode = \"force-up\"\n",
            "3:8 error: a pool in a name can be drained, forced down or opened, not forced up | not for a pool in a name",
        ),
        (
            b"[[windows]]\ntarget = \"pool:wed/fra@www.example.com\"\nmode = \"drain\"\n",
            "2:10 error: nothing is named `pool:wed/fra@www.example.com` | did you mean `pool:web/fra@www.example.com`?",
        ),
        (
            b"[[windows]]\ntarget = \"pool:web/fra@wwv.example.com\"\nmode = \"drain\"\n",
            "2:10 error: nothing is named `pool:web/fra@wwv.example.com` | did you mean `pool:web/fra@www.example.com`?",
        ),
        (b"ttl = 5\n", "1:1 error: the overrides file has no key `ttl`"),
    ] {
        let faults = lines(&load_files(&files(orders)).unwrap_err());
        assert!(faults.len() == 1 && faults[0].starts_with(told), "{faults:?}");
    }
    let missing = load_files(&files(b"")[..2]).unwrap_err();
    assert!(lines(&missing)[0].starts_with("1:13 error: cannot read "), "{:?}", lines(&missing));
}

#[test]
fn a_window_may_drain_slowly_and_nothing_else_may() {
    let window = |target: &str, mode: &str, over: &str| {
        format!(
            "[[windows]]\ntarget = \"{target}\"\nmode = \"{mode}\"\nfrom = 2026-12-01T02:00:00Z\n\
             until = 2026-12-01T04:00:00Z\nover = \"{over}\"\n"
        )
    };
    let config = load_windows(&window("dc:fra", "drain", "5m")).unwrap();
    assert_eq!(config.world.windows[0].over, Some(std::time::Duration::from_secs(300)));
    let only = "6:8 error: `over` is only for the drain of a dc:, pool: or endpoint: | cannot be gradual";
    let bounds = "6:8 error: `over` takes a duration such as \"5s\", from 1s to 1d";
    for (windows, told) in [
        (window("dc:fra", "force-down", "5m"), only),
        (window("name:www.example.com", "drain", "5m"), only),
        (window("dc:fra", "drain", "0s"), bounds),
        (window("dc:fra", "drain", "2d"), bounds),
    ] {
        assert_eq!(lines(&load_windows(&windows).unwrap_err()), [told], "{windows}");
    }
}

#[test]
fn what_is_wrong_with_a_window_is_told() {
    let time = "`from` takes a time with an offset, such as 2026-12-01T02:00:00Z";
    let window = |target: &str, mode: &str, from: &str, until: &str| {
        format!("[[windows]]\ntarget = \"{target}\"\nmode = \"{mode}\"\nfrom = {from}\nuntil = {until}\n")
    };
    let (from, until) = ("2026-12-01T02:00:00Z", "2026-12-01T04:00:00Z");
    for (windows, expected) in [
        (
            window("dc:fro", "drain", from, until),
            "2:10 error: nothing is named `dc:fro` | did you mean `dc:fra`?".to_owned(),
        ),
        (
            window("pool:web/iad*", "drain", from, until),
            "2:10 error: nothing is named `pool:web/iad*` | not there".to_owned(),
        ),
        (
            window("fra", "drain", from, until),
            "2:10 error: a target is dc:NAME, pool:NAME, endpoint:ADDRESS, name:NAME or pool:NAME@NAME | not a target"
                .to_owned(),
        ),
        (
            window("dc:fra", "drian", from, until),
            "3:8 error: `mode` takes one of `drain`, `open`, `force-up`, `force-down` | did you mean `drain`?"
                .to_owned(),
        ),
        (window("dc:fra", "drain", "2026-12-01T02:00:00", until), format!("4:8 error: {time} | a date or time")),
        (window("dc:fra", "drain", "02:00:00", until), format!("4:8 error: {time} | a date or time")),
        (window("dc:fra", "drain", "\"tomorrow\"", until), format!("4:8 error: {time} | a string")),
        (window("dc:fra", "drain", "1960-01-01T02:00:00Z", until), format!("4:8 error: {time} | a date or time")),
        (
            window("dc:fra", "drain", until, from),
            "5:9 error: the window ends before it begins | not after `from` | 4:8 it begins here".to_owned(),
        ),
        ("[[windows]]\n".to_owned(), "1:1 error: a window needs `target` | `target` is missing here".to_owned()),
        ("windows = 3\n".to_owned(), "1:11 error: `windows` takes a list | 3".to_owned()),
    ] {
        let told = lines(&load_windows(&windows).unwrap_err());
        assert_eq!(told.first(), Some(&expected), "{windows}");
    }
    let why = "w".repeat(513);
    let long = format!("{}reason = \"{why}\"\n", window("dc:fra", "drain", from, until));
    let told = lines(&load_windows(&long).unwrap_err());
    assert_eq!(told, ["6:10 error: `reason` takes a text of 1 to 512 octets"]);
}

#[test]
fn windows_that_are_over_are_told_once() {
    let window = |year: u16| {
        format!(
            "[[windows]]\ntarget = \"dc:fra\"\nmode = \"drain\"\nfrom = {year}-01-01T00:00:00Z\nuntil = {year}-01-02T00:00:00Z\n"
        )
    };
    let zone = "[nameservers]\nns1 = [\"192.0.2.53\"]\n[datacenters]\nfra = { latitude = 1, longitude = 1 }\n\
                [pools.web]\ndatacenter = \"fra\"\nendpoints = [\"192.0.2.1\"]\n[names.www]\npools = [\"web\"]\nsteer = []\n";
    let told = |years: &[u16]| {
        let server: String = years.iter().map(|year| window(*year)).collect();
        let files = [("truenorth.toml", server.as_bytes()), ("zones/example.com.toml", zone.as_bytes())];
        lines(&told(load_files(&files)))
    };
    assert_eq!(told(&[2999]), [""; 0]);
    assert_eq!(told(&[2999, 2001]), ["7:10 warning: the window of `dc:fra` is over | does nothing any more"]);
    let found = told(&[2001, 2002, 2003]);
    assert!(found.len() == 1 && found[0].ends_with("help: so are 2 more"), "{found:?}");
}

#[test]
fn targets_of_every_kind_are_found_however_many_windows_there_are() {
    let names = (0..3000).fold(String::new(), |mut text, number| {
        let _ = write!(text, "[names.n{number}]\npools = [\"web\"]\nsteer = []\n");
        text
    });
    let zone = format!("{}{names}[names.\"*.apps\"]\npools = [\"web\"]\nsteer = []\n", str::from_utf8(ZONE).unwrap());
    let window = |target: &str| {
        format!(
            "[[windows]]\ntarget = '{target}'\nmode = \"drain\"\nfrom = 2099-01-01T00:00:00Z\nuntil = 2099-01-02T00:00:00Z\n"
        )
    };
    let load = |windows: &str| {
        load_files(&[("truenorth.toml", windows.as_bytes()), ("zones/example.com.toml", zone.as_bytes())])
    };
    let kinds = [
        "dc:fra",
        "dc:*",
        "pool:web",
        "pool:web/fra",
        "pool:w?b/*",
        "endpoint:192.0.2.1",
        "endpoint:192.0.*",
        r"name:\*.apps.example.com",
        "name:n1*",
        "pool:web@n7.example.com",
        "pool:web/fra@n7.example.com",
        "pool:*@n*.example.com",
        r"pool:web@\*.apps.example.com",
    ];
    let many: String = (0..4000).map(|n| window(&format!("name:n{}.example.com", n % 3000))).collect();
    let windows = kinds.map(window).concat() + &many;
    assert_eq!(load(&windows).unwrap().world.windows.len(), kinds.len() + 4000);

    let wrong: String = (0..1000).map(|n| window(&format!("name:x{n}.example.com"))).collect();
    assert_eq!(load(&wrong).unwrap_err().count(Severity::Error), 1000);
    for target in
        ["pool:web@x.example.com", "pool:x@n7.example.com", "endpoint:192.0.2.9", "dc:x*", "name:n7.example.net"]
    {
        assert_eq!(load(&window(target)).unwrap_err().count(Severity::Error), 1, "{target}");
    }
}
