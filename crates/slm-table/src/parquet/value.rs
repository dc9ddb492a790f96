//! Conversion of Arrow columns into JSON values.

use std::str::Utf8Error;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeBinaryArray, GenericListArray, OffsetSizeTrait,
    PrimitiveArray, RecordBatch, StructArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Float16Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Schema, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::json::writer::{LineDelimited, WriterBuilder};
use serde_json::{Map, Value};

/// The values of a column.
pub(super) struct Column {
    pub(super) values: Vec<Value>,
    pub(super) is_text: IsText,
}

/// Marks the values of a column whose bytes are valid text.
#[derive(Default)]
pub(super) struct IsText {
    /// Empty if all values are.
    wrong: Vec<bool>,
}

impl IsText {
    pub(super) fn of(&self, index: usize) -> bool {
        !self.wrong.get(index).is_some_and(|wrong| *wrong)
    }

    /// Whether all values in a range are.
    fn over(&self, mut range: std::ops::Range<usize>) -> bool {
        range.all(|index| self.of(index))
    }

    fn collect(is_text: impl Iterator<Item = bool>) -> Self {
        let wrong: Vec<bool> = is_text.map(|is_text| !is_text).collect();
        if wrong.contains(&true) {
            Self { wrong }
        } else {
            Self::default()
        }
    }
}

impl From<Vec<Value>> for Column {
    fn from(values: Vec<Value>) -> Self {
        Self {
            values,
            is_text: IsText::default(),
        }
    }
}

impl Column {
    /// Converts a column. Bytes become text; NaN and infinities become null.
    ///
    /// # Errors
    /// The type has no representation in JSON.
    pub(super) fn of(array: &dyn Array) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            DataType::Null => vec![Value::Null; array.len()].into(),
            DataType::Boolean => nullable(array.as_boolean().iter()),
            DataType::Utf8 => nullable(array.as_string::<i32>().iter()),
            DataType::LargeUtf8 => nullable(array.as_string::<i64>().iter()),
            DataType::Utf8View => nullable(array.as_string_view().iter()),
            DataType::Binary => bytes(array.as_binary::<i32>().iter()),
            DataType::LargeBinary => bytes(array.as_binary::<i64>().iter()),
            DataType::BinaryView => bytes(array.as_binary_view().iter()),
            DataType::FixedSizeBinary(_) => {
                let fixed = array.as_any().downcast_ref::<FixedSizeBinaryArray>();
                bytes(fixed.into_iter().flatten())
            }
            DataType::Int8 => numbers::<Int8Type>(array),
            DataType::Int16 => numbers::<Int16Type>(array),
            DataType::Int32 => numbers::<Int32Type>(array),
            DataType::Int64 => numbers::<Int64Type>(array),
            DataType::UInt8 => numbers::<UInt8Type>(array),
            DataType::UInt16 => numbers::<UInt16Type>(array),
            DataType::UInt32 => numbers::<UInt32Type>(array),
            DataType::UInt64 => numbers::<UInt64Type>(array),
            DataType::Float16 => floats(array.as_primitive::<Float16Type>(), |v| v.to_f32().into()),
            // The shortest decimal of the narrow number, not the digits of the wide one.
            DataType::Float32 => floats(array.as_primitive::<Float32Type>(), |v| {
                v.to_string().parse().unwrap_or(f64::NAN)
            }),
            DataType::Float64 => floats(array.as_primitive::<Float64Type>(), |v| v),
            DataType::List(_) => lists(array.as_list::<i32>())?,
            DataType::LargeList(_) => lists(array.as_list::<i64>())?,
            DataType::Struct(_) => structs(array.as_struct())?,
            DataType::Map(..) => maps(array)?,
            DataType::Dictionary(_, value) => Self::of(cast(array, value)?.as_ref())?,
            DataType::Timestamp(unit, Some(_)) => {
                // The stored value is the instant; a named time zone would require a time zone database.
                let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
                words(cast(array, &utc)?)?
            }
            _ => words(arrow::array::make_array(array.to_data()))?,
        })
    }
}

fn nullable<T: Into<Value>>(values: impl Iterator<Item = Option<T>>) -> Column {
    let values: Vec<Value> = values
        .map(|value| value.map_or(Value::Null, Into::into))
        .collect();
    values.into()
}

fn bytes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Column {
    let texts: Vec<Option<Result<&str, Utf8Error>>> =
        values.map(|value| value.map(std::str::from_utf8)).collect();
    Column {
        is_text: IsText::collect(texts.iter().map(|text| !matches!(text, Some(Err(_))))),
        values: texts
            .into_iter()
            .map(|text| text.and_then(Result::ok).map_or(Value::Null, Value::from))
            .collect(),
    }
}

fn numbers<T: ArrowPrimitiveType>(array: &dyn Array) -> Column
where
    T::Native: Into<Value>,
{
    nullable(array.as_primitive::<T>().iter())
}

fn floats<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    wide: impl Fn(T::Native) -> f64,
) -> Column {
    nullable(array.iter().map(|value| value.map(&wide).map(Value::from)))
}

fn lists<O: OffsetSizeTrait>(array: &GenericListArray<O>) -> Result<Column, ArrowError> {
    let items = Column::of(array.values().as_ref())?;
    let list = |items: &[Value]| Value::Array(items.to_vec());
    Ok(cut(array, array.value_offsets(), &items, list))
}

/// Builds a value of each row's range in a column; null where the array is null.
fn cut<O: OffsetSizeTrait>(
    array: &dyn Array,
    offsets: &[O],
    items: &Column,
    value: impl Fn(&[Value]) -> Value,
) -> Column {
    let ranges = || {
        let ends = offsets.windows(2);
        ends.map(|ends| ends[0].as_usize()..ends[1].as_usize())
    };
    let values = ranges().enumerate().map(|(index, range)| {
        if array.is_null(index) {
            return Value::Null;
        }
        value(items.values.get(range).unwrap_or_default())
    });
    Column {
        values: values.collect(),
        is_text: IsText::collect(ranges().map(|range| items.is_text.over(range))),
    }
}

fn structs(array: &StructArray) -> Result<Column, ArrowError> {
    let mut rows = vec![Map::new(); array.len()];
    let mut is_text = vec![true; array.len()];
    for (name, column) in array.column_names().into_iter().zip(array.columns()) {
        let column = Column::of(column.as_ref())?;
        for (index, (row, value)) in rows.iter_mut().zip(column.values).enumerate() {
            row.insert(name.to_owned(), value);
            is_text[index] &= column.is_text.of(index);
        }
    }
    let values = rows.into_iter().enumerate().map(|(index, row)| {
        if array.is_null(index) {
            Value::Null
        } else {
            Value::Object(row)
        }
    });
    Ok(Column {
        values: values.collect(),
        is_text: IsText::collect(is_text.into_iter()),
    })
}

/// Converts maps to objects; keys that are not text are written as JSON.
fn maps(array: &dyn Array) -> Result<Column, ArrowError> {
    let array = array.as_map();
    let entries = structs(array.entries())?;
    let pair = |entry: &Value| {
        let mut fields = entry.as_object()?.values();
        let (key, value) = (fields.next()?, fields.next()?);
        let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
        Some((key, value.clone()))
    };
    let object = |entries: &[Value]| Value::Object(entries.iter().filter_map(pair).collect());
    Ok(cut(array, array.value_offsets(), &entries, object))
}

/// Converts dates, times, decimals and similar types as arrow writes them in JSON.
fn words(array: ArrayRef) -> Result<Column, ArrowError> {
    const NAME: &str = "value";
    let field = Field::new(NAME, array.data_type().clone(), true);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array])?;
    let builder = WriterBuilder::new().with_explicit_nulls(true);
    let mut writer = builder.build::<_, LineDelimited>(Vec::new());
    writer.write(&batch)?;
    writer.finish()?;
    let rows = serde_json::Deserializer::from_slice(&writer.into_inner())
        .into_iter::<Map<String, Value>>()
        .map(|row| Ok(row?.remove(NAME).unwrap_or_default()))
        .collect::<Result<Vec<Value>, serde_json::Error>>();
    rows.map(Column::from)
        .map_err(|error| ArrowError::JsonError(error.to_string()))
}
