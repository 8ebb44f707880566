//! What the demo prints, kept beside its data so that it can be printed again: play money's passwords only.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::super::Failure;

/// The keys to a demo.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    /// Everybody's.
    pub password: String,
    /// An operator's key.
    pub key: String,
    pub sign_ins: Vec<SignIn>,
}

/// One way in.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    pub who: String,
    pub email: String,
}

impl Note {
    fn path(dir: &Path) -> PathBuf {
        dir.join("demo.json")
    }

    /// `None` where no demo was ever completed.
    pub(super) fn load(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = Self::path(dir);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let note = serde_json::from_slice(&bytes);
                Ok(Some(note.map_err(|e| format!("{}: {e}", path.display()))?))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display()).into()),
        }
    }

    /// Readable for the owner only.
    pub(super) fn save(&self, dir: &Path) -> Result<(), Failure> {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(Self::path(dir))?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        Ok(())
    }
}
