//! The formats as the document and other programs have them.

mod formats;
