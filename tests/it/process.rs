//! The program itself, run as a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub const OWNER: &str = "owner@example.com";
pub const PASSWORD: &str = "a long enough one";

/// The program under test.
pub fn tollbook() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollbook"));
    // settings of whoever runs the tests are not the tests' concern
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("TOLLBOOK_")) {
        command.env_remove(name);
    }
    command
}

/// A data directory, and the program run on it.
pub struct Installation {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, String)>,
}

impl Installation {
    /// An empty one with these settings.
    pub fn new(env: &[(&'static str, &str)]) -> Self {
        let env = env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { dir: tempfile::tempdir().expect("a directory"), env }
    }

    /// A shop in test mode, that was started once: with an organization `ext:a`, which gets `welcome` credits, and its owner
    /// ([`OWNER`], [`PASSWORD`]). Answers the key of an operator with it.
    pub fn shop(welcome: i64) -> (Self, String) {
        let welcome = welcome.to_string();
        let shop = Self::new(&[
            ("TOLLBOOK_SERVER_MODE", "test"),
            ("TOLLBOOK_SELLER_NAME", "Vozia Telecom S.L."),
            ("TOLLBOOK_SELLER_COUNTRY", "ES"),
            ("TOLLBOOK_CREDITS_WELCOME", &welcome),
            ("TOLLBOOK_LIMITS_SESSION_PER_SECOND", "0"),
            ("TOLLBOOK_LIMITS_ANONYMOUS_PER_SECOND", "0"),
            ("TOLLBOOK_LIMITS_OPERATOR_KEY_PER_SECOND", "0"),
            ("TOLLBOOK_AUTH_LOGIN_ATTEMPTS", "1000"),
        ]);
        shop.prepare();
        let id = shop.run(&["admin", "create-organization", "--name", "A", "--external-id", "a"]);
        let owner = ["admin", "create-user", "--organization", &id, "--email", OWNER, "--role", "owner"];
        shop.run_with(&[owner.as_slice(), &["--password-stdin"]].concat(), PASSWORD);
        let scopes = "usage:write,billing:write,billing:read,admin";
        let key = shop.run(&["admin", "create-key", "--operator", "--scopes", scopes]);
        (shop, key)
    }

    /// A path in a directory of this test's own, outside the data.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = tollbook();
        command.args(args).arg("--data").arg(self.data());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command that has to succeed, with this on its standard input; gives its standard output.
    pub fn run_with(&self, args: &[&str], input: &str) -> String {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("spawn");
        child.stdin.take().expect("stdin").write_all(input.as_bytes()).expect("write");
        let output = child.wait_with_output().expect("output");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    /// [`Installation::run_with`] nothing on standard input.
    pub fn run(&self, args: &[&str]) -> String {
        self.run_with(args, "")
    }

    /// Runs a command, however it ends.
    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().expect("run")
    }

    /// Starts a server on a free port and waits until it listens.
    pub fn serve(&self) -> Server {
        self.start(self.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// [`Installation::serve`], such that files that may not grow are an error to the server, not its end.
    pub fn serve_under_limits(&self) -> Server {
        let serve = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut command = Command::new("sh");
        command
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
            .arg(serve.get_program())
            .args(serve.get_args());
        for (name, value) in serve.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.start(command)
    }

    fn start(&self, mut command: Command) -> Server {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("log");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("spawn");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let url = line.trim_end().strip_prefix("listening on ");
        let url = url.unwrap_or_else(|| panic!("{line:?}\n{}", read(&self.path("log")))).to_owned();
        Server { child, url }
    }

    /// A server has been here once: the catalog is filled.
    pub fn prepare(&self) {
        self.serve().stop();
    }
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// No file of this server's may grow past so many bytes, as when its disk is full; none: as large as it likes.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let soft = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
        let pid = self.child.id().to_string();
        let mut command = Command::new("prlimit");
        assert!(
            command.args(["--pid", &pid, &format!("--fsize={soft}:")]).status().expect("prlimit").success()
        );
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
    }

    /// SIGTERM, which ends it in order.
    pub fn stop(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(sent.success());
        assert!(self.child.wait().expect("wait").success(), "SIGTERM ends it with 0");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
