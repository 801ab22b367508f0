//! What is looked up in a module's bytes before it is translated: whether it starts by itself, and how
//! many local variables its functions declare. Knows the frame of the binary format alone
//! (<https://webassembly.github.io/spec/core/binary/modules.html>); everything else is the validator's.

/// Sections by their ids.
const START: u8 = 8;
const CODE: u8 = 10;

/// Magic and version.
const HEADER_BYTES: usize = 8;

/// What stands in a module's bytes. Of a malformed module it is what stands before the fault, because the
/// validator refuses it anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Scan {
    /// Whether it has a start function.
    pub starts: bool,
    /// Local variables of all functions, parameters aside.
    pub locals: u64,
}

/// Scans a module.
pub(crate) fn scan(module: &[u8]) -> Scan {
    let mut scan = Scan::default();
    let mut rest = module.get(HEADER_BYTES..).unwrap_or_default();
    while let Some((id, contents)) = section(&mut rest) {
        match id {
            START => scan.starts = true,
            CODE => scan.locals = locals(contents),
            _ => {}
        }
    }
    scan
}

/// Takes the next section.
fn section<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let id = byte(rest)?;
    Some((id, sized(rest)?))
}

/// How many locals the bodies of a code section declare.
fn locals(mut section: &[u8]) -> u64 {
    let bodies = number(&mut section).unwrap_or(0);
    (0..bodies)
        .map_while(|_| sized(&mut section))
        .fold(0, |sum, body| sum.saturating_add(locals_of_body(body)))
}

fn locals_of_body(mut body: &[u8]) -> u64 {
    let groups = number(&mut body).unwrap_or(0);
    let group = |_| {
        let count = number(&mut body)?;
        byte(&mut body).map(|_type| u64::from(count))
    };
    (0..groups).map_while(group).fold(0, u64::saturating_add)
}

/// Takes what has its length before it.
fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (contents, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(contents)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, after) = rest.split_first()?;
    *rest = after;
    Some(*first)
}

/// Takes an unsigned LEB128 number of at most 32 bits.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let next = byte(rest)?;
        value |= u64::from(next & 0x7f) << shift;
        if next & 0x80 == 0 {
            return u32::try_from(value).ok();
        }
    }
    None
}
