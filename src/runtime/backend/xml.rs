//! XML → JSON: attributes are `@name`, text beside them `#text`, elements of one name a list.
//!
//! An element without attributes and elements in it is its text. All values are strings, since XML has no other; names are
//! as written, prefixes included. Document types are refused, and with them every entity that is not predefined.

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use crate::codec::json;

/// How deep elements may be nested: as deep as JSON.
const MAX_DEPTH: usize = 100;

/// Why bytes are no XML that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Nested too deeply.
    #[error("the XML is nested too deeply")]
    Depth,
    /// A document type or an entity of its own.
    #[error("the XML declares a document type or uses an entity of its own")]
    DocumentType,
    /// Not well-formed.
    #[error("the XML is not well-formed")]
    Malformed,
    /// Not UTF-8.
    #[error("the XML is not UTF-8")]
    Utf8,
}

/// An element while it is read.
#[derive(Debug, Default)]
struct Element {
    name: String,
    /// Attributes and elements in order of first appearance, with all values of each as JSON.
    members: Vec<(String, Vec<String>)>,
    text: String,
}

/// The JSON of a document: an object with the root element as its only member.
pub fn to_json(xml: &[u8]) -> Result<Vec<u8>, XmlError> {
    let text = simdutf8::basic::from_utf8(xml).map_err(|_| XmlError::Utf8)?;
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    config.check_end_names = true;
    let mut open = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|_| XmlError::Malformed)? {
            Event::Start(start) => {
                if open.len() > MAX_DEPTH {
                    return Err(XmlError::Depth);
                }
                open.push(Element::start(&start)?);
            }
            Event::End(_) => {
                let (Some(closed), Some(parent)) = (open.pop(), open.last_mut()) else {
                    return Err(XmlError::Malformed);
                };
                let (name, value) = closed.into_json();
                parent.add(name, value);
            }
            Event::Text(text) => top(&mut open)?.text.push_str(&text.xml10_content()),
            Event::CData(text) => top(&mut open)?.text.push_str(&text.xml10_content()),
            Event::GeneralRef(reference) => top(&mut open)?.text.push_str(&resolve(&reference)?),
            Event::DocType(_) => return Err(XmlError::DocumentType),
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::Empty(_) | Event::PI(_) => {}
        }
    }
    let Some(document) = open.pop().filter(|_| open.is_empty()) else {
        return Err(XmlError::Malformed);
    };
    let one_root = matches!(document.members.as_slice(), [(_, values)] if values.len() == 1);
    if !one_root || !document.text.trim().is_empty() {
        return Err(XmlError::Malformed);
    }
    Ok(document.into_json().1.into_bytes())
}

/// The element that is open.
fn top(open: &mut [Element]) -> Result<&mut Element, XmlError> {
    open.last_mut().ok_or(XmlError::Malformed)
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, XmlError> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| XmlError::Malformed)? {
        return Ok(character.to_string());
    }
    resolve_predefined_entity(reference)
        .map(str::to_owned)
        .ok_or(XmlError::DocumentType)
}

impl Element {
    fn start(start: &BytesStart<'_>) -> Result<Self, XmlError> {
        let mut element = Self {
            name: start.name().as_ref().to_owned(),
            ..Self::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|_| XmlError::Malformed)?;
            let key: &str = attribute.key.as_ref();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| XmlError::Malformed)?;
            element.add(format!("@{key}"), string(&value));
        }
        Ok(element)
    }

    fn add(&mut self, name: String, value: String) {
        match self.members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.members.push((name, vec![value])),
        }
    }

    fn into_json(mut self) -> (String, String) {
        let text = self.text.trim();
        if self.members.is_empty() {
            let value = string(text);
            return (self.name, value);
        }
        if !text.is_empty() {
            let value = string(text);
            self.add("#text".to_owned(), value);
        }
        let members = self.members.into_iter().map(|(name, values)| {
            let value = if let [value] = values.as_slice() {
                value.clone()
            } else {
                format!("[{}]", values.join(","))
            };
            format!("{}:{value}", string(&name))
        });
        let object = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
        (self.name, object)
    }
}

fn string(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    json::write_string(text, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(xml: &str) -> Result<String, XmlError> {
        to_json(xml.as_bytes()).map(|it| String::from_utf8(it).unwrap())
    }

    #[test]
    fn documents_become_json() {
        for (xml, wanted) in [
            ("<a/>", r#"{"a":""}"#),
            ("<?xml version=\"1.0\"?>\n<a> b </a>\n", r#"{"a":"b"}"#),
            ("<a><b>1</b><c>2</c><b>3</b></a>", r#"{"a":{"b":["1","3"],"c":"2"}}"#),
            ("<a x='1'>t</a>", r##"{"a":{"@x":"1","#text":"t"}}"##),
            (
                "<a x='&lt;&#65;'>&amp;&#x42;<![CDATA[<c>]]></a>",
                r##"{"a":{"@x":"<A","#text":"&B<c>"}}"##,
            ),
            ("<n:a><!-- c --><n:b y=\"\"/></n:a>", r#"{"n:a":{"n:b":{"@y":""}}}"#),
            ("<a>\"\\\n</a>", r#"{"a":"\"\\"}"#),
        ] {
            assert_eq!(json(xml).as_deref(), Ok(wanted), "{xml}");
        }
    }

    #[test]
    fn what_is_no_plain_xml_is_refused() {
        for (xml, wanted) in [
            ("", XmlError::Malformed),
            ("x", XmlError::Malformed),
            ("<a>", XmlError::Malformed),
            ("<a></b>", XmlError::Malformed),
            ("<a/><b/>", XmlError::Malformed),
            ("<a/><a/>", XmlError::Malformed),
            ("<a x='1' x='2'/>", XmlError::Malformed),
            ("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", XmlError::DocumentType),
            ("<a>&b;</a>", XmlError::DocumentType),
        ] {
            assert_eq!(json(xml), Err(wanted), "{xml}");
        }
        assert_eq!(json(&"<a>".repeat(200)), Err(XmlError::Depth));
        assert_eq!(to_json(b"<a>\xff</a>"), Err(XmlError::Utf8));
    }
}
