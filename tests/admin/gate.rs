//! Access control: tokens, addresses and host names.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::Files;
use crate::http::{ask, get, send};
use crate::{SERVER, Scene, TOKEN, ZONE};

const PATHS: [&str; 4] = ["GET /v1/status", "GET /v1/txt", "POST /v1/reload", "GET /no/such/path"];

#[test]
fn a_token_is_asked_for_wherever_one_is_set_except_by_healthz() {
    let scene = Scene::new(&format!("{SERVER}token = \"{TOKEN}\"\n"), &[("example.com.toml", ZONE)]);
    let right = format!("Authorization: Bearer {TOKEN}");
    for line in PATHS {
        for wrong in
            ["X: y", "Authorization: Bearer 0123456789abcdeX", "Authorization: Bearer", "Authorization: Basic eDp5"]
        {
            let response = ask(scene.admin, line, &[wrong], "");
            assert_eq!(response.status, 401, "{line} {wrong}");
            assert!(response.head.contains("www-authenticate: bearer"), "{response:?}");
            assert!(response.error().contains("token"), "{response:?}");
        }
        assert_ne!(ask(scene.admin, line, &[&right], "").status, 401, "{line}");
    }
    assert_eq!(get(scene.admin, "/healthz").status, 200);
    assert!(scene.node.dig("www.example.com").data() == ["127.0.0.1"]);
}

#[test]
fn a_reload_changes_the_token_and_nothing_prints_it() {
    let mut scene = Scene::new(&format!("{SERVER}token = \"{TOKEN}\"\n"), &[("example.com.toml", ZONE)]);
    let status = |scene: &Scene, token: &str| {
        ask(scene.admin, "GET /v1/status", &[&format!("Authorization: Bearer {token}")], "").status
    };
    let other = "another-token-of-24-octets";
    scene.files.write("token", format!("{other}\n"));
    scene.files.write("truenorth.toml", format!("{SERVER}token_file = \"token\"\n"));
    scene.node.log.wait_for("configuration reloaded");
    assert_eq!((status(&scene, TOKEN), status(&scene, other)), (401, 200));
    // The token's file is watched like the others.
    scene.files.write("token", TOKEN);
    scene.node.log.wait_for("configuration reloaded");
    assert_eq!((status(&scene, TOKEN), status(&scene, other)), (200, 401));
    // A fault that prevents a reload also keeps the old token.
    scene.files.write("token", "short");
    scene.node.log.wait_for("configuration not reloaded");
    assert_eq!(status(&scene, TOKEN), 200);
    // A changed address needs a restart.
    let moved = SERVER.replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.1:1\"");
    scene.files.write("truenorth.toml", format!("{moved}token = \"{TOKEN}\"\n"));
    scene.node.log.wait_for(
        "of the listening addresses and of `[connections]` take effect only when the process is replaced or restarted",
    );
    assert_eq!(status(&scene, TOKEN), 200);
    let log = scene.node.log.lines().join("\n");
    assert!(!log.contains(TOKEN) && !log.contains(other), "{log}");
}

#[test]
fn off_loopback_there_is_no_server_without_a_token() {
    let server = SERVER.replace("\"127.0.0.1:0\"\n", "[\"127.0.0.1:0\", \"192.0.2.1:8053\", \"[::]:8053\"]\n");
    let files = Files::new(&server, &[("example.com.toml", ZONE)]);
    let ran = files.run("check");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for told in ["truenorth.toml:4:26", "192.0.2.1 is not on loopback", "truenorth.toml:4:44", ":: is not on loopback"]
    {
        assert!(ran.stderr.contains(told), "{told} is not told in:\n{}", ran.stderr);
    }
    files.write("truenorth.toml", format!("{server}token = \"{TOKEN}\"\n"));
    assert_eq!(files.run("check").code, Some(0));
}

#[test]
fn tokens_that_are_none_are_faults_and_not_printed() {
    for (given, told) in [
        ("token = \"short\"", "`token` takes 16 to 1024 visible characters"),
        ("token_file = \"nowhere\"", "nowhere: No such file"),
        ("token_file = \"bad\"", "bad does not hold 16 to 1024 visible characters"),
        ("token = \"0123456789abcdef\"\ntoken_file = \"good\"", "both give the token"),
        ("hosts = [\"a b\"]", "`hosts` takes host names"),
    ] {
        let files = Files::new(&format!("{SERVER}{given}\n"), &[("example.com.toml", ZONE)]);
        files.write("bad", "a secret that has blanks");
        files.write("good", TOKEN);
        let ran = files.run("check --json");
        assert_eq!(ran.code, Some(1), "{given}: {ran:?}");
        assert!(ran.stdout.contains(told), "{given}: {ran:?}");
        assert!(!ran.stdout.contains("secret") && !ran.stdout.contains(TOKEN), "{given}: {ran:?}");
    }
}

#[test]
fn a_name_that_leads_here_and_a_page_from_elsewhere_are_refused() {
    let scene = Scene::new(&format!("{SERVER}hosts = [\"ns1.example.com\"]\n"), &[("example.com.toml", ZONE)]);
    let status = |head: &str| send(scene.admin, format!("{head}\r\n\r\n")).expect("a response").status;
    for host in ["127.0.0.1", "[::1]:80", "localhost:1", "ns1.example.com:8053"] {
        assert_eq!(status(&format!("GET /v1/status HTTP/1.1\r\nHost: {host}")), 200, "{host}");
    }
    for path in ["/v1/status", "/healthz", "/"] {
        let rebound =
            send(scene.admin, format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n")).expect("a response");
        assert_eq!(rebound.status, 421, "{path}");
        assert!(rebound.error().contains("evil.example"), "{rebound:?}");
        assert!(rebound.head.contains("cache-control: no-store"), "{rebound:?}");
    }
    assert_eq!(status("GET /v1/status HTTP/1.1"), 400);
    let origin = format!("Origin: http://{}", scene.admin);
    assert_eq!(ask(scene.admin, "POST /v1/reload", &[&origin], "").status, 200);
    for origin in ["Origin: http://evil.example", "Origin: null", "Origin: http://127.0.0.1:1"] {
        for line in ["POST /v1/reload", "POST /v1/txt", "GET /v1/events"] {
            assert_eq!(ask(scene.admin, line, &[origin], "").status, 403, "{line} {origin}");
        }
    }
}

#[test]
fn a_token_is_for_its_purposes_alone() {
    let tokens = "[admin.tokens.acme]\ntoken = \"acme-0123456789ab\"\nmay = [\"txt\"]\n\
                  [admin.tokens.page]\ntoken = \"page-0123456789ab\"\nmay = [\"read\"]\n\
                  [admin.tokens.watcher]\ntoken_file = \"watcher\"\nmay = [\"report\", \"read\"]\n\
                  [admin.tokens.operator]\ntoken = \"oper-0123456789ab\"\nmay = [\"order\"]\n";
    let files = Files::new(&format!("{SERVER}token = \"{TOKEN}\"\n{tokens}"), &[("example.com.toml", ZONE)]);
    files.write("watcher", "watch-0123456789ab\n");
    let scene = Scene::of(files);
    let txt = "{\"name\": \"_acme-challenge.www.example.com\", \"value\": \"x\"}";
    let drain = "{\"mode\": \"drain\", \"target\": \"endpoint:127.0.0.1\"}";
    let report = "{\"endpoint\": \"127.0.0.1\", \"ok\": true}";
    for (line, body, may) in [
        ("GET /v1/status", "", ["page", "watch"].as_slice()),
        ("GET /v1/overrides", "", &["page", "watch"]),
        ("GET /v1/txt", "", &["acme", "page", "watch"]),
        ("POST /v1/txt", txt, &["acme"]),
        ("DELETE /v1/txt", txt, &["acme"]),
        ("GET /v1/txt/www.example.com", "", &["acme", "page", "watch"]),
        ("PUT /v1/txt/www.example.com", "{\"values\": [\"x\"]}", &["acme"]),
        ("DELETE /v1/txt/www.example.com", "", &["acme"]),
        ("PUT /v1/overrides/endpoint:127.0.0.1", "{\"mode\": \"drain\"}", &["oper"]),
        ("DELETE /v1/overrides/endpoint:127.0.0.1", "", &["oper"]),
        ("POST /v1/reports", report, &["watch"]),
        ("POST /v1/latency", "{}", &["watch"]),
        ("POST /v1/overrides", drain, &["oper"]),
        ("DELETE /v1/overrides", "{\"target\": \"endpoint:127.0.0.1\"}", &["oper"]),
        ("POST /v1/reload", "", &["oper"]),
    ] {
        for holder in ["acme", "page", "watch", "oper"] {
            let token = format!("Authorization: Bearer {holder}-0123456789ab");
            let response = ask(scene.admin, line, &[&token], body);
            let is_let_in = !matches!(response.status, 401 | 403);
            assert_eq!(is_let_in, may.contains(&holder), "{holder}: {line}: {response:?}");
            if !is_let_in {
                assert!(response.error().contains("this request needs a token that may "), "{response:?}");
            }
        }
        assert!(!matches!(
            ask(scene.admin, line, &[&format!("Authorization: Bearer {TOKEN}")], body).status,
            401 | 403
        ));
        assert_eq!(ask(scene.admin, line, &[], body).status, 401, "{line}");
    }
}

#[test]
fn an_order_that_does_not_say_who_gives_it_is_its_tokens() {
    let tokens = "[admin.tokens.acme-hook]\ntoken = \"oper-0123456789ab\"\nmay = [\"order\"]\n";
    let scene = Scene::new(&format!("{SERVER}token = \"{TOKEN}\"\n{tokens}"), &[("example.com.toml", ZONE)]);
    let place = |token: &str, who: &str| {
        let token = format!("Authorization: Bearer {token}");
        let body = format!("{{\"mode\": \"drain\", \"target\": \"endpoint:127.0.0.1\"{who}}}");
        let response = ask(scene.admin, "POST /v1/overrides", &[&token], &body).json();
        let placed = response["overrides"].as_array().expect("a list").last().expect("one is placed").clone();
        placed["who"].as_str().expect("text").to_owned()
    };
    assert_eq!(place("oper-0123456789ab", ""), "acme-hook");
    assert_eq!(place("oper-0123456789ab", ", \"who\": \"ada\""), "ada");
    assert_eq!(place(TOKEN, ""), "admin API", "it has no name");
}

#[test]
fn tokens_that_nobody_can_use_are_told() {
    let check = |admin: &str| {
        let server = format!("[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\n{admin}\n");
        let ran = Files::new(&server, &[("example.com.toml", ZONE)]).run("check");
        (ran.code, ran.stdout + &ran.stderr)
    };
    let listen = "listen = \"127.0.0.1:0\"\n";
    for (admin, why) in [
        (String::new(), "`[admin]` needs `listen`"),
        (format!("{listen}[admin.tokens.a]\nmay = [\"txt\"]"), "the token `a` needs `token` or `token_file`"),
        (format!("{listen}[admin.tokens.a]\ntoken = \"{TOKEN}\""), "a token needs `may`"),
        (format!("{listen}[admin.tokens.a]\ntoken = \"{TOKEN}\"\nmay = []"), "`may` needs a purpose"),
        (format!("{listen}[admin.tokens.a]\ntoken = \"{TOKEN}\"\nmay = [\"drain\"]"), "`may` takes one of"),
        (
            format!("{listen}token = \"{TOKEN}\"\n[admin.tokens.a]\ntoken = \"{TOKEN}\"\nmay = [\"txt\"]"),
            "the token `a` is the same as another one",
        ),
        (format!("socket = \"{}\"", "x".repeat(200)), "is too long for a socket: 103 octets at most"),
    ] {
        let (code, told) = check(&admin);
        assert_eq!(code, Some(1), "{admin}: {told}");
        assert!(told.contains(why), "{admin}: {told}");
    }
    // Off loopback, any token is enough.
    let off = "listen = \"192.0.2.1:8053\"\n[admin.tokens.a]\ntoken = \"0123456789abcdef\"\nmay = [\"read\"]";
    assert_eq!(check(off).0, Some(0));
}

#[test]
fn the_command_asks_over_the_socket_without_a_token_and_whatever_happens_to_the_port() {
    let server = format!("{SERVER}socket = \"admin.sock\"\ntoken = \"{TOKEN}\"\n");
    let scene = Scene::new(&server, &[("example.com.toml", ZONE)]);
    let socket = scene.files.path("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // A server file with only the socket's path, and no token.
    let without = SERVER.replace("[admin]\n", &format!("[admin]\nsocket = \"{}\"\n", socket.display()));
    let other = Files::new(&without, &[("example.com.toml", ZONE)]);
    for words in ["status", "txt set _acme-challenge.www.example.com x", "drain endpoint:127.0.0.1 --yes", "reload"] {
        let ran = other.run(words);
        assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
    }
    // A client that can reach the port needs a token.
    assert_eq!(get(scene.admin, "/v1/status").status, 401);
    // Web pages cannot open the socket, but requests of other programs are checked as usual.
    let Scene { node, .. } = scene;
    node.terminate();
    assert!(!socket.exists());
    let ran = other.run("status");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no node answers at"), "{ran:?}");
}

#[test]
fn a_socket_whose_file_or_folder_is_removed_is_made_again() {
    let server = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"run/admin.sock\"\n";
    let files = Files::new(server, &[("example.com.toml", ZONE)]);
    let folder = files.path("run");
    let socket = folder.join("admin.sock");
    fs::create_dir(&folder).unwrap();
    let mut node = files.serve();
    assert_eq!(files.run("status").code, Some(0));
    for round in 0..3 {
        match round {
            0 => fs::remove_file(&socket).unwrap(),
            1 => fs::rename(&socket, folder.join("away")).unwrap(),
            _ => {
                fs::remove_dir_all(&folder).unwrap();
                node.log.wait_for("the admin server's socket was moved or removed, and cannot be created again");
                fs::create_dir(&folder).unwrap();
            }
        }
        node.log.wait_for("the admin server's socket was moved or removed: it is created again");
        assert_eq!(files.run("drain endpoint:127.0.0.1 --yes").code, Some(0));
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // What another process puts there is not removed.
    let other = std::os::unix::net::UnixListener::bind(folder.join("other")).unwrap();
    fs::rename(folder.join("other"), &socket).unwrap();
    node.log.wait_for("another process listens there");
    node.terminate();
    assert!(socket.exists());
    drop(other);
}
