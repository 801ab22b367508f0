//! Images: what a record says of a row before or after its change, as far as counting keeps it.
//!
//! Counting by checkpoints and deltas asks the same question of the same few values again and again, and
//! never needs them as values where it has the answer. So an image may carry its columns unread, as
//! they stand in the record; the [memo](crate::memo) knows them by their bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::decimal::ShortDecimal;
use crate::value::{Item, Value};

/// The columns that are kept of a table's images, each with a number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Columns(Arc<[Box<str>]>);

impl Columns {
    /// Columns by their names.
    #[must_use]
    pub fn new(names: BTreeSet<&str>) -> Self {
        Self(names.into_iter().map(Box::from).collect())
    }

    /// The number of a column, where it is one of them.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.0.binary_search_by(|known| (**known).cmp(name)).ok()
    }

    /// Whether these are a copy of the same list, which costs nothing to tell.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The name of a column.
    #[must_use]
    pub fn name(&self, number: usize) -> Option<&str> {
        self.0.get(number).map(|name| &**name)
    }

    /// The names, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

/// Reads a value as it stands in a record of one format; `None` where it is none.
pub type ReadValue = fn(&[u8]) -> Option<Value>;

/// Reads a value that is a short number; `None` where it is anything else, and where reading it as a value
/// tells.
pub type ReadNumber = fn(&[u8]) -> Option<ShortDecimal>;

/// How the columns of unread images are numbered and read.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Their numbers.
    pub columns: Columns,
    /// What reads a value.
    pub read: ReadValue,
    /// What reads the same value where only how it compares matters.
    pub read_number: ReadNumber,
}

/// The columns of an image as they stand in its record, numbers behind the rest: those are many where values
/// are many, and what is only compared is a number more often than not.
#[derive(Clone, Debug)]
pub struct Unread {
    layout: Layout,
    frames: Box<[u8]>,
    numbers_at: usize,
}

/// A borrowed [`Unread`].
#[derive(Clone, Copy, Debug)]
pub struct UnreadRef<'a> {
    layout: &'a Layout,
    others: &'a [u8],
    numbers: &'a [u8],
}

/// Columns of an image that is being taken out of its record: for each the number, the length, and the
/// bytes of its value.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    others: Vec<u8>,
    numbers: Vec<u8>,
}

/// A column of an unread image.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number.
    pub column: usize,
    /// The bytes of its value.
    pub value: &'a [u8],
}

/// What stands before the bytes of a value: one more than the column's number, and their length. Where it is
/// nothing no column follows.
const HEAD: usize = 4;

/// Images are filled up to a multiple of so many bytes.
const FULL: usize = 32;

/// Few bytes are copied as so many: how many there are no processor foresees.
const AT_ONCE: usize = 32;

/// Adds a frame, whose value are the first bytes of a text; `None` where there is no room for so much.
#[inline]
fn add(frames: &mut Vec<u8>, column: usize, text: &[u8], length: usize) -> Option<()> {
    let (column, short) = (u16::try_from(column + 1).ok()?, u16::try_from(length).ok()?);
    let head = u32::from(column) << 16 | u32::from(short);
    frames.extend_from_slice(&head.to_le_bytes());
    match text.first_chunk::<AT_ONCE>() {
        Some(bytes) if length <= AT_ONCE => {
            let end = frames.len() + length;
            frames.extend_from_slice(bytes);
            frames.truncate(end);
        }
        _ => frames.extend_from_slice(text.get(..length)?),
    }
    Some(())
}

fn frames(mut rest: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let head = u32::from_le_bytes(*rest.first_chunk::<HEAD>()?);
        let (frame, behind) = rest.split_at_checked(HEAD + (head & u32::from(u16::MAX)) as usize)?;
        rest = behind;
        Some(Frame { column: ((head >> 16) as usize).checked_sub(1)?, value: frame.get(HEAD..)? })
    })
}

impl Frames {
    /// Begins another image.
    pub fn clear(&mut self) {
        self.others.clear();
        self.numbers.clear();
    }

    /// Adds a column, which the image has once, and whose value are the first bytes of a text; `None` where there
    /// is no room for so much.
    #[inline]
    pub fn push(&mut self, column: usize, text: &[u8], length: usize) -> Option<()> {
        add(&mut self.others, column, text, length)
    }

    /// As [`Self::push`], of a column whose value is a number.
    #[inline]
    pub fn push_number(&mut self, column: usize, text: &[u8], length: usize) -> Option<()> {
        add(&mut self.numbers, column, text, length)
    }

    /// Fills the image up, so that those of a table are mostly of one length. What hashes and compares them then
    /// goes one way, which a processor foresees. It ends the image: a column added behind that is not read.
    pub fn fill(&mut self) {
        self.others.resize(self.others.len().next_multiple_of(FULL), 0);
    }

    /// The image.
    #[must_use]
    pub fn image<'a>(&'a self, layout: &'a Layout) -> UnreadRef<'a> {
        UnreadRef { layout, others: &self.others, numbers: &self.numbers }
    }
}

impl Unread {
    /// The same columns, borrowed.
    #[must_use]
    pub fn by_ref(&self) -> UnreadRef<'_> {
        let (others, numbers) = self.frames.split_at_checked(self.numbers_at).unwrap_or((&self.frames, &[]));
        UnreadRef { layout: &self.layout, others, numbers }
    }
}

impl<'a> UnreadRef<'a> {
    /// How its columns are numbered and read.
    #[must_use]
    pub fn layout(self) -> &'a Layout {
        self.layout
    }

    /// The columns, those that are numbers last.
    pub fn frames(self) -> impl Iterator<Item = Frame<'a>> {
        frames(self.others).chain(frames(self.numbers))
    }

    /// The bytes of all columns that are no numbers, and the columns that are.
    pub fn apart(self) -> (&'a [u8], impl Iterator<Item = Frame<'a>>) {
        (self.others, frames(self.numbers))
    }

    /// The values, read.
    #[must_use]
    pub fn item(self) -> Item {
        let named = self.frames().filter_map(|Frame { column, value }| {
            Some((self.layout.columns.name(column)?.to_owned(), self.layout.value(value)))
        });
        named.collect()
    }

    /// The same columns, owned.
    #[must_use]
    pub fn to_unread(self) -> Unread {
        let frames = [self.others, self.numbers].concat().into();
        Unread { layout: self.layout.clone(), frames, numbers_at: self.others.len() }
    }
}

impl Layout {
    /// Reads a value. What took it out of its record found it well formed; were it not, it would have to
    /// count as not sent, and never as absent.
    #[must_use]
    pub fn value(&self, bytes: &[u8]) -> Value {
        (self.read)(bytes).unwrap_or(Value::Unavailable)
    }
}

/// An image of a row.
#[derive(Clone, Debug)]
pub enum Image {
    /// Its attributes.
    Item(Item),
    /// Its attributes, as they stand in the record.
    Unread(Unread),
}

impl Image {
    /// The attributes.
    #[must_use]
    pub fn item(&self) -> Cow<'_, Item> {
        self.by_ref().item()
    }

    /// The attributes.
    #[must_use]
    pub fn into_item(self) -> Item {
        match self {
            Self::Item(item) => item,
            Self::Unread(unread) => unread.by_ref().item(),
        }
    }

    /// The same image, borrowed.
    #[must_use]
    pub fn by_ref(&self) -> ImageRef<'_> {
        match self {
            Self::Item(item) => ImageRef::Item(item),
            Self::Unread(unread) => ImageRef::Unread(unread.by_ref()),
        }
    }
}

impl From<Item> for Image {
    fn from(item: Item) -> Self {
        Self::Item(item)
    }
}

impl From<Unread> for Image {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

impl PartialEq for Image {
    fn eq(&self, other: &Self) -> bool {
        self.item() == other.item()
    }
}

/// A borrowed [`Image`].
#[derive(Clone, Copy, Debug)]
pub enum ImageRef<'a> {
    /// Its attributes.
    Item(&'a Item),
    /// Its attributes, as they stand in the record.
    Unread(UnreadRef<'a>),
}

impl<'a> ImageRef<'a> {
    /// The attributes.
    #[must_use]
    pub fn item(self) -> Cow<'a, Item> {
        match self {
            Self::Item(item) => Cow::Borrowed(item),
            Self::Unread(unread) => Cow::Owned(unread.item()),
        }
    }
}

impl<'a> From<&'a Item> for ImageRef<'a> {
    fn from(item: &'a Item) -> Self {
        Self::Item(item)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn no_number(_: &[u8]) -> Option<ShortDecimal> {
        None
    }

    fn read(bytes: &[u8]) -> Option<Value> {
        Some(Value::String(String::from_utf8(bytes.to_vec()).ok()?))
    }

    #[test]
    fn a_column_has_as_much_of_a_text_as_it_is_told() {
        let layout = Layout { columns: Columns::new(["a"].into()), read, read_number: no_number };
        let text = "0123456789".repeat(9);
        for length in 0..text.len() {
            let mut frames = Frames::default();
            frames.push(0, text.as_bytes(), length).unwrap();
            let value = Value::String(text.chars().take(length).collect());
            assert_eq!(frames.image(&layout).item(), Item::from([("a".to_owned(), value)]));
            let short = text.as_bytes().get(..length).unwrap();
            assert_eq!(Frames::default().push(0, short, length + 1), None);
        }
    }

    #[test]
    fn an_unread_image_is_the_item_of_its_columns_and_what_cannot_be_read_was_not_sent() {
        let layout = Layout { columns: Columns::new(["b", "a", "c"].into()), read, read_number: no_number };
        assert_eq!(layout.columns.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!((layout.columns.number("b"), layout.columns.number("d")), (Some(1), None));
        let mut frames = Frames::default();
        frames.push(0, b"left over", 9).unwrap();
        frames.clear();
        frames.push_number(2, b"", 0).unwrap();
        frames.push(0, b"one", 3).unwrap();
        let image = Image::Unread(frames.image(&layout).to_unread());
        frames.fill();
        assert_eq!(image, Image::Unread(frames.image(&layout).to_unread()));
        assert_eq!(frames.image(&layout).apart().0.len(), FULL);
        frames.clear();
        frames.push_number(2, b"", 0).unwrap();
        frames.push(0, b"one", 3).unwrap();
        let text = |text: &str| Value::String(text.to_owned());
        let item = Item::from([("a".to_owned(), text("one")), ("c".to_owned(), text(""))]);
        assert_eq!(image, Image::from(item));
        frames.push(1, b"\xff and what stands behind it, more than is copied at once", 1).unwrap();
        let unread = frames.image(&layout);
        let (others, numbers) = unread.apart();
        assert_eq!(others.len(), 2 * HEAD + 3 + 1);
        assert_eq!(
            numbers.map(|frame| (frame.column, frame.value)).collect::<Vec<_>>(),
            [(2, b"".as_slice())]
        );
        let (long, many) = ([0; 1 << 16], 1 << 16);
        assert_eq!((frames.push(0, &long, long.len()), frames.push(many, b"", 0)), (None, None));
        assert_eq!(frames.image(&layout).item().get("b"), Some(&Value::Unavailable));
        assert_eq!(Frames::default().image(&layout).item(), Item::new());
    }
}
