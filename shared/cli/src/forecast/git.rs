//! Histories from `.sql` files: of a git repository with the times of its commits, or of a folder of
//! migrations that have their times in their names.
//!
//! A repository is read by the `git` command, because whoever has one has it, and a library for it is larger
//! than this program. Only the main line is followed: what a branch did comes when it is merged.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use evercount_forecast::history::{AT_MAX, History, Seconds};
use evercount_forecast::sql::{self, FileChange};

/// Most versions of files that are read: a project of twenty years with a commit to its schema each day.
const CHANGES_MAX: usize = 10_000;
/// Most files of a folder.
const FILES_MAX: usize = 10_000;

/// How a folder was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// By its commits.
    Git,
    /// By the names of its migrations.
    Names,
}

/// The history of a folder: that of its repository where it is in one, else that of its migrations.
///
/// # Errors
/// Where nothing says when anything happened, or there are no `.sql` files; names the way out.
pub fn history(folder: &Path) -> anyhow::Result<(History, Read)> {
    let name = folder.canonicalize().ok();
    let name = name.as_deref().and_then(Path::file_name).unwrap_or(folder.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let (changes, read) = match commits(folder) {
        Ok(changes) if !changes.is_empty() => (changes, Read::Git),
        found => (named(folder).with_context(|| why_not(&found))?, Read::Names),
    };
    let history = sql::history(&name, &changes);
    if history.events().is_empty() {
        bail!("the .sql files in {} define no table that could be read", folder.display());
    }
    Ok((history, read))
}

fn why_not(found: &anyhow::Result<Vec<FileChange>>) -> String {
    match found {
        Ok(_) => "git knows no .sql files there".to_owned(),
        Err(error) => format!("git does not read it: {error}"),
    }
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    // Nothing of the repository's own configuration is run, and nothing is asked.
    command.arg("-C").arg(folder).args(["-c", "core.quotePath=false", "-c", "core.fsmonitor=false"]);
    command.args(["-c", "log.showSignature=false"]);
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null());
    command
}

/// What each commit of the main line did to `.sql` files below the folder, oldest first.
fn commits(folder: &Path) -> anyhow::Result<Vec<FileChange>> {
    let mut log = git(folder);
    log.args(["log", "--first-parent", "-m", "--reverse", "--no-renames", "--relative", "--name-status"]);
    let log = log.args(["--format=%x01%H %ct", "--", "*.sql"]).output().context("`git` cannot be run")?;
    if !log.status.success() {
        bail!("{}", String::from_utf8_lossy(&log.stderr).lines().next().unwrap_or_default().to_owned());
    }
    let prefix = git(folder).args(["rev-parse", "--show-prefix"]).output()?;
    let prefix = String::from_utf8_lossy(&prefix.stdout).trim().to_owned();
    let mut changes: Vec<FileChange> = Vec::new();
    let mut wanted: Vec<(usize, String)> = Vec::new();
    let (mut commit, mut at): (String, Seconds) = (String::new(), 0);
    for line in String::from_utf8_lossy(&log.stdout).lines() {
        if let Some((hash, time)) = line.strip_prefix('\u{1}').and_then(|head| head.split_once(' ')) {
            // A clock that was wrong once does not put a commit before the one it follows.
            at = time.trim().parse::<Seconds>().unwrap_or(at).clamp(at, AT_MAX);
            hash.clone_into(&mut commit);
        } else if let Some((state, path)) = line.split_once('\t').filter(|(_, path)| !is_undoing(path)) {
            if changes.len() >= CHANGES_MAX {
                bail!("more than {CHANGES_MAX} versions of .sql files; name the folder of the schema alone");
            }
            if state != "D" {
                wanted.push((changes.len(), format!("{commit}:{prefix}{path}")));
            }
            changes.push(FileChange { at, path: path.to_owned(), text: None });
        }
    }
    let names = wanted.iter().map(|(_, name)| name.as_str());
    for ((place, _), text) in wanted.iter().zip(contents(folder, names)?) {
        if let Some(change) = changes.get_mut(*place) {
            change.text = Some(text);
        }
    }
    Ok(changes)
}

/// The texts of files, each of a commit, in their order.
fn contents<'a>(folder: &Path, names: impl Iterator<Item = &'a str>) -> anyhow::Result<Vec<String>> {
    let mut asked = tempfile_with(names)?;
    let output = git(folder).args(["cat-file", "--batch"]).stdin(Stdio::from(asked.rewound()?)).output()?;
    let (mut rest, mut texts) = (output.stdout.as_slice(), Vec::new());
    // `<object> blob <bytes>`, a line end, so many bytes, and a line end; or `<name> missing`.
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (head, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let tail = tail.get(1..).unwrap_or_default();
        let bytes =
            String::from_utf8_lossy(head).rsplit(' ').next().and_then(|last| last.parse::<usize>().ok());
        let Some(bytes) = bytes else {
            texts.push(String::new());
            rest = tail;
            continue;
        };
        let (text, tail) = tail.split_at_checked(bytes).context("`git cat-file` ended early")?;
        texts.push(String::from_utf8_lossy(text).into_owned());
        rest = tail.get(1..).unwrap_or_default();
    }
    Ok(texts)
}

/// Lines for another process to read. A pipe would wait for this process to read what that one writes.
struct Asked(std::fs::File);

impl Asked {
    fn rewound(&mut self) -> anyhow::Result<std::fs::File> {
        use std::io::Seek;
        self.0.rewind()?;
        Ok(self.0.try_clone()?)
    }
}

fn tempfile_with<'a>(lines: impl Iterator<Item = &'a str>) -> anyhow::Result<Asked> {
    let mut file = tempfile::tempfile()?;
    for line in lines {
        writeln!(file, "{line}")?;
    }
    Ok(Asked(file))
}

/// What takes a migration back is none that happened.
fn is_undoing(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let is_undo = |name: &str| {
        name.strip_prefix('u').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    name.ends_with(".down.sql") || name == "down.sql" || (is_undo(&name) && name.contains("__"))
}

/// What migrations did, by the times in their names (`20240131093000_add_gift.sql`, or a folder so named).
fn named(folder: &Path) -> anyhow::Result<Vec<FileChange>> {
    let mut files: BTreeMap<String, std::path::PathBuf> = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(one) = folders.pop() {
        let entries = std::fs::read_dir(&one).with_context(|| format!("could not read {}", one.display()))?;
        for entry in entries.flatten() {
            // A link may lead anywhere, back here too.
            let kind = entry.file_type()?;
            let path = entry.path();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                if !is_undoing(&name) {
                    files.insert(name, path);
                }
            }
        }
        if files.len() > FILES_MAX {
            bail!("more than {FILES_MAX} .sql files; name the folder of the migrations alone");
        }
    }
    if files.is_empty() {
        bail!("{} holds no .sql files", folder.display());
    }
    let mut changes = Vec::new();
    for (name, path) in files {
        let Some(at) = time_in(&name) else {
            bail!(
                "`{name}` does not say when it was applied; give a git repository, or migrations named as \
                 20240131093000_what.sql"
            );
        };
        let bytes = std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?;
        changes.push(FileChange { at, path: name, text: Some(String::from_utf8_lossy(&bytes).into_owned()) });
    }
    changes.sort_by(|a, b| (a.at, &a.path).cmp(&(b.at, &b.path)));
    Ok(changes)
}

/// The time in a migration's name: the first run of eight digits that is a date, or of fourteen that has a
/// time as well.
fn time_in(name: &str) -> Option<Seconds> {
    name.split(|c: char| !c.is_ascii_digit()).find_map(|digits| {
        let (date, time) = digits.split_at_checked(8)?;
        let date = jiff::civil::Date::strptime("%Y%m%d", date).ok()?;
        let time = match time.get(..6) {
            Some(time) => jiff::civil::Time::strptime("%H%M%S", time).ok()?,
            None => jiff::civil::Time::midnight(),
        };
        let at = date.to_datetime(time).to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second();
        (0..=AT_MAX).contains(&at).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn migrations_say_when_they_were_in_their_names() {
        assert_eq!(time_in("V20240131__gift.sql"), Some(1_706_659_200));
        assert_eq!(time_in("20240131093000_gift/migration.sql"), Some(1_706_693_400));
        assert_eq!(time_in("V3__gift.sql"), None);
        assert_eq!(time_in("99999999_x.sql"), None);
        assert!(is_undoing("a/20240131_x.down.sql") && is_undoing("U3__x.sql") && !is_undoing("users.sql"));
    }

    #[test]
    fn a_folder_of_migrations_tells_a_history_and_one_without_times_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("20240101_a.sql", "CREATE TABLE orders (id INT, note TEXT);");
        put("20240201_b.sql", "ALTER TABLE orders ADD COLUMN gift BOOL;");
        put("20240201_b.down.sql", "ALTER TABLE orders DROP COLUMN gift;");
        let (history, read) = history(folder.path()).unwrap();
        assert_eq!((history.events().len(), read), (3, Read::Names));
        put("schema.sql", "CREATE TABLE x (id INT);");
        let refused = super::history(folder.path()).unwrap_err();
        assert!(format!("{refused:#}").contains("does not say when"), "{refused:#}");
    }
}
