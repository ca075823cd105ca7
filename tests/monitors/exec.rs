//! Programs: a shell that behaves well or badly.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use truenorth::health::{Check, ExecCheck, ExitCodes, Failure, Finding, Monitor, Outcome, Pace, Share, Stage, Target};
use truenorth::monitor::Prober;

use crate::{IMPATIENCE, PATIENCE, failure, probe, target};

fn command(program: &str, arguments: &[&str]) -> Check {
    let arguments = arguments.iter().map(|&argument| argument.into()).collect();
    Check::Exec(ExecCheck { program: Path::new(program).into(), arguments, degraded: ExitCodes::default() })
}

fn shell(script: &str) -> Check {
    command("/bin/sh", &["-c", script])
}

async fn run(check: Check) -> Outcome {
    probe("192.0.2.1:8080".parse().unwrap(), check, PATIENCE).await
}

fn share(outcome: Outcome) -> Share {
    match outcome {
        Outcome::Success(Finding { share, .. }) => share,
        Outcome::Failure(failure) => panic!("{failure}"),
    }
}

fn exit(code: i32, said: &str) -> Failure {
    Failure::Exit(code, said.to_owned())
}

/// True if a process exists and is running. A process that is not reaped yet is not running.
fn is_alive(id: &str) -> bool {
    fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn assert_ends(id: &str) {
    let deadline = Instant::now() + PATIENCE;
    while is_alive(id) {
        assert!(Instant::now() < deadline, "process {id} lives on");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Returns what a script wrote to a file, as soon as it is a whole line.
async fn line_of(file: &Path) -> String {
    loop {
        match fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}

#[tokio::test]
async fn exit_codes_are_those_of_nagios_or_as_configured() {
    assert_eq!(share(run(shell("exit 0")).await), Share::FULL);
    assert_eq!(share(run(shell("echo WARNING; exit 1")).await), Share::from_thousandths(500));
    let outcome = run(shell("echo 'CRITICAL - it burns | heat=900'; echo more; exit 2")).await;
    assert_eq!(failure(outcome), exit(2, "CRITICAL - it burns | heat=900"));
    assert_eq!(failure(run(shell("exit 3")).await), exit(3, ""));
    let with = |codes: &[u8], script: &str| {
        let Check::Exec(check) = shell(script) else { unreachable!("it is a program") };
        let degraded = ExitCodes { codes: codes.into(), share: Share::from_thousandths(250) };
        run(Check::Exec(ExecCheck { degraded, ..check }))
    };
    assert_eq!(share(with(&[3, 4], "exit 4").await), Share::from_thousandths(250));
    assert_eq!(failure(with(&[3, 4], "exit 1").await), exit(1, ""));
    assert_eq!(failure(with(&[], "exit 1").await), exit(1, ""));
    assert_eq!(failure(run(shell("kill -9 $$")).await), Failure::Signal(9));
}

#[tokio::test]
async fn the_last_words_are_never_lost() {
    for _ in 0..200 {
        assert_eq!(failure(run(shell("echo last words; exit 2")).await), exit(2, "last words"));
    }
}

#[tokio::test]
async fn the_target_stands_in_arguments_and_environment_and_nothing_else_does() {
    let script = "printf '%s;' \"$@\"; exit 2";
    let check = command("/bin/sh", &["-c", script, "sh", "-H", "{address}", "{host}:{port}", "{x}", "{}", "a b"]);
    let said = "-H;192.0.2.1;www.example.com:8080;{x};{};a b;";
    assert_eq!(failure(run(check).await), exit(2, said));

    let environment = "tr '\\0' '\\n' < /proc/$$/environ | grep -v ^PATH= | sort | tr '\\n' ' '; exit 2";
    let said = "TRUENORTH_ADDRESS=192.0.2.1 TRUENORTH_HOST=www.example.com TRUENORTH_PORT=8080";
    assert_eq!(failure(run(shell(environment)).await), exit(2, said));
    let without_port = target("[2001:db8::1]:0".parse().unwrap(), shell(environment), PATIENCE);
    let said = "TRUENORTH_ADDRESS=2001:db8::1 TRUENORTH_HOST=www.example.com";
    assert_eq!(failure(Prober::with_roots([]).probe(&without_port).await), exit(2, said));
    assert_eq!(share(run(shell("test -n \"$PATH\" && test -z \"$(cat)\"")).await), Share::FULL);
}

#[tokio::test]
async fn what_cannot_be_run_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let told = |outcome| match failure(outcome) {
        Failure::Unrunnable(why) => why,
        other => panic!("it is not run: {other}"),
    };
    let missing = path("missing");
    let why = told(run(command(&missing, &[])).await);
    assert!(why.starts_with(&missing) && why.contains("No such file"), "{why}");
    fs::write(path("text"), "exit 0\n").unwrap();
    fs::set_permissions(path("text"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(told(run(command(&path("text"), &[])).await).contains("Permission denied"));
    assert!(told(run(command("/", &[])).await).contains("Permission denied"));
    assert!(told(run(command("/bin/sh", &["a\0b"])).await).contains("nul byte"));
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let script = format!("sleep 1000 & echo $! > {}; trap '' TERM; sleep 1000; sleep 1000", file.display());
    let started = Instant::now();
    let outcome = probe("127.0.0.1:0".parse().unwrap(), shell(&script), IMPATIENCE).await;
    assert_eq!(failure(outcome), Failure::TimedOut(Stage::Exit));
    assert!(started.elapsed() >= IMPATIENCE && started.elapsed() < PATIENCE);
    assert_ends(&line_of(&file).await);
}

#[tokio::test]
async fn what_one_leaves_behind_is_killed_and_not_waited_for() {
    let started = Instant::now();
    let Failure::Exit(2, child) = failure(run(shell("sleep 1000 & echo $!; exit 2")).await) else {
        panic!("it ends with code 2")
    };
    assert!(started.elapsed() < PATIENCE / 2, "it waited for the pipe to be closed");
    assert_ends(&child);
}

#[tokio::test]
async fn a_probe_that_is_dropped_leaves_nothing_running() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("self");
    let probe = tokio::spawn(run(shell(&format!("echo $$ > {}; sleep 1000; sleep 1000", file.display()))));
    let id = line_of(&file).await;
    assert!(is_alive(&id));
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    assert_ends(&id);
}

#[tokio::test]
async fn one_that_talks_without_end_fills_no_memory_and_does_not_wait_at_a_full_pipe() {
    assert_eq!(share(run(shell("head -c 10000000 /dev/zero; exit 0")).await), Share::FULL);
    let Failure::Exit(2, said) = failure(run(shell("head -c 300000 /dev/zero | tr '\\0' x; exit 2")).await) else {
        panic!("it ends with code 2")
    };
    assert_eq!(said, "x".repeat(120));
    let too_much = Failure::TooMuch("the program wrote more than 16 MiB".to_owned());
    assert_eq!(failure(run(shell("echo $$; exec yes")).await), too_much);
    assert_eq!(failure(run(shell("yes & wait")).await), too_much);
}

/// A target whose probes have this interval and time-out.
fn timed(check: Check, interval: Duration, timeout: Duration) -> Target {
    let monitor = Monitor { pace: Pace::try_new(interval, timeout).unwrap(), ..Monitor::new(check, 0) };
    Target { address: SocketAddr::from(([127, 0, 0, 1], 0)).into(), host: "a".into(), monitor: Arc::new(monitor) }
}

#[tokio::test]
async fn no_more_than_32_run_at_once_and_waiting_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let script = format!("echo + >> {0}; sleep 0.1; echo - >> {0}", file.display());
    // Together they take longer than the time of one probe.
    let one = timed(shell(&script), Duration::from_secs(60), Duration::from_secs(20));
    let prober = Prober::with_roots([]);
    let probes: Vec<_> = (0..100)
        .map(|_| {
            let (prober, target) = (prober.clone(), one.clone());
            tokio::spawn(async move { prober.probe(&target).await })
        })
        .collect();
    for probe in probes {
        assert_eq!(share(probe.await.unwrap()), Share::FULL);
    }
    let (mut running, mut most) = (0, 0);
    for line in fs::read_to_string(&file).unwrap().lines() {
        running += if line == "+" { 1 } else { -1 };
        most = most.max(running);
    }
    assert_eq!(running, 0);
    assert!((2..=32).contains(&most), "{most} ran at once");
}

#[tokio::test]
async fn who_waits_too_long_for_a_turn_says_so() {
    let prober = Prober::with_roots([]);
    let long = timed(shell("sleep 1000"), Duration::from_secs(100), Duration::from_secs(50));
    let holding: Vec<_> = (0..32)
        .map(|_| {
            let (prober, target) = (prober.clone(), long.clone());
            tokio::spawn(async move { prober.probe(&target).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let started = Instant::now();
    let short = timed(shell("exit 0"), IMPATIENCE * 2, IMPATIENCE);
    assert_eq!(failure(prober.probe(&short).await), Failure::NoTurn);
    let waited = started.elapsed();
    assert!(waited >= IMPATIENCE * 7 / 10 && waited < PATIENCE, "{waited:?}");
    for probe in holding {
        probe.abort();
        assert!(probe.await.unwrap_err().is_cancelled());
    }
    let patient = timed(shell("exit 0"), PATIENCE * 2, PATIENCE);
    assert!(prober.probe(&patient).await.is_success(), "a dropped request gives its turn back");
}

/// Runs in its own process, because it counts descriptors and children of the whole process.
#[test]
fn a_thousand_runs_leave_no_descriptor_and_no_zombie() {
    let program = std::env::current_exe().unwrap();
    let output = Command::new(program)
        .args(["--ignored", "--exact", "exec::alone::a_thousand_runs"])
        .output()
        .expect("this program starts again");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

mod alone {
    use super::*;

    fn open_descriptors() -> usize {
        fs::read_dir("/proc/self/fd").unwrap().count()
    }

    /// Processes whose parent this one is, reaped or not.
    fn children() -> Vec<String> {
        let own = std::process::id().to_string();
        let processes =
            fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let stats = processes.filter_map(|id| fs::read_to_string(format!("/proc/{id}/stat")).ok());
        // The fields are pid, (name), state and parent; a name may contain blanks and brackets.
        stats.filter(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(1) == Some(&own)).collect()
    }

    async fn runs(count: usize) {
        let hanging = timed(shell("sleep 1000"), PATIENCE, Duration::from_millis(20));
        let checks = ["exit 0", "echo 2; exit 2", "sleep 1000 & exit 1"]
            .map(|script| timed(shell(script), PATIENCE * 6, PATIENCE));
        let missing = timed(command("/nowhere/check", &[]), PATIENCE, IMPATIENCE);
        let targets: Vec<_> = checks.into_iter().chain([hanging, missing]).collect();
        let prober = Prober::with_roots([]);
        let probes: Vec<_> = (0..count)
            .map(|number| {
                let (prober, target) = (prober.clone(), targets[number % targets.len()].clone());
                tokio::spawn(async move { prober.probe(&target).await })
            })
            .collect();
        for (number, probe) in probes.into_iter().enumerate() {
            let outcome = probe.await.unwrap();
            let is_expected = match &outcome {
                Outcome::Success(_) => matches!(number % 5, 0 | 2),
                Outcome::Failure(Failure::Exit(2, said)) => number % 5 == 1 && said == "2",
                Outcome::Failure(Failure::TimedOut(Stage::Exit)) => number % 5 == 3,
                Outcome::Failure(Failure::Unrunnable(_)) => number % 5 == 4,
                Outcome::Failure(_) => false,
            };
            assert!(is_expected, "{number}: {outcome}");
        }
    }

    #[tokio::test]
    #[ignore = "runs in a process of its own that another test starts"]
    async fn a_thousand_runs() {
        // The runtime opens descriptors for its first child, and keeps them.
        runs(5).await;
        let before = open_descriptors();
        runs(1000).await;
        assert_eq!(open_descriptors(), before);
        let deadline = Instant::now() + PATIENCE;
        while !children().is_empty() {
            assert!(Instant::now() < deadline, "{:?}", children());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
