//! Reads serde types from a parsed file, with the place of everything that is wrong or unknown.
//!
//! serde's own data formats either stop at the first unknown member or pass over it; Amplify's files
//! need a third way: a member that resembles a missing one is a slip and an error, any other is new in
//! Amplify and a warning. And no message repeats a value, since it may be a key.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use jsonc_parser::ast::{Object, ObjectProp, ObjectPropName, Value};
use jsonc_parser::common::Ranged as _;
use serde::Deserializer;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Expected, MapAccess, SeqAccess, Unexpected, Visitor};

use super::parts::Rules;
use super::problem::{Problem, push_member};
use crate::suggest;

/// How a file is read, and what is noticed on the way.
pub(super) struct Notes {
    rules: &'static Rules,
    warnings: RefCell<Vec<Note>>,
    /// How many there are beyond [`MOST`].
    more: Cell<usize>,
}

/// So many warnings are kept: a file with more is none of Amplify's.
const MOST: usize = 100;

/// A warning about a member: its path, where it is, and what is odd about it.
pub(super) type Note = (String, usize, &'static str);

impl Notes {
    pub(super) fn new(rules: &'static Rules) -> Self {
        Self {
            rules,
            warnings: RefCell::default(),
            more: Cell::default(),
        }
    }

    /// The warnings, and how many more there would have been.
    pub(super) fn into_warnings(self) -> (Vec<Note>, usize) {
        (self.warnings.into_inner(), self.more.get())
    }

    fn warn(&self, path: impl FnOnce() -> String, at: usize, message: &'static str) {
        let mut warnings = self.warnings.borrow_mut();
        match warnings.len() {
            MOST.. => self.more.set(self.more.get() + 1),
            _ => warnings.push((path(), at, message)),
        }
    }
}

/// One value of a file.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    value: &'a Value<'a>,
    path: Path<'a>,
    notes: &'a Notes,
}

impl<'a> Reader<'a> {
    pub(super) fn new(value: &'a Value<'a>, notes: &'a Notes) -> Self {
        Self {
            value,
            path: Path::Root,
            notes,
        }
    }

    fn locate(&self, problem: Problem) -> Problem {
        problem
            .at(self.value.range().start)
            .about(|| self.path.to_string())
    }

    fn visit<'de, V: Visitor<'de>>(
        self,
        known: Option<Known>,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let visited = match self.value {
            Value::StringLit(text) => visitor.visit_str(&text.value),
            Value::NumberLit(number) => match (number.value.parse(), number.value.parse()) {
                (Ok(number), _) => visitor.visit_i64(number),
                (_, Ok(number)) => visitor.visit_f64(number),
                _ => Err(Problem::new("this is no number")),
            },
            Value::BooleanLit(boolean) => visitor.visit_bool(boolean.value),
            Value::NullKeyword(_) => visitor.visit_unit(),
            Value::Object(object) => {
                Members::new(self, object, known).and_then(|members| visitor.visit_map(members))
            }
            Value::Array(_) if known.is_some() => {
                Err(de::Error::invalid_type(Unexpected::Seq, &visitor))
            }
            Value::Array(array) => visitor.visit_seq(Elements {
                reader: self,
                elements: array.elements.iter().enumerate(),
            }),
        };
        visited.map_err(|problem| self.locate(problem))
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.visit(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        members: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.visit(Some(Known { name, members }), visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::NullKeyword(_) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier
    }
}

/// Where a value is, from the top of the file.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Element(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn write(path: &Path<'_>, text: &mut String) {
            match path {
                Path::Root => {}
                Path::Member(parent, name) => {
                    write(parent, text);
                    push_member(text, name);
                }
                Path::Element(parent, at) => {
                    write(parent, text);
                    text.push_str(&format!("[{at}]"));
                }
            }
        }
        let mut text = String::new();
        write(self, &mut text);
        f.write_str(&text)
    }
}

/// The struct that an object is read into, and the members it has.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    members: &'static [&'static str],
}

/// The members of an object, those left out that are of no use.
struct Members<'a> {
    reader: Reader<'a>,
    object: &'a Object<'a>,
    names: HashSet<&'a str>,
    known: Option<Known>,
    rest: std::slice::Iter<'a, ObjectProp<'a>>,
    current: Option<&'a ObjectProp<'a>>,
}

impl<'a> Members<'a> {
    fn new(
        reader: Reader<'a>,
        object: &'a Object<'a>,
        known: Option<Known>,
    ) -> Result<Self, Problem> {
        let mut members = Self {
            reader,
            object,
            names: HashSet::with_capacity(object.properties.len()),
            known,
            rest: object.properties.iter(),
            current: None,
        };
        let mut all = object.properties.iter();
        match all.find(|member| !members.names.insert(name(member))) {
            Some(twice) => Err(members.problem(
                twice,
                "there are two members of this name: leave one out".into(),
            )),
            None => {
                members.note_assumptions();
                Ok(members)
            }
        }
    }

    fn note_assumptions(&self) {
        let notes = self.reader.notes;
        for (object, member, message) in notes.rules.assumed {
            if self.known.is_some_and(|known| known.name == *object) && !self.names.contains(member)
            {
                notes.warn(
                    || self.reader.path.to_string(),
                    self.object.range.start,
                    message,
                );
            }
        }
    }

    /// Whether a member is passed over. If it seems to be a known one misspelled, it is an error.
    fn passes_over(&self, member: &ObjectProp<'_>) -> Result<bool, Problem> {
        const UNKNOWN: &str = "unknown to this crate, and passed over";
        let Some(Known {
            name: object,
            members,
        }) = self.known
        else {
            return Ok(false);
        };
        let given = name(member);
        if members.contains(&given) {
            return Ok(false);
        }
        let notes = self.reader.notes;
        if notes.rules.passes_over(object, given) {
            return Ok(true);
        }
        let same = members.iter().find(|known| suggest::is_like(given, known));
        let absent = members.iter().filter(|name| !self.names.contains(*name));
        let meant = same
            .copied()
            .or_else(|| suggest::nearest(given, absent.copied()));
        match meant {
            Some(meant) => Err(self.problem(member, format!("did you mean `{meant}`?"))),
            None if notes.rules.strict => {
                let valid = suggest::list(members.iter().copied());
                let message = format!("there is no such member here; there are {valid}");
                Err(self.problem(member, message))
            }
            None => {
                notes.warn(|| self.path_of(member), member.range.start, UNKNOWN);
                Ok(true)
            }
        }
    }

    fn path_of(&self, member: &ObjectProp<'_>) -> String {
        Path::Member(&self.reader.path, name(member)).to_string()
    }

    fn problem(&self, member: &ObjectProp<'_>, message: String) -> Problem {
        Problem::new(message)
            .at(member.range.start)
            .about(|| self.path_of(member))
    }
}

fn name<'a>(member: &'a ObjectProp<'_>) -> &'a str {
    match &member.name {
        ObjectPropName::String(name) => &name.value,
        ObjectPropName::Word(name) => name.value,
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        while let Some(member) = self.rest.next() {
            if self.passes_over(member)? {
                continue;
            }
            self.current = Some(member);
            let key = StrDeserializer::<Problem>::new(name(member));
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some(member) = self.current.take() else {
            return Err(Problem::new("a value was asked for before its name"));
        };
        seed.deserialize(Reader {
            value: &member.value,
            path: Path::Member(&self.reader.path, name(member)),
            notes: self.reader.notes,
        })
    }
}

/// The elements of a list.
struct Elements<'a> {
    reader: Reader<'a>,
    elements: std::iter::Enumerate<std::slice::Iter<'a, Value<'a>>>,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some((at, value)) = self.elements.next() else {
            return Ok(None);
        };
        let reader = Reader {
            value,
            path: Path::Element(&self.reader.path, at),
            notes: self.reader.notes,
        };
        seed.deserialize(reader).map(Some)
    }
}

/// serde's messages, without the values that its own have.
impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "`true` or `false`",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Char(_) | Unexpected::Str(_) => "a string",
            Unexpected::Unit | Unexpected::Option => "`null`",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        // serde's words for what a file calls otherwise.
        let expected = match expected.to_string() {
            words if words.starts_with("struct ") || words == "a map" => "an object".to_owned(),
            words if words == "a sequence" => "a list".to_owned(),
            words if words == "a boolean" => "`true` or `false`".to_owned(),
            words => words,
        };
        Self::new(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}"))
    }

    fn unknown_variant(_variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!(
            "expected one of {}",
            suggest::list(expected.iter().copied())
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("`{field}` is missing here"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}
