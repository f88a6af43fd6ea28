//! A person's connections, and what is known of each of them.
//!
//! A person has one connection, seldom two or three, and a node holds each member several times over. So these are
//! sorted lists of just the size that it takes: a B-tree of one entry takes the space of eleven. On the wire and in
//! the store they are what B-trees would be.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

/// Lists below this length take space for one more at a time; longer ones double, as lists do.
const SHORT: usize = 4;

/// Connection ids, each unique in the cluster, in ascending order; a list of numbers when serialised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeSet<u64>")]
pub struct Connections(Vec<u64>);

impl Connections {
    #[must_use]
    pub fn contains(&self, connection: &u64) -> bool {
        self.0.binary_search(connection).is_ok()
    }

    /// False: it was there before.
    pub fn insert(&mut self, connection: u64) -> bool {
        match self.0.binary_search(&connection) {
            Ok(_) => false,
            Err(at) => {
                insert_at(&mut self.0, at, connection);
                true
            }
        }
    }

    pub fn retain(&mut self, stays: impl Fn(u64) -> bool) {
        self.0.retain(|connection| stays(*connection));
    }

    pub fn iter(&self) -> std::slice::Iter<'_, u64> {
        self.0.iter()
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Extend<u64> for Connections {
    fn extend<I: IntoIterator<Item = u64>>(&mut self, connections: I) {
        for connection in connections {
            self.insert(connection);
        }
    }
}

impl FromIterator<u64> for Connections {
    fn from_iter<I: IntoIterator<Item = u64>>(connections: I) -> Self {
        let mut found = Self::default();
        found.extend(connections);
        found
    }
}

impl From<BTreeSet<u64>> for Connections {
    fn from(connections: BTreeSet<u64>) -> Self {
        connections.into_iter().collect()
    }
}

impl<const N: usize> From<[u64; N]> for Connections {
    fn from(connections: [u64; N]) -> Self {
        connections.into_iter().collect()
    }
}

impl<'a> IntoIterator for &'a Connections {
    type Item = &'a u64;
    type IntoIter = std::slice::Iter<'a, u64>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// Something of each connection, in ascending order of their ids; a map when serialised.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeMap<u64, V>")]
pub struct ByConnection<V>(Vec<(u64, V)>);

impl<V> ByConnection<V> {
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    #[must_use]
    pub fn get(&self, connection: &u64) -> Option<&V> {
        self.place(connection).ok().map(|at| &self.0[at].1)
    }

    #[must_use]
    pub fn contains_key(&self, connection: &u64) -> bool {
        self.place(connection).is_ok()
    }

    /// Answers what it takes the place of.
    pub fn insert(&mut self, connection: u64, value: V) -> Option<V> {
        match self.place(&connection) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                insert_at(&mut self.0, at, (connection, value));
                None
            }
        }
    }

    pub fn remove(&mut self, connection: &u64) -> Option<V> {
        self.place(connection).ok().map(|at| self.0.remove(at).1)
    }

    pub fn retain(&mut self, stays: impl Fn(u64) -> bool) {
        self.0.retain(|(connection, _)| stays(*connection));
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&u64, &V)> {
        self.0.iter().map(|(connection, value)| (connection, value))
    }

    pub fn keys(&self) -> impl Iterator<Item = &u64> {
        self.0.iter().map(|(connection, _)| connection)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, connection: &u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(connection, |(other, _)| *other)
    }
}

impl<V> Default for ByConnection<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Serialize> Serialize for ByConnection<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<V> Extend<(u64, V)> for ByConnection<V> {
    fn extend<I: IntoIterator<Item = (u64, V)>>(&mut self, entries: I) {
        for (connection, value) in entries {
            self.insert(connection, value);
        }
    }
}

impl<V> FromIterator<(u64, V)> for ByConnection<V> {
    fn from_iter<I: IntoIterator<Item = (u64, V)>>(entries: I) -> Self {
        let mut found = Self::new();
        found.extend(entries);
        found
    }
}

impl<V> From<BTreeMap<u64, V>> for ByConnection<V> {
    fn from(entries: BTreeMap<u64, V>) -> Self {
        entries.into_iter().collect()
    }
}

impl<V, const N: usize> From<[(u64, V); N]> for ByConnection<V> {
    fn from(entries: [(u64, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

fn insert_at<T>(list: &mut Vec<T>, at: usize, entry: T) {
    if list.len() < SHORT {
        list.reserve_exact(1);
    }
    list.insert(at, entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_with_one_connection_takes_space_for_one() {
        let one = Connections::from([7]);
        assert_eq!((one.0.len(), one.0.capacity()), (1, 1));
        let of_one = ByConnection::from([(7, "here")]);
        assert_eq!((of_one.0.len(), of_one.0.capacity()), (1, 1));
        assert_eq!(ByConnection::<&str>::new().0.capacity(), 0);
    }

    #[test]
    fn whatever_comes_in_whatever_order_stands_in_order_once() {
        let mut some = Connections::from([30, 10, 20, 10]);
        assert!(some.insert(25) && !some.insert(25));
        assert_eq!(some.iter().copied().collect::<Vec<_>>(), [10, 20, 25, 30]);
        assert!(some.contains(&25) && !some.contains(&26));
        let mut of_some = ByConnection::from([(30, 'c'), (10, 'a'), (20, 'x')]);
        assert_eq!((of_some.insert(20, 'b'), of_some.remove(&30), of_some.remove(&31)), (Some('x'), Some('c'), None));
        assert_eq!(of_some.iter().collect::<Vec<_>>(), [(&10, &'a'), (&20, &'b')]);
        assert_eq!((of_some.get(&20), of_some.get(&30)), (Some(&'b'), None));
    }

    #[test]
    fn they_are_written_and_read_as_sets_and_maps_are() {
        let (set, map) = (BTreeSet::from([2, 10, 9_007_199_254_740_993]), BTreeMap::from([(2, "b"), (10, "j")]));
        let (some, of_some) = (Connections::from(set.clone()), ByConnection::from(map.clone()));
        assert_eq!(serde_json::to_string(&some).unwrap(), serde_json::to_string(&set).unwrap());
        assert_eq!(serde_json::to_string(&of_some).unwrap(), serde_json::to_string(&map).unwrap());
        assert_eq!(rmp_serde::to_vec_named(&some).unwrap(), rmp_serde::to_vec_named(&set).unwrap());
        assert_eq!(rmp_serde::to_vec_named(&of_some).unwrap(), rmp_serde::to_vec_named(&map).unwrap());
        assert_eq!(serde_json::from_str::<Connections>("[10,2,2,9007199254740993]").unwrap(), some);
        let read: ByConnection<String> = serde_json::from_str(r#"{"10":"x","2":"b","10":"j"}"#).unwrap();
        assert_eq!(read, ByConnection::from([(2, "b".to_owned()), (10, "j".to_owned())]));
    }
}
