//! A PostgreSQL server of a test's own, on a socket in a temporary folder.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A running server, which ends with this.
pub struct PostgresServer {
    folder: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
}

impl PostgresServer {
    /// Starts one; says why not, where it is not installed.
    ///
    /// # Panics
    /// Where it is installed and does not start.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: PostgreSQL is not installed; Debian's package is `postgresql`");
            return None;
        };
        static SERVERS: AtomicU32 = AtomicU32::new(0);
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        // Short: a socket's path has 107 bytes at most.
        let name = format!("assay-postgres-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        if let Some((user, group)) = other_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let server = Self { folder, programs, databases: AtomicU32::new(0) };
        let data = server.data();
        let data = data.to_str().unwrap();
        let options = ["--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "assay", "-D", data];
        server.run("initdb", &options);
        server.begin();
        Some(server)
    }

    /// The URL of a new, empty database.
    pub fn database(&self) -> String {
        let name = format!("store{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("createdb", &["-h", self.socket(), "-U", "assay", &name]);
        format!("postgres://assay@localhost/{name}?host={}", self.socket())
    }

    /// Starts it, after [`Self::stop`].
    pub fn begin(&self) {
        let (data, log) = (self.data(), self.folder.join("log"));
        // No port, and no care for a power cut.
        let options = format!("-k {} -h '' -F -c max_connections=50", self.socket());
        let (data, log) = (data.to_str().unwrap(), log.to_str().unwrap());
        self.run("pg_ctl", &["start", "-w", "-D", data, "-l", log, "-o", &options]);
    }

    /// Stops it at once, with all its connections.
    pub fn stop(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "fast", "-D", self.data().to_str().unwrap()]);
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn socket(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let done = self.command(program, arguments).status().unwrap();
        assert!(done.success(), "{program} {arguments:?}: {done}");
    }

    /// As another user where this one is root, whom these programs refuse.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let program = self.programs.join(program);
        let mut command = match other_user() {
            None => Command::new(program),
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={group}")]);
                command.arg("--clear-groups").arg(program);
                command
            }
        };
        command.args(arguments).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        command
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let data = self.data();
        let options = ["stop", "-m", "immediate", "-D", data.to_str().unwrap_or_default()];
        let _ = self.command("pg_ctl", &options).stderr(Stdio::null()).status();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&paths);
    let has = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    folders.into_iter().rev().chain(in_path).find(has)
}

/// For root: user and group of `nobody`.
fn other_user() -> Option<(u32, u32)> {
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let users = fs::read_to_string(Path::new("/etc/passwd")).ok()?;
    let nobody = users.lines().find(|line| line.starts_with("nobody:"))?;
    let mut fields = nobody.split(':').skip(2).map(str::parse);
    let (user, group) = (fields.next()?.ok()?, fields.next()?.ok()?);
    is_root.then_some((user, group))
}
