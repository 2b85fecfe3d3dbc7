//! A tolerant reader of Gradle scripts: declarations as people write them, in Groovy and in Kotlin.
//!
//! It follows blocks, assignments, calls with literal arguments, lists, maps and variables of the script. Whatever
//! else stands there is skipped outside of `jib`, and told inside.

use std::collections::BTreeMap;

use super::Problem;
use super::tokens::{Kind, Piece, Token, tokens};
use super::tree::{Item, Tree};

/// Blocks nested more deeply than this are no script that a person wrote.
const MAX_DEPTH: usize = 64;

/// Blocks of which each is an entry of its own.
const REPEATED: [&str; 4] = ["platform", "path", "permission", "pluginExtension"];

const LISTS: [&str; 10] = [
    "listOf",
    "mutableListOf",
    "setOf",
    "mutableSetOf",
    "arrayOf",
    "emptyList",
    "emptySet",
    "List.of",
    "Set.of",
    "Arrays.asList",
];
const MAPS: [&str; 3] = ["mapOf", "mutableMapOf", "emptyMap"];
const FILES: [&str; 7] = [
    "file",
    "project.file",
    "Path.of",
    "Paths.get",
    "Path",
    "layout.projectDirectory.dir",
    "layout.projectDirectory.file",
];
/// What may follow a value without changing it.
const SAME: [&str; 5] = ["toString", "get", "toList", "asFile", "toPath"];
const CONTROL: [&str; 8] = ["if", "else", "for", "while", "when", "switch", "try", "each"];

/// What a script says of Jib.
pub(super) struct Script<'a> {
    source: &'a str,
    tokens: Vec<Token>,
    at: usize,
    name: &'a str,
    pub variables: BTreeMap<String, Tree>,
    pub jib: Tree,
    /// Whether the extension `jib` is mentioned at all.
    pub present: bool,
    pub problems: Vec<Problem>,
}

impl<'a> Script<'a> {
    /// Reads a script, whose file `name` is for messages. `variables` are known before it begins.
    pub fn read(source: &'a str, name: &'a str, variables: BTreeMap<String, Tree>) -> Self {
        let mut script = Script {
            source,
            tokens: tokens(source),
            at: 0,
            name,
            variables,
            jib: Tree::empty(),
            present: false,
            problems: Vec::new(),
        };
        while script.at < script.tokens.len() {
            script.statements(None, 0);
            // A brace too many.
            script.at += 1;
        }
        script
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn is(&self, sign: char) -> bool {
        self.peek() == Some(&Kind::Sign(sign))
    }

    fn take(&mut self, sign: char) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self) -> Option<String> {
        let Some(Kind::Word(word)) = self.peek() else { return None };
        let word = word.clone();
        self.at += 1;
        Some(word)
    }

    fn skip_line_ends(&mut self) {
        while matches!(self.peek(), Some(Kind::LineEnd)) || self.is(';') {
            self.at += 1;
        }
    }

    fn at_end_of_statement(&self) -> bool {
        matches!(self.peek(), None | Some(Kind::LineEnd | Kind::Sign(';' | '}')))
    }

    /// The statements up to a closing brace, which is left. `into` is the part of Jib's configuration that they belong to.
    fn statements(&mut self, mut into: Option<&mut Tree>, depth: usize) {
        loop {
            self.skip_line_ends();
            if self.peek().is_none() || self.is('}') {
                return;
            }
            let before = self.at;
            self.statement(into.as_deref_mut(), depth);
            self.skip_statement();
            if self.at == before {
                self.at += 1;
            }
        }
    }

    /// Skips to the end of the statement, over whole brackets.
    fn skip_statement(&mut self) {
        let mut open = 0usize;
        while let Some(kind) = self.peek() {
            match kind {
                Kind::Sign('(' | '[' | '{') => open += 1,
                Kind::Sign(')' | ']' | '}') if open > 0 => open -= 1,
                Kind::Sign('}') => return,
                Kind::LineEnd | Kind::Sign(';') if open == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn block(&mut self, into: Option<&mut Tree>, depth: usize) {
        if depth >= MAX_DEPTH {
            // The caller skips the rest of the statement, this brace included.
            return;
        }
        self.at += 1;
        self.statements(into, depth + 1);
        self.take('}');
    }

    fn statement(&mut self, into: Option<&mut Tree>, depth: usize) {
        let start = self.at;
        let Some(mut chain) = self.chain() else { return };
        if matches!(&*chain[0], "def" | "val" | "var" | "final" | "String" | "const" | "private") && chain.len() == 1 {
            return self.declaration();
        }
        if CONTROL.contains(&&*chain[chain.len() - 1]) {
            if into.is_some() {
                self.problem(start, format!("'{}' is not followed", self.line_text(start)));
            }
            return;
        }
        // environment['A'] = …, extra["x"] = …
        while self.is('[')
            && let (Some(Kind::Text(pieces)), Some(Kind::Sign(']'))) = (
                self.tokens.get(self.at + 1).map(|token| &token.kind),
                self.tokens.get(self.at + 2).map(|token| &token.kind),
            )
        {
            let Tree::Text(name) = self.interpolated(pieces) else { break };
            chain.push(name);
            self.at += 3;
        }
        let types = self.type_arguments();
        let extension = chain.iter().position(|name| name == "jib").filter(|_| chain[0] != "tasks");
        let configures = chain.last().is_some_and(|last| last == "configure") && types.contains("JibExtension");
        match into {
            Some(tree) => self.inside(tree, &chain, start, depth),
            None if configures => {
                if self.is('(') {
                    self.skip_brackets();
                }
                self.jib_block(&[], start, depth);
            }
            None => match extension {
                Some(place) => self.jib_block(&chain[place + 1..], start, depth),
                None => self.outside(&chain, depth),
            },
        }
    }

    /// `jib { … }`, `jib.to { … }`, `jib.to.image = …`.
    fn jib_block(&mut self, path: &[String], start: usize, depth: usize) {
        let mut jib = std::mem::replace(&mut self.jib, Tree::empty());
        if path.is_empty() {
            if self.is('{') {
                self.present = true;
                self.block(Some(&mut jib), depth);
            }
        } else if !self.at_end_of_statement() {
            self.present = true;
            self.inside(&mut jib, path, start, depth);
        }
        self.jib = jib;
    }

    /// A statement within `jib`, whose beginning was read.
    fn inside(&mut self, tree: &mut Tree, chain: &[String], start: usize, depth: usize) {
        let mut path: Vec<&str> = chain.iter().map(String::as_str).collect();
        if self.is('{') {
            let mut inner = Tree::empty();
            self.block(Some(&mut inner), depth);
            return self.put(tree, &path, inner);
        }
        let adds = self.is('+') && self.tokens.get(self.at + 1).is_some_and(|token| token.kind == Kind::Sign('='));
        let value = if adds || self.is('=') {
            self.at += 1 + usize::from(adds);
            self.expression(depth)
        } else if self.is('(') {
            let arguments = self.arguments(depth);
            if self.is('{') {
                // platform('x') { … } and their kind have nothing that matters between the brackets.
                let mut inner = Tree::empty();
                self.block(Some(&mut inner), depth);
                return self.put(tree, &path, inner);
            }
            let method = path.last().copied().unwrap_or_default();
            match method {
                "set" | "add" | "addAll" | "put" | "putAll" if path.len() > 1 => {
                    path.pop();
                }
                _ => {}
            }
            match (method, arguments) {
                ("put", Some(arguments)) => match <[Item; 2]>::try_from(arguments) {
                    Ok([Item { value: Tree::Text(name), .. }, value]) => {
                        Some(Tree::Items(vec![Item::new(&name, value.value)]))
                    }
                    _ => None,
                },
                ("add", Some(arguments)) => Some(Tree::Items(arguments)),
                (_, Some(mut arguments)) if arguments.len() == 1 => Some(arguments.remove(0).value),
                (_, Some(arguments)) => Some(Tree::Items(arguments)),
                (_, None) => None,
            }
        } else if self.at_end_of_statement() {
            None
        } else {
            // Groovy: image 'x'
            let first = self.expression(depth);
            if self.is(',') { None } else { first }
        };
        let setter =
            path.last().and_then(|last| last.strip_prefix("set")).filter(|name| name.starts_with(char::is_uppercase));
        let name = setter.map(|name| name[..1].to_lowercase() + &name[1..]);
        if let (Some(name), Some(last)) = (&name, path.last_mut()) {
            *last = name;
        }
        let value = match value {
            Some(value) if self.at_end_of_statement() => value,
            _ => {
                self.skip_statement();
                Tree::Unreadable(self.line_text(start))
            }
        };
        let adds = adds || chain.last().is_some_and(|last| matches!(&**last, "add" | "addAll" | "put" | "putAll"));
        match value {
            Tree::Text(text) if adds => tree.add(&path, Tree::Items(vec![Item::new("", Tree::Text(text))])),
            value if adds => tree.add(&path, value),
            value => tree.set(&path, value),
        }
    }

    fn put(&mut self, tree: &mut Tree, path: &[&str], inner: Tree) {
        match (path, &mut *tree) {
            ([name], Tree::Items(items)) if REPEATED.contains(name) => items.push(Item::new(name, inner)),
            _ => tree.add(path, inner),
        }
    }

    /// A statement that is not about Jib: variables are remembered, blocks looked into.
    fn outside(&mut self, chain: &[String], depth: usize) {
        if self.is('(') {
            self.skip_brackets();
        }
        if self.is('{') {
            self.block(None, depth);
        } else if self.take('=') {
            let value = self.expression(depth);
            let from = chain.iter().position(|name| !matches!(&**name, "project" | "ext" | "extra" | "rootProject"));
            if let (Some(from), Some(value), true) = (from, value, self.at_end_of_statement()) {
                self.variables.insert(chain[from..].join("."), value);
            }
        } else if let [name @ ("version" | "group")] = &chain.iter().map(String::as_str).collect::<Vec<_>>()[..]
            && let Some(value @ Tree::Text(_)) = self.expression(depth)
        {
            self.variables.insert((*name).to_owned(), value);
        }
    }

    /// What follows `def`, `val` and their kind.
    fn declaration(&mut self) {
        let mut name = None;
        while let Some(word) = self.word() {
            name = Some(word);
        }
        if self.take(':') {
            // Kotlin's type.
            while !self.at_end_of_statement() && !self.is('=') {
                self.at += 1;
            }
        }
        if let Some(name) = name
            && self.take('=')
            && let Some(value) = self.expression(0)
            && self.at_end_of_statement()
        {
            self.variables.insert(name, value);
        }
    }

    /// `a.b.c`, also as `a?.b`.
    fn chain(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.word()?];
        loop {
            let before = self.at;
            // A call may go on in the next line: `.set(…)`.
            self.take('?');
            if !self.take('.') {
                self.at = before;
                return Some(names);
            }
            match self.word() {
                Some(name) => names.push(name),
                None => {
                    self.at = before;
                    return Some(names);
                }
            }
        }
    }

    /// `<…>` after a name, as text.
    fn type_arguments(&mut self) -> String {
        let start = self.at;
        if !self.is('<') {
            return String::new();
        }
        let mut open = 0usize;
        while let Some(kind) = self.peek() {
            match kind {
                Kind::Sign('<') => open += 1,
                Kind::Sign('>') => open -= 1,
                Kind::Word(_) | Kind::Sign('.' | ',' | '?') => {}
                _ => {
                    self.at = start;
                    return String::new();
                }
            }
            self.at += 1;
            if open == 0 {
                break;
            }
        }
        self.text_from(start)
    }

    fn skip_brackets(&mut self) {
        let mut open = 0usize;
        while let Some(kind) = self.peek() {
            match kind {
                Kind::Sign('(' | '[' | '{') => open += 1,
                Kind::Sign(')' | ']' | '}') => open = open.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return;
            }
        }
    }

    /// A value; `None` where it is none that can be read.
    fn expression(&mut self, depth: usize) -> Option<Tree> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let mut value = self.operand(depth)?;
        loop {
            if self.is('.') || self.is('?') {
                let names = self.calls()?;
                if !names.iter().all(|name| SAME.contains(&&**name)) {
                    return None;
                }
            } else if self.is('+') {
                self.at += 1;
                self.skip_line_ends();
                value = match (value, self.operand(depth)?) {
                    (Tree::Text(one), Tree::Text(two)) => Tree::Text(one + &two),
                    (Tree::Items(one), Tree::Items(two)) => Tree::Items([one, two].concat()),
                    _ => return None,
                };
            } else if self.peek() == Some(&Kind::Word("as".to_owned())) {
                // Groovy: ['a'] as Set<String>
                self.at += 1;
                self.chain()?;
                self.type_arguments();
                if self.is('[') {
                    self.skip_brackets();
                }
            } else {
                return Some(value);
            }
        }
    }

    /// `.toString().get()`: the names of the calls.
    fn calls(&mut self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        while self.is('.') || self.is('?') {
            self.take('?');
            if !self.take('.') {
                return None;
            }
            names.push(self.word()?);
            if self.take('(') && !self.take(')') {
                return None;
            }
        }
        Some(names)
    }

    fn operand(&mut self, depth: usize) -> Option<Tree> {
        let start = self.at;
        match self.peek()?.clone() {
            Kind::Text(pieces) => {
                self.at += 1;
                Some(self.interpolated(&pieces))
            }
            Kind::Number(number) => {
                self.at += 1;
                Some(Tree::Text(number))
            }
            Kind::Sign('[') => {
                self.at += 1;
                self.listed(']', depth).map(Tree::Items)
            }
            Kind::Sign('(') => {
                self.at += 1;
                let value = self.expression(depth + 1)?;
                self.take(')').then_some(value)
            }
            Kind::Word(_) => {
                let chain = self.chain()?.join(".");
                self.type_arguments();
                if self.is('(') {
                    return self.call(&chain, start, depth);
                }
                Some(self.named(&chain))
            }
            _ => None,
        }
    }

    fn call(&mut self, name: &str, start: usize, depth: usize) -> Option<Tree> {
        let (name, same) = match name.rsplit_once('.') {
            Some((before, "toString" | "get")) => (before, true),
            _ => (name, false),
        };
        let arguments = self.arguments(depth);
        if same {
            return Some(self.named(name));
        }
        let arguments = match arguments {
            Some(arguments) => arguments,
            None => return Some(Tree::Unreadable(self.text_from(start))),
        };
        let short = name.rsplit_once("java.util.").map_or(name, |(_, name)| name);
        let text = |item: &Item| match &item.value {
            Tree::Text(text) => Some(text.clone()),
            _ => None,
        };
        if LISTS.contains(&short) || MAPS.contains(&short) {
            Some(Tree::Items(arguments))
        } else if short == "Map.of" {
            let pairs = arguments.chunks_exact(2).map(|pair| Some(Item::new(&text(&pair[0])?, pair[1].value.clone())));
            pairs.collect::<Option<_>>().map(Tree::Items)
        } else if FILES.iter().any(|file| short == *file || short.ends_with(&format!(".{file}"))) {
            let parts: Option<Vec<String>> = arguments.iter().map(text).collect();
            Some(Tree::Text(parts?.join("/")))
        } else {
            Some(Tree::Unreadable(self.text_from(start)))
        }
    }

    /// The arguments of a call, brackets included.
    fn arguments(&mut self, depth: usize) -> Option<Vec<Item>> {
        let open = self.at;
        self.at += 1;
        let found = self.listed(')', depth);
        if found.is_none() {
            self.at = open;
            self.skip_brackets();
        }
        found
    }

    /// Entries with commas up to `close`: values, `key: value` or `key to value`.
    fn listed(&mut self, close: char, depth: usize) -> Option<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            self.skip_line_ends();
            if self.take(close) {
                return Some(items);
            }
            // Groovy's empty map.
            if self.is(':') && items.is_empty() {
                self.at += 1;
                continue;
            }
            let start = self.at;
            let bare = match (self.peek(), self.tokens.get(self.at + 1).map(|token| &token.kind)) {
                (Some(Kind::Word(word)), Some(Kind::Sign(':'))) => Some(word.clone()),
                _ => None,
            };
            let first = match bare {
                Some(word) => {
                    self.at += 1;
                    Tree::Text(word)
                }
                None => self.expression(depth + 1)?,
            };
            self.skip_line_ends();
            if self.take(':') || self.takes_to() {
                self.skip_line_ends();
                let value = self.expression(depth + 1)?;
                match first {
                    Tree::Text(name) => items.push(Item::new(&name, value)),
                    _ => items.push(Item::new("", Tree::Unreadable(self.text_from(start)))),
                }
            } else if self.take('=') {
                // A named argument: its value is what counts.
                let value = self.expression(depth + 1)?;
                items.push(Item::new("", value));
            } else {
                items.push(Item::new("", first));
            }
            self.skip_line_ends();
            if !self.take(',') && !self.is(close) {
                return None;
            }
        }
    }

    fn takes_to(&mut self) -> bool {
        let found = self.peek() == Some(&Kind::Word("to".to_owned()));
        self.at += usize::from(found);
        found
    }

    /// The value of a name.
    fn named(&self, name: &str) -> Tree {
        if matches!(name, "true" | "false") {
            return Tree::Text(name.to_owned());
        }
        if let Some(value) = self.variable(name) {
            return value.clone();
        }
        match name.rsplit_once('.') {
            Some((before, constant)) if before.ends_with("ImageFormat") => Tree::Text(constant.to_owned()),
            _ => Tree::Unreadable(name.to_owned()),
        }
    }

    fn variable(&self, name: &str) -> Option<&Tree> {
        let name = name.strip_suffix(".toString()").unwrap_or(name);
        let mut short = name;
        loop {
            if let Some(value) = self.variables.get(short) {
                return Some(value);
            }
            short = ["project.", "ext.", "extra.", "this."].iter().find_map(|prefix| short.strip_prefix(prefix))?;
        }
    }

    fn interpolated(&self, pieces: &[Piece]) -> Tree {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Plain(plain) => text.push_str(plain),
                Piece::Reference(name) => match self.variable(name) {
                    Some(Tree::Text(value)) => text.push_str(value),
                    _ => return Tree::Unreadable(source_of(pieces)),
                },
            }
        }
        Tree::Text(text)
    }

    fn text_from(&self, start: usize) -> String {
        let from = self.tokens.get(start).map_or(self.source.len(), |token| token.start);
        let to = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(from, |token| token.end);
        shortened(self.source.get(from..to).unwrap_or_default())
    }

    /// What stands from the token `start` to the end of its line.
    fn line_text(&self, start: usize) -> String {
        let from = self.tokens.get(start).map_or(self.source.len(), |token| token.start);
        shortened(self.source[from..].lines().next().unwrap_or_default())
    }

    fn problem(&mut self, start: usize, text: String) {
        let from = self.tokens.get(start).map_or(self.source.len(), |token| token.start);
        let line = self.source[..from].matches('\n').count() + 1;
        self.problems.push(Problem { about: format!("{}:{line}", self.name), text });
    }
}

fn source_of(pieces: &[Piece]) -> String {
    let source = pieces.iter().map(|piece| match piece {
        Piece::Plain(plain) => plain.clone(),
        Piece::Reference(name) => format!("${{{name}}}"),
    });
    source.collect()
}

fn shortened(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() > 80 { text.chars().take(79).chain(['…']).collect() } else { text }
}
