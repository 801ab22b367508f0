//! Owns how the registers of the crate `hyperloglog` are read. It shows them nowhere but in its
//! serde form, a struct whose field `M` is the sequence of ranks; this serializer walks that
//! sequence and skips the rest, without a copy in between.

use std::fmt;
use std::ops::ControlFlow;

use hyperloglog::HyperLogLog;
use serde::Serialize;
use serde::ser::{Impossible, SerializeSeq, SerializeStruct, Serializer};

/// Shows the rank of each register, from the first, until `look` breaks off.
pub(super) fn walk(counter: &HyperLogLog, look: impl FnMut(u8) -> ControlFlow<()>) {
    // Breaking off is the only way to fail; the law tests hold that every register is seen.
    let _ = counter.serialize(Walk(look));
}

/// A walk over ranks; also each of its steps, since a struct, a sequence and a number are all
/// handed the same way.
struct Walk<L>(L);

/// The walk is broken off.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stop {}

impl serde::ser::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<L: FnMut(u8) -> ControlFlow<()>> SerializeStruct for Walk<L> {
    type Ok = ();
    type Error = Stop;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Stop> {
        if name == "M" { value.serialize(Walk(&mut self.0)) } else { Ok(()) }
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

impl<L: FnMut(u8) -> ControlFlow<()>> SerializeSeq for Walk<L> {
    type Ok = ();
    type Error = Stop;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Stop> {
        value.serialize(Walk(&mut self.0))
    }

    fn end(self) -> Result<(), Stop> {
        Ok(())
    }
}

/// What does not occur in the form of a `HyperLogLog` ends the walk.
macro_rules! stop {
    ($($method:ident($($argument:ty),*);)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<(), Stop> { Err(Stop) })*
    };
}

macro_rules! stop_compound {
    ($($method:ident($($argument:ty),*) -> $compound:ident;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<Self::$compound, Stop> { Err(Stop) })*
    };
}

impl<L: FnMut(u8) -> ControlFlow<()>> Serializer for Walk<L> {
    type Ok = ();
    type Error = Stop;
    type SerializeSeq = Self;
    type SerializeTuple = Impossible<(), Stop>;
    type SerializeTupleStruct = Impossible<(), Stop>;
    type SerializeTupleVariant = Impossible<(), Stop>;
    type SerializeMap = Impossible<(), Stop>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Stop>;

    fn serialize_u8(mut self, rank: u8) -> Result<(), Stop> {
        match (self.0)(rank) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop),
        }
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Stop> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Stop> {
        Ok(self)
    }

    stop! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    stop_compound! {
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Stop> {
        Err(Stop)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Stop> {
        Err(Stop)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Stop> {
        Err(Stop)
    }
}
