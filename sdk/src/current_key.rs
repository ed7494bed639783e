//! The key that calls are made with now, for programs that outlive their key.
//!
//! A rotated key has to reach every process that calls with it, and restarting them all is what makes people put rotation
//! off. So the key is behind a handle: whoever holds it gives it another key, or it reads the file that it came from again
//! when that has changed, as mounted secrets do.

use crate::api_key::{ApiKey, ApiKeyError};
use std::fmt;
use std::fs::Metadata;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long a file is taken for unchanged.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A key that can be replaced while it is in use. Cheap to clone; all clones have the same key.
///
/// ```
/// use keyplane_sdk::{ApiKey, CurrentKey};
///
/// let current = CurrentKey::new(ApiKey::parse("uk_live_0123456789ABCDEFGHIJabcdefghijKL1ExXni")?);
/// let elsewhere = current.clone();
///
/// let old = elsewhere.replace(ApiKey::parse("uk_test_0123456789ABCDEFGHIJabcdefghijKL4SYJYx")?);
/// assert_eq!(old.mask(), "uk_live_0123...xXni");
/// assert_eq!(current.get().mask(), "uk_test_0123...YJYx");
/// # Ok::<(), keyplane_sdk::ApiKeyError>(())
/// ```
#[derive(Clone)]
pub struct CurrentKey {
    shared: Arc<Shared>,
}

struct Shared {
    file: Option<KeyFile>,
    state: Mutex<State>,
}

/// Where the key is read from, and what it must be.
struct KeyFile {
    path: PathBuf,
    prefix: Option<String>,
}

struct State {
    key: Arc<ApiKey>,
    /// The file as it was when the key was read from it.
    read: Option<Stamp>,
    /// When the file was last looked at.
    looked: Instant,
    fault: Option<ApiKeyError>,
}

impl CurrentKey {
    /// This key, until [`replace`](Self::replace) is called.
    pub fn new(key: ApiKey) -> Self {
        Self::with(key, None, None)
    }

    /// The key in this file, which is read again when it has changed, as a mounted secret of Kubernetes does.
    ///
    /// The file is looked at when the key is asked for, at most once a second: one `stat`, and a read of some bytes if it has changed.
    /// A file that is gone or holds no key leaves the key as it is: see [`fault`](Self::fault).
    ///
    /// ```no_run
    /// use keyplane_sdk::CurrentKey;
    ///
    /// let key = CurrentKey::from_file("/run/secrets/uploadkit_api_key")?;
    /// # Ok::<(), keyplane_sdk::ApiKeyError>(())
    /// ```
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, ApiKeyError> {
        Self::read(KeyFile { path: path.into(), prefix: None })
    }

    /// As [`from_file`](Self::from_file), and takes only keys with this prefix, now and later: a test key that is put in the
    /// place of a live one by mistake is not used.
    ///
    /// ```no_run
    /// use keyplane_sdk::CurrentKey;
    ///
    /// let key = CurrentKey::from_file_expecting("/run/secrets/uploadkit_api_key", "uk_live")?;
    /// # Ok::<(), keyplane_sdk::ApiKeyError>(())
    /// ```
    pub fn from_file_expecting(path: impl Into<PathBuf>, prefix: impl Into<String>) -> Result<Self, ApiKeyError> {
        Self::read(KeyFile { path: path.into(), prefix: Some(prefix.into()) })
    }

    /// The key as it is now.
    pub fn get(&self) -> Arc<ApiKey> {
        let mut state = self.state();
        let now = Instant::now();
        if now.saturating_duration_since(state.looked) >= LOOK_AGAIN {
            self.look(&mut state, now);
        }
        Arc::clone(&state.key)
    }

    /// Takes another key, for all clones, and gives back the one before. Calls that are under way keep theirs.
    ///
    /// A key that was read from a file stays replaced until the file changes.
    pub fn replace(&self, key: ApiKey) -> Arc<ApiKey> {
        std::mem::replace(&mut self.state().key, Arc::new(key))
    }

    /// Why the file was not read when it was last looked at; `None` when there is nothing wrong with it. The key from
    /// before is in use all the while, so this is for a log or a health check.
    pub fn fault(&self) -> Option<ApiKeyError> {
        self.state().fault.clone()
    }

    /// Another key than `used`, if there is one by now: for a call that was refused with it. Looks at the file at once.
    #[cfg(feature = "client")]
    pub(crate) fn instead_of(&self, used: &ApiKey) -> Option<Arc<ApiKey>> {
        let mut state = self.state();
        self.look(&mut state, Instant::now());
        (state.key.expose() != used.expose()).then(|| Arc::clone(&state.key))
    }

    fn read(file: KeyFile) -> Result<Self, ApiKeyError> {
        // The stamp first: a file that changes in between is read once more than needed, and not once too few.
        let stamp = file.stamp();
        let key = file.key()?;
        Ok(Self::with(key, Some(file), stamp))
    }

    fn with(key: ApiKey, file: Option<KeyFile>, read: Option<Stamp>) -> Self {
        let state = State { key: Arc::new(key), read, looked: Instant::now(), fault: None };
        Self { shared: Arc::new(Shared { file, state: Mutex::new(state) }) }
    }

    /// The state is whole between any two statements, so a thread that panicked has left it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, state: &mut State, now: Instant) {
        let Some(file) = &self.shared.file else { return };
        state.looked = now;
        let stamp = file.stamp();
        if stamp.is_some() && stamp == state.read {
            state.fault = None;
            return;
        }
        match file.key() {
            Ok(key) => (state.key, state.read, state.fault) = (Arc::new(key), stamp, None),
            Err(error) => state.fault = Some(error),
        }
    }
}

impl KeyFile {
    fn stamp(&self) -> Option<Stamp> {
        std::fs::metadata(&self.path).ok().map(|file| Stamp::of(&file))
    }

    fn key(&self) -> Result<ApiKey, ApiKeyError> {
        let key = ApiKey::from_file(&self.path)?;
        match &self.prefix {
            Some(prefix) => key.expect_prefix(prefix),
            None => Ok(key),
        }
    }
}

/// Shows the mask.
impl fmt::Debug for CurrentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurrentKey({})", self.state().key.mask())
    }
}

impl From<ApiKey> for CurrentKey {
    fn from(key: ApiKey) -> Self {
        Self::new(key)
    }
}

/// What tells a file from the one that was there before: a rename brings another inode, a write another time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    written: Option<SystemTime>,
    length: u64,
    inode: Option<(u64, u64)>,
}

impl Stamp {
    fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = {
            use std::os::unix::fs::MetadataExt as _;
            Some((file.dev(), file.ino()))
        };
        #[cfg(not(unix))]
        let inode = None;
        Self { written: file.modified().ok(), length: file.len(), inode }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyplane_contract::key::{Prefix, assemble};
    use std::path::Path;

    fn key(prefix: &str, fill: u8) -> String {
        assemble(&Prefix::parse(prefix).unwrap(), &[fill; 32]).unwrap()
    }

    /// As if the second were over.
    fn later(current: &CurrentKey) -> Arc<ApiKey> {
        let mut state = current.state();
        let now = state.looked + LOOK_AGAIN;
        current.look(&mut state, now);
        Arc::clone(&state.key)
    }

    /// As secrets are put in place: written apart, then renamed over.
    fn swap(path: &Path, text: &str) {
        let beside = path.with_extension("new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, path).unwrap();
    }

    #[test]
    fn all_clones_have_the_replacement() {
        let current = CurrentKey::new(ApiKey::parse(&key("uk_live", b'a')).unwrap());
        let clone = current.clone();
        let before = clone.get();
        let old = current.replace(ApiKey::parse(&key("uk_live", b'b')).unwrap());
        assert_eq!(old.expose(), before.expose());
        assert_eq!(clone.get().expose(), key("uk_live", b'b'));
        assert_eq!(before.expose(), key("uk_live", b'a'), "a call under way keeps its key");
    }

    #[test]
    fn a_file_that_has_changed_is_read_again_whether_written_or_renamed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, key("uk_live", b'a')).unwrap();
        let current = CurrentKey::from_file(&path).unwrap();
        assert_eq!(current.get().expose(), key("uk_live", b'a'));
        swap(&path, &format!("{}\n", key("uk_live", b'b')));
        assert_eq!(later(&current).expose(), key("uk_live", b'b'));
        std::fs::write(&path, key("uk_live", b'c')).unwrap();
        assert_eq!(later(&current).expose(), key("uk_live", b'c'));
    }

    /// A mounted secret is a link to a link to a folder, and the middle link is what changes.
    #[cfg(unix)]
    #[test]
    fn a_mounted_secret_of_kubernetes_is_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, fill) in [("..1", b'a'), ("..2", b'b')] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("key"), key("uk_live", fill)).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/key", at("key")).unwrap();
        let current = CurrentKey::from_file(at("key")).unwrap();
        symlink("..2", at("..tmp")).unwrap();
        std::fs::rename(at("..tmp"), at("..data")).unwrap();
        assert_eq!(later(&current).expose(), key("uk_live", b'b'));
    }

    #[test]
    fn what_is_no_key_or_one_of_another_environment_leaves_the_key_in_use_and_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, key("uk_live", b'a')).unwrap();
        let current = CurrentKey::from_file_expecting(&path, "uk_live").unwrap();
        assert_eq!(current.fault(), None);
        for (wrong, told) in [
            (Some(key("uk_test", b'b')), "it looks like a test key"),
            (Some(key("uk_live", b'b').replace("bb", "b")), "it was cut off"),
            (None, "cannot be read"),
        ] {
            match wrong {
                Some(text) => swap(&path, &text),
                None => std::fs::remove_file(&path).unwrap(),
            }
            assert_eq!(later(&current).expose(), key("uk_live", b'a'));
            let fault = current.fault().unwrap().to_string();
            assert!(fault.contains(told) && !fault.contains("bbbb"), "{fault}");
        }
        swap(&path, &key("uk_live", b'c'));
        assert_eq!(later(&current).expose(), key("uk_live", b'c'));
        assert_eq!(current.fault(), None);
        assert!(CurrentKey::from_file_expecting(&path, "uk_test").is_err());
    }

    #[test]
    fn the_handle_shows_the_mask() {
        let shown = format!("{:?}", CurrentKey::new(ApiKey::parse(&key("uk_live", b'a')).unwrap()));
        assert!(shown.starts_with("CurrentKey(uk_live_aaaa...") && !shown.contains("aaaaa"), "{shown}");
    }
}
