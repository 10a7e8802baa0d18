//! A program that is not ours, found on `PATH`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::PATIENCE;
use crate::parts::client;
use crate::parts::within;

/// A running program with a folder of its own; both go when it is dropped.
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    folder: PathBuf,
}

/// A file of this repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

impl Program {
    /// Starts it in an empty folder, with what `prepare` adds to its command.
    pub(crate) fn start(name: &'static str, prepare: impl FnOnce(&mut Command, &Path)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("{name}-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let log = File::create(folder.join("log")).expect("a file can be made");
        let mut command = Command::new(name);
        command
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        prepare(&mut command, &folder);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name} is not on PATH: {error}"));
        Self {
            name,
            child,
            folder,
        }
    }

    /// Waits until `url` answers that all is well.
    pub(crate) async fn ready(&self, url: &str) {
        let http = client();
        let ready = within(PATIENCE, async || {
            let answer = http.get(url).send().await.ok()?;
            answer.status().is_success().then_some(())
        });
        if ready.await.is_none() {
            let log = std::fs::read_to_string(self.folder.join("log"));
            panic!("{} is not ready: {}", self.name, log.unwrap_or_default());
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
