//! XML → JSON: attributes are `@name`, text beside them `#text`.
