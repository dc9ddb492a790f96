//! The macros that turn a table of keys into structs and a table of words into enums.

/// Makes the struct of a section, its `KEYS` and, where every key has a default, its `Default`.
///
/// A row is `/// sentence`, then `name: Type = default => kind, absent "words", aliases ["word"];`. The last two are
/// optional. In a section with required keys (`requires` behind its name) no row has a default: `#[serde(default)]`
/// below the sentence marks those that may be left out. Other `serde` attributes are possible in the same place.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $vis:vis struct $Name:ident {$(
            $(#[doc = $doc:literal])+
            $(#[serde($($serde:tt)*)])?
            $field:ident: $type:ty = $default:expr => $kind:expr
                $(, absent $absent:literal)? $(, aliases [$($alias:literal),+])?;
        )*}
    ) => {
        $(#[$meta])*
        #[serde(deny_unknown_fields, default)]
        $vis struct $Name {$(
            $(#[doc = $doc])+
            $(#[serde($($serde)*)])?
            pub $field: $type,
        )*}

        impl Default for $Name {
            fn default() -> Self {
                Self {$($field: $default,)*}
            }
        }

        impl $Name {
            pub(crate) const KEYS: &'static [$crate::schema::Key] = &[$($crate::schema::Key {
                name: stringify!($field),
                kind: $kind,
                nullable: $crate::schema::is_option(stringify!($type)),
                absent: $crate::schema::section!(@option $($absent)?),
                aliases: &[$($($alias),+)?],
                doc: &[$($doc),+],
            },)*];
        }
    };
    (
        $(#[$meta:meta])*
        $vis:vis struct $Name:ident requires {$(
            $(#[doc = $doc:literal])+
            $(#[serde($($serde:tt)*)])?
            $field:ident $(as $name:literal)?: $type:ty => $kind:expr
                $(, absent $absent:literal)? $(, aliases [$($alias:literal),+])?;
        )*}
    ) => {
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        $vis struct $Name {$(
            $(#[doc = $doc])+
            $(#[serde($($serde)*)])?
            $(#[serde(rename = $name)])?
            pub $field: $type,
        )*}

        impl $Name {
            pub(crate) const KEYS: &'static [$crate::schema::Key] = &[$($crate::schema::Key {
                name: $crate::schema::section!(@name $field $($name)?),
                kind: $kind,
                nullable: $crate::schema::is_option(stringify!($type)),
                absent: $crate::schema::section!(@option $($absent)?),
                aliases: &[$($($alias),+)?],
                doc: &[$($doc),+],
            },)*];
        }
    };
    (@option) => { None };
    (@option $value:literal) => { Some($value) };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
}

/// Makes the enum of a choice between words, with `name` and `words`.
///
/// A row is `/// sentence`, then `Variant = "word" | "other spelling",`. `default Variant` behind the enum's name makes it
/// the enum's `Default`.
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $Name:ident $(default $default:ident)? {$(
            $(#[doc = $doc:literal])+
            $Variant:ident = $word:literal $(| $alias:literal)*,
        )*}
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        $vis enum $Name {$(
            $(#[doc = $doc])+
            #[serde(rename = $word $(, alias = $alias)*)]
            $Variant,
        )*}

        impl $Name {
            /// The word in a recipe.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $word,)*
                }
            }

            pub(crate) fn words() -> Vec<$crate::schema::Word> {
                vec![$($crate::schema::Word {
                    name: $word,
                    aliases: &[$($alias),*],
                    doc: &[$($doc),+],
                },)*]
            }
        }

        $(impl Default for $Name {
            fn default() -> Self {
                Self::$default
            }
        })?
    };
}

pub(crate) use {section, words};
