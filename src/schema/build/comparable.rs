//! Whether two descriptors of one file say the same: compilers differ in what they write out and what they leave unsaid.

use super::field::json_name;
use crate::schema::descriptor::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FieldOptions, FileDescriptorProto, Label,
    MessageOptions, MethodDescriptorProto, MethodOptions, OneofDescriptorProto, Type,
};

/// Whether two descriptors mean the same, wherever their files lie and whatever their comments are.
pub(super) fn mean_the_same(a: &FileDescriptorProto, b: &FileDescriptorProto) -> bool {
    comparable(a) == comparable(b)
}

fn comparable(file: &FileDescriptorProto) -> FileDescriptorProto {
    let mut file = FileDescriptorProto {
        path: None,
        source_code_info: None,
        ..file.clone()
    };
    keep_said(&mut file.options);
    file.package = file.package.filter(|it| !it.is_empty());
    file.syntax = file.syntax.filter(|it| it != "proto2" && !it.is_empty());
    file.message_type.iter_mut().for_each(message);
    file.enum_type.iter_mut().for_each(enumeration);
    file.extension.iter_mut().for_each(field);
    file.service.iter_mut().flat_map(|it| &mut it.method).for_each(method);
    file
}

/// Options that say nothing are none.
fn keep_said<T: Default + PartialEq>(options: &mut Option<T>) {
    if options.as_ref().is_some_and(|it| *it == T::default()) {
        *options = None;
    }
}

/// `false` where it is the default is unsaid.
fn keep_true(flag: &mut Option<bool>) {
    *flag = flag.filter(|it| *it);
}

fn message(message: &mut DescriptorProto) {
    if let Some(MessageOptions {
        message_set_wire_format,
        deprecated,
        map_entry,
        features: _,
    }) = &mut message.options
    {
        [message_set_wire_format, deprecated, map_entry]
            .into_iter()
            .for_each(keep_true);
    }
    keep_said(&mut message.options);
    message.field.iter_mut().chain(&mut message.extension).for_each(field);
    message.nested_type.iter_mut().for_each(self::message);
    message.enum_type.iter_mut().for_each(enumeration);
    for OneofDescriptorProto { options, .. } in &mut message.oneof_decl {
        keep_said(options);
    }
}

fn enumeration(enumeration: &mut EnumDescriptorProto) {
    if let Some(options) = &mut enumeration.options {
        keep_true(&mut options.deprecated);
    }
    keep_said(&mut enumeration.options);
}

fn field(field: &mut FieldDescriptorProto) {
    field.json_name = Some(json_name(field));
    field.label = Some(field.label.unwrap_or(Label::Optional.into()));
    keep_true(&mut field.proto3_optional);
    if let Some(FieldOptions { deprecated, .. }) = &mut field.options {
        keep_true(deprecated);
    }
    keep_said(&mut field.options);
    // A number of type double may be written `1e10` or `10000000000`.
    if matches!(field.r#type(), Type::Double | Type::Float) {
        let number = field.default_value.as_deref().and_then(|it| it.parse::<f64>().ok());
        field.default_value = number.map(|it| it.to_string()).or(field.default_value.take());
    }
}

fn method(method: &mut MethodDescriptorProto) {
    keep_true(&mut method.client_streaming);
    keep_true(&mut method.server_streaming);
    if let Some(MethodOptions {
        deprecated,
        idempotency_level,
        http: _,
    }) = &mut method.options
    {
        keep_true(deprecated);
        *idempotency_level = idempotency_level.filter(|it| *it != 0);
    }
    keep_said(&mut method.options);
}
