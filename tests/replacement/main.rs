//! A process takes over from a running one, by the real binary: nothing is lost, whatever happens to the new process.
//!
//! All traffic stays on loopback.

#[path = "../endpoint/mod.rs"]
mod endpoint;
#[path = "../harness/mod.rs"]
mod harness;

mod failing;
mod load;
mod lossless;
mod privileges;
mod state;
mod systemd;

/// The top of a server file with an admin socket, for the commands.
const SERVER: &str = "[listen]\ndns = [\"127.0.0.1:0\"]\n[admin]\nsocket = \"admin.sock\"\n";

/// A zone whose `www` has this address.
fn zone(host: u8) -> String {
    format!("[nameservers]\nns1 = [\"127.0.0.1\"]\n[records.www]\nA = [\"192.0.2.{host}\"]\n")
}

/// A process that another one started to replace itself. It ends with the test.
struct Started(String);

impl Started {
    /// The process that holds the state folder of a configuration.
    fn holding(files: &harness::Files) -> Self {
        let pid = std::fs::read_to_string(files.path("state/lock")).expect("a process holds the folder");
        Self(pid.trim().to_owned())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended.
        let kill = format!("kill {}", self.0);
        let _ = std::process::Command::new("sh").args(["-c", &kill]).status();
    }
}

/// A configuration with that zone.
fn files(host: u8) -> harness::Files {
    harness::Files::new(SERVER, &[("example.com.toml", &zone(host))])
}
