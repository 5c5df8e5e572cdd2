//! Tests of the transcoder.
