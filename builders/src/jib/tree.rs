//! What XML and Gradle scripts have in common: names with texts, lists, or names below them.

/// A value of Jib's configuration, before it is known which option it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Text(String),
    /// Named values, in their order; the entries of a list have any name or none.
    Items(Vec<Item>),
    /// Source text whose value only a running build knows.
    Unreadable(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub name: String,
    pub value: Tree,
    /// How it goes together with what is inherited.
    pub combine: Combine,
}

/// Maven's attributes `combine.self` and `combine.children` (pom reference, "Plugins").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Combine {
    #[default]
    Merge,
    Override,
    Append,
}

impl Item {
    pub fn new(name: &str, value: Tree) -> Self {
        Item { name: name.to_owned(), value, combine: Combine::Merge }
    }
}

impl Tree {
    pub fn empty() -> Self {
        Tree::Items(Vec::new())
    }

    /// Sets the value at a path, making what is above it.
    pub fn set(&mut self, path: &[&str], value: Tree) {
        *self.at(path) = value;
    }

    /// Adds to the value at a path: a second block of the same name adds to the first.
    pub fn add(&mut self, path: &[&str], value: Tree) {
        match (self.at(path), value) {
            (Tree::Items(items), Tree::Items(more)) => items.extend(more),
            (place, value) => *place = value,
        }
    }

    fn at(&mut self, path: &[&str]) -> &mut Tree {
        let [first, rest @ ..] = path else { return self };
        if !matches!(self, Tree::Items(_)) {
            *self = Tree::empty();
        }
        match self {
            Tree::Items(items) => {
                let at = items.iter().position(|item| item.name == *first).unwrap_or_else(|| {
                    items.push(Item::new(first, Tree::empty()));
                    items.len() - 1
                });
                items[at].value.at(rest)
            }
            other => other,
        }
    }

    /// Adds what `inherited` has and this has not, as Maven does with a configuration: name by name, and of a list
    /// that both have, this one's entries.
    pub fn inherit(&mut self, inherited: &Tree, combine: Combine) {
        let (Tree::Items(own), Tree::Items(theirs)) = (&mut *self, inherited) else { return };
        match combine {
            Combine::Override => {}
            Combine::Append => {
                let mut all = theirs.clone();
                all.append(own);
                *own = all;
            }
            Combine::Merge => {
                let known = own.len();
                let mut used = vec![false; known];
                for item in theirs {
                    let mut same = (0..known).filter(|at| own[*at].name == item.name).peekable();
                    if same.peek().is_none() {
                        own.push(item.clone());
                    } else if let Some(at) = same.find(|at| !used[*at]) {
                        used[at] = true;
                        let combine = own[at].combine;
                        own[at].value.inherit(&item.value, combine);
                    }
                }
            }
        }
    }
}
