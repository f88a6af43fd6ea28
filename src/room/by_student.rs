//! People by student id.
//!
//! A node holds each member of each room several times over, and rooms are small. So this is a sorted list of pointers
//! with the id in the person alone: the nodes of a B-tree are half empty, and their keys are a second copy of the id.

/// Somebody with a student id, which stays the same.
pub trait Person {
    fn student_id(&self) -> &str;
}

/// Persons in ascending order of their student ids, each id once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByStudent<P>(Vec<Box<P>>);

impl<P: Person> ByStudent<P> {
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    #[must_use]
    pub fn get(&self, student_id: &str) -> Option<&P> {
        self.place(student_id).ok().map(|at| &*self.0[at])
    }

    #[must_use]
    pub fn get_mut(&mut self, student_id: &str) -> Option<&mut P> {
        self.place(student_id).ok().map(|at| &mut *self.0[at])
    }

    #[must_use]
    pub fn contains_key(&self, student_id: &str) -> bool {
        self.place(student_id).is_ok()
    }

    /// In place of whoever had the same id.
    pub fn insert(&mut self, person: P) {
        match self.place(person.student_id()) {
            Ok(at) => *self.0[at] = person,
            Err(at) => self.0.insert(at, Box::new(person)),
        }
    }

    /// Whoever has this person's id already, or else this one.
    pub fn get_or_insert(&mut self, person: P) -> &mut P {
        let at = self.place(person.student_id()).unwrap_or_else(|at| {
            self.0.insert(at, Box::new(person));
            at
        });
        &mut self.0[at]
    }

    pub fn remove(&mut self, student_id: &str) {
        if let Ok(at) = self.place(student_id) {
            self.0.remove(at);
        }
    }

    pub fn retain(&mut self, stays: impl Fn(&P) -> bool) {
        self.0.retain(|person| stays(person));
    }

    pub fn values(&self) -> impl ExactSizeIterator<Item = &P> {
        self.0.iter().map(|person| &**person)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values().map(Person::student_id)
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut P> {
        self.0.iter_mut().map(|person| &mut **person)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn place(&self, student_id: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|person| person.student_id().cmp(student_id))
    }
}

impl<P: Person> Default for ByStudent<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Person> FromIterator<P> for ByStudent<P> {
    fn from_iter<I: IntoIterator<Item = P>>(persons: I) -> Self {
        let mut found = Self::new();
        for person in persons {
            found.insert(person);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Pupil(&'static str, u32);

    impl Person for Pupil {
        fn student_id(&self) -> &str {
            self.0
        }
    }

    #[test]
    fn each_id_is_there_once_with_the_last_of_its_persons_in_order() {
        let mut pupils: ByStudent<Pupil> =
            [Pupil("cleo", 1), Pupil("ada", 2), Pupil("bob", 3), Pupil("ada", 4)].into_iter().collect();
        assert_eq!(pupils.values().map(|pupil| pupil.1).collect::<Vec<_>>(), [4, 3, 1]);
        assert_eq!(pupils.get("bob"), Some(&Pupil("bob", 3)));
        assert!(pupils.contains_key("cleo") && !pupils.contains_key("clea") && pupils.get("").is_none());
        pupils.remove("bob");
        pupils.remove("bob");
        assert_eq!(pupils.values().map(|pupil| pupil.0).collect::<Vec<_>>(), ["ada", "cleo"]);
    }

    #[test]
    fn who_is_there_already_stays_as_he_is() {
        let mut pupils = ByStudent::new();
        pupils.get_or_insert(Pupil("bob", 1)).1 += 1;
        pupils.get_or_insert(Pupil("bob", 9)).1 += 1;
        pupils.get_or_insert(Pupil("ada", 5));
        assert_eq!(pupils.values().map(|pupil| pupil.1).collect::<Vec<_>>(), [5, 3]);
    }
}
