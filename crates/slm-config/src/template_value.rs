//! Values of a chat template's variables: `model.chat_template_kwargs`.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// The value of a variable of the chat template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(u64),
    /// A text.
    Text(String),
}

impl TemplateValue {
    /// Name under which a deserializer reads it: a truth value, a number or a text.
    pub(crate) const NAME: &'static str = "TemplateValue";
    /// What it may be.
    pub(crate) const FORM: &'static str = "true, false, a whole number or text";
}

impl Serialize for TemplateValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_u64(*value),
            Self::Text(value) => serializer.serialize_str(value),
        }
    }
}

impl<'de> Deserialize<'de> for TemplateValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = TemplateValue;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str(TemplateValue::FORM)
            }
            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(TemplateValue::Bool(value))
            }
            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
                Ok(TemplateValue::Int(value))
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                Ok(TemplateValue::Text(value.to_owned()))
            }
        }
        deserializer.deserialize_newtype_struct(Self::NAME, Visitor)
    }
}
