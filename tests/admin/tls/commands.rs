//! The commands that ask a node over HTTPS.

use super::{NAME, SERVER, Secure, files_for_clients, write_identity};
use crate::endpoint::certificates::params;
use crate::harness::Files;
use crate::{Scene, TOKEN};

#[test]
fn the_commands_ask_over_https() {
    let scene = Scene::of(files_for_clients(""));
    let port = scene.admin.port();
    let path = |name: &str| scene.files.path(name).display().to_string();
    let connect = |ca: &str, identity: Option<&str>| {
        let shown = identity.map(|stem| format!("certificate = \"{0}.pem\"\nkey = \"{0}.key\"\n", path(stem)));
        let ca = format!("ca = \"{}\"\n", path(ca));
        let nodes = format!("[admin.nodes]\nns1 = \"https://127.0.0.1:{port}\"\n");
        Files::new(&format!("{nodes}[admin.connect]\n{ca}{}", shown.unwrap_or_default()), &[])
    };
    let own = connect("ca.pem", Some("me"));
    for node in ["ns1".to_owned(), "all".to_owned(), format!("https://127.0.0.1:{port}")] {
        let ran = own.run(&format!("status --node {node}"));
        assert!(ran.code == Some(0) && ran.stdout.contains(": up "), "{node}: {ran:?}");
    }
    let ran = own.run("drain endpoint:127.0.0.1 --node ns1 --yes --reason kernel");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(own.run("overrides --node ns1").stdout.contains("kernel"));
    for (ca, identity, told) in [
        ("ca.pem", None, "the node requires a certificate: set `certificate` and `key` of [admin.connect]"),
        ("ca.pem", Some("foreign"), "alert: "),
        ("clients.pem", Some("me"), "unknown issuer; set `ca` of [admin.connect] to the authority of your nodes"),
    ] {
        let ran = connect(ca, identity).run("status --node ns1");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.stderr.contains(&format!("no node answers at https://127.0.0.1:{port}: ")), "{ran:?}");
        assert!(ran.stderr.contains(told), "{told}: {ran:?}");
    }
    let ran = connect("nowhere.pem", None).run("status --node ns1");
    assert!(ran.code == Some(1) && ran.stderr.contains("nowhere.pem: No such file"), "{ran:?}");
    // A plain request to a port with TLS.
    let ran = own.run(&format!("status --node 127.0.0.1:{port}"));
    assert!(ran.code == Some(1) && ran.stderr.contains("no node answers at http://127.0.0.1:"), "{ran:?}");
}

#[test]
fn the_commands_ask_their_own_node_by_the_name_of_its_certificate() {
    let mut secure = Secure::new(&format!("token = \"{TOKEN}\"\n"));
    write_identity(&secure.scene.files, "node", &secure.authority, &params(NAME));
    secure.scene.node.log.wait_for("certificate replaced");
    let files = &secure.scene.files;
    // The command knows the port that the kernel chose; it is not the configured one.
    let server = SERVER.replace("0.0.0.0:0", &secure.scene.admin.to_string());
    let server = format!("{server}token = \"{TOKEN}\"\nconnect = {{ ca = \"ca.pem\" }}\n");
    files.write("truenorth.toml", &server);
    let ran = files.run("status");
    assert!(ran.code == Some(0) && ran.stdout.contains(": up "), "{ran:?}");
    files.write("truenorth.toml", server.replace("ns1.example.test", "ns2.example.test"));
    let ran = files.run("status");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("certificate is not valid for name") && ran.stderr.contains("(127.0.0.1)"), "{ran:?}");
}
