//! What the operator's tenants need of the node: the keys that seal their secrets, and the gate before their API.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use thiserror::Error;

use crate::{
    auth::{SealError, SealingKeys},
    cli::Settings,
    http::OperatorGate,
};

/// Where a node alone keeps the key that it has made, in its data directory.
const KEY_FILE: &str = "tenant-secret-key";

/// The keys could not be had.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error("data_dir: `{}` cannot be used ({source}): make it readable and writable for this user alone", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{}` holds no key of 32 bytes in base64: restore it from a copy; without it the tenants' secrets are lost", path.display())]
    Damaged { path: PathBuf },
    #[error("the operating system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("the key for tenants' secrets: {0}")]
    Seal(#[from] SealError),
}

/// The configured keys. A node alone that has none makes one for itself, and opens what it sealed with that also after
/// it was given another. Nodes of a cluster without one cannot serve tenants that were made at run time.
pub(super) fn sealing_keys(settings: &Settings) -> Result<Option<SealingKeys>, KeyError> {
    let is_alone = settings.redis.is_none();
    let file = settings.data_dir.join(KEY_FILE);
    let own = if is_alone { read_key(&file)? } else { None };
    let mut former: Vec<[u8; 32]> = settings.previous_secret_keys.iter().map(|key| key.0).collect();
    let current = match (settings.secret_key, own) {
        (Some(configured), own) => {
            former.extend(own);
            configured.0
        }
        (None, Some(own)) => own,
        (None, None) if is_alone && settings.operator_key.is_some() => make_key(&file)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(SealingKeys::new(&current, &former)?))
}

/// None: the tenant API is off.
pub(super) fn gate(settings: &Settings) -> Option<Arc<OperatorGate>> {
    settings.operator_key.as_ref().map(|key| Arc::new(OperatorGate::new(key)))
}

fn read_key(path: &Path) -> Result<Option<[u8; 32]>, KeyError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyError::File { path: path.to_owned(), source }),
    };
    let key = STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    key.map(Some).ok_or_else(|| KeyError::Damaged { path: path.to_owned() })
}

fn make_key(path: &Path) -> Result<[u8; 32], KeyError> {
    let failed = |source| KeyError::File { path: path.to_owned(), source };
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    writeln!(file, "{}", STANDARD.encode(key)).map_err(failed)?;
    // What it seals is lost without it.
    file.sync_all().map_err(failed)?;
    tracing::info!(file = %path.display(), "a key for tenants' secrets was made: keep a copy of it with the database's");
    Ok(key)
}
