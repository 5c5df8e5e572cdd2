//! Functions over numbers: those of the published `math` extension that this language has.

use super::super::eval::MISMATCH;
use super::super::program::Reason;
use super::super::value::Value;

fn double(args: &[Value], of: impl FnOnce(f64) -> Value) -> Result<Value, Reason> {
    match args {
        [Value::Double(it)] => Ok(of(*it)),
        _ => Err(MISMATCH),
    }
}

pub(super) fn abs(args: &[Value]) -> Result<Value, Reason> {
    match args {
        [Value::Double(it)] => Ok(Value::Double(it.abs())),
        [Value::Int(it)] => it.checked_abs().map(Value::Int).ok_or("integer overflow"),
        [it @ Value::Uint(_)] => Ok(it.clone()),
        _ => Err(MISMATCH),
    }
}

pub(super) fn sign(args: &[Value]) -> Result<Value, Reason> {
    match args {
        [Value::Double(it)] if it.is_nan() || *it == 0.0 => Ok(Value::Double(*it)),
        [Value::Double(it)] => Ok(Value::Double(it.signum())),
        [Value::Int(it)] => Ok(Value::Int(it.signum())),
        [Value::Uint(_)] => Ok(Value::Int(1)),
        _ => Err(MISMATCH),
    }
}

pub(super) fn ceil(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Double(it.ceil()))
}

pub(super) fn floor(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Double(it.floor()))
}

pub(super) fn round(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Double(it.round()))
}

pub(super) fn trunc(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Double(it.trunc()))
}

pub(super) fn is_nan(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Bool(it.is_nan()))
}

pub(super) fn is_infinite(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Bool(it.is_infinite()))
}

pub(super) fn is_finite(args: &[Value]) -> Result<Value, Reason> {
    double(args, |it| Value::Bool(it.is_finite()))
}
