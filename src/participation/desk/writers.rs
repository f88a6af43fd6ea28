//! How often somebody may write.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use crate::rate::Rate;

/// Reflections a minute, new or changed, of one author. They may come at once.
pub const REFLECTIONS_A_MINUTE: u32 = 10;
const MINUTE_US: i64 = 60_000_000;
/// The authors of a tenant that are remembered, within two minutes: more do not write in so short a time.
const AUTHORS_MAX: usize = 10_000;

/// The authors of the last minutes, by tenant.
#[derive(Default)]
pub struct Writers(Mutex<Book>);

#[derive(Default)]
struct Book {
    tenants: HashMap<Arc<str>, HashMap<Box<str>, Author>>,
    swept_boot_us: i64,
}

#[derive(Default)]
struct Author {
    rate: Rate,
    last_boot_us: i64,
}

impl Writers {
    /// True when the author's reflection keeps to [`REFLECTIONS_A_MINUTE`].
    pub fn admits(&self, tenant: &str, author: &str, boot_us: i64) -> bool {
        let mut book = self.0.lock();
        book.sweep(boot_us);
        if !book.tenants.contains_key(tenant) {
            book.tenants.insert(tenant.into(), HashMap::new());
        }
        let Some(authors) = book.tenants.get_mut(tenant) else { return false };
        if !authors.contains_key(author) && authors.len() >= AUTHORS_MAX {
            return false;
        }
        let author = authors.entry(author.into()).or_default();
        author.last_boot_us = boot_us;
        author.rate.admits(REFLECTIONS_A_MINUTE, MINUTE_US, boot_us)
    }
}

impl Book {
    /// Whoever has written nothing for a minute may write as much as anybody new.
    fn sweep(&mut self, boot_us: i64) {
        if boot_us - self.swept_boot_us < MINUTE_US {
            return;
        }
        self.swept_boot_us = boot_us;
        self.tenants.retain(|_, authors| {
            authors.retain(|_, author| boot_us - author.last_boot_us < MINUTE_US);
            !authors.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_US: i64 = 1_000_000_000;

    #[test]
    fn an_author_writes_ten_in_a_minute_and_then_one_every_six_seconds() {
        let writers = Writers::default();
        let written = |tenant, author, at_us| (0..20).filter(|_| writers.admits(tenant, author, at_us)).count();
        assert_eq!(written("acme", "ada", START_US), 10);
        assert_eq!((written("acme", "bob", START_US), written("zeta", "ada", START_US)), (10, 10));
        assert_eq!(written("acme", "ada", START_US + 6_000_000), 1);
    }

    #[test]
    fn a_tenant_s_authors_are_bounded_and_forgotten() {
        let writers = Writers::default();
        let admitted = (0..AUTHORS_MAX + 5).filter(|author| writers.admits("acme", &author.to_string(), START_US));
        assert_eq!(admitted.count(), AUTHORS_MAX);
        assert!(writers.admits("zeta", "ada", START_US), "another tenant's are its own");
        assert!(writers.admits("acme", "late", START_US + MINUTE_US));
        assert_eq!(writers.0.lock().tenants["acme"].len(), 1);
    }
}
