//! A world with five datacenters, and clients in fifty countries: the images of README and docs/page.md.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use ipnet::{IpNet, Ipv4Net};

use crate::endpoint::{Endpoint, Script};
use crate::harness::{Asker, shipped_database};
use crate::{SERVER, Scene, assert_sound};

/// A network in each country, as the shipped database locates them, and the share of the clients that are there.
const NETWORKS: [(&str, [u8; 3], usize); 52] = [
    ("US", [99, 48, 208], 14),
    ("CA", [64, 4, 20], 4),
    ("MX", [148, 220, 12], 3),
    ("BR", [146, 164, 107], 6),
    ("AR", [186, 123, 246], 1),
    ("CL", [201, 188, 108], 1),
    ("CO", [181, 244, 68], 1),
    ("PE", [119, 8, 200], 1),
    ("GB", [138, 90, 233], 6),
    ("IE", [17, 64, 160], 1),
    ("FR", [79, 84, 36], 5),
    ("DE", [85, 176, 80], 7),
    ("NL", [84, 86, 254], 3),
    ("BE", [85, 26, 114], 1),
    ("ES", [90, 168, 232], 3),
    ("PT", [89, 154, 40], 1),
    ("IT", [160, 220, 12], 3),
    ("CH", [152, 96, 118], 1),
    ("AT", [62, 178, 42], 1),
    ("PL", [193, 0, 96], 3),
    ("CZ", [147, 228, 170], 1),
    ("SE", [77, 110, 54], 1),
    ("NO", [51, 120, 120], 1),
    ("FI", [88, 114, 112], 1),
    ("DK", [94, 150, 62], 1),
    ("RO", [165, 78, 204], 1),
    ("GR", [188, 4, 20], 1),
    ("UA", [128, 124, 44], 1),
    ("TR", [5, 176, 134], 3),
    ("IL", [79, 182, 222], 1),
    ("EG", [45, 110, 108], 1),
    ("NG", [154, 120, 120], 2),
    ("KE", [105, 162, 90], 1),
    ("ZA", [197, 80, 112], 3),
    ("MA", [105, 64, 160], 1),
    ("SA", [89, 4, 20], 1),
    ("AE", [194, 170, 194], 1),
    ("IN", [122, 162, 90], 8),
    ("PK", [182, 182, 222], 1),
    ("BD", [38, 240, 144], 1),
    ("TH", [203, 192, 32], 1),
    ("VN", [222, 252, 252], 1),
    ("ID", [157, 66, 122], 4),
    ("MY", [202, 184, 184], 1),
    ("SG", [137, 132, 148], 3),
    ("PH", [112, 198, 174], 1),
    ("CN", [58, 254, 134], 1),
    ("HK", [115, 126, 60], 1),
    ("TW", [43, 212, 164], 1),
    ("JP", [133, 11, 0], 6),
    ("KR", [27, 166, 14], 3),
    ("AU", [1, 144, 176], 3),
];

/// Clients are asked for this long before an image is taken, so that there is a history to see.
const HISTORY: Duration = Duration::from_secs(240);

/// Datacenters: the name, its coordinates, and the number of its endpoints.
const DATACENTERS: [(&str, f64, f64, u8); 5] = [
    ("fra", 50.11, 8.68, 3),
    ("iad", 38.95, -77.45, 3),
    ("gru", -23.43, -46.47, 2),
    ("sin", 1.35, 103.99, 3),
    ("syd", -33.95, 151.18, 2),
];

fn zone(port: u16) -> String {
    let mut zone = "ttl = 30\n[nameservers]\nns1 = [\"127.0.0.1\"]\n[datacenters]\n".to_owned();
    for (name, latitude, longitude, _) in DATACENTERS {
        writeln!(zone, "{name} = {{ latitude = {latitude}, longitude = {longitude} }}").unwrap();
    }
    zone += "[regions.europe]\nclients = [\"continent:EU\", \"continent:AF\"]\nprefer = [\"fra\", [\"iad\", \"sin\"]]\n\
             [regions.americas]\nclients = [\"continent:NA\", \"continent:SA\"]\nprefer = [[\"iad\", \"gru\"], \"fra\"]\n\
             [regions.apac]\nclients = [\"continent:AS\", \"continent:OC\"]\nprefer = [[\"sin\", \"syd\"], \"fra\"]\n\
             [regions.default]\nprefer = [\"fra\", \"iad\", \"gru\", \"sin\", \"syd\"]\n";
    write!(
        zone,
        "[monitors.web]\ntype = \"http\"\nport = {port}\nhost = \"www.example.com\"\ninterval = \"1s\"\ntimeout = \"900ms\"\n\
         rise = 1\nfall = 2\n[pools.web]\nmonitor = \"web\"\n"
    )
    .unwrap();
    for (place, (name, _, _, endpoints)) in DATACENTERS.iter().enumerate() {
        let addresses: Vec<String> = (1..=*endpoints).map(|one| format!("\"127.{}.0.{one}\"", place + 1)).collect();
        writeln!(zone, "endpoints.{name} = [{}]", addresses.join(", ")).unwrap();
    }
    zone += "[pools.next]\ndatacenter = \"iad\"\nmonitor = \"web\"\nendpoints = [\"127.2.1.1\"]\n\
             [pools.sorry]\nendpoints = [\"127.9.0.1\"]\n\
             [names.www]\npools = [\"web\"]\nsteer = [\"region\", \"distance\"]\nfallback = \"sorry\"\n\
             [names.api]\npools = [\"web/iad\", \"web/fra\", \"next\"]\nsteer = [\"latency\"]\n\
             canary = { pool = \"next\", steps = [5, 25, 50, 100], hold = \"1h\" }\n\
             [names.static]\npools = [\"web\"]\nsteer = [\"distance\"]\n\
             [names.files]\npools = [\"web/iad\", \"web/fra\"]\nsteer = [\"failover\"]\n";
    zone
}

/// Asks as clients all over the world do.
fn ask_around(asker: &mut Asker, rounds: usize) {
    for _ in 0..rounds {
        for (_, [a, b, c], share) in NETWORKS {
            let network = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24));
            for number in 0..share {
                let name = ["www", "static", "www", "files", "www", "api"][number % 6];
                asker.ask(&format!("{name}.example.com."), RecordType::A, Some(network));
            }
        }
    }
}

#[test]
fn the_world_is_drawn() {
    // One socket for each datacenter, at the same port: a datacenter can fail as a whole.
    let first = Endpoint::start("127.1.0.1:0".parse().unwrap(), Script::status(200));
    let port = first.address().port();
    let others = (1..=DATACENTERS.len() as u8).flat_map(|place| (1..=3).map(move |one| [place, 0, one]));
    let others = others.chain([[2, 1, 1]]).filter(|[place, _, one]| (*place, *one) != (1, 1));
    let endpoints: Vec<Endpoint> = others
        .map(|[place, part, one]| {
            Endpoint::start((Ipv4Addr::new(127, place, part, one), port).into(), Script::status(200))
        })
        .collect();
    let server = format!("{SERVER}[geoip]\ndatabases = [\"{}\"]\n", shipped_database().display());
    let scene = Scene::new(&server, &[("example.com.toml", &zone(port))]);
    let browser = &scene.browser;
    let mut asker = scene.node.asker();
    browser.wait_for_words("#verdict", "15 endpoints up");
    ask_around(&mut asker, 1);
    browser.wait_for("document.querySelectorAll('#map .clients circle').length > 40");
    browser.wait_for("document.querySelectorAll('#map .lines path').length > 40");
    browser.wait_for("document.querySelectorAll('#clients-table tbody tr').length > 40");
    // Each country has the colour of the datacenter that it is sent to.
    let colour = |country: &str| {
        let script = format!(
            "return [...document.querySelectorAll('#map .land')].find((land) => \
             land.textContent.startsWith('{country} →')).getAttribute('class')"
        );
        browser.text(&script)
    };
    for (country, datacenter) in [("Germany", 0), ("Canada", 1), ("Brazil", 2), ("India", 3), ("New Zealand", 4)] {
        assert_eq!(colour(country), format!("land place-{datacenter}"), "{country}");
    }
    let images = std::env::var_os("TRUENORTH_IMAGES").map(PathBuf::from);
    let start = Instant::now();
    while images.is_some() && start.elapsed() < HISTORY {
        ask_around(&mut asker, 1);
        thread::sleep(Duration::from_secs(1));
    }
    let picture = |name: &str| {
        if let Some(folder) = &images {
            browser.screenshot(&folder.join(name));
        }
    };
    browser.prefer("light");
    picture("page-light.png");
    browser.write("#ask-form [name=name]", "www.example.com");
    browser.write("#ask-form [name=client]", "193.0.6.0/24\u{e007}");
    browser.wait_for_words("#ask-result .answer", "127.1.0.");
    browser.run("document.getElementById('decisions').scrollIntoView()");
    picture("page-ask.png");
    browser.run("scrollTo(0, 0)");
    browser.click("[data-target='dc:fra']");
    browser.write("#order-form [name=for]", "2h");
    browser.write("#order-form [name=reason]", "new routers");
    browser.write("#order-form [name=who]", "ada");
    browser.click("#order-preview");
    browser.wait_for_words("#order-effect", "europe");
    picture("page-order.png");
    browser.click("#order-cancel");
    // Frankfurt dies: Europe and Africa go to the next datacenter.
    browser.prefer("dark");
    first.play(Script::status(503));
    endpoints
        .iter()
        .filter(|endpoint| endpoint.address().ip().to_string().starts_with("127.1."))
        .for_each(|endpoint| endpoint.play(Script::status(503)));
    browser.wait_for_words("#verdict-list", "fra is down: all 3 endpoints.");
    browser.wait_for_words("#events-list", "fra →");
    assert_eq!(colour("Germany"), "land place-1");
    // The circles are of the clients of the last half minute.
    let start = Instant::now();
    while images.is_some() && start.elapsed() < Duration::from_secs(45) {
        ask_around(&mut asker, 1);
        thread::sleep(Duration::from_secs(1));
    }
    browser.wait_for_words("#verdict-list", "Clients of fra go to");
    picture("page-dark.png");
    browser.run("document.getElementById('pools').scrollIntoView()");
    browser.wait_for("document.querySelectorAll('#pools-table .strip').length >= 13");
    picture("page-pools.png");
    assert_sound(browser);
}
