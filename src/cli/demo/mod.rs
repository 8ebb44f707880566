//! `tollbook demo`: a server with a past.

mod calls;
mod cast;
mod counter;
mod limits;
mod live;
mod note;
mod people;
mod random;
mod story;
mod usage;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use rand::Rng;

use super::serve::{Signals, announce};
use super::{Common, Failure, Outcome, init_log};
use crate::app::{self, Clocks, RunningApp};
use crate::base::{Mode, Timestamp};
use crate::config::{Argument, Config};
use crate::db::FILE_NAME;
use note::Note;

/// Where the demo's data is unless told otherwise: never where a real book may be.
const DATA_DIR: &str = "demo-data";
/// There while the past is being written.
const UNFINISHED: &str = "demo.unfinished";

/// Run a server with demo data.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Keep calls coming: asked for, extended and charged as they go
    #[arg(long)]
    live: bool,
}

impl Demo {
    pub(super) fn run(self, common: &Common) -> Outcome {
        if common.mode.as_deref().is_some_and(|mode| mode != "test") {
            return Err("the demo runs in test mode".into());
        }
        let common = Common {
            data: Some(common.data.clone().unwrap_or_else(|| PathBuf::from(DATA_DIR))),
            mode: Some(Mode::Test.name().into()),
            ..common.clone()
        };
        let listen = self.listen.map(|value| Argument { name: "--listen", key: "server.listen", value });
        let mut config = common.config(listen.as_slice())?;
        if config.log.level == Config::default().log.level {
            // what is printed here is for a person
            config.log.level = "warn".into();
        }
        init_log(&config);
        let began = Instant::now();
        let (note, fresh) = prepare(&config)?;
        actix_web::rt::System::new().block_on(async move {
            let signals = Signals::new()?;
            let dir = config.database.data_dir.clone();
            let app = app::start(config, Clocks::of(Mode::Test)).await?;
            let made = fresh.then(|| began.elapsed());
            if let Some(made) = made {
                println!("Three organizations and sixty days of usage, made in {made:.1?}.\n");
            }
            std::io::stdout().write_all(introduction(&app, &note, &dir).as_bytes())?;
            announce(&app)?;
            let trickle = self.live.then(|| live::start(app.state.db.clone()));
            signals.wait().await;
            if let Some(trickle) = trickle {
                trickle.abort();
            }
            app.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// The demo's keys, and whether its past was written just now.
fn prepare(config: &Config) -> Result<(Note, bool), Failure> {
    let dir = &config.database.data_dir;
    let _lock = app::take_dir(dir)?;
    let unfinished = dir.join(UNFINISHED);
    if unfinished.exists() {
        for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal"), format!("{FILE_NAME}-shm")] {
            match std::fs::remove_file(dir.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
        }
    } else if let Some(note) = Note::load(dir)? {
        return Ok((note, false));
    } else if dir.join(FILE_NAME).exists() {
        return Err(format!("{} holds a book that is not the demo's", dir.display()).into());
    }
    std::fs::write(&unfinished, [])?;
    let note = story::tell(config, &password(), story::now())?;
    note.save(dir)?;
    std::fs::remove_file(&unfinished)?;
    Ok((note, true))
}

/// Three groups of four, without signs that look alike.
fn password() -> String {
    const SIGNS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    let mut sign = || {
        let place = usize::try_from(rng.next_u32()).unwrap_or(0) % SIGNS.len();
        SIGNS.get(place).copied().map_or('a', char::from)
    };
    let group = |sign: &mut dyn FnMut() -> char| -> String { (0..4).map(|_| sign()).collect() };
    [group(&mut sign), group(&mut sign), group(&mut sign)].join("-")
}

fn introduction(app: &RunningApp, note: &Note, dir: &Path) -> String {
    let url = &app.state.settings.public_url;
    let width = note.sign_ins.iter().map(|s| s.email.len()).max().unwrap_or(0);
    let people: Vec<String> =
        note.sign_ins.iter().map(|s| format!("  {:width$}  {}\n", s.email, s.who)).collect();
    let people = people.concat();
    format!(
        "Sign in at {url}/ as\n{people}with the password  {}\n\n\
         The API, to read and try: {url}/docs\nAn operator's key: {}\n\nCharge a call:\n{}\n\
         Check the book, now or at any time:\n  tollbook verify --data {}\n\n",
        note.password,
        note.key,
        curl(url, &note.key, app.state.clock.now()),
        dir.display(),
    )
}

/// A request that charges a call, ready to be pasted.
fn curl(url: &str, key: &str, now: Timestamp) -> String {
    let at = now.plus_ms(-now.millis().rem_euclid(1_000));
    format!(
        "  curl -s {url}/api/v1/usage/events \\\n    \
         -H 'Authorization: Bearer {key}' \\\n    \
         -H 'Content-Type: application/json' \\\n    \
         -d '{{\"id\":\"my-first-call\",\"organization\":\"ext:brightline\",\"meter\":\"voice\",\
         \"quantity\":84,\"occurred_at\":\"{at}\",\"agent_id\":\"front-desk\"}}'\n"
    )
}
